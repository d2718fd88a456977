"""The model to measure, read as a server reads it, in a process that ends with that."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import structs

from parallax.bench import failures
from parallax.contract import errors, spec, tasks
from parallax.models import catalog, discovery, package, resolve

MAX_BATCH = 16
"""As a server has it by default."""


def read(
    directories: Sequence[Path], wanted: str | None, cache_dir: Path
) -> tuple[spec.ModelSpec, spec.ModelSpec | None]:
    """Return a model of the folders, and the same with its graph as it was exported.

    Args:
        directories: as ``catalog.prepare`` takes them.
        wanted: its id or an alias; None: the first.
        cache_dir: where its graph is kept; has to last as long as the model is run.

    Returns:
        The second is None for what is no detector, or not fused: then there is nothing to compare.

    Raises:
        BenchError: there is no such model, or it cannot be served.
    """
    model = _model(_narrowed(directories, wanted), wanted, cache_dir)
    if model.task != tasks.OBJECT_DETECTION or not model.fused:
        return model, None
    try:
        found = package.read(package.Found(model.id, Path(model.source)))
        resolved = resolve.resolve(found)
    except errors.ModelRefusedError as problem:
        raise failures.BenchError(problem.message) from problem
    names = found.network.output_names
    exported = structs.replace(
        model,
        graph=model.source,
        fused=False,
        input_name=found.network.input_name,
        output_names=tuple(names[index] for index in resolved.head.layout.order),
        plain=resolved.pixels,
    )
    return model, exported


def _narrowed(directories: Sequence[Path], wanted: str | None) -> list[Path]:
    """Return the file of the model alone where its id says which, so that no other is read."""
    for directory in directories:
        for entry in discovery.find(directory):
            if isinstance(entry, package.Found) and entry.id == wanted:
                return [entry.path]
    return list(directories)


def _model(directories: list[Path], wanted: str | None, cache_dir: Path) -> spec.ModelSpec:
    found = catalog.prepare(directories, cache_dir, MAX_BATCH, 0.0)
    alone = len(found.specs) + len(found.refused) == 1 and directories[:1] != []
    for model in found.specs:
        if wanted is None or alone or wanted in (model.id, *model.aliases):
            return model
    reasons = "; ".join(f"{path}: {reason}" for path, reason in found.refused)
    named = "no model" if wanted is None else f"no model {wanted!r}"
    raise failures.BenchError(f"there is {named} to measure" + (f" ({reasons})" if reasons else ""))
