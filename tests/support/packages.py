"""Writing the small files of model packages."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from parallax.contract import errors

HASH = "0123456789abcdef" * 2


def write(path: Path, content: object) -> Path:
    """Write text, or anything else as JSON; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def refusal(action: Callable[[], object]) -> str:
    """Return why a model is refused."""
    with pytest.raises(errors.ModelRefusedError) as caught:
        action()
    return caught.value.message


def outcome(action: Callable[[], object]) -> object:
    """Return what an action returns, or why the model is refused; all else is raised."""
    try:
        return action()
    except errors.ModelRefusedError as problem:
        return problem.message
