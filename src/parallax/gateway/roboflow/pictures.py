"""From an image object of a request to the bytes of the encoded picture.

Only ``base64`` so far. Pickled arrays are refused for good: reading one runs the sender's code.
"""

import binascii

import msgspec

from parallax.contract import errors
from parallax.gateway.roboflow import schema

_decode_strict = msgspec.json.Decoder(bytes).decode
_decode_any = msgspec.json.Decoder().decode

_REFUSALS = {
    "url": "URL input is not served yet; send the picture as base64.",
    "numpy": "NumPy image type is not supported by this server; send the picture as base64.",
    "numpy_object": "NumPy image type is not supported by this server; send the picture as base64.",
    "file": "Files of the server cannot be read by clients; send the picture as base64.",
}
_LONGEST_SHOWN = 40


def decode(image: schema.ImageField) -> bytes:
    """Return the encoded picture.

    Raises:
        BadImageError: the type is not served, or the value is not base64 of anything.
    """
    kind = image.type.lower()
    if kind != "base64":
        default = f"Image type {image.type[:_LONGEST_SHOWN]!r} is not known."
        raise _not_loaded(_REFUSALS.get(kind, default))
    try:
        # Clean base64, the usual case, is decoded from the request body without a copy as text.
        picture = _decode_strict(image.value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        picture = _lenient(image.value)
    if not picture:
        raise _not_loaded("The image payload is empty.")
    return picture


def _lenient(value: msgspec.Raw) -> bytes:
    text = _decode_any(value)
    if not isinstance(text, str):
        raise _not_loaded("The value of a base64 image must be a string.")
    if text.startswith("data:"):
        text = text.partition(",")[2]
    alphabet = text.encode("ascii", "ignore").replace(b"=", b"")
    try:
        # What is not of the alphabet is skipped; padding may be short, so it is made generous.
        return binascii.a2b_base64(alphabet + b"===")
    except binascii.Error:
        raise _not_loaded("The image payload is not valid base64.") from None


def _not_loaded(cause: str) -> errors.BadImageError:
    return errors.BadImageError(f"Could not load input image. Cause: {cause}")
