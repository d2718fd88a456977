"""The pages for people, and the picture that they offer to try."""

import functools
from importlib import resources

from starlette import requests, responses

from parallax.gateway import problems

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


async def index(request: requests.Request) -> responses.Response:
    """What this server is, its models, and a form to try one."""
    page = _packaged("parallax.gateway", "pages/index.html")
    return responses.HTMLResponse(page, headers=_HEADERS)


async def docs(request: requests.Request) -> responses.Response:
    """What can be asked of this server, read from ``/openapi.json`` by the page itself."""
    page = _packaged("parallax.gateway", "pages/docs.html")
    return responses.HTMLResponse(page, headers=_HEADERS)


async def openapi(request: requests.Request) -> responses.Response:
    """The description that ``app.build`` put on the application."""
    return responses.Response(request.app.state.openapi, media_type="application/json")


async def sample(request: requests.Request) -> responses.Response:
    """The picture that the demo detector was made for."""
    try:
        content = _packaged("parallax.demo", "sample.jpg")
    except FileNotFoundError:
        raise problems.UnknownPathError("This installation has no sample picture.") from None
    headers = {"Cache-Control": "max-age=3600"}
    return responses.Response(content, 200, headers, "image/jpeg")


@functools.cache
def _packaged(package: str, path: str) -> bytes:
    return resources.files(package).joinpath(path).read_bytes()
