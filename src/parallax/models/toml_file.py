"""``model.toml``: what a person writes beside a model. Checked strictly, because a misspelt key
that is ignored would show as wrong boxes much later.
"""

import tomllib
from pathlib import Path

import msgspec

from parallax.models import description, files


def read(path: Path, folder: Path) -> tuple[description.Description, tuple[Path, ...]]:
    """Read a ``model.toml``.

    Args:
        path: the file.
        folder: the package's folder; a ``labels`` file must lie in it.

    Returns:
        The description, and which further files it took in.

    Raises:
        ModelRefusedError: not TOML, an unknown key, or a value that is not allowed; says which.
    """
    try:
        content = tomllib.loads(files.read_text(path))
    except tomllib.TOMLDecodeError as problem:
        raise files.refused(path, f"not valid TOML: {problem}") from problem
    taken: tuple[Path, ...] = ()
    labels = content.get("labels")
    if isinstance(labels, str):
        taken = (files.inside(folder, labels, path),)
        content["labels"] = list(files.read_lines(taken[0]))
    try:
        described = msgspec.convert(content, description.Description)
    except msgspec.ValidationError as problem:
        raise files.refused(path, _plain_words(str(problem))) from problem
    if described.task is not None:
        task = description.task_name(described.task)
        described = msgspec.structs.replace(described, task=task)
    return described, taken


def _plain_words(message: str) -> str:
    return message.replace("Object contains unknown field", "unknown key")
