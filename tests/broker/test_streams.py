"""Operations to commands and back, and the healing steps, without any connection."""

from collections.abc import Sequence
from typing import Any

import pytest

from parallax.broker import (
    base,
    decode,
    encode,
    frames,
    housekeeping,
    letter_lua,
    letters,
    scripts,
    streams,
)
from parallax.broker.keys import Keys
from parallax.contract import errors
from parallax.contract.topology import Stage

KEYS = Keys(namespace="px", node="n1")
HOLDER = base.Holder(group=Stage.INFER, consumer="n1:infer:0")
TO = base.Address(request="r1", item=2, api="api1")
ENTRY = base.Entry(
    stream="{px}:infer:n1:m",
    id="7-1",
    record="5-0",
    address=TO,
    losses=1,
    work=b"w",
    bulk=b"",
)
READ = base.Read(streams=(ENTRY.stream,), holder=HOLDER, count=4, block_ms=100)

OPS: list[base.Op[Any]] = [
    base.Submit(address=TO, work=b"w", bulk=b"b"),
    READ,
    base.HandOff(entry=ENTRY, holder=HOLDER, target=KEYS.post, work=b"w", bulk=b"b"),
    base.Finish(entry=ENTRY, holder=HOLDER, reply=b"ok", bulk=b"b"),
    base.Recompute(entry=ENTRY, holder=HOLDER),
    base.Bury(entry=ENTRY, holder=HOLDER, cause="c", reply=b"no"),
    base.Release(stream=ENTRY.stream, holder=HOLDER, guilty=None, limit=3, cause="c"),
    base.Renew(streams=(ENTRY.stream,), holder=HOLDER, ttl_ms=1000),
    base.Claim(stream=ENTRY.stream, holder=HOLDER, min_idle_ms=10, cursor="0-0"),
    base.Cancel(record="5-0", request="r1", ttl_ms=1000),
    base.Abandoned(requests=("r1",)),
    base.Live(records=("5-0",)),
    base.Fetch(record="5-0"),
    base.Beat(api="api1", ttl_ms=1000),
    base.CloseMailbox(api="api1"),
    base.ReadReplies(api="api1", after="0-0", count=10, block_ms=0),
    base.TrimReplies(api="api1", upto="5-0"),
    housekeeping.EnsureGroups(streams=((KEYS.pre, Stage.PRE),)),
    housekeeping.Forget(stream=ENTRY.stream, holder=HOLDER),
    housekeeping.Retire(stream=ENTRY.stream, group=Stage.INFER),
    housekeeping.Acquire(name="sweeper", token="t", ttl_ms=1000),
    housekeeping.Surrender(name="sweeper", token="t"),
    housekeeping.Survey(streams=((KEYS.pre, Stage.PRE),)),
    letters.Letters(after="5-0"),
    letters.Find(letter="5-0"),
    letters.Picture(letter="5-0"),
    letters.Attach(letter="5-0", picture=b"jpeg"),
    letters.Discard(letters=("5-0", "6-0")),
]


def converse(ops: Sequence[base.Op[Any]], *replies: Sequence[decode.Reply]) -> Any:
    """Play the server: one list of replies for each batch. Gives the batches and the answers."""
    steps = streams.exchange(ops, KEYS)
    batches: list[streams.Batch] = []
    try:
        batches.append(next(steps))
        for reply in replies:
            batch = steps.send(reply)
            batches.append(batch)
    except StopIteration as end:
        return batches, end.value
    raise AssertionError(f"wants more replies: {batches}")


def test_every_operation_is_translated() -> None:
    assert {type(op).__name__ for op in OPS} == {op.__name__ for op in base.Op.__subclasses__()}


@pytest.mark.parametrize("op", OPS, ids=lambda op: type(op).__name__)
def test_every_key_carries_the_hash_tag(op: base.Op[Any]) -> None:
    for command in encode.commands(op, KEYS):
        if command[0] == "EVALSHA":
            names = command[3 : 3 + int(command[2])]
            assert names
            assert all(str(name).startswith("{px}") for name in names)


@pytest.mark.parametrize("op", OPS, ids=lambda op: type(op).__name__)
def test_no_command_is_newer_than_redis_7(op: base.Op[Any]) -> None:
    known = {
        "DEL",
        "EVALSHA",
        "HGET",
        "MGET",
        "XADD",
        "XAUTOCLAIM",
        "XGROUP",
        "XLEN",
        "XPENDING",
        "XRANGE",
        "XREAD",
        "XREADGROUP",
        "XTRIM",
    }
    assert {command[0] for command in encode.commands(op, KEYS)} <= known


def test_no_script_uses_a_command_newer_than_redis_7() -> None:
    source = "".join(script.source for script in (*scripts.ALL, *letter_lua.ALL))
    for command in ("XACKDEL", "XDELEX", "XNACK", "DELREF"):
        assert command not in source


def test_scripts_are_sent_by_digest_first() -> None:
    op = housekeeping.Acquire(name="sweeper", token="t", ttl_ms=1000)
    (batch,), answers = converse([op], [1])
    assert batch.commands[0][:2] == ("EVALSHA", scripts.ACQUIRE.digest)
    assert answers == [True]


def test_an_unknown_script_is_sent_again_with_its_source_and_nothing_else_is() -> None:
    finish = base.Finish(entry=ENTRY, holder=HOLDER, reply=b"ok", bulk=b"")
    submit = base.Submit(address=TO, work=b"w", bulk=b"b")
    unknown = decode.Refusal("NOSCRIPT", "No matching script.")
    batches, answers = converse([submit, finish], [b"9-0", unknown], [b"done"])
    (again,) = batches[1].commands
    assert again[:2] == ("EVAL", scripts.FINISH.source)
    assert again[2:] == batches[0].commands[1][2:]
    assert answers == ["9-0", base.Outcome.DONE]


@pytest.mark.parametrize("code", ["NOGROUP", "UNBLOCKED"])
def test_a_read_makes_a_lost_group_at_the_beginning_and_reads_again(code: str) -> None:
    gone = decode.Refusal(code, "gone")
    found = [[ENTRY.stream.encode(), [[b"1-0", [b"x", b"y"]]]]]
    batches, answers = converse([READ], [gone], [b"OK"], [found])
    assert batches[1].commands == [("XGROUP", "CREATE", ENTRY.stream, "infer", "0", "MKSTREAM")]
    assert batches[2].commands == batches[0].commands
    assert (answers[0][0].id, answers[0][0].work) == ("1-0", b"")


def test_a_group_lost_twice_reads_as_nothing() -> None:
    gone = decode.Refusal("NOGROUP", "gone")
    _, answers = converse([READ], [gone], [b"OK"], [gone])
    assert answers == [[]]


def test_an_entry_deleted_before_its_delivery_is_skipped() -> None:
    _, answers = converse([READ], [[[ENTRY.stream.encode(), [[b"1-0", None]]]]])
    assert answers == [[]]


@pytest.mark.parametrize(
    ("op", "repeatable"),
    [(op, not isinstance(op, base.Submit | base.HandOff | base.Finish | base.Read)) for op in OPS],
    ids=lambda value: type(value).__name__,
)
def test_what_must_not_run_twice_is_never_repeatable(op: base.Op[Any], repeatable: bool) -> None:
    batch = next(streams.exchange([op], KEYS))
    assert not batch.repeatable or repeatable
    together = next(streams.exchange([op, OPS[0]], KEYS))
    assert not together.repeatable


def test_a_wait_is_announced_and_zero_does_not_mean_for_ever() -> None:
    assert next(streams.exchange([READ], KEYS)).block_ms == 100
    at_once = base.Read(streams=READ.streams, holder=HOLDER, count=1, block_ms=0)
    batch = next(streams.exchange([at_once], KEYS))
    assert batch.block_ms == 0
    assert "BLOCK" not in batch.commands[0]


def test_nothing_to_ask_sends_nothing() -> None:
    batches, answers = converse([base.Abandoned(requests=())])
    assert (batches, answers) == ([], [[]])


@pytest.mark.parametrize("code", ["OOM", "READONLY", "LOADING", "BUSY", "NOAUTH", "MISCONF"])
def test_a_server_out_of_service_is_unavailable(code: str) -> None:
    with pytest.raises(errors.BrokerUnavailableError, match="not now"):
        converse([OPS[0]], [decode.Refusal(code, "not now")])


def test_a_server_without_room_for_a_connection_is_unavailable() -> None:
    with pytest.raises(errors.BrokerUnavailableError, match="max number of clients"):
        converse([OPS[0]], [decode.Refusal("max", "max number of clients reached")])


def test_an_unexpected_refusal_is_an_internal_error() -> None:
    with pytest.raises(errors.InternalError, match="WRONGTYPE"):
        converse([OPS[0]], [decode.Refusal("WRONGTYPE", "WRONGTYPE Operation against a key")])


def test_one_refusal_does_not_hide_that_the_rest_was_carried_out() -> None:
    refused = decode.Refusal("OOM", "full")
    with pytest.raises(errors.BrokerUnavailableError):
        converse([OPS[0], OPS[0]], [refused, b"9-0"])


def test_claim_reads_the_cursor_and_the_deleted_ids() -> None:
    claim = base.Claim(stream="s", holder=HOLDER, min_idle_ms=1, cursor="0-0", count=2)
    _, answers = converse([claim], [[b"8-1", [b"1-0", b"2-0"], [b"3-0"]]])
    assert answers == [base.Claimed(cursor="8-1", entries=2, vanished=1)]


def test_the_losses_and_the_record_travel_with_a_hand_off() -> None:
    op = base.HandOff(entry=ENTRY, holder=HOLDER, target=KEYS.post, work=b"w", bulk=b"b")
    fields = [
        str(part).encode() if not isinstance(part, bytes) else part
        for part in frames.handed_off(op)
    ]
    entry = frames.entry(KEYS.post, b"9-0", fields, is_record=False)
    assert (entry.record, entry.losses, entry.address) == ("5-0", 1, TO)
    assert (entry.work, entry.bulk) == (b"w", b"b")


def test_the_id_after_an_id() -> None:
    assert frames.following("15-9") == "15-10"
