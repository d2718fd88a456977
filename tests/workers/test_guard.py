"""A run that does not end costs its process, and only its own items are blamed."""

import asyncio
import dataclasses
from pathlib import Path

import pytest

from parallax.contract import messages
from parallax.contract.topology import Stage
from parallax.policy import batching, watchdog
from parallax.workers import batch_run, guard, triage
from tests.workers import world as worlds


def run_of(world: worlds.World, *requests: str) -> batch_run.Run:
    """Return a run of so many requests."""
    works = []
    for request in requests:
        world.submit_tensor(request)
        (entry,) = world.take(Stage.INFER)
        taken = triage.triage(entry, messages.InferWork, worlds.seat(Stage.INFER), 0.0)
        assert isinstance(taken, triage.Accepted)
        works.append(taken)
    key = batch_run.key(works[0].work)
    return batch_run.Run(key, batching.Reason.IDLE, [], works, alone=False)


async def test_only_what_hangs_is_blamed_when_the_process_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watchdog, "LOOK_EVERY", 0.001)
    monkeypatch.setattr(watchdog, "LEAST", 0.01)
    world, killed = worlds.World(tmp_path), asyncio.Event()
    board = world.slab.board(1)
    watching = guard.Guard(board, 60.0, killed.set)
    over, hung, slow = (run_of(world, name, name + "2") for name in "abc")
    for run, expected in ((over, 1e-6), (hung, 1e-6), (slow, 1.0)):
        board.begin(*run.ids)
        watching.begin(run, expected)
    board.end(*over.ids)
    watching.end(over)

    task = asyncio.ensure_future(watching.watch())
    async with asyncio.timeout(10):
        await killed.wait()
    task.cancel()

    assert board.hung
    assert world.slab.board(1).read() == set(hung.ids)
    assert "model m hangs: a run of 2 items" in caplog.text


def test_a_board_tells_who_hung_until_it_is_cleared(tmp_path: Path) -> None:
    board = worlds.World(tmp_path).slab.board(1)
    board.begin("1-0", "2-0", "3-0")

    board.accuse("2-0")
    assert (board.hung, board.read()) == (True, frozenset({"2-0"}))

    board.clear()
    assert (board.hung, board.read()) == (False, frozenset())


def test_a_board_can_be_accused_as_a_whole(tmp_path: Path) -> None:
    world = worlds.World(tmp_path)
    world.slab.board(1).begin("1-0")

    world.slab.board(1).accuse()

    assert (world.slab.board(1).hung, world.slab.board(1).read()) == (True, frozenset({"1-0"}))


def test_runs_of_two_streams_whose_entries_have_the_same_ids_are_told_apart(tmp_path: Path) -> None:
    world = worlds.World(tmp_path)
    watching = guard.Guard(world.slab.board(1), 60.0, lambda: None)
    one = run_of(world, "a")
    other = dataclasses.replace(one)
    assert one.ids == other.ids

    for run in (one, other):
        watching.begin(run, 1.0)
    watching.end(one)
    watching.end(other)


def test_a_board_still_shows_an_entry_when_its_namesake_is_done(tmp_path: Path) -> None:
    board = worlds.World(tmp_path).slab.board(1)
    board.begin("1-0")
    board.begin("1-0")

    board.end("1-0")
    assert board.read() == {"1-0"}
    board.end("1-0")
    assert not board.read()
