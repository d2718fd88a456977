"""The memory that requests take in an api process: their bodies, and what is fetched for them.

An exchange opens an account, whatever reads or fetches on its behalf charges that account, and all
of it comes back when the exchange ends. Which exchange code runs for is kept in a context variable:
so it holds in the tasks that an exchange starts, and no signature below has to carry it.
"""

import contextvars
from types import TracebackType

from parallax.contract import errors


class Budget:
    """The bytes that all exchanges of a process hold, from their arrival to the answer."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    @property
    def held(self) -> int:
        """Bytes taken into account now."""
        return self._held

    def exchange(self) -> "Account":
        """Return an account to enter as a context: inside, it is the one that ``charge`` means."""
        return Account(self)

    def take(self, size: int) -> None:
        """Take bytes into account.

        Raises:
            OverloadedError: there is no room for them; nothing was taken.
        """
        if self._held + size > self._limit:
            raise errors.OverloadedError("The server holds too much for other requests; try again.")
        self._held += size

    def give_back(self, size: int) -> None:
        """Take bytes out of account."""
        self._held -= size


class Account:
    """The bytes that one exchange holds."""

    __slots__ = ("_budget", "_token", "held")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.held = 0

    def __enter__(self) -> "Account":
        self._token = _account.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _account.reset(self._token)
        self._budget.give_back(self.held)

    def charge(self, size: int) -> None:
        """Hold more bytes, until the exchange ends.

        Raises:
            OverloadedError: there is no room for them; nothing was charged.
        """
        self._budget.take(size)
        self.held += size


_account: contextvars.ContextVar[Account] = contextvars.ContextVar("account")


def charge(size: int) -> None:
    """Charge the account of the exchange that this runs for.

    Raises:
        OverloadedError: there is no room for the bytes; nothing was charged.
        LookupError: this runs for no exchange.
    """
    _account.get().charge(size)
