"""What is served: every package of the given folders, prepared, or the reason why it is not.

Runs in a short-lived process of its own, so that ``onnx`` and the models' weights are in no server
process's memory, and so that a model which brings down the ONNX library takes nothing with it.
"""

import hashlib
from collections.abc import Collection, Sequence
from importlib import resources
from pathlib import Path

from msgspec import Struct, structs

from parallax.contract import errors, spec
from parallax.models import (
    cache,
    description,
    discovery,
    files,
    fuse,
    package,
    resolve,
    served,
    signatures,
)
from parallax.models.families import heads
from parallax.policy import naming, shelf
from parallax.settings import concerns

DEMO_ID = "demo"
DEMO_ALIAS = "demo/1"

_VERSION_DIGITS = 16


class Limits(Struct, frozen=True):
    """The server's own bounds on batching."""

    max_batch: int
    max_delay_ms: float


def from_settings(settings: concerns.Settings) -> spec.Catalog:
    """Prepare what the settings say is served; see ``prepare``."""
    return prepare(
        [Path(directory) for directory in settings.models.models],
        Path(settings.models.cache_dir or ""),
        settings.batching.max_batch,
        settings.batching.max_delay_ms,
    )


def readings(settings: concerns.Settings, only: Collection[str] | None) -> tuple[spec.Reading, ...]:
    """Read the given places, as ``models.signatures`` names them; by default all that there are."""
    limits = Limits(settings.batching.max_batch, settings.batching.max_delay_ms)
    directories = [Path(directory) for directory in settings.models.models]
    return _read(directories, Path(settings.models.cache_dir or ""), limits, only)


def prepare(
    directories: Sequence[Path], cache_dir: Path, max_batch: int, max_delay_ms: float
) -> spec.Catalog:
    """Prepare all models for serving.

    Args:
        directories: folders of packages (see ``discovery.find``). Without any, or when they hold
            nothing at all, the embedded demo model is served.
        cache_dir: where fused graphs are kept; made if missing.
        max_batch: largest batch of models whose batch axis is free.
        max_delay_ms: for models that do not say their own.
    """
    read = _read(directories, cache_dir, Limits(max_batch, max_delay_ms), None)
    specs: dict[str, spec.ModelSpec] = {}
    refused: list[tuple[str, str]] = []
    notes: list[str] = []
    for each in read:
        notes += each.notes
        if each.model is None:
            refused.append((each.path, each.reason))
        elif each.id in specs:
            taken = f"the id {each.id!r} is already taken by {specs[each.id].source}"
            refused.append((each.path, taken))
        else:
            specs[each.id] = each.model
    served, remarks = naming.settle(specs.values())
    return spec.Catalog(served, tuple(refused), (*notes, *remarks))


def _read(
    directories: Sequence[Path], cache_dir: Path, limits: Limits, only: Collection[str] | None
) -> tuple[spec.Reading, ...]:
    found = [
        (signatures.place_of(entry.path, directory), entry)
        for directory in directories
        for entry in discovery.find(directory)
    ]
    wanted = found if only is None else [(place, each) for place, each in found if place in only]
    read = [_reading(place, entry, cache_dir.absolute(), limits) for place, entry in wanted]
    if shelf.DEMO_PLACE in only if only is not None else not found:
        entry = package.Found(DEMO_ID, _demo_path())
        demo = _reading(shelf.DEMO_PLACE, entry, cache_dir.absolute(), limits)
        read.append(_as_demo(demo, directories))
    return tuple(read)


def _as_demo(demo: spec.Reading, directories: Sequence[Path]) -> spec.Reading:
    notes = demo.notes
    if directories:
        empty = f"no models in {', '.join(map(str, directories))}: serving the demo model"
        notes = (empty, *notes)
    model = demo.model and structs.replace(demo.model, aliases=(DEMO_ALIAS, *demo.model.aliases))
    return structs.replace(demo, model=model, notes=notes)


def _demo_path() -> Path:
    return Path(str(resources.files("parallax.demo") / "detector.onnx"))


def _reading(
    place: str, entry: package.Found | package.Misfit, cache_dir: Path, limits: Limits
) -> spec.Reading:
    path = str(entry.path)
    if isinstance(entry, package.Misfit):
        return spec.Reading(place, path, "", reason=entry.reason)
    try:
        model, remarks = _serve(entry, cache_dir, limits)
    except errors.ModelRefusedError as problem:
        reason = problem.message.removeprefix(f"{path}: ")
        return spec.Reading(place, path, entry.id, reason=reason)
    except Exception as problem:  # noqa: BLE001
        # Whatever a strange file makes the ONNX library raise concerns this file alone.
        cause = str(problem).partition("\n")[0] or type(problem).__name__
        return spec.Reading(place, path, entry.id, reason=f"cannot be prepared: {cause}")
    notes = list(remarks)
    aliases = tuple(alias for alias in model.aliases if _well_formed(alias, notes))
    said = tuple(f"{entry.id}: {note}" for note in notes)
    return spec.Reading(place, path, entry.id, structs.replace(model, aliases=aliases), notes=said)


def _serve(
    entry: package.Found, cache_dir: Path, limits: Limits
) -> tuple[spec.ModelSpec, Sequence[str]]:
    before = signatures.around(entry.path)
    found = package.read(entry)
    _check_unchanged(entry.path, before)
    resolved = resolve.resolve(found)
    batch, capped = _batching(found.description.batching, resolved.batch, limits)
    graph, why_plain = _fused(found, resolved, cache_dir)
    opened = found.network
    described, head, labels = found.description, resolved.head, resolved.labels
    names = opened.output_names
    if head.certain:
        names = tuple(names[index] for index in head.layout.order)
    suppress = head.family.suppress if described.suppress is None else described.suppress
    model = spec.ModelSpec(
        id=entry.id,
        version=_hash(found.digest, "plain" if graph is None else "fused")[:_VERSION_DIGITS],
        task=head.family.task,
        family=head.family.name,
        labels=labels,
        input=resolved.input,
        batch=batch,
        graph=str(graph or _kept(found, cache_dir, before)),
        fused=graph is not None,
        input_name=fuse.INPUT_NAME if graph else opened.input_name,
        output_names=heads.fused_outputs(head.family.task) if graph else names,
        source=str(opened.path),
        aliases=described.aliases or (),
        output_bytes=resolved.fused_bytes if graph else resolved.plain_bytes,
        plain=None if graph else resolved.pixels,
        layout=head.layout,
        suppress=suppress,
        multi_label=bool(described.multi_label),
        hidden=served.hidden(described, labels),
        colors=served.colors(described, labels),
        skeletons=served.skeletons(described, labels, head.layout.keypoints, opened.path),
        thresholds=served.thresholds(described.thresholds, labels, head.family.defaults),
    )
    odd = served.strangers(described, labels)
    return model, (*found.notes, *resolved.notes, *odd, *capped, *why_plain)


def _check_unchanged(path: Path, before: str) -> None:
    """Raise ``ModelRefusedError`` if what was read and what was hashed may differ."""
    if signatures.around(path) != before:
        raise files.refused(path, "was changed while it was read")


def _kept(found: package.Package, cache_dir: Path, before: str) -> Path:
    """Return a copy of a graph that is served as it is.

    An inference loop that starts again must find the version that is served, whatever has become
    of the package's file by then. One with weights beside it is left where it is.
    """
    path = found.network.path.absolute()
    if found.network.external:
        return path
    key = _hash(found.digest, "plain")
    try:
        cached = cache.find(cache_dir, key)
        if cached is not None:
            return cached
        content = path.read_bytes()
        _check_unchanged(path, before)
        return cache.store(cache_dir, key, content)
    except OSError:
        return path


def _batching(
    wanted: description.BatchingDescription, constant: int | None, limits: Limits
) -> tuple[spec.BatchSpec, Sequence[str]]:
    delay = limits.max_delay_ms if wanted.max_delay_ms is None else wanted.max_delay_ms
    if constant is not None:
        return spec.BatchSpec(constant, fixed_size=constant, max_delay_ms=delay), ()
    size = min(wanted.max or limits.max_batch, limits.max_batch)
    capped = wanted.max is not None and wanted.max > size
    note = f"batches of {wanted.max} are wanted, the server's limit is {size}"
    return spec.BatchSpec(size, max_delay_ms=delay), ((note,) if capped else ())


def _fused(
    found: package.Package, resolved: resolve.Resolved, cache_dir: Path
) -> tuple[Path | None, Sequence[str]]:
    """Return the fused graph, or None and why the model is served as it is."""
    if not resolved.head.certain:
        return None, ("not fused: the shapes of its outputs are not known",)
    key = _hash(found.digest, "fused")
    cached = cache.find(cache_dir, key)
    if cached is not None:
        return cached, ()
    plan = fuse.Plan(
        resolved.head.family,
        resolved.head.layout,
        resolved.input.width,
        resolved.input.height,
        resolved.batch,
        resolved.pixels,
    )
    try:
        return cache.store(cache_dir, key, fuse.fuse(found.network, plan)), ()
    except fuse.CannotFuseError as problem:
        return None, (f"not fused: {problem}",)
    except OSError as problem:
        return None, (f"not fused: the cache cannot be written: {problem}",)


def _hash(digest: str, how: str) -> str:
    """Return what identifies a package's content and the way it was prepared."""
    return hashlib.sha256(f"{digest} {how} {fuse.FUSE_VERSION}".encode()).hexdigest()


def _well_formed(alias: str, notes: list[str]) -> bool:
    try:
        package.check_id(alias)
    except errors.BadModelIdError as problem:
        notes.append(f"an alias is ignored: {problem.message}")
        return False
    return True
