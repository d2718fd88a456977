"""Answers as a server gives them to the requests of chaos."""

import json
from collections.abc import Sequence
from typing import Any

from parallax.chaos import codes
from parallax.chaos.asking import Asked, Kind
from parallax.chaos.pictures import Picture

SIZE = (480, 320)


def picture(*code: int) -> Picture:
    """Return a picture of a code; nobody looks at its data."""
    return Picture(code, SIZE, b"\xff\xd8" + bytes(code) + b"." * 4000)


def found(label: str, shown: Picture) -> dict[str, Any]:
    """Return what is seen in a picture."""
    wide, tall = shown.size[0] / codes.COLUMNS, shown.size[1] / codes.ROWS
    return {
        "inference_id": label,
        "image": {"width": shown.size[0], "height": shown.size[1]},
        "predictions": [
            {
                "class": codes.SHAPES[symbol],
                "confidence": 0.8,
                "x": (at % codes.COLUMNS + 0.5) * wide,
                "y": (at // codes.COLUMNS + 0.5) * tall,
            }
            for at, symbol in enumerate(shown.code)
            if symbol != codes.EMPTY
        ],
    }


def body(asked: Asked, shown: Sequence[Picture] | None = None) -> bytes:
    """Return the answer to a request, as if these had been its pictures."""
    rows = [found(asked.label, each) for each in shown or asked.pictures]
    if asked.kind is Kind.DRAWN:
        rows[0]["visualization"] = "aGVsbG8="
    return json.dumps(rows if asked.kind is Kind.SEVERAL else rows[0]).encode()
