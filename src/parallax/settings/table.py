"""The README's table of options, made from the options.

``python -m parallax.settings.table README.md`` writes it between the two markers; a test compares.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from parallax.settings import fields, render, sources

OPENING = "<!-- options -->"
CLOSING = "<!-- /options -->"

_BETWEEN = re.compile(f"{re.escape(OPENING)}.*?{re.escape(CLOSING)}", re.DOTALL)


def markdown() -> str:
    """Return the table of all options."""
    return "\n".join(_lines()) + "\n"


def has_markers(text: str) -> bool:
    """Say whether the text has a place for the table."""
    return _BETWEEN.search(text) is not None


def inserted(text: str) -> str:
    """Return the text with the table of today between its markers."""
    block = f"{OPENING}\n{markdown()}{CLOSING}"
    return _BETWEEN.sub(lambda _: block, text)


def main(arguments: list[str]) -> None:
    """Write the table into each of the files."""
    for argument in arguments:
        path = Path(argument)
        path.write_text(inserted(path.read_text(encoding="utf-8")), encoding="utf-8")


def _lines() -> Iterator[str]:
    yield "| Option | Environment | File | Default | Meaning |"
    yield "| --- | --- | --- | --- | --- |"
    for field in fields.FIELDS:
        yield _row(
            _code(_flags(field)),
            ", ".join(_code(name) for name in field.environment),
            _code(f"[{field.section}] {field.name}"),
            "" if field.default in (None, ()) else _code(render.literal(field.default)),
            render.describe(field),
        )
    yield _row(
        _code("--config FILE"), _code(sources.CONFIG_VARIABLE), "", _code("./parallax.toml"),
        "The TOML file, if it exists.",
    )  # fmt: skip
    yield _row(
        "",
        _code(sources.LEGACY_HOST_VARIABLE),
        "",
        "",
        "Host of an external broker (port: `REDIS_PORT`); this machine means the embedded one.",
    )
    for name in sources.ACCEPTED_WITHOUT_EFFECT:
        yield _row("", _code(name), "", "", "Accepted without effect.")


def _flags(field: fields.Field) -> str:
    if field.kind is fields.Kind.BOOLEAN:
        return f"{field.flag} / {field.no_flag}"
    return f"{field.flag} ..." if field.option.repeatable else field.flag


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _code(text: str) -> str:
    return f"`{text}`"


if __name__ == "__main__":
    main(sys.argv[1:])
