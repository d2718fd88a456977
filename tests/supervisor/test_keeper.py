"""One slot's life, with children that do as the test says."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from parallax.contract import errors, lifeline
from parallax.contract.topology import Role
from parallax.policy import restarts
from parallax.supervisor import child as children
from parallax.supervisor import keeper as keepers
from tests.support import fakes
from tests.support.wait import wait_until_async

Make = Callable[..., keepers.Keeper]


class Surroundings:
    """Records what a keeper tells."""

    def __init__(self) -> None:
        self.states: list[str] = []
        self.deaths = 0
        self.keeper: keepers.Keeper | None = None

    def changed(self) -> None:
        if self.keeper and (not self.states or self.states[-1] != self.keeper.state):
            self.states.append(self.keeper.state)

    async def died(self, pid: int) -> None:
        self.deaths += 1


@pytest.fixture
def around() -> Surroundings:
    return Surroundings()


@pytest.fixture
async def make(nursery: fakes.Nursery, around: Surroundings) -> AsyncIterator[Make]:
    """Makes keepers that run; all are stopped in the end."""
    running: list[tuple[keepers.Keeper, asyncio.Future[None]]] = []

    def start(
        *, start_timeout: float = 60.0, backoff: restarts.Backoff | None = None
    ) -> keepers.Keeper:
        made = keepers.Keeper(
            Role.PRE,
            3,
            nursery.launch,
            keepers.Hooks(around.changed, around.died),
            start_timeout,
            _backoff=backoff or restarts.Backoff(first=0.001, longest=0.01),
        )
        around.keeper = made
        running.append((made, asyncio.ensure_future(made.run())))
        return made

    yield start
    for made, task in running:
        await made.stop(patience=1.0)
        await task


async def started(nursery: fakes.Nursery, count: int = 1) -> fakes.FakeChild:
    await wait_until_async(lambda: len(nursery.children) >= count, f"child {count} is launched")
    return nursery.children[count - 1]


async def test_a_child_that_is_ready_makes_the_slot_ready(
    make: Make, nursery: fakes.Nursery, around: Surroundings
) -> None:
    slot = make()
    child = await started(nursery)
    assert slot.state == "starting"

    child.speak(lifeline.Hello(child.pid))
    child.speak(lifeline.Ready("2 models"))

    assert (slot.state, slot.detail, slot.name) == ("ready", "2 models", "pre:3")
    assert around.states == ["starting", "ready"]
    row = slot.info(slot._started + 1.5)
    assert row == lifeline.ProcessInfo("pre", 3, child.pid, "ready", 0, 1.5)


async def test_a_child_that_dies_is_replaced_after_a_pause(
    make: Make, nursery: fakes.Nursery, around: Surroundings
) -> None:
    slot = make()
    child = await started(nursery)
    child.speak(lifeline.Ready())
    child.end("killed by SIGKILL")
    successor = await started(nursery, 2)
    successor.speak(lifeline.Ready())

    assert (slot.state, slot.restarts, slot.pid) == ("ready", 1, successor.pid)
    assert around.deaths == 1
    assert around.states == ["starting", "ready", "backing-off", "starting", "ready"]


async def test_the_return_of_a_slot_is_told_once_after_any_number_of_deaths(
    make: Make, nursery: fakes.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    make()
    first = await started(nursery)
    first.speak(lifeline.Ready())
    first.end("died")
    (await started(nursery, 2)).end("died")
    assert "again after" not in caplog.text

    (await started(nursery, 3)).speak(lifeline.Ready())

    assert caplog.text.count("pre:3 is ready again after 0.") == 1


async def test_what_it_held_is_given_back_before_its_successor_starts(
    nursery: fakes.Nursery, around: Surroundings
) -> None:
    given_back = asyncio.Event()
    slot = keepers.Keeper(
        Role.PRE,
        0,
        nursery.launch,
        keepers.Hooks(around.changed, lambda _: given_back.wait()),  # type: ignore[arg-type,return-value]
        _backoff=restarts.Backoff(first=0.0),
    )
    task = asyncio.ensure_future(slot.run())
    (await started(nursery)).end("died")
    await wait_until_async(lambda: slot.state == "backing-off", "the death is seen")
    await asyncio.sleep(0)
    assert len(nursery.children) == 1
    assert slot.pid == 0

    given_back.set()

    await started(nursery, 2)
    await slot.stop()
    await task


async def test_a_crash_loop_is_slowed_down(make: Make, nursery: fakes.Nursery) -> None:
    backoff = restarts.Backoff(first=0.001, longest=0.02)
    slot = make(backoff=backoff)
    for count in range(1, 7):
        (await started(nursery, count)).end("exit status 1")
    await started(nursery, 7)

    assert slot.restarts == 6
    assert backoff.failures == 6


async def test_a_child_that_is_not_ready_in_time_is_killed_and_replaced(
    make: Make, nursery: fakes.Nursery
) -> None:
    slot = make(start_timeout=0.02)
    child = await started(nursery)

    successor = await started(nursery, 2)
    successor.speak(lifeline.Ready())

    assert nursery.killed == [child.pid]
    assert slot.restarts == 1


async def test_a_child_that_was_ready_in_time_is_left_alone(
    make: Make, nursery: fakes.Nursery, around: Surroundings
) -> None:
    slot = make(start_timeout=0.02)
    child = await started(nursery)
    child.speak(lifeline.Ready())

    await asyncio.sleep(0.05)  # the time to become ready passes

    assert nursery.killed == []
    assert slot.state == "ready"


async def test_stop_lets_a_child_finish(make: Make, nursery: fakes.Nursery) -> None:
    slot = make()
    child = await started(nursery)
    child.speak(lifeline.Ready())

    await slot.stop()

    assert child.fake_line.said == [lifeline.Stop()]
    assert nursery.killed == []
    assert (slot.state, slot.pid, slot.restarts) == ("stopped", 0, 0)


async def test_a_child_that_ignores_its_stop_is_killed(
    make: Make, nursery: fakes.Nursery, around: Surroundings
) -> None:
    slot = make()
    child = await started(nursery)
    child.obeys = False
    child.speak(lifeline.Ready())

    await slot.stop(patience=0.02)

    assert nursery.killed == [child.pid]
    assert slot.state == "stopped"
    assert around.states[-2:] == ["stopping", "stopped"]
    assert around.deaths == 0, "an end that was asked for is no death"


async def test_a_forced_stop_kills_at_once(make: Make, nursery: fakes.Nursery) -> None:
    slot = make()
    child = await started(nursery)
    child.obeys = False

    await slot.stop(patience=0.0)

    assert nursery.killed == [child.pid]


async def test_stop_while_backing_off_does_not_wait_or_start_again(
    make: Make, nursery: fakes.Nursery
) -> None:
    slot = make(backoff=restarts.Backoff(first=3600.0, longest=3600.0))
    (await started(nursery)).end("died")
    await wait_until_async(lambda: slot.state == "backing-off", "it backs off")

    async with asyncio.timeout(2):
        await slot.stop()

    assert slot.state == "stopped"
    assert len(nursery.children) == 1


async def test_stop_while_starting_ends_the_child(make: Make, nursery: fakes.Nursery) -> None:
    slot = make()
    child = await started(nursery)

    await slot.stop()
    child.speak(lifeline.Ready())

    assert slot.state == "stopped"


async def test_a_late_ready_does_not_undo_a_stop(make: Make, nursery: fakes.Nursery) -> None:
    slot = make()
    child = await started(nursery)
    child.obeys = False
    stopping = asyncio.ensure_future(slot.stop(patience=5.0))
    await wait_until_async(lambda: child.fake_line.said, "it is told to stop")

    child.speak(lifeline.Ready())

    assert slot.state == "stopping"
    child.end("finished")
    await stopping


async def test_stop_before_the_first_start_starts_nothing(
    nursery: fakes.Nursery, around: Surroundings
) -> None:
    slot = keepers.Keeper(Role.POST, 0, nursery.launch, keepers.Hooks(around.changed, around.died))
    stopping = asyncio.ensure_future(slot.stop())
    await asyncio.sleep(0)

    await slot.run()
    await stopping

    assert nursery.children == []
    assert slot.state == "stopped"


async def test_why_a_child_cannot_work_is_kept(
    make: Make, nursery: fakes.Nursery, around: Surroundings
) -> None:
    slot = make()
    child = await started(nursery)

    child.speak(lifeline.Failed("model_refused", "m.onnx: no outputs"))

    assert isinstance(slot.failure, errors.ModelRefusedError)
    assert slot.failure.message == "m.onnx: no outputs"
    assert around.states


async def test_an_api_process_says_when_it_has_drained(make: Make, nursery: fakes.Nursery) -> None:
    slot = make()
    child = await started(nursery)
    slot.say(lifeline.Drain())
    assert not slot.drained.is_set()

    child.speak(lifeline.Drained())

    assert slot.drained.is_set()
    assert child.fake_line.said == [lifeline.Drain()]


async def test_a_stuck_child_that_is_killed_is_replaced(make: Make, nursery: fakes.Nursery) -> None:
    slot = make()
    child = await started(nursery)
    child.speak(lifeline.Ready())

    slot.kill("stuck for 61 s")
    successor = await started(nursery, 2)

    assert nursery.killed == [child.pid]
    assert slot.restarts == 1
    assert slot.info(0.0).reason == "killed: stuck for 61 s"

    successor.end("killed by SIGSEGV")
    await started(nursery, 3)
    assert slot.info(0.0).reason == "killed by SIGSEGV"


async def test_a_slot_without_a_process_can_be_told_and_killed(around: Surroundings) -> None:
    slot = keepers.Keeper(Role.PRE, 0, fail_to_launch, keepers.Hooks(around.changed, around.died))

    slot.say(lifeline.Stop())
    slot.kill("nothing there")

    assert slot.info(100.0) == lifeline.ProcessInfo("pre", 0, 0, "starting", 0, 0.0)


def fail_to_launch(_: Callable[[lifeline.FromChild], None]) -> children.Child:
    raise OSError("no more processes")


async def test_a_launch_that_fails_counts_as_a_death_and_the_slot_can_be_stopped(
    around: Surroundings,
) -> None:
    slot = keepers.Keeper(Role.PRE, 0, fail_to_launch, keepers.Hooks(around.changed, around.died))
    task = asyncio.ensure_future(slot.run())
    await wait_until_async(lambda: slot.restarts == 2, "it is tried again")

    await slot.stop(patience=1.0)
    await task

    assert slot.state == "stopped"
    assert around.deaths == 2


async def test_a_slot_in_its_last_life_is_not_started_again(
    nursery: fakes.Nursery, around: Surroundings
) -> None:
    slot = keepers.Keeper(Role.API, 0, nursery.launch, keepers.Hooks(around.changed, around.died))
    task = asyncio.ensure_future(slot.run())
    child = await started(nursery)

    slot.end_after_this_life()
    child.end("died")
    await task

    assert slot.state == "stopped"
    assert around.deaths == 1


async def test_silence_is_measured_from_the_last_word_and_only_when_ready(
    nursery: fakes.Nursery, around: Surroundings
) -> None:
    slot = keepers.Keeper(Role.PRE, 0, nursery.launch, keepers.Hooks(around.changed, around.died))
    task = asyncio.ensure_future(slot.run())
    child = await started(nursery)
    assert slot.silent_for(1e9) == 0.0

    child.speak(lifeline.Ready())
    assert slot.silent_for(1e9) > 1e8
    slot.excuse(1e9)
    assert slot.silent_for(1e9) == 0.0

    child.end("died")
    await slot.stop()
    await task


async def test_a_slot_whose_keeping_failed_can_still_be_stopped(
    nursery: fakes.Nursery, around: Surroundings
) -> None:
    async def fail(_: int) -> None:
        raise RuntimeError("a bug")

    slot = keepers.Keeper(Role.PRE, 0, nursery.launch, keepers.Hooks(around.changed, fail))
    task = asyncio.ensure_future(slot.run())
    (await started(nursery)).end("died")
    with pytest.raises(RuntimeError, match="a bug"):
        await task

    async with asyncio.timeout(2):
        await slot.stop(patience=0.01)

    assert slot.state == "stopped"


async def test_a_child_that_cannot_work_is_not_started_again_before_it_was_ever_ready(
    nursery: fakes.Nursery, around: Surroundings
) -> None:
    slot = keepers.Keeper(Role.INFER, 0, nursery.launch, keepers.Hooks(around.changed, around.died))
    task = asyncio.ensure_future(slot.run())
    child = await started(nursery)

    child.speak(lifeline.Failed("cannot_start", "no such device"))
    child.end("exit status 65")
    await task

    assert slot.failure is not None
    assert len(nursery.children) == 1


async def test_a_process_that_fails_after_loading_for_long_is_in_a_crash_loop_all_the_same(
    nursery: fakes.Nursery, around: Surroundings
) -> None:
    delays: list[float] = []

    class Recorded(restarts.Backoff):
        def after(self, lived: float) -> float:
            delays.append(lived)
            return 0.0

    slot = keepers.Keeper(
        Role.INFER,
        0,
        nursery.launch,
        keepers.Hooks(around.changed, around.died),
        _backoff=Recorded(),
    )
    task = asyncio.ensure_future(slot.run())
    child = await started(nursery)
    child.end("died while it loaded")
    successor = await started(nursery, 2)
    successor.speak(lifeline.Ready())
    successor.end("died")
    await started(nursery, 3)
    await slot.stop(patience=0.0)
    await task

    assert delays[0] == 0.0
    assert delays[1] > 0.0
