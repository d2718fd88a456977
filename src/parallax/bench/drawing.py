"""Text, numbers and axes of a report's page: what its plots and bars have in common."""

import html
import math
from collections.abc import Sequence

COLOURS = 8
"""Series have the classes c0 to c7 in the page's style."""


def text(value: object) -> str:
    """Return what a report says, so that nothing in it can be markup."""
    return html.escape(str(value))


def figure(value: float) -> str:
    """Return a number with three significant digits, and all of those before the point."""
    if value >= 99.95 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def colour(index: int) -> str:
    """Return the class of a series; from the ninth on lines are told apart by their dashes too."""
    return f"c{index % COLOURS}" + (" dashed" if index >= COLOURS else "")


def ticks(most: float, count: int = 5) -> list[float]:
    """Return round numbers from 0 to the first that is not below ``most``."""
    rough = max(most, 1e-9) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * unit for unit in (1, 2, 2.5, 5, 10) if power * unit >= rough * 0.999)
    return [step * index for index in range(math.ceil(most / step * 0.999999) + 1)]


def log_ticks(least: float, most: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten that enclose a range of positive numbers."""
    found = [
        unit * 10.0**power
        for power in range(math.floor(math.log10(least)) - 1, math.ceil(math.log10(most)) + 1)
        for unit in (1, 2, 5)
    ]
    start = max(index for index, value in enumerate(found) if value <= least * 1.0001)
    end = min(index for index, value in enumerate(found) if value >= most * 0.9999)
    return found[start : max(end, start + 1) + 1]


def apart(wanted: Sequence[float], distance: float, lowest: float, highest: float) -> list[float]:
    """Return places as near to the wanted ones as may be, in their order, ``distance`` apart.

    They lie between ``lowest`` and ``highest`` where there is room for all.
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    places = [0.0] * len(wanted)
    last = lowest - distance
    for index in order:
        last = places[index] = max(wanted[index], last + distance)
    ceiling = highest
    for index in reversed(order):
        ceiling = places[index] = min(places[index], ceiling)
        ceiling -= distance
    return places


def tag(name: str, content: str | None = None, **attributes: object) -> str:
    """Return an element; ``class_`` and ``text_anchor`` stand for class and text-anchor.

    Attributes are escaped, the content is not.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(_short(value))}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}/>" if content is None else f"<{name}{written}>{content}</{name}>"


def _short(value: object) -> object:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
