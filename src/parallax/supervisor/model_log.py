"""What the log says of models that come, change and go while the server runs."""

import logging
from collections.abc import Collection, Sequence

from parallax.contract import roster, spec

log = logging.getLogger(__name__)


def demo(reading: spec.Reading) -> None:
    """Warn of the demo model where models of the operator's were wanted; remarks on the demo
    model itself are nothing to act on."""
    for note in reading.notes:
        if not note.startswith(f"{reading.id}: "):
            log.warning("%s", note)


def gone(before: roster.Package | None) -> None:
    """Say that a package is gone; ``before`` is what its place held, None if nothing."""
    if before is not None:
        log.info("%s is gone", before.path)


def read(reading: spec.Reading, before: roster.Package | None) -> None:
    """Say what was found at a place; ``before`` is what it was until now, None if nothing."""
    served = _served(before) if before is not None and before.id == reading.id else ""
    if reading.model is None:
        log.error("%s is refused: %s%s", reading.path, reading.reason, _staying(served))
        return
    if reading.model.version == served:
        log.info("%s is what is served already", reading.path)
        return
    log.info("%s %s", reading.path, "is new" if before is None else "has changed")
    for note in reading.notes:
        log.info("%s", note)


def refused(model: spec.ModelSpec, reason: str, serving: Sequence[spec.ModelSpec]) -> None:
    """Say that a version could not be loaded, and which one stays."""
    served = next((each.version for each in serving if each.id == model.id), "")
    staying = _staying(served)
    log.error("model %s, version %s, is refused: %s%s", model.id, model.version, reason, staying)


def switched(
    before: Sequence[spec.ModelSpec],
    after: Sequence[spec.ModelSpec],
    packages: Collection[roster.Package],
) -> None:
    """Say what is served from now on, and what no more."""
    old = {model.id: model.version for model in before}
    new = {model.id: model.version for model in after}
    for model_id, version in new.items():
        if old.get(model_id) != version:
            log.info("model %s is served in version %s", model_id, version)
    unloaded = {row.id for row in packages if row.state is roster.State.UNLOADED}
    for model_id in old:
        if model_id not in new:
            end = "unloaded" if model_id in unloaded else "served no more"
            log.info("model %s is %s", model_id, end)


def _served(row: roster.Package) -> str:
    return row.version if row.state is roster.State.LOADED else ""


def _staying(version: str) -> str:
    return f"; version {version} stays" if version else ""
