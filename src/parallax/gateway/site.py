"""The page for people, at ``/``, and the picture that it offers to try."""

import functools
from importlib import resources

from starlette import requests, responses

from parallax.gateway import problems

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def index(request: requests.Request) -> responses.Response:
    """What this server is, its models, and a form to try one."""
    headers = {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return responses.HTMLResponse(_packaged("parallax.gateway", "pages/index.html"), 200, headers)


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
