"""Dead letters, asked of the real broker and of its twin alike."""

import pytest

from parallax.broker import base, frames, letters
from parallax.contract.topology import Stage
from tests.broker import worlds

KEYS = worlds.KEYS
INFER = KEYS.infer("model")
PRE_HOLDER = base.Holder(Stage.PRE, "n1:pre:0")
INFER_HOLDER = base.Holder(Stage.INFER, "n1:infer:0")
TO = base.Address("r1", 3, "api1")
HEAD = {"stage": "pre", "stream": "s", "consumer": "c", "cause": "why", "losses": "2"}


async def taken(
    broker: base.AsyncBroker, bulk: bytes = b"jpeg", work: bytes = b"pre"
) -> base.Entry:
    """Submit a request and take it."""
    await broker.execute(base.Submit(TO, work, bulk))
    (entry,) = await broker.execute(base.Read((KEYS.pre,), PRE_HOLDER, 10, 0))
    return entry


async def in_infer(broker: base.AsyncBroker, bulk: bytes = b"jpeg") -> base.Entry:
    """Bring a request to the inference stage and take it there."""
    entry = await taken(broker, bulk)
    await broker.execute(base.HandOff(entry, PRE_HOLDER, INFER, b"next", b"tensor"))
    (entry,) = await broker.execute(base.Read((INFER,), INFER_HOLDER, 10, 0))
    return entry


async def bury(broker: base.AsyncBroker, entry: base.Entry, trace: str = "") -> letters.Letter:
    """Bury an entry and return its letter, the newest."""
    holder = PRE_HOLDER if entry.stream == KEYS.pre else INFER_HOLDER
    op = base.Bury(entry, holder, "model_failed: it raised", b"sorry", trace)
    assert await broker.execute(op) is base.Outcome.DONE
    return (await broker.execute(letters.Letters(count=1000)))[-1]


async def kept(broker: base.AsyncBroker, letter: letters.Letter) -> bytes:
    return await broker.execute(letters.Picture(letter.id))


async def sizes(broker: base.AsyncBroker) -> list[int]:
    return [each.picture_bytes for each in await broker.execute(letters.Letters(count=1000))]


async def test_a_letter_says_all_of_its_end(broker: base.AsyncBroker) -> None:
    letter = await bury(broker, await in_infer(broker), "Traceback\n  ...")
    assert (letter.stage, letter.stream, letter.consumer) == ("infer", INFER, "n1:infer:0")
    assert (letter.cause, letter.losses) == ("model_failed: it raised", 0)
    assert letter.trace == "Traceback\n  ..."
    assert (letter.address, letter.work, letter.fields) == (TO, b"next", ())


async def test_a_letter_of_a_later_stage_holds_the_record_and_the_picture(
    broker: base.AsyncBroker,
) -> None:
    letter = await bury(broker, await in_infer(broker, b"the picture"))
    assert letter.record == b"pre"
    assert letter.picture_bytes == len(b"the picture")
    assert await kept(broker, letter) == b"the picture"


async def test_a_letter_of_the_first_stage_is_its_own_record(broker: base.AsyncBroker) -> None:
    letter = await bury(broker, await taken(broker))
    assert (letter.record, letter.work, letter.stage) == (b"pre", b"pre", "pre")
    assert await kept(broker, letter) == b"jpeg"


@pytest.mark.parametrize("stage", ["pre", "infer"])
async def test_a_letter_of_a_lost_worker_holds_the_record_too(
    broker: base.AsyncBroker, stage: str
) -> None:
    entry = await (taken if stage == "pre" else in_infer)(broker)
    holder = PRE_HOLDER if stage == "pre" else INFER_HOLDER
    release = base.Release(entry.stream, holder, None, limit=1, cause="killed")
    assert (await broker.execute(release)).buried == 1
    (letter,) = await broker.execute(letters.Letters())
    assert (letter.stage, letter.cause, letter.losses) == (stage, "killed", 1)
    assert (letter.record, await kept(broker, letter)) == (b"pre", b"jpeg")


async def test_a_request_whose_record_is_gone_leaves_a_letter_without_one(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    entry = await in_infer(broker)
    world.delete(KEYS.pre, entry.record)
    letter = await bury(broker, entry)
    assert (letter.record, letter.work, letter.picture_bytes) == (b"", b"next", 0)


@pytest.mark.parametrize("how", ["buried", "released"])
async def test_the_reply_names_the_letter(broker: base.AsyncBroker, how: str) -> None:
    await broker.execute(base.Beat(TO.api, 60_000))
    entry = await in_infer(broker)
    if how == "buried":
        await bury(broker, entry)
    else:
        await broker.execute(base.Release(INFER, INFER_HOLDER, None, limit=1, cause="killed"))
    (reply,) = await broker.execute(base.ReadReplies(TO.api, "0-0", 10, 0))
    (letter,) = await broker.execute(letters.Letters())
    assert reply.letter == letter.id


async def test_a_reply_with_an_answer_names_no_letter(broker: base.AsyncBroker) -> None:
    await broker.execute(base.Beat(TO.api, 60_000))
    await broker.execute(base.Finish(await taken(broker), PRE_HOLDER, b"ok", b"{}"))
    (reply,) = await broker.execute(base.ReadReplies(TO.api, "0-0", 10, 0))
    assert reply.letter == ""


# --- pictures ------------------------------------------------------------------------------------


async def test_a_picture_can_be_attached_once(broker: base.AsyncBroker) -> None:
    letter = await bury(broker, await taken(broker, b""))
    assert letter.picture_bytes == 0
    assert await kept(broker, letter) == b""
    assert await broker.execute(letters.Attach(letter.id, b"\x00late"))
    assert not await broker.execute(letters.Attach(letter.id, b"another"))
    assert await kept(broker, letter) == b"\x00late"
    assert await sizes(broker) == [5]


async def test_a_picture_for_a_letter_that_is_gone_is_not_kept(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    letter = await bury(broker, await taken(broker, b""))
    await broker.execute(letters.Discard((letter.id,)))
    assert not await broker.execute(letters.Attach(letter.id, b"late"))
    assert KEYS.dead_pictures not in world.names()


@pytest.mark.parametrize("attached", [False, True])
async def test_a_picture_over_the_limit_is_not_kept(
    broker: base.AsyncBroker, attached: bool
) -> None:
    large = bytes(letters.PICTURE_BYTES + 1)
    letter = await bury(broker, await taken(broker, b"" if attached else large))
    if attached:
        assert not await broker.execute(letters.Attach(letter.id, large))
    else:
        assert letter.dropped == len(large)
    assert await kept(broker, letter) == b""


async def test_old_pictures_make_room_for_new_ones(broker: base.AsyncBroker) -> None:
    size = letters.PICTURE_BYTES
    fit = letters.PICTURES_BYTES // size
    for _ in range(fit + 2):
        await bury(broker, await taken(broker, bytes(size)))
    assert await sizes(broker) == [0, 0, *[size] * fit]


async def test_only_so_many_letters_are_kept_and_pictures_go_with_them(
    broker: base.AsyncBroker,
) -> None:
    first = await bury(broker, await taken(broker))
    for _ in range(letters.MOST_LETTERS):
        await bury(broker, await taken(broker, b""))
    newest = await bury(broker, await taken(broker))
    assert len(await sizes(broker)) == letters.MOST_LETTERS
    assert (await kept(broker, first), await kept(broker, newest)) == (b"", b"jpeg")


@pytest.mark.redis
async def test_pictures_take_only_a_share_of_a_small_broker(real: worlds.ValkeyWorld) -> None:
    broker = real.connect_async()
    real.probe.config_set("maxmemory", 32 << 20)
    try:
        for _ in range(3):
            await bury(broker, await taken(broker, bytes(900 << 10)))
        assert await sizes(broker) == [0, 900 << 10, 900 << 10]
        letter = await bury(broker, await taken(broker, bytes((2 << 20) + 1)))
        assert letter.picture_bytes == 0
    finally:
        real.probe.config_set("maxmemory", 0)
        await broker.aclose()


# --- bounds and strangers ------------------------------------------------------------------------


async def test_a_record_too_large_to_keep_is_counted(broker: base.AsyncBroker) -> None:
    letter = await bury(broker, await taken(broker, work=bytes(letters.LETTER_BYTES + 1)))
    assert letter.dropped == 2 * (letters.LETTER_BYTES + 1), "the record, and the same as its work"
    assert letter.address is None, "without its work it is nobody's any more"


async def test_a_strangers_letter_keeps_its_first_fields_and_has_no_record(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    fields: dict[str, worlds.Value] = {"cause": "forged", "record": "forged", "b": b"\xff\x00"}
    world.add(KEYS.pre, fields | {f"f{number}": "x" for number in range(100)})
    (entry,) = await broker.execute(base.Read((KEYS.pre,), PRE_HOLDER, 1, 0))
    letter = await bury(broker, entry)
    assert (letter.cause, letter.record) == ("model_failed: it raised", b"")
    assert (letter.address, letter.picture_bytes) == (None, 0)
    assert (b"b", b"\xff\x00") in letter.fields
    assert letter.dropped == 100 + len(fields) - letters.MOST_FIELDS


@pytest.mark.parametrize(
    "fields",
    [
        {"hello": b"\xff"},
        {"stage": "pre", "q": "r1", "v": "x"},
        HEAD | {"losses": b"\xb2"},
        HEAD | {"q": "r1", "i": "many", "a": "api1", "v": b"\xff"},
        HEAD | {"losses": "9" * 5000, "dropped": "-1"},
    ],
)
async def test_what_a_stranger_writes_there_is_read_as_such(
    world: worlds.World, broker: base.AsyncBroker, fields: dict[str, worlds.Value]
) -> None:
    world.add(KEYS.dead, fields)
    (letter,) = await broker.execute(letters.Letters())
    assert (letter.address, letter.work, letter.record) == (None, b"", b"")
    assert letter.losses == (2 if fields.get("losses") == "2" else 0)
    assert letter.dropped == 0
    assert await broker.execute(letters.Attach(letter.id, b"x"))


async def test_a_letter_of_an_older_version_is_read(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    world.add(KEYS.dead, HEAD | {"q": "r1", "i": 3, "a": "api1", "v": "work", "b": "jpeg"})
    (letter,) = await broker.execute(letters.Letters())
    assert (letter.address, letter.record, letter.losses) == (TO, b"work", 2)
    assert (letter.trace, letter.picture_bytes) == ("", 0)


@pytest.mark.redis
@pytest.mark.parametrize("how", ["buried", "released"])
@pytest.mark.parametrize("key", [KEYS.dead, KEYS.dead_pictures])
async def test_a_client_is_answered_whatever_lies_under_our_keys(
    real: worlds.ValkeyWorld, key: str, how: str
) -> None:
    broker = real.connect_async()
    await broker.execute(base.Beat(TO.api, 60_000))
    entry = await taken(broker)
    real.probe.set(key, "not ours")
    op: base.Op[object] = base.Bury(entry, PRE_HOLDER, "why", b"sorry")
    if how == "released":
        op = base.Release(KEYS.pre, PRE_HOLDER, None, limit=1, cause="killed")
    await broker.execute(op)
    (reply,) = await broker.execute(base.ReadReplies(TO.api, "0-0", 10, 0))
    assert (reply.request, reply.letter) == ("r1", "")
    assert real.entries(KEYS.pre) == {}
    await broker.aclose()


@pytest.mark.redis
async def test_what_is_no_picture_is_swept_with_the_pictures_that_are_too_many(
    real: worlds.ValkeyWorld,
) -> None:
    broker = real.connect_async()
    forged = {f"{number}-0": b"x" for number in range(1, letters.MOST_LETTERS + 1)}
    real.probe.hset(KEYS.dead_pictures, mapping={"not an id": b"x", "bytes": b"many", **forged})
    letter = await bury(broker, await taken(broker))
    left = real.probe.hgetall(KEYS.dead_pictures)
    assert left.pop(b"bytes") == str(letters.MOST_LETTERS - 1 + len(b"jpeg")).encode()
    assert len(left) == letters.MOST_LETTERS
    assert letter.id.encode() in left
    assert not {b"1-0", b"not an id"} & left.keys()
    await broker.aclose()


@pytest.mark.redis
async def test_the_size_of_all_pictures_is_known(real: worlds.ValkeyWorld) -> None:
    broker = real.connect_async()
    made = [await bury(broker, await taken(broker, bytes(size))) for size in (1000, 200, 30)]
    await broker.execute(letters.Discard((made[0].id, made[0].id)))
    await broker.execute(letters.Attach(made[0].id, bytes(7)))
    assert real.probe.hget(KEYS.dead_pictures, "bytes") == b"230"
    await broker.aclose()


# --- reading and removing ------------------------------------------------------------------------


async def test_letters_are_read_in_pages(broker: base.AsyncBroker) -> None:
    made = [(await bury(broker, await taken(broker))).id for _ in range(5)]
    first = await broker.execute(letters.Letters(count=3))
    rest = await broker.execute(letters.Letters(after=first[-1].id, count=3))
    assert [each.id for each in (*first, *rest)] == made


async def test_a_letter_is_found_by_its_id(broker: base.AsyncBroker) -> None:
    letter = await bury(broker, await taken(broker))
    assert await broker.execute(letters.Find(letter.id)) == letter
    assert await broker.execute(letters.Find(frames.following(letter.id))) is None


async def test_discarding_removes_letters_with_their_pictures(
    world: worlds.World, broker: base.AsyncBroker
) -> None:
    made = [(await bury(broker, await taken(broker))).id for _ in range(3)]
    assert await broker.execute(letters.Discard((*made[:2], "1-1"))) == 2
    assert await sizes(broker) == [4]
    assert await broker.execute(letters.Discard(())) == 0
    assert await broker.execute(letters.Discard((made[2],))) == 1
    assert KEYS.dead_pictures not in world.names()


async def test_without_letters_nothing_is_found(broker: base.AsyncBroker) -> None:
    assert await broker.execute(letters.Letters()) == []
    assert await broker.execute(letters.Find("1-1")) is None
    assert await broker.execute(letters.Picture("1-1")) == b""
