"""Waiting for something to become true, without guessing how long that takes."""

import asyncio
import time
from collections.abc import Callable

STEP = 0.002
"""Seconds between two looks."""


def wait_until(
    predicate: Callable[[], object], what: str | Callable[[], str], timeout: float = 5.0
) -> None:
    """Block until ``predicate`` is true; fail the test, naming ``what``, when it does not."""
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            named = what if isinstance(what, str) else what()
            raise AssertionError(f"did not happen within {timeout:g} s: {named}")
        time.sleep(STEP)


async def wait_until_async(
    predicate: Callable[[], object],
    what: str,
    timeout: float = 5.0,  # noqa: ASYNC109 - the failure has to say what was waited for
) -> None:
    """Let the loop run until ``predicate`` is true; fail the test when it does not become so."""
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {timeout:g} s: {what}")
        await asyncio.sleep(STEP)
