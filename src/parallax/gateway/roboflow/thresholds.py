"""What a client's ``confidence`` means for a model: a number, or one that the model brings."""

from typing import Literal

from parallax.contract import spec

Word = Literal["best", "default"]
Resolved = tuple[float, tuple[float, ...] | None]


def resolve(asked: float | Word, model: spec.ModelSpec) -> Resolved:
    """Return the threshold that holds for all classes, and those by class id where there are any.

    ``best`` is what the package stores by class, else as ``for_all``.
    """
    by_class = model.thresholds.best_by_class
    if asked == "best" and by_class:
        return min(by_class), by_class
    return for_all(asked, model), None


def for_all(asked: float | Word, model: spec.ModelSpec) -> float:
    """Return the one threshold: ``best`` is the package's optimum, else its default."""
    known = model.thresholds
    if asked == "best" and known.best is not None:
        return known.best
    return known.default if isinstance(asked, str) else asked
