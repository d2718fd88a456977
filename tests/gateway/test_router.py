"""Routes are found as Starlette finds them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette import exceptions, routing, types

from parallax.gateway import router

PATHS = ("/", "/a", "/a/b", "/{x}", "/a/{x}", "/{x}/{y}")


async def _nothing(scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
    """Answer nothing."""


class _End:
    """An endpoint that is an application."""

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Answer nothing."""


async def _silence() -> types.Message:
    raise AssertionError("nothing is read")


async def _unheard(message: types.Message) -> None:
    raise AssertionError("nothing is sent")


async def _found(chosen: routing.Router, method: str, path: str) -> tuple[object, ...]:
    scope: types.Scope = {"type": "http", "method": method, "path": path, "app": None}
    status = 0
    try:
        await chosen(scope, _silence, _unheard)
    except exceptions.HTTPException as refused:
        status = refused.status_code
    return status, scope.get("route"), scope.get("path_params"), scope.get("endpoint")


def _route(path: str, method: str) -> routing.Route:
    return routing.Route(path, _End(), methods=[method])


@given(
    st.lists(st.builds(_route, st.sampled_from(PATHS), st.sampled_from(("GET", "POST")))),
    st.sampled_from(("GET", "HEAD", "POST", "PUT")),
    st.sampled_from(("/", "/a", "/b", "/a/b", "/a/c", "/c/b", "/a/", "/a/b/c", "")),
)
async def test_the_same_route_is_found_as_by_trying_all(
    routes: list[routing.Route], method: str, path: str
) -> None:
    plain = routing.Router(routes, redirect_slashes=False, default=_nothing)

    assert await _found(router.Router(routes, _nothing), method, path) == await _found(
        plain, method, path
    )


@pytest.mark.parametrize("path", ["/a%0a", "/a\n"])
async def test_a_line_break_does_not_end_a_path(path: str) -> None:
    chosen = router.Router([_route("/a", "GET")], _nothing)

    assert await _found(chosen, "GET", path) == (0, None, None, None)
