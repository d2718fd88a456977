"""Cancelling a coroutine at each of the places where it waits, one after the other."""

import asyncio
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any

LONGEST = 500
"""Places to wait at, for a coroutine that would never end."""


async def everywhere(
    start: Callable[[], Coroutine[Any, Any, Any]],
) -> AsyncIterator[int]:
    """Run a new coroutine again and again, cancel each run at one place further on, and give the
    number of that place when the run is over; end with the first run that comes to its own end.

    Fails if a run swallows its cancellation, or leaves tasks behind that do not end by themselves.
    """
    for place in range(1, LONGEST):
        before = asyncio.all_tasks()
        steps = _Steps(place)
        task = asyncio.get_running_loop().create_task(_run(start(), steps), name=f"place-{place}")
        await asyncio.wait({task}, timeout=20)
        assert task.done(), f"does not end when it is cancelled at its place {place}"
        await _settle(asyncio.all_tasks() - before, place)
        if not steps.cancelled:
            task.result()
            assert place > 1, "it waits nowhere"
            return
        assert task.cancelled(), f"cancelled at its place {place} it ends with {task}"
        yield place
    raise AssertionError(f"waits at more than {LONGEST} places")


class _Steps:
    def __init__(self, place: int) -> None:
        self.left = place
        self.cancelled = False


@types.coroutine
def _run(work: Coroutine[Any, Any, Any], steps: _Steps) -> Generator[Any, Any, Any]:
    """Drive the coroutine by hand; before it waits for the n-th time its task is cancelled."""
    send, value = work.send, None
    try:
        while True:
            waited_for = send(value)
            steps.left -= 1
            if not steps.left:
                steps.cancelled = True
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                value, send = (yield waited_for), work.send
            except BaseException as problem:  # noqa: BLE001 - handed on to the coroutine
                value, send = problem, work.throw
    except StopIteration as end:
        return end.value
    finally:
        work.close()


async def _settle(left: set[asyncio.Task[Any]], place: int) -> None:
    """Wait for what a run has started and cancelled, which needs a moment to end."""
    if left:
        _, still = await asyncio.wait(left, timeout=20)
        assert not still, f"cancelled at its place {place} it leaves {still}"
