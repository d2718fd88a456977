"""Pages of other sites: who may use the server from a browser."""

import dataclasses

import httpx
import pytest

from parallax.gateway import app
from tests.gateway import support

SITE = "https://app.example.com"
ASKS = {"Origin": SITE, "Access-Control-Request-Method": "POST"}


async def ask(
    rig: support.Rig, origins: tuple[str, ...], method: str, path: str, headers: dict[str, str]
) -> httpx.Response:
    http = dataclasses.replace(rig.settings.http, allow_origins=origins, api_keys=("key",))
    settings = dataclasses.replace(rig.settings, http=http)
    transport = httpx.ASGITransport(app.build(dataclasses.replace(rig.context, settings=settings)))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, headers=headers)


@pytest.mark.parametrize("origins", [(SITE,), ("*",), ("https://else.example.com", SITE)])
async def test_a_site_that_is_allowed_may_ask(rig: support.Rig, origins: tuple[str, ...]) -> None:
    before = await ask(rig, origins, "OPTIONS", "/infer/object_detection", ASKS)
    after = await ask(rig, origins, "GET", "/status", {"Origin": SITE})

    assert before.status_code == 200
    assert after.status_code == 401  # the page has to send a key, but may read why
    for answer in (before, after):
        assert answer.headers["access-control-allow-origin"] in (SITE, "*")
        assert "access-control-allow-credentials" not in answer.headers
    assert "X-Model-Cold-Start" in after.headers["access-control-expose-headers"]


@pytest.mark.parametrize("origins", [(), ("https://else.example.com",)])
async def test_another_may_not(rig: support.Rig, origins: tuple[str, ...]) -> None:
    answer = await ask(rig, origins, "GET", "/info", {"Origin": SITE})

    assert "access-control-allow-origin" not in answer.headers
