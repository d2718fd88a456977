"""What parallax depends on, directly and not, as it is installed here."""

import importlib.metadata
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging import requirements, utils

PROJECT: dict[str, Any] = tomllib.loads(
    (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
)["project"]


def closure(lines: Iterable[str]) -> set[str]:
    """Return the distributions that these requirements bring, and those that they bring."""
    seen: set[tuple[str, str]] = set()
    waiting = [each for line in lines for each in _wanted(line, "")]
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += [each for line in _needed(one[0]) for each in _wanted(line, one[1])]
    return {name for name, _ in seen}


def holds(requirement: requirements.Requirement, extra: str = "") -> bool:
    """Say whether a requirement is one of this machine, for somebody who asks for an extra."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _wanted(line: str, extra: str) -> list[tuple[str, str]]:
    """Return the name of a requirement with each extra that it asks for, and with none."""
    found = requirements.Requirement(line)
    if not holds(found, extra):
        return []
    return [(utils.canonicalize_name(found.name), each) for each in ("", *found.extras)]


def _needed(name: str) -> list[str]:
    try:
        return importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []
