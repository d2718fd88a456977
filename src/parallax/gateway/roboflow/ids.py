"""From the model id of a request to the model, if the caller may use it.

``allowed`` are names of models, ids or aliases; None allows all.
"""

from parallax.contract import errors, roster, spec
from parallax.gateway import context, problems
from parallax.gateway.roboflow import aliases

STUB_VERSION = "0"

_FORBIDDEN = frozenset({"", ".", ".."})
_LONGEST_SHOWN = 100


Allowed = frozenset[str] | None


def resolve(models: context.Models, requested: str, task: str, allowed: Allowed) -> spec.ModelSpec:
    """Return the model of a task that a client means, loaded or not.

    Raises:
        WrongTaskError: it does something else.
        ParallaxError: as ``find``.
    """
    model = find(models, requested, allowed)
    if model.task != task:
        raise errors.WrongTaskError(
            f"Model {model.id} does {model.task}, but this route is for {task}."
        )
    return model


def find(models: context.Models, requested: str, allowed: Allowed) -> spec.ModelSpec:
    """Return the model that a client means, loaded or not.

    Raises:
        BadModelIdError: no model can have such an id.
        ForbiddenError: it is not allowed, whether there is such a model or not.
        UnknownModelError: there is no such model.
        ModelRefusedError: there is, but its package cannot be served.
    """
    model = _found(models, requested)
    if model is None:
        check(requested)
    elif permits(models, allowed, model):
        return model
    if model is not None or not _is_named(requested, allowed):
        raise problems.ForbiddenError(f"This key may not use model {requested[:_LONGEST_SHOWN]}.")
    package = refused(models, requested)
    if package is not None:
        raise errors.ModelRefusedError(
            f"Model package {package.id} is broken; GET /status says why."
        )
    raise errors.UnknownModelError(
        f"Model {requested[:_LONGEST_SHOWN]} is not served here. GET /model/registry lists what is."
    )


def permits(models: context.Models, allowed: Allowed, model: spec.ModelSpec) -> bool:
    """Say whether one of the allowed names means this model."""
    return allowed is None or any(_found(models, name) is model for name in allowed)


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


def stubbed(models: context.Models, requested: str, allowed: Allowed) -> spec.ModelSpec | None:
    """Return an allowed model of the project whose version 0 is asked for, if it is that and there
    is one.

    A package of that very id is a model like any other.
    """
    project, slash, number = requested.partition("/")
    if not slash or number != STUB_VERSION or models.find(requested) is not None:
        return None
    kin = (model for model in models.known() if model.id.partition("/")[0] == project)
    return next((model for model in kin if permits(models, allowed, model)), None)


def _found(models: context.Models, requested: str) -> spec.ModelSpec | None:
    candidates = (models.find(name) for name in (requested, *names(requested)))
    return next((model for model in candidates if model is not None), None)


def _is_named(requested: str, allowed: Allowed) -> bool:
    target = aliases.canonical(requested)
    return allowed is None or any(aliases.canonical(name) == target for name in allowed)
