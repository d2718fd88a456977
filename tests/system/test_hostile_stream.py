"""Entries that no server of ours wrote, in every stream of one that works: they end as dead letters
or as nothing, and no request notices.
"""

import itertools
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
import redis

from parallax.contract import messages, wire
from tests.support import load, valkey, wait
from tests.support import server as servers

pytestmark = [pytest.mark.system, pytest.mark.redis]

Fields = Mapping[bytes, bytes]

ROUTE = messages.Route("stranger", 0, "nobody", "elsewhere", 0.0, 60_000)
"""Of a request that nobody made, on a node that is not there: only its budget counts."""
PARAMS = messages.DetectionParams()
GEOMETRY = messages.Geometry(8, 8, 1.0, 1.0, 0.0, 0.0)
NEVER = messages.SlotRef(99, 1 << 40, 7)
ARRAYS = (
    messages.ArrayRef((4, 4, 3), "|u1", NEVER),
    messages.ArrayRef((1 << 40, 1 << 40), "<f8", messages.SlotRef(0, 0, 0)),
    messages.ArrayRef((1 << 40,), "<f8"),
)
TIMES = messages.Timings()


@pytest.fixture(scope="module")
def broker() -> Iterator[tuple[str, Any]]:
    """A broker that others may write to."""
    with (
        valkey.short_directory() as directory,
        valkey.running(directory) as url,
        redis.Redis.from_url(url) as client,
    ):
        yield url, client


@pytest.fixture(scope="module")
def server(broker: tuple[str, Any]) -> Iterator[servers.Server]:
    """A server on that broker."""
    with servers.serve("--redis-url", broker[0], "--node", "east", "--cpu-workers", "2") as running:
        yield running


def addressed(work: bytes, **changes: bytes) -> Fields:
    """Return the fields of an entry as a server writes them."""
    fields = {"q": b"stranger", "i": b"0", "a": b"nobody", "r": b"1-1", "v": work, "b": b""}
    return {name.encode(): value for name, value in (fields | changes).items()}


def not_ours() -> Iterator[Fields]:
    """Yield entries that cannot be read as any message."""
    good = wire.encode(messages.PreWork(ROUTE, "demo", PARAMS, messages.ImageOptions()))
    older = bytes([wire.FORMAT_VERSION - 1]) + good[1:]
    newer = bytes([wire.FORMAT_VERSION + 1]) + good[1:]
    deep = good[:1] + b"\x91" * 100_000
    claims = good[:1] + b"\xdd" + struct.pack(">I", (1 << 32) - 1)
    other = good[:1] + msgspec.msgpack.encode([1, "two", None, {"a": 3.5}])
    for work in (b"", good[:1], good[:-3], older, newer, deep, claims, other, b"\xff" * 50):
        yield addressed(work)
    yield {b"foo": b"bar"}
    yield {b"": b""}
    yield {b"f%d" % number: b"v" for number in range(10_000)}
    yield {b"v": b"\x00" * 5_000_000}
    yield addressed(older, b=b"\x00" * 5_000_000)
    for changes in (
        {"i": b"x"},
        {"i": b"9" * 5000},
        {"i": b"-1"},
        {"n": b"many"},
        {"n": b"1" * 5000},
        {"q": b"\xff\xfe"},
        {"a": b"\xff\xfe"},
        {"r": b"not an id"},
        {"r": b"99999999999999999999999-1"},
    ):
        yield addressed(older, **changes)


def nonsense() -> Iterator[Fields]:
    """Yield entries that can be read and cannot be carried out."""
    for model in ("nobody", "../../etc/passwd", "\x1b[31m\r\nfatal: forged", "x" * 100_000):
        pre = messages.PreWork(ROUTE, model, PARAMS, messages.ImageOptions())
        yield addressed(wire.encode(pre), b=b"no picture")
        for array in ARRAYS:
            infer = messages.InferWork(ROUTE, model, "v1", PARAMS, GEOMETRY, array, TIMES)
            yield addressed(wire.encode(infer))
    for array in ARRAYS:
        post = messages.PostWork(ROUTE, "demo", "v1", PARAMS, GEOMETRY, (array,), TIMES)
        yield addressed(wire.encode(post))


def streams(server: servers.Server) -> list[str]:
    return [name for name in server.status()["streams"] if name != "dead"]


def dead(server: servers.Server) -> int:
    return int(server.status()["streams"]["dead"]["length"])


def processes(server: servers.Server) -> list[tuple[str, int, int, int]]:
    rows = server.status()["processes"]
    return sorted((row["role"], row["slot"], row["pid"], row["restarts"]) for row in rows)


def write(client: Any, stream: str, entries: Iterator[Fields]) -> int:
    """Write entries to a stream and return how many."""
    key = f"{{parallax}}:{stream}"
    flat = [itertools.chain.from_iterable(fields.items()) for fields in entries]
    return len([client.execute_command("XADD", key, "*", *each) for each in flat])


def test_entries_that_are_not_ours_end_as_dead_letters(
    server: servers.Server, broker: tuple[str, Any], sample: bytes
) -> None:
    before, buried = processes(server), dead(server)
    with load.Load(server.url, sample, clients=4) as sending:
        sending.answers(10)
        written = sum(write(broker[1], stream, not_ours()) for stream in streams(server))
        sending.answers(30)
        wait.wait_until(lambda: dead(server) == buried + written, "all are dead letters", 30.0)
    assert set(sending.ledger.statuses) == {200}
    assert not sending.ledger.broken
    assert processes(server) == before
    server.wait_idle()


def test_entries_that_make_no_sense_do_no_harm(
    server: servers.Server, broker: tuple[str, Any], sample: bytes
) -> None:
    before = processes(server)
    with load.Load(server.url, sample, clients=4) as sending:
        sending.answers(10)
        for stream in streams(server):
            write(broker[1], stream, nonsense())
        sending.answers(30)
        wait.wait_until(lambda: not waiting(server, broker[1]), "all are through", 30.0)
    assert set(sending.ledger.statuses) == {200}
    assert not sending.ledger.broken
    assert processes(server) == before
    assert "\x1b" not in server.log
    assert not [line for line in server.log.splitlines() if line.startswith("fatal")]
    server.wait_idle()


def waiting(server: servers.Server, client: Any) -> list[bytes]:
    """Return the ids of a stranger's entries that are still in a stream."""
    found: list[tuple[bytes, Fields]] = []
    for stream in streams(server):
        found += client.execute_command("XRANGE", f"{{parallax}}:{stream}", "-", "+")
    return [identity for identity, fields in found if fields.get(b"q") == b"stranger"]


def test_forged_replies_are_passed_over(
    server: servers.Server, broker: tuple[str, Any], sample: bytes
) -> None:
    before = processes(server)
    with load.Load(server.url, sample, clients=4) as sending:
        sending.answers(5)
        boxes = list(broker[1].scan_iter("{parallax}:replies:*"))
        assert boxes
        reply = wire.encode(messages.Reply("stranger", 0, "", "", TIMES))
        for box in boxes:
            name = box.decode().removeprefix("{parallax}:")
            write(broker[1], name, not_ours())
            write(broker[1], name, iter([addressed(reply), addressed(reply, i=b"77")]))
            write(broker[1], name, iter([addressed(b"", c=b"no_such_code", m=b"\xff\x1b[2J")]))
        sending.answers(30)
    assert set(sending.ledger.statuses) == {200}
    assert processes(server) == before
    server.wait_idle()
