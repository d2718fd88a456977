"""Image objects and bare bodies: what is a picture, what is refused, and that nothing is opened."""

import asyncio
import base64
from typing import cast

import msgspec
import pytest

from parallax.contract import decoding, errors
from parallax.gateway.remote import fetch
from parallax.gateway.roboflow import fields, pictures

NPY = decoding.NPY_SIGNATURE + b"\x01\x00 and so on"


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def made(kind: str, value: object) -> fields.ImageField:
    return fields.ImageField(kind, msgspec.Raw(msgspec.json.encode(value)))


def cause(read: object) -> str:
    with pytest.raises(errors.BadImageError, match=r"^Could not load input image\. Cause: ") as it:
        read()  # type: ignore[operator]
    return it.value.message


@pytest.mark.parametrize("kind", ["numpy", "NumPy", "base64"])
def test_an_array_file_passes_as_it_is(kind: str) -> None:
    assert pictures.from_field(made(kind, text(NPY))) == NPY


@pytest.mark.parametrize("value", [text(b"\x80\x04K\x05."), "x", "", None, {"a": 1}])
def test_what_is_no_array_file_is_no_array(value: object) -> None:
    refusal = cause(lambda: pictures.from_field(made("numpy", value)))

    assert "NumPy image type is not supported" in refusal


@pytest.mark.parametrize("kind", ["file", "pil", "multipart", "numpy_object", "FILE", "ftp", ""])
def test_other_types_are_refused_whatever_their_value(kind: str) -> None:
    assert cause(lambda: pictures.from_field(made(kind, {"path": "/etc/passwd"})))


def test_a_url_is_kept_for_fetching() -> None:
    found = pictures.from_field(made("URL", "https://a.example.com/b"))

    assert found == pictures.Url("https://a.example.com/b")


@pytest.mark.parametrize("kind", ["base64", "numpy", "url"])
def test_bytes_that_are_no_text_are_refused(kind: str) -> None:
    field = fields.ImageField(kind, msgspec.Raw(b'"QUJ\xc0\x80D"'))

    assert "not valid text" in cause(lambda: pictures.from_field(field))


@pytest.mark.parametrize("value", ["", "x" * 8193, None, 5])
def test_a_url_has_a_length(value: object) -> None:
    assert cause(lambda: pictures.from_field(made("url", value)))


@pytest.mark.parametrize(
    "body", [b"QUJD", b"data:image/jpeg;base64,QUJD", b"Q\nU\nJ D", b"QUJD==="]
)
def test_a_bare_body_of_base64_is_lenient(body: bytes) -> None:
    assert pictures.from_body("Base64", body) == b"ABC"


@pytest.mark.parametrize("body", [b"\xff\xd8\xff\xe0", b"\x89PNG", NPY])
def test_a_bare_body_that_is_no_text_is_the_picture(body: bytes) -> None:
    assert pictures.from_body("base64", body) == body


@pytest.mark.parametrize("kind", ["url", "pil"])
def test_raw_bytes_are_no_url(kind: str) -> None:
    assert "raw bytes" in cause(lambda: pictures.from_body(kind, b"\xff\xd8\xff\xe0"))


@pytest.mark.parametrize("body", [NPY, text(NPY).encode()])
def test_a_bare_array_comes_raw_or_as_text(body: bytes) -> None:
    assert pictures.from_body("numpy", body) == NPY


@pytest.mark.parametrize("kind", ["base64", "numpy", "nonsense"])
def test_an_empty_body_is_no_picture(kind: str) -> None:
    assert "empty" in cause(lambda: pictures.from_body(kind, b""))


class Slow:
    """A fetcher that counts how many fetches are under way at a time."""

    def __init__(self) -> None:
        self.under_way = self.most = 0

    async def fetch(self, url: str, until: float) -> bytes:
        """Return the URL, or fail where it says so."""
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        if url.startswith("bad"):
            raise errors.BadImageError(url)
        return url.encode()


def as_fetcher(slow: Slow) -> fetch.Fetcher:
    return cast(fetch.Fetcher, slow)


async def test_urls_are_fetched_side_by_side_but_not_all_at_once() -> None:
    slow = Slow()
    sources = [pictures.Url(str(number)) for number in range(20)]

    found = await pictures.fetched([b"sent", *sources], as_fetcher(slow), 1.0)

    assert found == [b"sent", *(str(number).encode() for number in range(20))]
    assert slow.most == pictures.FETCHES_AT_ONCE


async def test_one_that_cannot_be_fetched_is_the_error_of_all() -> None:
    sources = [pictures.Url(name) for name in ("good", "bad 1", "bad 2")]

    with pytest.raises(errors.BadImageError, match="bad"):
        await pictures.fetched(sources, as_fetcher(Slow()), 1.0)
