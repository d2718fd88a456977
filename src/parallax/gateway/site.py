"""The pages for people, and the picture that they offer to try."""

import base64
import functools
import hashlib
import re
from importlib import resources

from starlette import requests, responses

from parallax.gateway import problems

_POLICY = (
    "default-src 'none'; script-src {scripts}; style-src {styles}; connect-src 'self'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


async def index(request: requests.Request) -> responses.Response:
    """What this server is, its models, and a form to try one."""
    return _page("pages/index.html")


async def docs(request: requests.Request) -> responses.Response:
    """What can be asked of this server, read from ``/openapi.json`` by the page itself."""
    return _page("pages/docs.html")


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


def _page(path: str) -> responses.Response:
    content = _packaged("parallax.gateway", path)
    return responses.HTMLResponse(content, headers=_headers(content))


@functools.cache
def _headers(page: bytes) -> dict[str, str]:
    """Return what a browser is told of a page: it runs and styles with what is written in it."""
    policy = _POLICY.format(scripts=_digests(b"script", page), styles=_digests(b"style", page))
    return {"Content-Security-Policy": policy, **_HEADERS}


def _digests(tag: bytes, page: bytes) -> str:
    """Return the elements of a kind as a Content Security Policy names them (level 3, 8.1)."""
    found = re.findall(rb"<%b>(.*?)</%b>" % (tag, tag), page, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(each).digest()).decode() for each in found)
    return " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"


@functools.cache
def _packaged(package: str, path: str) -> bytes:
    return resources.files(package).joinpath(path).read_bytes()
