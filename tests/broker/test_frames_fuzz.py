"""Entries of a stranger, of any fields with anything in them: they cost nobody else anything, no
script breaks off half-way, and both brokers do the same with them."""

from collections.abc import Mapping
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from parallax.broker import base, frames
from parallax.contract.topology import Stage
from tests.broker import worlds

KEYS = worlds.KEYS
STREAMS = {KEYS.pre: Stage.PRE, KEYS.infer("model"): Stage.INFER, KEYS.post: Stage.POST}
ODD = st.sampled_from(
    (
        *(
            b"",
            b"0",
            b"-1",
            b"7",
            b" 7 ",
            b"1_0",
            b"0x10",
            b"1e3",
            b"1e999",
            b"nan",
            b"inf",
            b"\xff",
        ),
        *(b"9" * 30, b"9" * 5000, b"2147483648", b"-9223372036854775809", "٣".encode(), b"1.5"),
        *(b"1-1", b"0-0", b"1-", b"-", b"+", b"18446744073709551615-18446744073709551615"),
        *(b"18446744073709551616-0", b"99999999999999999999-1", b"1-99999999999999999999", b"a-b"),
    )
)
VALUES = ODD | st.binary(max_size=8)
FIELDS = st.dictionaries(
    st.sampled_from(("q", "i", "a", "n", "r", "v", "b", "c", "m", "stage", "x")), VALUES, min_size=1
)
GOOD = {"q": b"r1", "i": b"0", "a": b"api", "v": b"w", "b": b"b"}
OURS = st.builds(
    lambda name, value, record: GOOD | {"r": record, name: value},
    st.sampled_from("qianrvb"),
    VALUES,
    st.just(b"5-5") | VALUES,
)
ENDS = st.sampled_from(("finish", "bury", "hand off", "recompute", "release", "blamed"))


def end(broker: base.BlockingBroker, entry: base.Entry, holder: base.Holder, how: str) -> Any:
    """Let a worker do with the entry what one may do."""
    release = base.Release(entry.stream, holder, frozenset(), 3, "killed")
    ops: Mapping[str, base.Op[Any]] = {
        "finish": base.Finish(entry, holder, b"reply", b""),
        "bury": base.Bury(entry, holder, "cause", b"reply"),
        "hand off": base.HandOff(entry, holder, KEYS.post, b"w", b""),
        "recompute": base.Recompute(entry, holder),
        "release": release,
        "blamed": base.Release(entry.stream, holder, None, 3, "killed"),
    }
    outcome = broker.execute(ops[how])
    if outcome is base.Outcome.RECORD_LOST:
        return outcome, broker.execute(ops["finish"])
    return outcome


def life(world: worlds.World, stream: str, fields: dict[str, bytes], how: str) -> list[Any]:
    """Return all that can be seen of the life of an entry."""
    world.flush()
    broker, holder = world.connect(), base.Holder(STREAMS[stream], "c0")
    try:
        broker.execute(base.Beat("api", 60_000))
        world.add(stream, dict(fields))
        (entry,) = broker.execute(base.Read((stream,), holder, 1, 0))
        seen = [entry.address, entry.losses, entry.work, entry.bulk]
        if not entry.work and how in ("finish", "hand off", "recompute"):
            how = "bury"  # which is all that a worker does with what it cannot read
        told = end(broker, entry, holder, how)
        left = {name: len(world.pending(name, stage.value)) for name, stage in STREAMS.items()}
        assert not any(left.values()), "somebody still holds it"
        kept = stream == KEYS.pre and told is base.Outcome.DONE and how == "hand off"
        requeued = how in ("release", "blamed") and told.requeued
        again = told is base.Outcome.DONE and how == "recompute"
        if not (kept or requeued or again):
            assert world.entries(stream) == {} or (how == "hand off" and stream == KEYS.post)
        if how in ("release", "blamed") and not entry.work:
            # A script does not look into each field: it may queue again what the next owner buries.
            return seen
        lengths = [len(world.entries(name)) for name in (*STREAMS, KEYS.dead, KEYS.replies("api"))]
        replies = broker.execute(base.ReadReplies("api", "0-0", 10, 0))
        return [*seen, told, lengths, [(each.request, each.item, each.code) for each in replies]]
    finally:
        broker.close()


@hypothesis.given(stream=st.sampled_from(tuple(STREAMS)), fields=FIELDS | OURS, how=ENDS)
def test_a_strangers_entry_on_the_twin(stream: str, fields: dict[str, bytes], how: str) -> None:
    life(worlds.MemoryWorld(), stream, fields, how)


@pytest.mark.redis
@hypothesis.settings(
    max_examples=150, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(stream=st.sampled_from(tuple(STREAMS)), fields=FIELDS | OURS, how=ENDS)
def test_a_strangers_entry_on_both(
    real: worlds.ValkeyWorld, stream: str, fields: dict[str, bytes], how: str
) -> None:
    assert life(real, stream, fields, how) == life(worlds.MemoryWorld(), stream, fields, how)


@hypothesis.given(identity=st.just(b"1-1"), flat=st.lists(VALUES, max_size=8).map(lambda v: v * 2))
def test_any_fields_are_an_entry_and_maybe_a_reply(identity: bytes, flat: list[bytes]) -> None:
    for is_record in (True, False):
        found = frames.entry("s", identity, flat, is_record=is_record)
        assert found.work or found.address.request == ""
    reply = frames.reply(identity, flat)
    assert reply is None or reply.reply or reply.code
