"""From the bytes of a JSON body to a checked call."""

from typing import TypeVar

import msgspec

from parallax.gateway import problems, violations
from parallax.gateway.roboflow import calls, fields

C = TypeVar("C", bound=msgspec.Struct)


def parse(decoder: msgspec.json.Decoder[C], body: bytes) -> C:
    """Return the checked body; the decoder must not be strict.

    Raises:
        InvalidBodyError: not JSON, or a field that is missing or of the wrong type.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as problem:
        raise violations.violation(str(problem), "body") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise problems.InvalidBodyError(
            f"The body is not valid JSON: {problem}", kind="json_invalid"
        ) from None
    except RecursionError:
        raise problems.InvalidBodyError(
            "The body is nested too deeply.", kind="json_invalid"
        ) from None


def images(call: calls.Call, most: int) -> list[fields.ImageField]:
    """Return the pictures as a list, whether one or several were sent.

    Raises:
        InvalidBodyError: none, or too many.
    """
    if isinstance(call.image, fields.ImageField):
        return [call.image]
    if not 1 <= len(call.image) <= most:
        raise problems.InvalidBodyError(
            f"Between 1 and {most} images are allowed in one request, got {len(call.image)}.",
            ("body", "image"),
            "too_short" if not call.image else "too_long",
        )
    return call.image
