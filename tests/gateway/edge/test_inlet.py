"""Bytes that nobody wants are thrown away, those behind them are not, however they are cut."""

import asyncio
import itertools

from hypothesis import given
from hypothesis import strategies as st

from parallax.gateway.edge import inlet


@given(
    st.binary(min_size=1, max_size=60),
    st.lists(st.integers(0, 60), max_size=8),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(1, 20),
)
def test_exactly_the_unwanted_bytes_are_missing(
    sent: bytes, cuts: list[int], wanted: int, unwanted: int, most: int
) -> None:
    asyncio.run(_pass(sent, cuts, (wanted, unwanted), most))


async def _pass(sent: bytes, cuts: list[int], counts: tuple[int, int], most: int) -> None:
    wanted = min(counts[0], len(sent))
    unwanted = min(counts[1], len(sent) - wanted)
    reader = inlet.Inlet(asyncio.get_running_loop())
    edges = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
    pieces = [sent[start:end] for start, end in itertools.pairwise(edges)]
    heads = pieces[: len(pieces) // 2]
    for piece in heads:
        reader.feed_data(piece)
    arrived = sum(map(len, heads))
    first = await reader.readexactly(0)
    while len(first) < min(wanted, arrived):
        first += await reader.read(min(wanted, arrived) - len(first))
    if arrived < wanted:  # it was decided too early to throw away what follows
        return
    ends: list[bool] = []
    reader.skip(unwanted, lambda: ends.append(True))
    for piece in pieces[len(heads) :]:
        reader.feed_data(piece)
    reader.feed_eof()
    rest = b""
    while data := await reader.read(most):
        rest += data

    assert first + rest == sent[:wanted] + sent[wanted + unwanted :]
    assert ends == [True]


async def test_a_closed_inlet_takes_nothing_in() -> None:
    reader = inlet.Inlet(asyncio.get_running_loop())
    reader.feed_data(b"before ")
    reader.close()
    reader.feed_data(b"after")
    reader.feed_eof()

    assert await reader.read(100) == b"before "


async def test_what_comes_is_read_when_all_before_it_was_thrown_away() -> None:
    reader = inlet.Inlet(asyncio.get_running_loop())
    reader.feed_data(b"abc")
    reader.skip(3, lambda: None)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(reader.read(10))
        await asyncio.sleep(0)
        assert not reading.done()
        reader.feed_data(b"next")

    assert reading.result() == b"next"
