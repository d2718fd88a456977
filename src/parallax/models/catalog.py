"""What is served: every package of the given folders, prepared, or the reason why it is not.

Runs in a short-lived process of its own, so that ``onnx`` and the models' weights are in no server
process's memory, and so that a model which brings down the ONNX library takes nothing with it.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path

from msgspec import Struct, structs

from parallax.contract import errors, spec
from parallax.models import cache, description, files, fuse, package, resolve
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


def prepare(
    directories: Sequence[Path], cache_dir: Path, max_batch: int, max_delay_ms: float
) -> spec.Catalog:
    """Prepare all models for serving.

    Args:
        directories: folders of packages (see ``package.find``). Without any, or when they hold
            nothing at all, the embedded demo model is served.
        cache_dir: where fused graphs are kept; made if missing.
        max_batch: largest batch of models whose batch axis is free.
        max_delay_ms: for models that do not say their own.
    """
    found = [entry for directory in directories for entry in package.find(directory)]
    aliases: tuple[str, ...] = ()
    notes = []
    if not found:
        if directories:
            notes.append(f"no models in {', '.join(map(str, directories))}: serving the demo model")
        found, aliases = [package.Found(DEMO_ID, _demo_path())], (DEMO_ALIAS,)
    limits = Limits(max_batch, max_delay_ms)
    specs: dict[str, spec.ModelSpec] = {}
    refused: list[tuple[str, str]] = []
    for entry in found:
        try:
            model, remarks = _prepared(entry, specs, cache_dir.absolute(), limits)
        except errors.ModelRefusedError as problem:
            reason = problem.message.removeprefix(f"{entry.path}: ")
            refused.append((str(entry.path), reason))
            continue
        specs[model.id] = structs.replace(model, aliases=(*aliases, *model.aliases))
        notes += [f"{model.id}: {remark}" for remark in remarks]
    return spec.Catalog(tuple(_with_free_aliases(specs, notes)), tuple(refused), tuple(notes))


def _demo_path() -> Path:
    return Path(str(resources.files("parallax.demo") / "detector.onnx"))


def _prepared(
    entry: package.Found | package.Misfit,
    served: Mapping[str, spec.ModelSpec],
    cache_dir: Path,
    limits: Limits,
) -> tuple[spec.ModelSpec, Sequence[str]]:
    if isinstance(entry, package.Misfit):
        raise files.refused(entry.path, entry.reason)
    if entry.id in served:
        raise files.refused(
            entry.path, f"the id {entry.id!r} is already taken by {served[entry.id].source}"
        )
    try:
        return _serve(entry, cache_dir, limits)
    except errors.ModelRefusedError:
        raise
    except Exception as problem:
        # Whatever a strange file makes the ONNX library raise concerns this file alone.
        cause = str(problem).partition("\n")[0] or type(problem).__name__
        raise files.refused(entry.path, f"cannot be prepared: {cause}") from problem


def _serve(
    entry: package.Found, cache_dir: Path, limits: Limits
) -> tuple[spec.ModelSpec, Sequence[str]]:
    found = package.read(entry)
    resolved = resolve.resolve(found)
    batch, capped = _batching(found.description.batching, resolved.batch, limits)
    graph, why_plain = _fused(found, resolved, cache_dir)
    opened = found.network
    model = spec.ModelSpec(
        id=entry.id,
        version=_hash(found.digest, "plain" if graph is None else "fused")[:_VERSION_DIGITS],
        task=found.description.task or description.OBJECT_DETECTION,
        family=resolved.family.name,
        labels=resolved.labels,
        input=resolved.input,
        batch=batch,
        graph=str(graph or opened.path.absolute()),
        fused=graph is not None,
        input_name=fuse.INPUT_NAME if graph else opened.input_name,
        output_names=(fuse.OUTPUT_NAME,) if graph else opened.output_names,
        source=str(opened.path),
        aliases=found.description.aliases or (),
        output_bytes=0 if graph else resolved.output_bytes,
        plain=None if graph else resolved.pixels,
    )
    return model, (*resolved.notes, *capped, *why_plain)


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
    if resolved.layout is None:
        return None, ("not fused: the shapes of its outputs are not known",)
    key = _hash(found.digest, "fused")
    cached = cache.find(cache_dir, key)
    if cached is not None:
        return cached, ()
    plan = fuse.Plan(
        resolved.family,
        resolved.layout,
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


def _with_free_aliases(
    specs: Mapping[str, spec.ModelSpec], notes: list[str]
) -> Iterator[spec.ModelSpec]:
    """Yield the models with those aliases that are well-formed and nobody else's name."""
    taken = {model_id: model_id for model_id in specs}
    for model in specs.values():
        free = []
        for alias in dict.fromkeys(model.aliases):
            owner = taken.setdefault(alias, model.id)
            if owner != model.id:
                notes.append(f"{model.id}: the alias {alias!r} is already taken by {owner}")
            elif _well_formed(alias, model.id, notes) and alias != model.id:
                free.append(alias)
        yield structs.replace(model, aliases=tuple(free))


def _well_formed(alias: str, owner: str, notes: list[str]) -> bool:
    try:
        package.check_id(alias)
    except errors.BadModelIdError as problem:
        notes.append(f"{owner}: an alias is ignored: {problem.message}")
        return False
    return True
