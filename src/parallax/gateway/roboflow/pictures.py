"""From an image object of a request to the bytes of the encoded picture.

Pickled arrays are refused for good: reading one runs the sender's code. So are paths: a client has
no business with the server's files.
"""

import asyncio
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from parallax.contract import decoding, errors
from parallax.gateway import problems
from parallax.gateway.remote import fetch, policy
from parallax.gateway.roboflow import fields

FETCHES_AT_ONCE = 8
"""URLs of one request that are fetched at a time."""

_LONGEST_SHOWN = 40
_IN_PROCESS = "Image type {} is for programs that run in the server; send the picture as base64."
_REFUSALS = {
    "file": "Loading files of the server is disabled; send the picture as base64.",
    "numpy_object": _IN_PROCESS.format("numpy_object"),
    "pil": _IN_PROCESS.format("pil"),
    "multipart": _IN_PROCESS.format("multipart"),
}
_decode_strict = msgspec.json.Decoder(bytes).decode
_decode_any = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Url:
    """Where a picture is, when the client did not send it."""

    address: str


Source = bytes | Url


def from_field(image: fields.ImageField) -> Source:
    """Return the encoded picture of an image object, or where it is.

    Raises:
        BadImageError: the type is not served, or the value is not of that type.
    """
    kind = image.type.lower()
    if kind == "base64":
        try:
            # Clean base64, the usual case, is decoded from the body without a copy as text.
            return _not_empty(_decode_strict(image.value))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass
    try:
        value = _decode_any(image.value) if kind in _READERS else ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Bytes that are not UTF-8 and lone surrogates are noticed only now.
        raise problems.not_loaded("The value of the image is not valid text.") from None
    if not isinstance(value, str):
        if kind == "numpy":
            raise _no_array()
        raise problems.not_loaded(f"The value of an image of type {kind} must be a string.")
    return from_text(kind, value)


def from_body(kind: str, body: bytes) -> Source:
    """Return the picture of a body that is nothing but the value of an image.

    No encoded picture is ASCII from end to end, and base64 and URLs are nothing else. So a body
    that is no text is the picture itself, whatever the header calls it: that saves its sender a
    third of the bytes, and both sides the translation.

    Raises:
        BadImageError: as ``from_field``.
    """
    kind = kind.lower()
    if not body:
        raise problems.not_loaded("The body is empty.")
    if body.isascii():
        return from_text(kind, body.decode("ascii"))
    if kind == "numpy" and not body.startswith(decoding.NPY_SIGNATURE):
        raise _no_array()
    if kind in _RAW:
        return body
    raise problems.not_loaded(f"The body holds raw bytes, where the text of a {kind} is expected.")


def from_text(kind: str, value: str) -> Source:
    """Return the picture that a text of this (lower-case) type stands for, or where it is.

    Raises:
        BadImageError: the type is not served, or the value is not of that type.
    """
    reader = _READERS.get(kind)
    if reader is None:
        default = f"Image type {kind[:_LONGEST_SHOWN]!r} is not known (base64, url or numpy)."
        raise problems.not_loaded(_REFUSALS.get(kind, default))
    return reader(value)


async def fetched(sources: Sequence[Source], fetcher: fetch.Fetcher, until: float) -> list[bytes]:
    """Return the pictures in order, those behind URLs fetched side by side.

    Raises:
        ParallaxError: the first that went wrong; see ``Fetcher.fetch``.
    """
    sent = [source for source in sources if isinstance(source, bytes)]
    if len(sent) == len(sources):
        return sent
    room = asyncio.Semaphore(FETCHES_AT_ONCE)

    async def one(source: Source) -> bytes:
        if isinstance(source, bytes):
            return source
        async with room:
            return await fetcher.fetch(source.address, until)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(source), name="fetch-url") for source in sources]
    except BaseExceptionGroup as several:
        raise _first(several) from None
    return [task.result() for task in tasks]


def _first(several: BaseExceptionGroup[BaseException]) -> BaseException:
    named = several.subgroup(errors.ParallaxError)
    return several if named is None else named.exceptions[0]


def _base64(text: str) -> bytes:
    if text.startswith("data:"):
        text = text.partition(",")[2]
    alphabet = text.encode("ascii", "ignore").replace(b"=", b"")
    try:
        # What is not of the alphabet is skipped; padding may be short, so it is made generous.
        return _not_empty(binascii.a2b_base64(alphabet + b"==="))
    except binascii.Error:
        raise problems.not_loaded("The image payload is not valid base64.") from None


def _numpy(text: str) -> bytes:
    try:
        content = _base64(text)
    except errors.BadImageError:
        raise _no_array() from None
    if not content.startswith(decoding.NPY_SIGNATURE):
        raise _no_array()
    return content


def _no_array() -> errors.BadImageError:
    return problems.not_loaded(
        "NumPy image type is not supported as a pickle; send base64 of a .npy file."
    )


def _url(text: str) -> Url:
    if not 0 < len(text) <= policy.LONGEST_URL:
        raise problems.not_loaded(f"A URL has from 1 to {policy.LONGEST_URL} characters.")
    return Url(text)


_READERS: dict[str, Callable[[str], Source]] = {"base64": _base64, "numpy": _numpy, "url": _url}
_RAW = frozenset({"base64", "numpy"})


def _not_empty(picture: bytes) -> bytes:
    if not picture:
        raise problems.not_loaded("The image payload is empty.")
    return picture
