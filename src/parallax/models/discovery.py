"""Where models lie in a folder, by the look of it; nothing here opens a network."""

from collections.abc import Iterator
from pathlib import Path

from parallax.contract import errors
from parallax.models import package
from parallax.models.roboflow import places, reading


def find(directory: Path) -> Iterator[package.Found | package.Misfit]:
    """Look for models: ``NAME.onnx``, ``NAME/*.onnx`` and ``PROJECT/VERSION/*.onnx``.

    A path of an ONNX file is that one model, and so is that of a folder which is a version (its
    name is a number and it holds one ONNX file) or one of the packages that Roboflow's tools keep
    (see ``roboflow.places``). Names that begin with a dot or an underscore are skipped. What lies
    beside bare files (``model.toml``, ``class_names.txt``) describes each of them. What looks like
    a package and is none comes as a ``package.Misfit``.
    """
    if directory.is_file():
        yield _named(directory.stem, directory)
    elif not directory.is_dir():
        yield package.Misfit(directory, "no such folder")
    else:
        yield from _in_folder(directory)


def _in_folder(directory: Path) -> Iterator[package.Found | package.Misfit]:
    place = directory.absolute()
    if place.name == places.NEWER:
        yield from _cache(directory)
    elif place.parent.name == places.NEWER and places.is_hashed(place):
        yield from _cached(directory)
    elif places.is_hashed(place) or places.blobs_of(place) is not None:
        yield from _package(place.name, directory)
    elif place.name.isdecimal() and len(_onnx_files(directory)) == 1:
        yield from _package(f"{place.parent.name}/{place.name}", directory)
    else:
        yield from _root(directory)


def _root(directory: Path) -> Iterator[package.Found | package.Misfit]:
    for path in _onnx_files(directory):
        yield _named(path.stem, path)
    for project in _folders(directory):
        if project.name in places.RESERVED:
            continue
        yield from _package(project.name, project)
        for version in _folders(project):
            yield from _package(f"{project.name}/{version.name}", version)
    yield from _cache(directory / places.NEWER)


def _cache(folder: Path) -> Iterator[package.Found | package.Misfit]:
    for model in _folders(folder):
        if places.is_hashed(model):
            yield from _cached(model)


def _cached(model: Path) -> Iterator[package.Found | package.Misfit]:
    """Yield the packages of one model that are for ONNX, or, if none is, why not."""
    packages = _folders(model)
    ours = [one for one in packages if _onnx_files(one) and places.refusal(one) is None]
    for one in ours or packages:
        yield from _package(one.name, one)


def _named(model_id: str, path: Path) -> package.Found | package.Misfit:
    try:
        package.check_id(model_id)
    except errors.BadModelIdError as problem:
        return package.Misfit(path, problem.message)
    return package.Found(model_id, path)


def _package(model_id: str, folder: Path) -> Iterator[package.Found | package.Misfit]:
    found = _onnx_files(folder)
    if len(found) == 1:
        yield _identified(model_id, folder, found[0])
    elif found:
        names = ", ".join(path.name for path in found)
        yield package.Misfit(folder, f"holds several ONNX files ({names}); keep one")
    elif any((folder / name).is_file() for name in ("model.toml", *reading.FILES)):
        reason = places.refusal(folder) or "describes a model but holds no .onnx file"
        yield package.Misfit(folder, reason)


def _identified(model_id: str, folder: Path, path: Path) -> package.Found | package.Misfit:
    """Return a model under the id that its place spells, or else that its files give it."""
    in_cache = places.blobs_of(folder) is not None
    if not in_cache and not places.is_hashed(folder):
        return _named(model_id, path)
    try:
        named = places.model_id(folder)
    except errors.ModelRefusedError as problem:
        return package.Misfit(path, problem.message)
    if named is None:
        return package.Misfit(path, "neither its folder's name nor a model_id beside it is its id")
    return _named(named, path)


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
