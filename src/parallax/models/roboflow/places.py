"""Where Roboflow's tools keep packages in their cache, and which ids they have there.

The older layout has a folder per project and version; an id that is no good name for folders has
one called ``~<words of it>-<hash>``. The newer has ``models-cache/v2-<words of the id>-<hash>/
<package>``, with large files as links into ``shared-blobs`` beside ``models-cache``. Such folders
do not spell the id, so it is read from the files in them.
"""

import re
from pathlib import Path

from parallax.contract import errors
from parallax.models import files
from parallax.models.roboflow import legacy, newer

NEWER = "models-cache"
BLOBS = "shared-blobs"
RESERVED = frozenset({NEWER, BLOBS, "workflow"})
"""Names at the top of a cache that are no projects. Others begin with an underscore."""

_HASHED = re.compile(r"(~|v2-).*-[0-9a-f]{32}")
_NAMING = ("model_config.json", "model_type.json")


def is_hashed(folder: Path) -> bool:
    """Tell a folder whose name does not spell the id."""
    return _HASHED.fullmatch(folder.name) is not None


def blobs_of(package: Path) -> Path | None:
    """Return the folder that a package of the newer layout may link into; None for others."""
    cache = package.absolute().parent.parent
    return cache.parent / BLOBS if cache.name == NEWER and is_hashed(package.parent) else None


def model_id(folder: Path) -> str | None:
    """Return the id that the files in a folder give the model; None when they do not.

    Raises:
        ModelRefusedError: such a file makes no sense.
    """
    for name in _NAMING:
        path = folder / name
        named = legacy.ids(files.read_json(path)) if path.is_file() else None
        if named:
            return named[0]
    return None


def refusal(package: Path) -> str | None:
    """Return why a package is for another back end than ONNX; None when it does not say so."""
    path = package / "model_config.json"
    try:
        return newer.refusal(files.read_json(path)) if path.is_file() else None
    except errors.ModelRefusedError:
        return None  # What is wrong with the file is said when the package is read.
