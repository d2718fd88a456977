"""Real child processes: how they speak and how their end is seen."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from concurrent.futures.process import BrokenProcessPool

import pytest

from parallax.aio import lifeline as lifelines
from parallax.contract import lifeline
from parallax.supervisor import child as children
from tests.supervisor import child_mains
from tests.support.wait import wait_until_async

Launch = Callable[[Callable[[lifeline.FromChild], None]], children.Child]


def process(target: child_mains.Main, *args: object) -> Launch:
    return lambda hear: children.ProcessChild(hear, target, args)


def executor(
    run: child_mains.Main = child_mains.run,
    attach: child_mains.Main = child_mains.attach,
    *args: object,
) -> Launch:
    return lambda hear: children.ExecutorChild(hear, attach, run, args)


class Hatchery:
    """Launches real children and hears them."""

    def __init__(self) -> None:
        self.started: list[tuple[children.Child, asyncio.Future[str]]] = []
        self.heard: list[lifeline.FromChild] = []

    def launch(self, launch: Launch) -> tuple[children.Child, asyncio.Future[str]]:
        child = launch(self.heard.append)
        self.started.append((child, asyncio.ensure_future(child.ended())))
        return self.started[-1]

    async def ready(self) -> lifeline.Ready:
        def said() -> list[lifeline.Ready]:
            return [each for each in self.heard if isinstance(each, lifeline.Ready)]

        await wait_until_async(said, "the child is ready", timeout=20)
        return said()[0]


@pytest.fixture(scope="module", autouse=True)
def fork_server() -> None:
    children.preload(["parallax.aio.lifeline"])


@pytest.fixture
async def hatchery() -> AsyncIterator[Hatchery]:
    made = Hatchery()
    yield made
    for child, end in made.started:
        if not end.done():
            children.kill(child.pid)
        await end


KINDS = [process(child_mains.obey), executor()]


@pytest.mark.parametrize("launch", KINDS, ids=["process", "executor"])
async def test_a_child_says_hello_then_ready_and_stops_when_told(
    hatchery: Hatchery, launch: Launch
) -> None:
    child, end = hatchery.launch(launch)
    await hatchery.ready()
    assert hatchery.heard == [lifeline.Hello(child.pid), lifeline.Ready()]
    assert child.pid not in (0, os.getpid())

    child.line.say(lifeline.Stop())

    assert await end in ("exit status 0", "finished")
    assert not alive(child.pid)


@pytest.mark.parametrize("launch", KINDS, ids=["process", "executor"])
async def test_a_killed_child_is_seen_to_end(hatchery: Hatchery, launch: Launch) -> None:
    child, end = hatchery.launch(launch)
    await hatchery.ready()
    pid = child.pid

    os.kill(pid, signal.SIGKILL)

    assert await end == "killed by SIGKILL"
    assert not alive(pid)


@pytest.mark.parametrize("launch", KINDS, ids=["process", "executor"])
async def test_a_child_whose_lifeline_is_closed_ends(hatchery: Hatchery, launch: Launch) -> None:
    child, end = hatchery.launch(launch)
    await hatchery.ready()

    child.line.close()

    assert await end in (f"exit status {lifelines.ORPHANED}", "died")


async def test_a_child_that_hangs_ends_with_its_supervisor_all_the_same(
    hatchery: Hatchery,
) -> None:
    child, end = hatchery.launch(process(child_mains.hang))
    await hatchery.ready()

    child.line.close()

    assert await end == f"exit status {lifelines.ORPHANED}"


async def test_an_exit_status_is_told(hatchery: Hatchery) -> None:
    _, end = hatchery.launch(process(child_mains.exit_with, 65))

    assert await end == "exit status 65"


async def test_arguments_reach_the_child(hatchery: Hatchery) -> None:
    hatchery.launch(process(child_mains.obey, "over here"))

    assert (await hatchery.ready()).detail == "over here"


@pytest.mark.parametrize(
    ("launch", "how"),
    [
        (executor(child_mains.fail), "RuntimeError: a bug"),
        (executor(child_mains.kill_myself), "killed by SIGKILL"),
        (executor(child_mains.run, child_mains.fail_to_attach), "died"),
    ],
    ids=["fails", "killed", "not attached"],
)
async def test_the_end_of_an_executor_s_call_is_told(
    hatchery: Hatchery, launch: Launch, how: str
) -> None:
    _, end = hatchery.launch(launch)

    assert await end == how


async def test_one_killed_worker_costs_no_other(hatchery: Hatchery) -> None:
    first, first_end = hatchery.launch(executor())
    second, second_end = hatchery.launch(executor())
    await wait_until_async(lambda: len(hatchery.heard) == 4, "both are ready", timeout=20)
    assert first.pid != second.pid

    os.kill(first.pid, signal.SIGKILL)
    await first_end

    assert not second_end.done()
    assert alive(second.pid)
    second.line.say(lifeline.Stop())
    assert await second_end == "finished"


async def test_signals_to_the_whole_group_leave_a_worker_alive(hatchery: Hatchery) -> None:
    child, end = hatchery.launch(executor())
    await hatchery.ready()

    os.kill(child.pid, signal.SIGTERM)
    os.kill(child.pid, signal.SIGINT)
    child.line.say(lifeline.Stop())

    assert await end == "finished"


async def test_a_child_that_is_gone_can_be_told_and_killed(hatchery: Hatchery) -> None:
    child, end = hatchery.launch(process(child_mains.exit_with, 0))
    pid = child.pid
    await end

    child.line.say(lifeline.Stop())
    child.line.close()
    children.kill(pid)
    children.kill(0)


async def test_a_call_returns_what_the_function_returns_in_another_process() -> None:
    pid = await children.call(os.getpid, patience=20)

    assert pid != os.getpid()
    assert not alive(pid)


async def test_a_call_raises_what_the_function_raises() -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        await children.call(child_mains.fail, patience=20)


async def test_a_call_whose_process_dies_says_so() -> None:
    with pytest.raises(BrokenProcessPool):
        await children.call(child_mains.kill_myself, patience=20)


async def test_a_call_that_takes_too_long_is_killed() -> None:
    with pytest.raises(TimeoutError):
        await children.call(child_mains.sleep_for_ever, patience=0.2)


async def test_a_fork_server_that_was_killed_is_replaced(
    hatchery: Hatchery, caplog: pytest.LogCaptureFixture
) -> None:
    server = await children.call(os.getppid, patience=20)
    os.kill(server, signal.SIGKILL)
    # Its end is awaited without taking it from who has to notice it.
    await asyncio.to_thread(os.waitid, os.P_PID, server, os.WEXITED | os.WNOWAIT)

    child, end = hatchery.launch(executor())
    await hatchery.ready()

    assert caplog.text.count("the fork server died") == 1
    child.line.say(lifeline.Stop())
    assert await end == "finished"


async def test_a_child_that_does_not_read_does_not_block_its_supervisor() -> None:
    line = children.Line(lambda message: None)
    row = lifeline.ProcessInfo("pre", 0, 1, "ready", 0, 0.0)
    message = lifeline.Health(True, "", 0.0, (row,) * 200)

    for _ in range(1000):
        line.say(message)

    line.close()
    line.child_end.close()


def test_starting_the_fork_server_leaves_the_signals_of_this_process_as_they_were() -> None:
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_last_words_of_a_child_are_heard_before_its_line_closes() -> None:
    heard: list[lifeline.FromChild] = []
    line = children.Line(heard.append)
    words: list[lifeline.FromChild] = [lifeline.Hello(1), lifeline.Loading("m", "v1")]
    with line.child_end as end:
        for word in words:
            lifelines.Lifeline(end).say(word)

    line.close()

    assert heard == words
