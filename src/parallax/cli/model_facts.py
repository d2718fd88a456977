"""What there is to say of a served model, in words."""

from collections.abc import Iterator, Sequence
from typing import Any

from parallax.contract import spec, tasks


def row(model: spec.ModelSpec) -> dict[str, Any]:
    """Return what tells models apart, short enough for a table."""
    return {
        "id": model.id,
        "task": model.task,
        "family": model.family,
        "classes": _some(model.labels),
        "input": f"{model.input.width}x{model.input.height} {model.input.resize}",
        "steps": ", ".join(_steps(model.input)),
        "confidence": ", ".join(_thresholds(model.thresholds)),
        "batch": model.batch.fixed_size or f"up to {model.batch.max_size}",
        "fused": model.fused,
    }


def all_of(model: spec.ModelSpec) -> dict[str, Any]:
    """Return all that is known, in the order in which a person asks; what is empty is left out."""
    facts = {
        **row(model),
        "classes": f"{len(model.labels)}: {', '.join(model.labels)}",
        "hidden": ", ".join(model.labels[index] for index in model.hidden),
        "confidence by class": _by_class(model),
        "several labels": model.multi_label or None,
        "suppression": _suppression(model),
        "masks": f"{model.layout.coefficients} coefficients" if _has_prototypes(model) else None,
        "keypoints": "; ".join(_skeletons(model)),
        "aliases": ", ".join(model.aliases),
        "source": model.source,
    }
    return {name: value for name, value in facts.items() if value not in ("", None)}


def _some(labels: Sequence[str]) -> str:
    more = ", ..." if len(labels) > 3 else ""
    return f"{len(labels)}: {', '.join(labels[:3])}{more}"


def _steps(given: spec.InputSpec) -> Iterator[str]:
    """Yield what happens to a picture before it is resized, in that order."""
    if given.auto_orient:
        yield "auto-orient"
    if given.crop:
        yield "crop {:g},{:g} to {:g},{:g} %".format(*given.crop)
    if given.grayscale:
        yield "grayscale"
    if given.contrast:
        yield f"contrast {given.contrast}"


def _thresholds(given: spec.Thresholds) -> Iterator[str]:
    yield f"default {given.default:g}"
    if given.best_by_class:
        yield "best by class"
    elif given.best is not None:
        yield f"best {given.best:g}"


def _by_class(model: spec.ModelSpec) -> str:
    pairs = zip(model.labels, model.thresholds.best_by_class or (), strict=False)
    return ", ".join(f"{label} {threshold:g}" for label, threshold in pairs)


def _suppression(model: spec.ModelSpec) -> str | None:
    if model.task not in tasks.BOXED:
        return None
    return "of overlapping boxes" if model.suppress else "none, the network's boxes are final"


def _has_prototypes(model: spec.ModelSpec) -> bool:
    return model.task == tasks.INSTANCE_SEGMENTATION and model.layout.coefficients > 0


def _skeletons(model: spec.ModelSpec) -> Iterator[str]:
    alone = len(model.skeletons) == 1
    for label, skeleton in zip(model.labels, model.skeletons, strict=False):
        names = f"{len(skeleton.names)}: {', '.join(skeleton.names)}"
        yield names if alone else f"{label} {names}"
