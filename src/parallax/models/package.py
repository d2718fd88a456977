"""Model packages on disk: where they are, what they are called, and what they say of themselves."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from parallax.contract import errors
from parallax.models import description, files, network, roboflow, toml_file, ultralytics

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


def find(directory: Path) -> Iterator[Found | Misfit]:
    """Look for models: ``NAME.onnx``, ``NAME/*.onnx`` and ``PROJECT/VERSION/*.onnx``.

    A path of an ONNX file is that one model. Names that begin with a dot or an underscore are
    skipped. What lies beside bare files (``model.toml``, ``class_names.txt``) describes each of
    them. What looks like a package and is none comes as a ``Misfit``.
    """
    if directory.is_file():
        yield _named(directory.stem, directory)
        return
    if not directory.is_dir():
        yield Misfit(directory, "no such folder")
        return
    for path in _onnx_files(directory):
        yield _named(path.stem, path)
    for project in _folders(directory):
        yield from _package(project.name, project)
        for version in _folders(project):
            yield from _package(f"{project.name}/{version.name}", version)


def read(found: Found) -> Package:
    """Read all files of a package.

    Raises:
        ModelRefusedError: one of them cannot be used; names it and says why.
    """
    opened = network.load(found.path, found.folder)
    written, taken = _toml(found)
    beside, also_taken = roboflow.read(found.folder)
    inside = ultralytics.read(opened.metadata, found.path)
    described = description.merge(description.merge(written, beside), inside)
    sources = (found.path, *opened.external, *taken, *also_taken)
    return Package(found.id, described, opened, _digest(sources))


def _named(model_id: str, path: Path) -> Found | Misfit:
    try:
        check_id(model_id)
    except errors.BadModelIdError as problem:
        return Misfit(path, problem.message)
    return Found(model_id, path)


def _package(model_id: str, folder: Path) -> Iterator[Found | Misfit]:
    found = _onnx_files(folder)
    if len(found) == 1:
        yield _named(model_id, found[0])
    elif found:
        names = ", ".join(path.name for path in found)
        yield Misfit(folder, f"holds several ONNX files ({names}); keep one")
    elif any((folder / name).is_file() for name in ("model.toml", *roboflow.FILES)):
        yield Misfit(folder, "describes a model but holds no .onnx file")


def _onnx_files(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.suffix == ".onnx" and path.is_file()]


def _folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name[0] not in "._")
    except OSError:
        # Unreadable or gone since it was listed: nothing in it can be served.
        return []


def _toml(found: Found) -> tuple[description.Description, Sequence[Path]]:
    for path in (found.path.with_suffix(".toml"), found.folder / "model.toml"):
        if path.is_file():
            described, taken = toml_file.read(path, found.folder)
            return described, (path, *taken)
    return description.Description(), ()


def _digest(sources: Sequence[Path]) -> str:
    total = hashlib.sha256()
    for path in sources:
        try:
            with path.open("rb") as content:
                total.update(hashlib.file_digest(content, "sha256").digest())
        except OSError as problem:
            raise files.refused(path, f"cannot be read: {problem}") from problem
    return total.hexdigest()
