"""What can go wrong between the clients and a server: cut, stale, silent, full and cancelled."""

import asyncio
import socketserver
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from parallax.broker import base, client, link_rules
from parallax.contract import errors
from parallax.contract.topology import Stage
from tests.broker import worlds
from tests.support import valkey

KEYS = worlds.KEYS
HOLDER = base.Holder(group=Stage.PRE, consumer="n1:pre:0")
TO = base.Address(request="r1", item=0, api="api1")
SUBMIT = base.Submit(address=TO, work=b"w", bulk=b"b")
LIVE = base.Live(records=("1-1",))


def read(block_ms: int, count: int = 10) -> base.Read:
    return base.Read(streams=(KEYS.pre,), holder=HOLDER, count=count, block_ms=block_ms)


@pytest.fixture(params=["async", "blocking"])
async def connect(
    request: pytest.FixtureRequest,
) -> AsyncIterator[Callable[[str], base.AsyncBroker]]:
    opened: list[base.AsyncBroker] = []

    def make(url: str) -> base.AsyncBroker:
        new = (
            client.connect_async(url, KEYS)
            if request.param == "async"
            else worlds.Threaded(client.connect_blocking(url, KEYS))
        )
        opened.append(new)
        return new

    yield make
    for broker in opened:
        await broker.aclose()


class Hostile(socketserver.ThreadingUnixStreamServer):
    """Takes commands and then behaves badly; counts what it was sent."""

    daemon_threads = True

    def __init__(self, path: str, *, silent: bool) -> None:
        super().__init__(path, HostileSession)
        self.silent = silent
        self.received = 0
        self.ended = threading.Event()


class HostileSession(socketserver.BaseRequestHandler):
    server: Hostile

    def handle(self) -> None:
        if self.request.recv(65536):
            self.server.received += 1
            if self.server.silent:
                self.server.ended.wait(10)


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Callable[[bool], Hostile]]:
    started: list[Hostile] = []

    def start(silent: bool) -> Hostile:
        new = Hostile(str(tmp_path / "h.sock"), silent=silent)
        threading.Thread(target=new.serve_forever, args=(0.01,), daemon=True).start()
        started.append(new)
        return new

    yield start
    for server in started:
        server.ended.set()
        server.shutdown()
        server.server_close()


Connect = Callable[[str], base.AsyncBroker]


async def test_a_submission_whose_answer_was_cut_off_is_not_sent_again(
    connect: Connect, hostile: Callable[[bool], Hostile], tmp_path: Path
) -> None:
    server = hostile(False)
    broker = connect(f"unix://{tmp_path}/h.sock")
    with pytest.raises(errors.BrokerUnavailableError):
        await broker.execute(SUBMIT)
    assert server.received == 1


async def test_a_question_whose_answer_was_cut_off_is_asked_once_more(
    connect: Connect, hostile: Callable[[bool], Hostile], tmp_path: Path
) -> None:
    server = hostile(False)
    broker = connect(f"unix://{tmp_path}/h.sock")
    with pytest.raises(errors.BrokerUnavailableError):
        await broker.execute(LIVE)
    assert server.received == 2


async def test_a_silent_server_is_given_up_after_the_timeout(
    connect: Connect,
    hostile: Callable[[bool], Hostile],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link_rules, "REPLY_TIMEOUT", 0.05)
    server = hostile(True)
    broker = connect(f"unix://{tmp_path}/h.sock")
    for op in (SUBMIT, LIVE):
        with pytest.raises(errors.BrokerUnavailableError):
            await broker.execute(op)
    assert server.received == 2


async def test_no_server_is_an_error_at_once(connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(errors.BrokerUnavailableError):
        await connect(f"unix://{tmp_path}/none.sock").execute(SUBMIT)


def test_a_bad_url_is_refused_before_anything_is_connected() -> None:
    for connect in (client.connect_async, client.connect_blocking):
        with pytest.raises(errors.SettingsError):
            connect("ftp://x", KEYS)


@pytest.mark.redis
async def test_a_connection_that_died_while_idle_costs_nothing(
    connect: Connect, real: worlds.ValkeyWorld, valkey_url: str
) -> None:
    broker = connect(valkey_url)
    await broker.execute(SUBMIT)
    real.probe.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await until(real, "connected_clients", 1)
    await broker.execute(SUBMIT)
    assert len(real.entries(KEYS.pre)) == 2


@pytest.mark.redis
async def test_a_long_unused_connection_is_pinged_first(
    connect: Connect,
    real: worlds.ValkeyWorld,
    valkey_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link_rules, "IDLE_CHECK", 0.0)
    broker = connect(valkey_url)
    for _ in range(3):
        await broker.execute(SUBMIT)
    assert real.probe.info("commandstats")["cmdstat_ping"]["calls"] >= 2
    assert len(real.entries(KEYS.pre)) == 3


@pytest.mark.redis
async def test_a_caller_cancelled_while_it_pings_leaves_no_reply_for_the_next(
    real: worlds.ValkeyWorld, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = client.connect_async(valkey_url, KEYS)
    await broker.execute(SUBMIT)
    monkeypatch.setattr(link_rules, "IDLE_CHECK", -1.0)
    pinging = asyncio.ensure_future(broker.execute(SUBMIT))
    await asyncio.sleep(0)  # it is sent, and its reply not yet read
    pinging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pinging
    monkeypatch.undo()
    records = await broker.execute_many([SUBMIT] * 2)
    assert set(records) < set(real.entries(KEYS.pre))
    await broker.aclose()


@pytest.mark.redis
async def test_a_blocking_read_outlasts_the_reply_timeout(
    connect: Connect,
    real: worlds.ValkeyWorld,
    valkey_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link_rules, "REPLY_TIMEOUT", 0.1)
    broker = connect(valkey_url)
    assert await broker.execute(read(block_ms=150)) == []


@pytest.mark.redis
async def test_forgotten_scripts_are_taught_again_also_amid_a_pipeline(
    connect: Connect, real: worlds.ValkeyWorld, valkey_url: str
) -> None:
    broker = connect(valkey_url)
    await broker.execute_many([SUBMIT] * 3)
    entries = await broker.execute(read(block_ms=0))
    real.probe.script_flush()
    moves = [
        base.HandOff(entry=entry, holder=HOLDER, target=KEYS.post, work=b"w", bulk=b"")
        for entry in entries
    ]
    assert await broker.execute_many(moves) == [base.Outcome.DONE] * 3
    assert len(real.entries(KEYS.post)) == 3


@pytest.mark.redis
async def test_a_full_broker_refuses_new_requests_but_lets_the_old_ones_finish(
    connect: Connect, real: worlds.ValkeyWorld, valkey_url: str
) -> None:
    broker = connect(valkey_url)
    await broker.execute(base.Beat(api="api1", ttl_ms=60_000))
    lease = base.Renew(streams=(KEYS.pre,), holder=HOLDER, ttl_ms=60_000)
    await broker.execute(lease)
    await broker.execute_many([SUBMIT] * 3)
    moved, requeued, recomputed = await broker.execute(read(block_ms=0))
    real.probe.config_set("maxmemory", "1")
    try:
        with pytest.raises(errors.BrokerUnavailableError, match="memory"):
            await broker.execute(SUBMIT)
        await broker.execute_many([lease])
        await broker.execute(base.Beat(api="api1", ttl_ms=60_000))
        hand_off = base.HandOff(entry=moved, holder=HOLDER, target=KEYS.post, work=b"", bulk=b"")
        assert await broker.execute(hand_off) is base.Outcome.DONE
        again = base.Recompute(entry=recomputed, holder=HOLDER)
        assert await broker.execute(again) is base.Outcome.DONE
        finish = base.Finish(entry=requeued, holder=HOLDER, reply=b"ok", bulk=b"")
        assert await broker.execute(finish) is base.Outcome.DONE
    finally:
        real.probe.config_set("maxmemory", "0")
    assert len(real.entries(KEYS.replies("api1"))) == 1
    assert len(real.entries(KEYS.post)) == 1


@pytest.mark.redis
async def test_a_cancelled_read_leaves_no_reply_for_the_next_caller(
    real: worlds.ValkeyWorld, valkey_url: str
) -> None:
    broker = client.connect_async(valkey_url, KEYS)
    await broker.execute(read(block_ms=0))
    for _ in range(3):
        waiting = asyncio.ensure_future(broker.execute(read(block_ms=5_000)))
        await until(real, "blocked_clients", 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    record = await broker.execute(SUBMIT)
    (entry,) = await broker.execute(read(block_ms=1_000))
    assert entry.id == record
    await broker.aclose()


@pytest.mark.redis
async def test_waiting_readers_do_not_hold_up_short_operations(
    real: worlds.ValkeyWorld, valkey_url: str
) -> None:
    broker = client.connect_async(valkey_url, KEYS)
    await broker.execute(read(block_ms=0))
    readers = [
        asyncio.ensure_future(broker.execute(read(block_ms=5_000, count=1)))
        for _ in range(client.MAX_LINKS + 4)
    ]
    await asyncio.gather(*(broker.execute(SUBMIT) for _ in readers))
    entries = [entry for found in await asyncio.gather(*readers) for entry in found]
    assert len(entries) == len(readers)
    await broker.aclose()


@pytest.mark.redis
async def test_more_callers_than_connections_wait_in_line(
    real: worlds.ValkeyWorld, valkey_url: str
) -> None:
    broker = client.connect_async(valkey_url, KEYS)
    records = await asyncio.gather(*(broker.execute(SUBMIT) for _ in range(200)))
    assert len(set(records)) == 200
    assert real.probe.info("clients")["connected_clients"] <= client.MAX_LINKS + 2
    await broker.aclose()


@pytest.mark.redis
async def test_closing_ends_a_waiting_read_and_refuses_further_operations(
    real: worlds.ValkeyWorld, valkey_url: str
) -> None:
    broker = client.connect_async(valkey_url, KEYS)
    waiting = asyncio.ensure_future(broker.execute(read(block_ms=9_000)))
    await until(real, "blocked_clients", 1)
    await broker.aclose()
    async with asyncio.timeout(5):  # much less than the read would have waited
        for operation in (waiting, broker.execute(SUBMIT)):
            with pytest.raises(errors.BrokerUnavailableError):
                await operation


@pytest.mark.redis
async def test_a_connection_to_what_became_a_replica_is_not_kept(
    connect: Connect, real: worlds.ValkeyWorld, valkey_url: str
) -> None:
    broker = connect(valkey_url)
    await broker.execute(SUBMIT)
    real.probe.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        with pytest.raises(errors.BrokerUnavailableError, match="READONLY"):
            await broker.execute(SUBMIT)
        await until(real, "connected_clients", 1)
    finally:
        real.probe.execute_command("REPLICAOF", "NO", "ONE")
    await broker.execute(SUBMIT)


@pytest.mark.redis
async def test_a_primary_is_found_through_a_sentinel(connect: Connect, tmp_path: Path) -> None:
    with valkey.running_with_sentinel(tmp_path) as url:
        broker = connect(url)
        record = await broker.execute(SUBMIT)
        assert [entry.id for entry in await broker.execute(read(block_ms=0))] == [record]


async def until(world: worlds.ValkeyWorld, figure: str, value: int) -> None:
    """Wait until the server tells of so many clients."""
    async with asyncio.timeout(5):
        found = None
        while found != value:
            found = (await asyncio.to_thread(world.probe.info, "clients"))[figure]
