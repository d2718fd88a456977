"""From the model id of a request to the model."""

from parallax.contract import errors, spec
from parallax.gateway import context
from parallax.gateway.roboflow import aliases

_FORBIDDEN = frozenset({"", ".", ".."})
_LONGEST_SHOWN = 100


def resolve(models: context.Models, requested: str, task: str) -> spec.ModelSpec:
    """Return the model that a client means.

    Raises:
        BadModelIdError: no model can have such an id.
        UnknownModelError: no such model is served.
        WrongTaskError: it does something else than ``task``.
    """
    model = models.get(requested) or _find(models, requested)
    if model.task != task:
        raise errors.WrongTaskError(
            f"Model {model.id} does {model.task}, but this route is for {task}."
        )
    return model


def _find(models: context.Models, requested: str) -> spec.ModelSpec:
    segments = requested.split("/")
    if len(segments) > 2 or not _FORBIDDEN.isdisjoint(segments):
        raise errors.BadModelIdError("Invalid Model ID sent in request.")
    target = aliases.canonical(requested)
    # The package on disk may be named by the alias where the client uses the id, and vice versa.
    for name in (target, *aliases.ALIASES.get(target, ())):
        model = models.get(name)
        if model is not None:
            return model
    raise errors.UnknownModelError(f"Model {requested[:_LONGEST_SHOWN]} is not served here.")
