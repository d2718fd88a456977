"""Who asks: what the guard at the door found out, for those behind it. They never see the key."""

from dataclasses import dataclass

from starlette import types

from parallax.contract import errors
from parallax.gateway import metrics, problems
from parallax.policy import quota

_CALLER = "parallax.caller"
_STAY = "parallax.stay"


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner of a key."""

    name: str
    models: frozenset[str] | None
    """Names of the models that it may use; None: of all."""
    admin: bool
    """Whether it may unload models and see the server's state."""
    most: int = 0
    """Pictures it may have in flight in this process; 0: as many as the server takes."""

    @property
    def manages(self) -> frozenset[str] | None:
        """Names of the models that it may list, load and unload; None: of all."""
        return None if self.admin else self.models


ANYBODY = Caller("", None, admin=True)
"""Asks a server without keys."""


def admit(scope: types.Scope, caller: Caller, stay: quota.Stay | None) -> None:
    """Write down who sent a request, and what it holds of the sender's quota, if there is one."""
    scope[_CALLER] = caller
    scope[_STAY] = stay


def of(scope: types.Scope) -> Caller:
    """Return who sent a request."""
    found = scope.get(_CALLER, ANYBODY)
    assert isinstance(found, Caller)
    return found


def occupy(scope: types.Scope, count: int, now: float) -> None:
    """Let a request hold so many places of its sender's quota in all, until it ends.

    Raises:
        InvalidRequestError: it needs more than the sender may ever hold.
        QuotaExceededError: the sender's other requests hold too many now.
    """
    stay: quota.Stay | None = scope.get(_STAY)
    if stay is None:
        return
    caller = of(scope)
    if count > caller.most:
        raise errors.InvalidRequestError(
            f"Key {caller.name} may have {caller.most} pictures in flight, and this request has "
            f"{count}.",
            ("body", "image"),
        )
    wait = stay.hold(count, now)
    if wait:
        metrics.QUOTA_REFUSED.labels(caller.name).inc()
        raise problems.QuotaExceededError(
            f"Key {caller.name} is at its limit of {caller.most} pictures in flight; "
            f"try again in {wait} s.",
            retry_after=wait,
        )
