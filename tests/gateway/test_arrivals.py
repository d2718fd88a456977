"""What was expected and is refused on its way to its endpoint takes no place from others."""

import httpx
import pytest
from starlette import applications

from tests.gateway import support

KEYED = {"authorization": "Bearer right"}


def client(app: applications.Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


def let_in(app: applications.Starlette, target: str) -> bool:
    """Say whether the server lets a request in by its headers."""
    return app.state.shedder(b"POST", target.encode(), [(b"host", b"x")]) is None


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/demo", {}, 401),
        ("/infer/object_detection", {"authorization": "Bearer wrong"}, 401),
        ("/a/", KEYED, 404),
        ("/infer/object_detection", KEYED, 422),
        ("/demo", KEYED | {"x-request-timeout": "soon"}, 422),
    ],
)
async def test_a_refused_request_is_expected_no_more(
    target: str, headers: dict[str, str], status: int
) -> None:
    async with support.running(max_in_flight=1) as rig:
        app = rig.locked(api_keys=("right",))
        assert let_in(app, target)
        async with client(app) as asking:
            assert (await asking.post(target, headers=headers)).status_code == status

        assert let_in(app, "/demo")


async def test_a_request_takes_only_itself_off_the_account() -> None:
    async with support.running(max_in_flight=2) as rig:
        app = rig.locked(api_keys=("right",))
        assert let_in(app, "/demo")
        assert let_in(app, "/demo")
        async with client(app) as asking:
            assert (await asking.post("/infer/object_detection", headers=KEYED)).status_code == 422
            assert (await asking.get("/demo")).status_code == 401

        assert let_in(app, "/demo")
        assert not let_in(app, "/demo")
