"""What browsers are told of the pages and of everything else."""

import base64
import hashlib
import re

import httpx
import pytest

PAGES = ["/", "/docs", "/redoc"]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_may_do_only_what_is_written_in_it(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path)
    policy = dict(
        part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; ")
    )

    assert "unsafe" not in str(policy)
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    for tag in ("script", "style"):
        found = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", answer.text, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()) for each in found]
        assert digests
        assert policy[f"{tag}-src"] == " ".join(f"'sha256-{each.decode()}'" for each in digests)


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_has_nothing_that_its_policy_forbids(
    client: httpx.AsyncClient, path: str
) -> None:
    page = (await client.get(path)).text

    assert not re.search(r"<[^>]+\s(style|on\w+)=", page)
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=[\"'](?!data:)", page)


@pytest.mark.parametrize("path", PAGES)
async def test_no_other_site_may_frame_a_page(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers

    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "camera=()" in headers["permissions-policy"]


@pytest.mark.parametrize(
    "path", [*PAGES, "/status", "/info", "/openapi.json", "/sample.jpg", "/nowhere", "/metrics"]
)
async def test_no_answer_is_guessed_to_be_something_else(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path)

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"]


@pytest.mark.parametrize("path", ["/status", "/info", "/logs", "/nowhere", "/model/registry"])
async def test_no_answer_is_kept_by_a_cache(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).headers["cache-control"] == "no-store"


async def test_the_sample_picture_may_be_kept(client: httpx.AsyncClient) -> None:
    headers = (await client.get("/sample.jpg")).headers

    assert headers.get_list("cache-control") == ["max-age=3600"]
