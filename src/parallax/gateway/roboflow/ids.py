"""From the model id of a request to the model."""

from parallax.contract import errors, roster, spec
from parallax.gateway import context
from parallax.gateway.roboflow import aliases

STUB_VERSION = "0"

_FORBIDDEN = frozenset({"", ".", ".."})
_LONGEST_SHOWN = 100


def resolve(models: context.Models, requested: str, task: str) -> spec.ModelSpec:
    """Return the model of a task that a client means, loaded or not.

    Raises:
        WrongTaskError: it does something else.
        ParallaxError: as ``find``.
    """
    model = find(models, requested)
    if model.task != task:
        raise errors.WrongTaskError(
            f"Model {model.id} does {model.task}, but this route is for {task}."
        )
    return model


def find(models: context.Models, requested: str) -> spec.ModelSpec:
    """Return the model that a client means, loaded or not.

    Raises:
        BadModelIdError: no model can have such an id.
        UnknownModelError: there is no such model.
        ModelRefusedError: there is, but its package cannot be served.
    """
    model = models.find(requested)
    if model is not None:
        return model
    check(requested)
    for name in names(requested):
        model = models.find(name)
        if model is not None:
            return model
    package = refused(models, requested)
    if package is not None:
        raise errors.ModelRefusedError(
            f"Model package {package.id} is broken; GET /status says why."
        )
    raise errors.UnknownModelError(
        f"Model {requested[:_LONGEST_SHOWN]} is not served here. GET /model/registry lists what is."
    )


def refused(models: context.Models, requested: str) -> roster.Package | None:
    """Return the package that a client means, if it cannot be served."""
    known = names(requested)
    broken = (package for package in models.packages if package.state is roster.State.REFUSED)
    return next((package for package in broken if package.id in known), None)


def check(requested: str) -> None:
    """Refuse what no model can be called.

    Raises:
        BadModelIdError: it is that.
    """
    segments = requested.split("/")
    if len(segments) > 2 or not _FORBIDDEN.isdisjoint(segments):
        raise errors.BadModelIdError(
            f"Invalid Model ID sent in request: {requested[:_LONGEST_SHOWN]!r}"
        )


def names(requested: str) -> tuple[str, ...]:
    """Return the names under which a model may lie: the package may be named by the alias where the
    client uses the id, and vice versa."""
    target = aliases.canonical(requested)
    return (target, *aliases.ALIASES.get(target, ()))


def stubbed(models: context.Models, requested: str) -> spec.ModelSpec | None:
    """Return a model of the project whose version 0 is asked for, if it is that and there is one.

    A package of that very id is a model like any other.
    """
    project, slash, number = requested.partition("/")
    if not slash or number != STUB_VERSION or models.find(requested) is not None:
        return None
    kin = (model for model in models.known() if model.id.partition("/")[0] == project)
    return next(kin, None)
