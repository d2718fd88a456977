"""Rows of bars for a report's page: they stretch with the page, and their text does not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parallax.bench import drawing

tag, text, figure = drawing.tag, drawing.text, drawing.figure

_THICK = 16

_COLOURS = ("api", "pre", "infer", "post", "broker", "supervisor", "other", "client")
"""A kind of process or a stage has one colour in all bars; what is no work of the server is grey,
as clients and waiting are."""


@dataclass(frozen=True, slots=True)
class Row:
    """A bar of one or several parts."""

    name: str
    parts: Mapping[str, float]
    said: str
    """What stands at its end."""


def stacked(rows: Sequence[Row], kinds: Sequence[str]) -> str:
    """Return a bar for each row, its parts in the order of ``kinds``, and what the colours mean."""
    most = max((sum(row.parts.values()) for row in rows), default=0.0)
    bars = "".join(_bar(row, kinds, most) for row in rows)
    return tag("div", bars, class_="bars") + _legend(kinds)


def single(rows: Sequence[Row], most: float | None = None) -> str:
    """Return a bar of one part for each row; ``most`` fills the width, by default the longest."""
    longest = max((sum(row.parts.values()) for row in rows), default=0.0)
    kinds = list(dict.fromkeys(kind for row in rows for kind in row.parts))
    bars = "".join(_bar(row, kinds, most or longest, same=True) for row in rows)
    return tag("div", bars, class_="bars")


def _bar(row: Row, kinds: Sequence[str], most: float, *, same: bool = False) -> str:
    drawn, start = [], 0.0
    for kind in kinds:
        wide = 100.0 * row.parts.get(kind, 0.0) / most if most > 0 else 0.0
        if wide > 0:
            hover = tag("title", f"{text(kind)}: {figure(row.parts[kind])}")
            shape = {"x": f"{start:.2f}%", "width": f"{wide:.2f}%"}
            colour = drawing.colour(0) if same else _colour(kind)
            drawn.append(_rectangle(hover, colour, shape))
        start += wide
    label = f"{row.name}: {row.said}"
    bar = tag("svg", "".join(drawn), width="100%", height=_THICK, role="img", aria_label=label)
    ends = tag("span", text(row.name)), tag("span", text(row.said), class_="total")
    return tag("div", ends[0] + bar + ends[1])


def _colour(kind: str) -> str:
    return drawing.colour(_COLOURS.index(kind if kind in _COLOURS else _COLOURS[-1]))


def _rectangle(hover: str, colour: str, shape: Mapping[str, str]) -> str:
    return tag("rect", hover, class_=colour, x=shape["x"], width=shape["width"], y=0, height=_THICK)


def _legend(kinds: Sequence[str]) -> str:
    def swatch(kind: str) -> str:
        square = tag("rect", class_=_colour(kind), width=11, height=11)
        return tag("svg", square, width=11, height=11, aria_hidden="true")

    items = (tag("li", swatch(kind) + text(kind)) for kind in kinds)
    return tag("ul", "".join(items), class_="legend")
