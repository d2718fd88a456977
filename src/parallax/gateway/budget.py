"""The memory that requests take in an api process: their bodies, and what is fetched for them.

An exchange opens an account, whatever reads or fetches on its behalf charges that account, and all
of it comes back when the exchange ends. Which exchange code runs for is kept in a context variable:
so it holds in the tasks that an exchange starts, and no signature below has to carry it.
"""

import contextlib
import contextvars
from collections.abc import Iterator

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

    @contextlib.contextmanager
    def exchange(self) -> Iterator["Account"]:
        """Open the account that ``charge`` means inside of this context."""
        account = Account(self)
        token = _account.set(account)
        try:
            yield account
        finally:
            _account.reset(token)
            self._held -= account.held

    def take(self, size: int) -> None:
        """Take bytes into account.

        Raises:
            OverloadedError: there is no room for them; nothing was taken.
        """
        if self._held + size > self._limit:
            raise errors.OverloadedError("The server holds too much for other requests; try again.")
        self._held += size


class Account:
    """The bytes that one exchange holds."""

    __slots__ = ("_budget", "held")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.held = 0

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
