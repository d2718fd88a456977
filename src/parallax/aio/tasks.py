"""Named tasks that cannot die unseen.

A task without a kept reference may be collected while it waits, and one that fails alone is found
out days later. Root tasks of a process therefore run in one ``Crew``: the first to end ends all.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class Crew:
    """A set of named root tasks: when one fails, the rest are cancelled and the failure is raised.

    Tasks started with ``background`` may end by themselves; those of ``start`` may not.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a task that must live as long as the crew."""
        return self._spawn(coroutine, name, lasting=True)

    def background(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run a task that may end; its failure still fails the crew."""
        return self._spawn(coroutine, name, lasting=False)

    async def until(self, event: asyncio.Event) -> None:
        """Wait for the event, or raise what ended a task first."""
        await self.race({self._spawn(event.wait(), "until", lasting=False)})

    async def race(self, futures: set[asyncio.Future[Any]]) -> None:
        """Wait for the first of some futures, or raise what ended a task first."""
        await asyncio.wait({*futures, self._failed}, return_when=asyncio.FIRST_COMPLETED)
        if self._failed.done():
            self._failed.result()

    async def close(self, patience: float = 5.0) -> None:
        """Cancel what still runs and wait for it, at most ``patience`` seconds."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            _, stragglers = await asyncio.wait(tasks, timeout=patience)
            for task in stragglers:
                log.error("task %s did not end within %.1f s", task.get_name(), patience)
        if self._failed.done() and not self._failed.cancelled():
            self._failed.exception()  # seen: keeps asyncio from reporting it a second time

    def _spawn(
        self, coroutine: Coroutine[Any, Any, T], name: str, *, lasting: bool
    ) -> asyncio.Task[T]:
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, lasting=lasting))
        return task

    def _ended(self, task: asyncio.Task[Any], *, lasting: bool) -> None:
        self._tasks.discard(task)
        if task.cancelled() or self._failed.done():
            return
        problem = task.exception()
        if problem is not None:
            log.error("task %s failed", task.get_name(), exc_info=problem)
            self._failed.set_exception(problem)
        elif lasting:
            self._failed.set_exception(RuntimeError(f"task {task.get_name()} ended unexpectedly"))
