"""Client processes: they share a load, and one that dies does not go unseen."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from parallax.bench import crowd, failures, plan, tally, targets
from tests.support import server as processes
from tests.support import small_http, wait


@contextmanager
def serving() -> Iterator[str]:
    """The small server in a thread, because a crowd blocks."""
    urls: list[str] = []
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def main() -> None:
        async with small_http.serving(lambda _: small_http.response()) as small:
            urls.append(small.url)
            await stop.wait()

    thread = Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    wait.wait_until(lambda: urls, "the small server listens")
    yield urls[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()


def orders(url: str, load: plan.Load, processes: int, duration: float = 0.2) -> list[tally.Order]:
    at = targets.address(url)
    request = targets.request(targets.Asked(at, "raw", "demo"), b"\xff\xd8" + bytes(300_000))
    timing = plan.Timing(0.0, duration, 1.0)
    return crowd.orders(tally.Order(at, "raw", [request], [(64, 48)], load, timing, 1), processes)


def test_a_load_is_divided_among_processes_and_none_has_nothing_to_do() -> None:
    found = orders("http://a", plan.Load(3, 60.0), 8)
    assert [each.load for each in found] == [plan.Load(1, 20.0)] * 3
    assert len({each.seed for each in found}) == 3


def test_two_processes_send_and_tell_what_they_found() -> None:
    with serving() as url, crowd.Crowd(orders(url, plan.Load(4), 2)) as clients:
        start = clients.begin()
        found = clients.gather(start + 2.0, lambda: None)
    assert len(found) == 2
    for each in found:
        assert each.sent > 0
        assert not each.errors
        assert each.cpu > 0
        assert each.last >= start


def test_a_client_that_dies_is_told_and_no_other_is_left() -> None:
    killed: list[int] = []

    def kill() -> None:
        for pid in clients.pids[:1]:
            if pid not in killed:
                killed.append(pid)
                os.kill(pid, signal.SIGKILL)

    with serving() as url, crowd.Crowd(orders(url, plan.Load(4), 2, 20.0)) as clients:
        clients.begin()
        with pytest.raises(failures.BenchError, match="died with code -9"):
            clients.gather(time.monotonic() + 30.0, kill)
    assert not any(processes.alive(pid) for pid in clients.pids)
