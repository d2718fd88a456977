"""What a broker promises, asked of the real one and of its in-process twin alike."""

import asyncio
from collections.abc import Callable

import pytest

from parallax.broker import base, housekeeping, scripts
from parallax.contract.topology import Stage
from tests.broker import worlds

KEYS = worlds.KEYS
INFER = KEYS.infer("model")
POST = KEYS.post
TO = base.Address(request="r1", item=3, api="api1")
MAILBOX_TTL = 60_000

STAGES = {KEYS.pre: Stage.PRE, INFER: Stage.INFER, POST: Stage.POST}

Connect = Callable[[], base.AsyncBroker]


def owner(stream: str, slot: int = 0) -> base.Holder:
    stage = STAGES[stream]
    return base.Holder(group=stage, consumer=f"n1:{stage.value}:{slot}")


async def submit(broker: base.AsyncBroker, request: str = "r1", bulk: bytes = b"jpeg") -> str:
    to = base.Address(request=request, item=TO.item, api=TO.api)
    return await broker.execute(base.Submit(address=to, work=b"\x01pre", bulk=bulk))


async def take(
    broker: base.AsyncBroker, stream: str, slot: int = 0, count: int = 100
) -> list[base.Entry]:
    holder = owner(stream, slot)
    return await broker.execute(
        base.Read(streams=(stream,), holder=holder, count=count, block_ms=0)
    )


async def take_one(broker: base.AsyncBroker, stream: str, slot: int = 0) -> base.Entry:
    (entry,) = await take(broker, stream, slot)
    return entry


async def hand_off(
    broker: base.AsyncBroker, entry: base.Entry, target: str, slot: int = 0
) -> base.Outcome:
    holder = owner(entry.stream, slot)
    op = base.HandOff(entry=entry, holder=holder, target=target, work=b"\x01next", bulk=b"out")
    return await broker.execute(op)


async def finish(broker: base.AsyncBroker, entry: base.Entry, slot: int = 0) -> base.Outcome:
    holder = owner(entry.stream, slot)
    return await broker.execute(
        base.Finish(entry=entry, holder=holder, reply=b"\x01ok", bulk=b"{}")
    )


async def recompute(broker: base.AsyncBroker, entry: base.Entry, slot: int = 0) -> base.Outcome:
    return await broker.execute(base.Recompute(entry=entry, holder=owner(entry.stream, slot)))


async def bury(broker: base.AsyncBroker, entry: base.Entry, slot: int = 0) -> base.Outcome:
    holder = owner(entry.stream, slot)
    return await broker.execute(
        base.Bury(entry=entry, holder=holder, cause="malformed", reply=b"\x01sorry")
    )


async def release(
    broker: base.AsyncBroker,
    stream: str,
    guilty: frozenset[str] | None = None,
    limit: int = 3,
) -> base.Released:
    holder = owner(stream)
    return await broker.execute(
        base.Release(stream=stream, holder=holder, guilty=guilty, limit=limit, cause="killed")
    )


async def cancel(broker: base.AsyncBroker, record: str, request: str = "r1") -> base.Cancelled:
    return await broker.execute(base.Cancel(record=record, request=request, ttl_ms=5_000))


async def beat(broker: base.AsyncBroker) -> None:
    await broker.execute(base.Beat(api=TO.api, ttl_ms=MAILBOX_TTL))


async def replies(broker: base.AsyncBroker, after: str = "0-0") -> list[base.ReplyEntry]:
    return await broker.execute(base.ReadReplies(api=TO.api, after=after, count=1000, block_ms=0))


async def in_infer(broker: base.AsyncBroker) -> base.Entry:
    """Bring a request to the inference stage and take it there."""
    await submit(broker)
    await hand_off(broker, await take_one(broker, KEYS.pre), INFER)
    return await take_one(broker, INFER)


def picture(world: worlds.World) -> dict[str, object]:
    """Everything that a late owner must not change."""
    return {
        stream: (world.entries(stream), world.pending(stream, stage.value))
        for stream, stage in STAGES.items()
    } | {"dead": world.entries(KEYS.dead), "replies": world.entries(KEYS.replies(TO.api))}


def assert_clean(world: worlds.World) -> None:
    """Nothing is left but empty work streams and what expires by itself."""
    for stream, stage in STAGES.items():
        assert world.entries(stream) == {}
        assert world.pending(stream, stage.value) == {}
    lasting = {name for name, left in world.names().items() if left is None}
    assert lasting <= {*STAGES, KEYS.dead, KEYS.dead_pictures}


# --- the way of a request ------------------------------------------------------------------------


async def test_a_new_entry_carries_all_that_was_submitted(broker: base.AsyncBroker) -> None:
    record = await submit(broker, bulk=b"\x00\xff")
    entry = await take_one(broker, KEYS.pre)
    assert entry == base.Entry(
        stream=KEYS.pre,
        id=record,
        record=record,
        address=TO,
        losses=0,
        work=b"\x01pre",
        bulk=b"\x00\xff",
    )


async def test_what_came_before_the_first_reader_is_delivered_in_order(
    broker: base.AsyncBroker,
) -> None:
    for number in range(5):
        await submit(broker, f"r{number}")
    entries = await take(broker, KEYS.pre, count=3) + await take(broker, KEYS.pre, slot=1)
    assert [entry.address.request for entry in entries] == ["r0", "r1", "r2", "r3", "r4"]


async def test_one_read_serves_several_streams(broker: base.AsyncBroker) -> None:
    await submit(broker)
    first = await take_one(broker, KEYS.pre)
    other = KEYS.infer("other")
    op = base.HandOff(entry=first, holder=owner(KEYS.pre), target=other, work=b"w", bulk=b"")
    await broker.execute(op)
    both = base.Read(streams=(INFER, other), holder=owner(INFER), count=4, block_ms=0)
    (entry,) = await broker.execute(both)
    assert (entry.stream, entry.work) == (other, b"w")


async def test_an_empty_read_returns_after_its_wait(broker: base.AsyncBroker) -> None:
    read = base.Read(streams=(KEYS.pre,), holder=owner(KEYS.pre), count=1, block_ms=5)
    assert await broker.execute(read) == []


async def test_a_waiting_read_gets_the_next_request(connect: Connect) -> None:
    reader, writer = connect(), connect()
    read = base.Read(streams=(KEYS.pre,), holder=owner(KEYS.pre), count=1, block_ms=5_000)
    (entry,), record = await asyncio.gather(reader.execute(read), submit(writer))
    assert entry.id == record


async def test_a_waiting_api_gets_the_next_reply(connect: Connect) -> None:
    reader, writer = connect(), connect()
    await beat(writer)
    await submit(writer)
    entry = await take_one(writer, KEYS.pre)
    read = base.ReadReplies(api=TO.api, after="0-0", count=10, block_ms=5_000)
    (reply,), outcome = await asyncio.gather(reader.execute(read), finish(writer, entry))
    assert outcome is base.Outcome.DONE
    assert (reply.request, reply.item, reply.reply, reply.bulk) == ("r1", 3, b"\x01ok", b"{}")
    assert (reply.code, reply.message) == ("", "")


async def test_hand_off_moves_the_entry_and_keeps_the_record(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    record = await submit(broker)
    outcome = await hand_off(broker, await take_one(broker, KEYS.pre), INFER)
    assert outcome is base.Outcome.DONE
    assert list(world.entries(KEYS.pre)) == [record]
    assert world.pending(KEYS.pre, "pre") == {}
    entry = await take_one(broker, INFER)
    assert (entry.record, entry.losses, entry.address) == (record, 0, TO)
    assert (entry.work, entry.bulk) == (b"\x01next", b"out")


async def test_a_whole_journey_leaves_one_reply_and_nothing_else(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    await beat(broker)
    infer = await in_infer(broker)
    assert await hand_off(broker, infer, POST) is base.Outcome.DONE
    assert world.entries(INFER) == {}
    assert await finish(broker, await take_one(broker, POST)) is base.Outcome.DONE
    assert [reply.reply for reply in await replies(broker)] == [b"\x01ok"]
    assert_clean(world)


async def test_many_operations_go_in_one_call(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    to = [base.Address(request=f"r{number}", item=0, api=TO.api) for number in range(20)]
    await broker.execute_many([base.Submit(address=at, work=b"w", bulk=b"") for at in to])
    entries = await take(broker, KEYS.pre)
    moves = [
        base.HandOff(entry=entry, holder=owner(KEYS.pre), target=INFER, work=b"w", bulk=b"")
        for entry in entries
    ]
    assert await broker.execute_many(moves) == [base.Outcome.DONE] * 20
    assert [entry.address.request for entry in await take(broker, INFER)] == [
        at.request for at in to
    ]
    assert len(world.entries(KEYS.pre)) == 20


# --- late owners ---------------------------------------------------------------------------------

Move = Callable[[base.AsyncBroker, base.Entry], "asyncio.Future[base.Outcome]"]
MOVES = [
    pytest.param(lambda broker, entry: hand_off(broker, entry, POST), id="hand-off"),
    pytest.param(finish, id="finish"),
    pytest.param(recompute, id="recompute"),
    pytest.param(bury, id="bury"),
]


@pytest.mark.parametrize("move", MOVES)
async def test_a_late_owner_changes_nothing(
    world: worlds.World, broker: base.AsyncBroker, move: Move
) -> None:
    await beat(broker)
    entry = await in_infer(broker)
    world.age(INFER, "infer", entry.id, 10_000)
    op = base.Claim(stream=INFER, holder=owner(INFER, 7), min_idle_ms=9_000, cursor="0-0")
    assert (await broker.execute(op)).entries == 1
    before = picture(world)
    assert await move(broker, entry) is base.Outcome.NOT_OWNER
    assert picture(world) == before


@pytest.mark.parametrize("move", MOVES)
async def test_a_second_attempt_after_success_changes_nothing(
    world: worlds.World, broker: base.AsyncBroker, move: Move
) -> None:
    await beat(broker)
    entry = await in_infer(broker)
    assert await finish(broker, entry) is base.Outcome.DONE
    before = picture(world)
    assert await move(broker, entry) is base.Outcome.NOT_OWNER
    assert picture(world) == before


@pytest.mark.parametrize("move", MOVES)
async def test_after_the_broker_lost_everything_nobody_is_an_owner(
    world: worlds.World, broker: base.AsyncBroker, move: Move
) -> None:
    entry = await in_infer(broker)
    world.flush()
    assert await move(broker, entry) is base.Outcome.NOT_OWNER
    assert world.names() == {}


async def test_a_stale_finish_after_release_gives_exactly_one_reply(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    await beat(broker)
    stale = await in_infer(broker)
    await release(broker, INFER)
    fresh = await take_one(broker, INFER, slot=1)
    assert await finish(broker, stale) is base.Outcome.NOT_OWNER
    assert await finish(broker, fresh, slot=1) is base.Outcome.DONE
    assert await finish(broker, stale) is base.Outcome.NOT_OWNER
    assert len(await replies(broker)) == 1
    assert_clean(world)


# --- release and recompute -----------------------------------------------------------------------


async def test_release_blames_the_guilty_only(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    for name in ("guilty", "innocent"):
        await submit(broker, name)
    entries = await take(broker, KEYS.pre)
    done = await release(broker, KEYS.pre, guilty=frozenset({entries[0].id}))
    assert done == base.Released(requeued=2, buried=0, vanished=0)
    assert world.pending(KEYS.pre, "pre") == {}
    again = await take(broker, KEYS.pre, slot=1)
    assert {entry.address.request: entry.losses for entry in again} == {"guilty": 1, "innocent": 0}
    assert all(entry.record == entry.id for entry in again)
    assert [entry.bulk for entry in again] == [b"jpeg", b"jpeg"]


async def test_release_of_nothing_or_of_an_unknown_stream_is_empty(
    broker: base.AsyncBroker,
) -> None:
    assert (await release(broker, INFER)).total == 0
    await submit(broker)
    await take(broker, KEYS.pre, slot=1)
    assert (await release(broker, KEYS.pre)).total == 0


async def test_release_keeps_the_record_of_a_later_stage(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    entry = await in_infer(broker)
    await release(broker, INFER)
    again = await take_one(broker, INFER)
    assert (again.record, again.losses, again.work) == (entry.record, 1, entry.work)
    assert again.id != entry.id
    assert list(world.entries(KEYS.pre)) == [entry.record]


async def test_losses_travel_with_the_request(broker: base.AsyncBroker) -> None:
    await submit(broker)
    await take(broker, KEYS.pre)
    await release(broker, KEYS.pre)
    await hand_off(broker, await take_one(broker, KEYS.pre), INFER)
    await take(broker, INFER)
    await release(broker, INFER)
    assert (await take_one(broker, INFER)).losses == 2


async def test_release_works_in_pages(broker: base.AsyncBroker) -> None:
    to = [base.Address(request=f"r{number}", item=0, api=TO.api) for number in range(130)]
    await broker.execute_many([base.Submit(address=at, work=b"w", bulk=b"") for at in to])
    await take(broker, KEYS.pre, count=130)
    totals = [(await release(broker, KEYS.pre)).total for _ in range(3)]
    assert totals == [scripts.PAGE, 30, 0]


async def test_at_the_limit_the_entry_is_buried_and_its_client_told(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    await beat(broker)
    entry = await in_infer(broker)
    for _ in range(2):
        assert (await release(broker, INFER)).requeued == 1
        await take(broker, INFER)
    assert await release(broker, INFER) == base.Released(requeued=0, buried=1, vanished=0)
    (letter,) = world.entries(KEYS.dead).values()
    assert letter[b"stage"] == b"infer"
    assert letter[b"stream"] == INFER.encode()
    assert letter[b"consumer"] == b"n1:infer:0"
    assert (letter[b"cause"], letter[b"losses"]) == (b"killed", b"3")
    assert (letter[b"v"], letter[b"record"], letter[b"q"]) == (b"\x01next", b"\x01pre", b"r1")
    assert letter[b"r"] == entry.record.encode()
    (reply,) = await replies(broker)
    assert (reply.request, reply.item, reply.code, reply.reply) == ("r1", 3, "poisoned", b"")
    assert "3 workers" in reply.message
    assert_clean(world)


async def test_an_entry_without_a_body_is_only_acknowledged(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    entry = await in_infer(broker)
    world.delete(INFER, entry.id)
    assert await release(broker, INFER) == base.Released(requeued=0, buried=0, vanished=1)
    assert world.pending(INFER, "infer") == {}


async def test_a_cancelled_request_is_not_queued_again(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    entry = await in_infer(broker)
    await cancel(broker, entry.record)
    assert await release(broker, INFER) == base.Released(requeued=0, buried=0, vanished=1)
    assert_clean(world)


async def test_recompute_queues_the_record_again(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    entry = await in_infer(broker)
    assert await recompute(broker, entry) is base.Outcome.DONE
    assert world.entries(INFER) == {}
    again = await take_one(broker, KEYS.pre)
    assert (again.address, again.losses, again.work, again.bulk) == (TO, 1, b"\x01pre", b"jpeg")
    assert list(world.entries(KEYS.pre)) == [again.id]


async def test_recompute_counts_on_from_the_larger_number_of_losses(
    broker: base.AsyncBroker,
) -> None:
    await in_infer(broker)
    await release(broker, INFER)
    assert await recompute(broker, await take_one(broker, INFER)) is base.Outcome.DONE
    assert (await take_one(broker, KEYS.pre)).losses == 2


async def test_recompute_without_a_record_changes_nothing(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    entry = await in_infer(broker)
    world.delete(KEYS.pre, entry.record)
    before = picture(world)
    assert await recompute(broker, entry) is base.Outcome.RECORD_LOST
    assert picture(world) == before
    assert await finish(broker, entry) is base.Outcome.DONE


async def test_recompute_of_a_cancelled_request_removes_it(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    entry = await in_infer(broker)
    await cancel(broker, entry.record)
    assert await recompute(broker, entry) is base.Outcome.CANCELLED
    assert_clean(world)


async def test_a_record_that_moved_is_found_under_the_id_its_api_knows(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    record = await submit(broker)
    for _ in range(2):
        await take(broker, KEYS.pre)
        await release(broker, KEYS.pre, guilty=frozenset())
    assert record not in world.entries(KEYS.pre)
    assert await broker.execute(base.Live(records=(record, "1-1"))) == [True, False]
    assert await cancel(broker, record) is base.Cancelled.REMOVED
    assert await broker.execute(base.Live(records=(record,))) == [False]
    assert_clean(world)


async def test_a_record_can_be_read_while_its_request_is_on_the_way(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    record = await submit(broker, bulk=b"\x00\xff")
    await hand_off(broker, await take_one(broker, KEYS.pre), INFER)
    before = picture(world)
    entry = await broker.execute(base.Fetch(record))
    assert entry is not None
    assert (entry.id, entry.work, entry.bulk) == (record, b"\x01pre", b"\x00\xff")
    assert picture(world) == before


async def test_a_record_is_gone_with_its_answer(broker: base.AsyncBroker) -> None:
    entry = await in_infer(broker)
    await finish(broker, entry)
    assert await broker.execute(base.Fetch(entry.record)) is None


@pytest.mark.parametrize("record", ["", "1-1"])
async def test_a_record_that_never_was_is_not_found(broker: base.AsyncBroker, record: str) -> None:
    assert await broker.execute(base.Fetch(record)) is None


# --- strangers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"hello": "world"},
        {"q": "r", "i": "x", "a": "api1", "v": "w"},
        {"q": b"\xff\xfe", "i": "1", "a": "api1", "v": "w"},
        {"q": "r", "i": "1", "a": "api1", "n": "many", "v": "w"},
        {"q": "r", "i": "1", "a": "api1"},
    ],
)
async def test_an_entry_that_is_not_ours_is_delivered_empty_and_can_be_buried(
    world: worlds.World, broker: base.AsyncBroker, fields: dict[str, worlds.Value]
) -> None:
    await beat(broker)
    world.add(KEYS.pre, fields)
    entry = await take_one(broker, KEYS.pre)
    assert (entry.work, entry.bulk, entry.address) == (b"", b"", base.Address("", 0, ""))
    assert await bury(broker, entry) is base.Outcome.DONE
    (letter,) = world.entries(KEYS.dead).values()
    assert letter[b"cause"] == b"malformed"
    assert {name.encode() for name in fields} <= set(letter)
    assert await replies(broker) == []
    assert_clean(world)


async def test_a_stranger_with_the_id_of_a_live_record_does_not_take_it_along(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    record = await submit(broker)
    world.add(INFER, {"hello": "world"}, entry=record)
    await bury(broker, await take_one(broker, INFER))
    world.add(POST, {"q": "r1", "v": "w", "r": "not-an-id"})
    await take(broker, POST)
    assert (await release(broker, POST, limit=1)).buried == 1
    assert await broker.execute(base.Live(records=(record,))) == [True]


@pytest.mark.parametrize("count", [1, 500])
async def test_a_stranger_that_a_dead_consumer_held_is_buried_at_once(
    world: worlds.World, broker: base.AsyncBroker, count: int
) -> None:
    world.add(KEYS.pre, {f"f{number}": "x" for number in range(count)})
    await take(broker, KEYS.pre)
    assert (await release(broker, KEYS.pre, guilty=frozenset())).buried == 1
    assert len(world.entries(KEYS.dead)) == 1
    assert_clean(world)


async def test_bury_answers_the_client(world: worlds.World, broker: base.AsyncBroker) -> None:
    await beat(broker)
    assert await bury(broker, await in_infer(broker)) is base.Outcome.DONE
    (reply,) = await replies(broker)
    assert (reply.reply, reply.code) == (b"\x01sorry", "")
    (letter,) = world.entries(KEYS.dead).values()
    assert letter[b"q"] == b"r1"
    assert_clean(world)


async def test_bury_does_not_answer_a_client_that_has_gone(broker: base.AsyncBroker) -> None:
    await beat(broker)
    entry = await in_infer(broker)
    await cancel(broker, entry.record)
    assert await bury(broker, entry) is base.Outcome.DONE
    assert await replies(broker) == []


# --- leases, claims ------------------------------------------------------------------------------


async def renew(broker: base.AsyncBroker, stream: str, slot: int = 0) -> None:
    holder = owner(stream, slot)
    await broker.execute(base.Renew(streams=(stream,), holder=holder, ttl_ms=5_000))


async def test_renew_touches_only_its_own_entries_and_no_delivery_count(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    for name in ("mine", "theirs"):
        await submit(broker, name)
    mine = (await take(broker, KEYS.pre, count=1))[0]
    theirs = (await take(broker, KEYS.pre, slot=1))[0]
    for entry in (mine, theirs):
        world.age(KEYS.pre, "pre", entry.id, 10_000)
    before = world.pending(KEYS.pre, "pre")
    await renew(broker, KEYS.pre)
    assert world.pending(KEYS.pre, "pre") == before
    op = base.Claim(stream=KEYS.pre, holder=owner(KEYS.pre, 9), min_idle_ms=9_000, cursor="0-0")
    assert await broker.execute(op) == base.Claimed(cursor="0-0", entries=1, vanished=0)
    assert world.pending(KEYS.pre, "pre")[theirs.id][0] == "n1:pre:9"
    assert world.pending(KEYS.pre, "pre")[mine.id][0] == "n1:pre:0"


async def test_renew_makes_a_lease_that_expires_and_needs_no_stream(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    await renew(broker, KEYS.pre)
    await renew(broker, KEYS.pre)
    left = world.names()[KEYS.lease("n1:pre:0")]
    assert left is not None
    assert 0 < left <= 5_000
    assert KEYS.pre not in world.names()


async def test_renew_reaches_beyond_one_page(world: worlds.World, broker: base.AsyncBroker) -> None:
    to = [base.Address(request=f"r{number}", item=0, api=TO.api) for number in range(200)]
    await broker.execute_many([base.Submit(address=at, work=b"w", bulk=b"") for at in to])
    last = (await take(broker, KEYS.pre, count=200))[-1]
    world.age(KEYS.pre, "pre", last.id, 10_000)
    await renew(broker, KEYS.pre)
    op = base.Claim(stream=KEYS.pre, holder=owner(KEYS.pre, 9), min_idle_ms=9_000, cursor="0-0")
    assert (await broker.execute(op)).entries == 0


@pytest.mark.parametrize("count", range(2, 9))
async def test_claim_finds_the_dead_behind_the_living(
    world: worlds.World, broker: base.AsyncBroker, count: int
) -> None:
    to = [base.Address(request=f"r{number}", item=0, api=TO.api) for number in range(50)]
    await broker.execute_many([base.Submit(address=at, work=b"w", bulk=b"") for at in to])
    entries = await take(broker, KEYS.pre, count=40) + await take(broker, KEYS.pre, slot=1)
    for entry in entries:
        world.age(KEYS.pre, "pre", entry.id, 10_000)
    await renew(broker, KEYS.pre)
    sweeper = owner(KEYS.pre, 9)
    claimed, cursor, pages = 0, "0-0", 0
    while pages == 0 or cursor != "0-0":
        page = await broker.execute(
            base.Claim(
                stream=KEYS.pre, holder=sweeper, min_idle_ms=9_000, cursor=cursor, count=count
            )
        )
        claimed, cursor, pages = claimed + page.entries, page.cursor, pages + 1
        assert pages < 50
    assert claimed == 10
    owners = [held for held, _ in world.pending(KEYS.pre, "pre").values()]
    assert (owners.count("n1:pre:0"), owners.count("n1:pre:9")) == (40, 10)


async def test_claim_counts_entries_whose_body_is_gone(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    entry = await in_infer(broker)
    world.delete(INFER, entry.id)
    op = base.Claim(stream=INFER, holder=owner(INFER, 9), min_idle_ms=0, cursor="0-0")
    assert await broker.execute(op) == base.Claimed(cursor="0-0", entries=0, vanished=1)


async def test_claim_of_an_unknown_stream_finds_nothing(broker: base.AsyncBroker) -> None:
    op = base.Claim(stream=INFER, holder=owner(INFER), min_idle_ms=0, cursor="0-0")
    assert await broker.execute(op) == base.Claimed(cursor="0-0", entries=0, vanished=0)


# --- a broker that lost everything ---------------------------------------------------------------


async def test_a_read_makes_lost_groups_again_and_misses_nothing(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    await broker.execute(housekeeping.EnsureGroups(streams=tuple(STAGES.items())))
    await take(broker, KEYS.pre)
    world.flush()
    record = await submit(broker)
    assert (await take_one(broker, KEYS.pre)).id == record


async def test_a_read_that_waits_while_everything_is_lost_still_gets_the_next_request(
    world: worlds.World, connect: Connect
) -> None:
    reader, writer = connect(), connect()
    await take(reader, KEYS.pre)
    read = base.Read(streams=(KEYS.pre,), holder=owner(KEYS.pre), count=1, block_ms=5_000)

    async def lose_then_submit() -> str:
        await asyncio.to_thread(world.flush)
        return await submit(writer)

    (entry,), record = await asyncio.gather(reader.execute(read), lose_then_submit())
    assert entry.id == record


async def test_groups_may_be_made_twice(world: worlds.World, broker: base.AsyncBroker) -> None:
    await submit(broker)
    for _ in range(2):
        await broker.execute(housekeeping.EnsureGroups(streams=tuple(STAGES.items())))
    assert set(world.names()) == set(STAGES)
    assert len(await take(broker, KEYS.pre)) == 1


# --- cancellation --------------------------------------------------------------------------------


async def test_a_request_that_nobody_took_is_removed(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    await take(broker, KEYS.pre)
    record = await submit(broker)
    assert await cancel(broker, record) is base.Cancelled.REMOVED
    assert await take(broker, KEYS.pre) == []
    assert await broker.execute(base.Abandoned(requests=("r1",))) == [False]
    assert_clean(world)


async def test_cancellation_works_before_there_is_a_group(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    assert await cancel(broker, await submit(broker)) is base.Cancelled.REMOVED
    assert world.entries(KEYS.pre) == {}
    assert await cancel(broker, "5-5", "unknown") is base.Cancelled.MARKED


async def test_a_request_that_started_is_marked_and_dropped_at_its_next_move(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    await beat(broker)
    record = await submit(broker)
    entry = await take_one(broker, KEYS.pre)
    assert await cancel(broker, record) is base.Cancelled.MARKED
    assert await broker.execute(base.Abandoned(requests=("r1", "r2"))) == [True, False]
    assert await hand_off(broker, entry, INFER) is base.Outcome.CANCELLED
    assert await hand_off(broker, entry, INFER) is base.Outcome.NOT_OWNER
    assert await replies(broker) == []
    assert_clean(world)


async def test_a_finish_of_a_cancelled_request_sends_no_reply(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    await beat(broker)
    entry = await in_infer(broker)
    await cancel(broker, entry.record)
    assert await finish(broker, entry) is base.Outcome.CANCELLED
    assert await replies(broker) == []
    assert_clean(world)


async def test_what_waits_for_an_api_process_without_a_mailbox_is_abandoned(
    broker: base.AsyncBroker,
) -> None:
    await beat(broker)
    record = await submit(broker)
    await take_one(broker, KEYS.pre)
    asked = base.Abandoned(("r1", "r2", "r3"), (TO.api, TO.api, "gone"))
    assert await broker.execute(asked) == [False, False, True]
    await cancel(broker, record)
    assert await broker.execute(asked) == [True, False, True]


async def test_nobody_is_abandoned_among_nobody(broker: base.AsyncBroker) -> None:
    assert await broker.execute(base.Abandoned(requests=())) == []
    assert await broker.execute(base.Live(records=())) == []


# --- mailboxes -----------------------------------------------------------------------------------


async def test_a_reply_to_a_dead_mailbox_vanishes(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    await beat(broker)
    entry = await in_infer(broker)
    world.expire(KEYS.mailbox(TO.api))
    assert await finish(broker, entry) is base.Outcome.DONE
    assert KEYS.replies(TO.api) not in world.names()
    assert_clean(world)


async def test_a_reply_stream_expires_from_its_first_entry_on(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    await beat(broker)
    await finish(broker, await in_infer(broker))
    for name in (KEYS.mailbox(TO.api), KEYS.replies(TO.api)):
        left = world.names()[name]
        assert left is not None
        assert 0 < left <= MAILBOX_TTL


async def test_a_beat_renews_the_reply_stream(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    await beat(broker)
    await finish(broker, await in_infer(broker))
    await broker.execute(base.Beat(api=TO.api, ttl_ms=MAILBOX_TTL * 10))
    for name in (KEYS.mailbox(TO.api), KEYS.replies(TO.api)):
        left = world.names()[name]
        assert left is not None
        assert left > MAILBOX_TTL


async def test_read_replies_are_trimmed(world: worlds.World, broker: base.AsyncBroker) -> None:
    await beat(broker)
    for _ in range(3):
        await finish(broker, await in_infer(broker))
    first, second, third = await replies(broker)
    assert [reply.id for reply in await replies(broker, after=first.id)] == [second.id, third.id]
    await broker.execute(base.TrimReplies(api=TO.api, upto=second.id))
    assert [reply.id for reply in await replies(broker)] == [third.id]
    assert list(world.entries(KEYS.replies(TO.api))) == [third.id]


async def test_a_malformed_reply_is_skipped(world: worlds.World, broker: base.AsyncBroker) -> None:
    await beat(broker)
    for fields in ({"x": "y"}, {"q": "r", "i": "?", "v": "w"}, {"q": "r", "i": "1"}):
        world.add(KEYS.replies(TO.api), fields)
    await finish(broker, await in_infer(broker))
    assert [reply.request for reply in await replies(broker)] == ["r1"]


async def test_a_closed_mailbox_leaves_nothing(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    await beat(broker)
    await finish(broker, await in_infer(broker))
    await broker.execute(base.CloseMailbox(api=TO.api))
    assert set(world.names()) <= set(STAGES)
    assert await replies(broker) == []
    await broker.execute(base.TrimReplies(api=TO.api, upto="5-5"))


# --- housekeeping --------------------------------------------------------------------------------


async def test_a_consumer_with_something_pending_is_not_forgotten(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    entry = await in_infer(broker)
    forget = housekeeping.Forget(stream=INFER, holder=owner(INFER))
    assert await broker.execute(forget) is False
    assert entry.id in world.pending(INFER, "infer")
    await finish(broker, entry)
    assert await broker.execute(forget) is True
    assert await broker.execute(forget) is True


async def test_a_stream_is_retired_only_when_nobody_needs_it(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    retire = housekeeping.Retire(stream=INFER, group=Stage.INFER)
    assert await broker.execute(retire) is False
    entry = await in_infer(broker)
    assert await broker.execute(retire) is False
    await finish(broker, entry)
    assert await broker.execute(retire) is False
    await broker.execute(housekeeping.Forget(stream=INFER, holder=owner(INFER)))
    assert await broker.execute(retire) is True
    assert INFER not in world.names()


async def test_a_lock_has_one_holder_and_a_ttl(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    async def acquire(token: str) -> bool:
        return await broker.execute(housekeeping.Acquire(name="sweeper", token=token, ttl_ms=5_000))

    assert [await acquire("a"), await acquire("b"), await acquire("a")] == [True, False, True]
    assert world.names()[KEYS.lock("sweeper")] is not None
    await broker.execute(housekeeping.Surrender(name="sweeper", token="b"))
    assert await acquire("b") is False
    await broker.execute(housekeeping.Surrender(name="sweeper", token="a"))
    assert await acquire("b") is True
    world.expire(KEYS.lock("sweeper"))
    assert await acquire("c") is True


async def test_a_survey_counts(world: worlds.World, broker: base.AsyncBroker) -> None:
    survey = housekeeping.Survey(streams=tuple(STAGES.items()))
    assert (await broker.execute(survey))[INFER] == housekeeping.StreamStats(length=0, pending=0)
    for name in ("a", "b", "c"):
        await submit(broker, name)
    await take(broker, KEYS.pre, count=2)
    world.add(KEYS.dead, {"cause": "x"})
    found = await broker.execute(survey)
    assert found[KEYS.pre] == housekeeping.StreamStats(
        length=3, pending=2, consumers={"n1:pre:0": 2}
    )
    assert found[KEYS.dead] == housekeeping.StreamStats(length=1, pending=0)
