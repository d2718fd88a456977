"""Model packages on disk: what they are called, and what they say of themselves."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from parallax.contract import errors
from parallax.models import description, files, network, toml_file, ultralytics
from parallax.models.roboflow import places, reading

_SEGMENT = re.compile(r"[\w.~+@-]{1,128}")
_MAX_SEGMENTS = 2


@dataclass(frozen=True, slots=True)
class Found:
    """A place that holds a model, by the look of it."""

    id: str
    path: Path
    """The ONNX file."""

    @property
    def folder(self) -> Path:
        """Where its other files are; for a bare file the folder it lies in."""
        return self.path.parent


@dataclass(frozen=True, slots=True)
class Misfit:
    """A place that looks like a model's and is none."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Package:
    """A model with all it says of itself."""

    id: str
    description: description.Description
    network: network.Network
    digest: str
    """SHA-256 of the content of all its files, in hexadecimal."""
    notes: tuple[str, ...] = ()
    """What was left out of account, for the log."""


def check_id(model_id: str) -> None:
    """Check the form of a model's id: one or two segments of letters, digits and ``._~+@-``.

    Raises:
        BadModelIdError: it has another form; ``.`` and ``..`` are no segments.
    """
    segments = model_id.split("/")
    if len(segments) > _MAX_SEGMENTS:
        raise errors.BadModelIdError(f"the model id {model_id!r} has more than two segments")
    for segment in segments:
        if not _SEGMENT.fullmatch(segment) or segment in (".", ".."):
            raise errors.BadModelIdError(
                f"the model id {model_id!r} has a segment {segment!r}; "
                "segments are 1 to 128 letters, digits or any of ._~+@-"
            )


def read(found: Found) -> Package:
    """Read all files of a package.

    Raises:
        ModelRefusedError: one of them cannot be used; names it and says why.
    """
    opened = network.load(found.path, found.folder, places.blobs_of(found.folder))
    written = _toml(found)
    beside, notes = _yielding(reading.read(found.folder), opened)
    inside = ultralytics.read(opened.metadata, found.path)
    described = description.merge(
        description.merge(written.description, beside.description), inside
    )
    sources = (found.path, *opened.external, *written.taken, *beside.taken)
    return Package(found.id, described, opened, _digest(sources), (*beside.notes, *notes))


def _yielding(
    said: description.Said, opened: network.Network
) -> tuple[description.Said, Sequence[str]]:
    """Take the size from what Roboflow's files say where the graph knows its own.

    Theirs may be the size of the data set's pictures.
    """
    given = said.description.input
    sides = {"width": opened.width, "height": opened.height}
    differing = {
        name: fixed
        for name, fixed in sides.items()
        if fixed is not None and getattr(given, name) not in (None, fixed)
    }
    if not differing:
        return said, ()
    yielded = structs.replace(given, **dict.fromkeys(differing))
    described = structs.replace(said.description, input=yielded)
    notes = tuple(
        f"the graph's {name} of {fixed} is used, not {getattr(given, name)} as its files say"
        for name, fixed in differing.items()
    )
    return structs.replace(said, description=described), notes


def _toml(found: Found) -> description.Said:
    for path in (found.path.with_suffix(".toml"), found.folder / "model.toml"):
        if path.is_file():
            files.inside(found.folder, path.name, path, places.blobs_of(found.folder))
            return toml_file.read(path, found.folder)
    return description.Said()


def _digest(sources: Sequence[Path]) -> str:
    total = hashlib.sha256()
    for path in sources:
        try:
            with path.open("rb") as content:
                total.update(hashlib.file_digest(content, "sha256").digest())
        except OSError as problem:
            raise files.refused(path, f"cannot be read: {problem}") from problem
    return total.hexdigest()
