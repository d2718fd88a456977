"""``model.toml``: what a person writes beside a model. Checked strictly, because a misspelt key
that is ignored would show as wrong boxes much later.
"""

import tomllib
import typing
from pathlib import Path

import msgspec

from parallax.models import description, files


def read(path: Path, folder: Path) -> description.Said:
    """Read a ``model.toml``.

    Args:
        path: the file.
        folder: the package's folder; a ``labels`` file must lie in it.

    Raises:
        ModelRefusedError: not TOML, an unknown key, or a value that is not allowed; says which.
    """
    try:
        content = tomllib.loads(files.read_text(path))
    except (ValueError, RecursionError) as problem:
        raise files.refused(path, f"not valid TOML: {problem}") from problem
    if "architecture" in content:
        raise files.refused(path, "unknown key `architecture`; the family has the key `family`")
    taken = [path]
    labels = content.get("labels")
    if isinstance(labels, str):
        taken.append(files.inside(folder, labels, path))
        content["labels"] = list(files.read_lines(taken[1]))
    if isinstance(content.get("keypoints"), dict):
        content["keypoints"] = [content["keypoints"]]
    try:
        described = msgspec.convert(content, description.Description)
    except msgspec.ValidationError as problem:
        raise files.refused(path, _plain_words(str(problem))) from problem
    if described.task is not None:
        task = description.task(described.task, path)
        described = msgspec.structs.replace(described, task=task)
    return description.Said(described, tuple(taken))


def _words(table: type[msgspec.Struct]) -> dict[str, tuple[str, ...]]:
    """Return the words that are allowed for each key that takes one of a few."""
    found = {}
    for key, kind in typing.get_type_hints(table).items():
        for choice in typing.get_args(kind):
            if typing.get_origin(choice) is typing.Literal:
                found[key] = typing.get_args(choice)
    return found


_WORDS = {**_words(description.Description), **_words(description.InputDescription)}


def _plain_words(message: str) -> str:
    message = message.replace("Object contains unknown field", "unknown key")
    words = _WORDS.get(message.rpartition("`")[0].rpartition(".")[2], ())
    if message.startswith("Invalid enum value") and words:
        return f"{message} (one of {', '.join(words)})"
    return message
