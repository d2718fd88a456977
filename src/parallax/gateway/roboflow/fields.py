"""The types of values in requests of this dialect, with their bounds."""

from typing import Annotated

import msgspec
from msgspec import Meta

from parallax.gateway.roboflow import thresholds

LONGEST_TEXT = 256
"""Bound of what is copied per picture and hop, or repeated in answers."""

Text = Annotated[str, Meta(max_length=LONGEST_TEXT)]
# The bounds keep out what is no number, and the infinities.
Finite = Annotated[float, Meta(ge=-1e9, le=1e9)]
Threshold = Finite | thresholds.Word
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Stroke = Annotated[int, Meta(ge=1, le=100)]
Names = Annotated[list[Text], Meta(max_length=1000)]


class ImageField(msgspec.Struct, gc=False):
    """One picture."""

    type: Annotated[str, Meta(description="`base64`, `url` or `numpy`, in any case.")]
    # Looked at only once the type is known.
    value: Annotated[
        msgspec.Raw,
        Meta(
            description="Base64 of an encoded picture (a `data:` prefix is fine), a URL, or base64 "
            "of a `.npy` file with an array of height x width x 3 (BGR, uint8)."
        ),
    ] = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
