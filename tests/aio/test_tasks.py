"""Crews: the first root task to end ends all, and nothing dies unseen."""

import asyncio
import logging

import pytest

from parallax.aio import tasks


class BrokenError(Exception):
    """What a task of a test fails with."""


async def fail() -> None:
    raise BrokenError("broken")


async def end() -> None:
    pass


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_until_returns_when_the_event_comes() -> None:
    crew, event = tasks.Crew(), asyncio.Event()
    crew.start(for_ever(), "lasting")
    event.set()

    await crew.until(event)
    await crew.close()


async def test_the_failure_of_a_root_task_is_raised_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    crew = tasks.Crew()
    crew.start(fail(), "doomed")

    with pytest.raises(BrokenError):
        await crew.until(asyncio.Event())
    await crew.close()

    assert "task doomed failed" in caplog.text


async def test_a_root_task_that_just_ends_is_a_failure() -> None:
    crew = tasks.Crew()
    crew.start(end(), "brief")

    with pytest.raises(RuntimeError, match="task brief ended unexpectedly"):
        await crew.until(asyncio.Event())
    await crew.close()


async def test_a_background_task_may_end() -> None:
    crew, event = tasks.Crew(), asyncio.Event()
    await crew.background(end(), "brief")
    event.set()

    await crew.until(event)
    await crew.close()


async def test_a_background_task_may_not_fail() -> None:
    crew = tasks.Crew()
    crew.background(fail(), "doomed")

    with pytest.raises(BrokenError):
        await crew.until(asyncio.Event())
    await crew.close()


async def test_only_the_first_failure_is_raised() -> None:
    crew = tasks.Crew()
    crew.start(fail(), "first")
    crew.start(end(), "second")

    with pytest.raises(BrokenError):
        await crew.until(asyncio.Event())
    await crew.close()


async def test_race_ends_with_the_first_of_its_futures() -> None:
    crew = tasks.Crew()
    loop = asyncio.get_running_loop()
    quick, slow = loop.create_future(), loop.create_future()
    loop.call_soon(quick.set_result, None)

    await crew.race({quick, slow})
    await crew.close()

    assert not slow.done()


async def test_close_cancels_what_still_runs() -> None:
    crew = tasks.Crew()
    lasting, background = crew.start(for_ever(), "a"), crew.background(for_ever(), "b")

    await crew.close()

    assert lasting.cancelled()
    assert background.cancelled()


async def test_close_waits_for_the_clean_up_of_its_tasks() -> None:
    tidied = asyncio.Event()

    async def tidy() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0)
            tidied.set()

    crew = tasks.Crew()
    crew.start(tidy(), "tidy")
    await asyncio.sleep(0)

    await crew.close()

    assert tidied.is_set()


async def test_close_names_a_task_that_does_not_end(caplog: pytest.LogCaptureFixture) -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    crew = tasks.Crew()
    task = crew.start(stubborn(), "stubborn")
    await asyncio.sleep(0)

    await crew.close(patience=0.01)

    assert "task stubborn did not end" in caplog.text
    release.set()
    await task


async def test_a_task_may_close_its_own_crew() -> None:
    crew, closed = tasks.Crew(), asyncio.Event()

    async def close() -> None:
        await crew.close()
        closed.set()

    other = crew.start(for_ever(), "other")
    await crew.background(close(), "closer")

    assert closed.is_set()
    assert other.cancelled()


async def test_a_failure_after_the_last_look_is_not_reported_twice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    crew = tasks.Crew()
    crew.start(fail(), "doomed")
    await asyncio.sleep(0)

    await crew.close()

    failures = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert len(failures) == 1
