"""The process that sends: ``python -m parallax.chaos.sender``, started by ``senders``.

It reads an order from standard input, asks for every picture once while nothing is wrong yet, says
what it found, and sends from the word to begin until standard input ends. Each end of a request is
a line of JSON on standard output.
"""

import asyncio
import contextlib
import os
import random
import sys
import time
from collections import Counter

import msgspec
import uvloop

from parallax.aio import signals
from parallax.bench import targets
from parallax.chaos import asking, channel, ledger
from parallax.chaos.asking import Kind, Verdict
from parallax.chaos.pictures import Picture

LOOSE, STRICT = 0.40, 0.56
"""Scores between which nothing may lie in a picture that is used: later all are asked for with one
in between, and nothing may hang in the balance."""
_HASTE = 0.05
"""Seconds after which a hasty client hangs up at most."""
_PAUSE = 0.05
"""Seconds before the next request after one that was refused or came to nothing."""
NOBODY = -1
"""Number in the event of an answer that nobody asked for."""
_SEVERAL = 3
"""Pictures in a request that has several."""
_PART = 0.35
"""Of the rate that was reached in the check: in the load some requests are several times as dear,
and chaos needs room to catch up in."""
_STDIN, _STDOUT = 0, 1


class Order(msgspec.Struct, frozen=True):
    """What to send where."""

    address: targets.Address
    key: str | None
    model: str
    pictures: list[Picture]
    clients: int
    rate: float | None
    """Requests per second of all clients together; None: a part of what the check reached."""
    timeout: float
    """Seconds until a request without an answer is given up."""
    seed: int
    first: int = 0
    """Number of the first request."""
    check: bool = True


class Ready(msgspec.Struct, frozen=True):
    """The pictures that the server reads right, and how fast it answered."""

    readable: int
    rate: float
    """At which requests will be sent."""
    doubts: dict[str, int]


class Final(msgspec.Struct, frozen=True):
    """The last line."""

    sent: int


class Sender:
    """Sends an order's requests over a connection per client."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._chance = random.Random(order.seed)
        self._pictures = order.pictures
        self._pause = 0.0
        self._sent = 0
        self._stopping = asyncio.Event()

    async def check(self) -> Ready:
        """Ask for each picture, keep those that are read right, and find a rate."""
        order, began = self._order, time.monotonic()
        good, doubts = list[Picture](), Counter[str]()
        waiting = iter(order.pictures)

        async def one(way: channel.Channel) -> None:
            for picture in waiting:
                doubt = await self._doubt(way, picture)
                if doubt:
                    doubts[doubt] += 1
                else:
                    good.append(picture)

        if order.check:
            await self._all(one)
            self._pictures = sorted(good, key=lambda picture: picture.code)
        reached = len(order.pictures) / (time.monotonic() - began)
        rate = order.rate or reached * _PART
        self._pause = order.clients / rate
        return Ready(len(self._pictures), rate, dict(doubts))

    async def send(self) -> Final:
        """Send until told to stop, and wait for all answers."""
        asyncio.get_running_loop().add_reader(_STDIN, self._listen)
        await self._all(self._client)
        return Final(self._sent)

    def _listen(self) -> None:
        if not os.read(_STDIN, 64):
            asyncio.get_running_loop().remove_reader(_STDIN)
            self._stopping.set()

    async def _all(self, use: channel.Use) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._order.clients):
                group.create_task(self._with_channel(use))

    async def _with_channel(self, use: channel.Use) -> None:
        way = channel.Channel(self._order.address, _tell_surplus)
        try:
            await use(way)
        finally:
            way.close()

    async def _doubt(self, way: channel.Channel, picture: Picture) -> str:
        """Return why a picture cannot be used; empty if it can."""
        asked = asking.Asked("check", Kind.ONE, [picture], self._order.model, LOOSE)
        answer = await way.exchange(self._request(asked), self._order.timeout)
        assert answer is not None
        verdict, reason = asking.judge(asked, answer)
        if verdict is not Verdict.RIGHT:
            return reason or verdict.value
        return "" if asking.least_score(answer.body) >= STRICT else "a shape is uncertain"

    async def _client(self, way: channel.Channel) -> None:
        await self._rest(self._chance.random() * self._pause)  # not all in the first moment
        while not self._stopping.is_set():
            began = time.monotonic()
            right = await self._one(way)
            due = began + self._chance.expovariate(1 / self._pause)
            await self._rest(max(0.0 if right else _PAUSE, due - time.monotonic()))

    async def _rest(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._stopping.wait()

    async def _one(self, way: channel.Channel) -> bool:
        number, asked = self._next()
        request = self._request(asked)
        haste = self._chance.random() * _HASTE if asked.kind is Kind.HASTY else None
        sent = time.monotonic()
        answer = await way.exchange(request, self._order.timeout, haste)
        verdict, reason = (Verdict.HUNG_UP, "") if answer is None else asking.judge(asked, answer)
        ended = time.monotonic()
        _write(ledger.Event(number, asked.kind, verdict, reason, sent, ended, way.opened, way.port))
        if asked.kind is Kind.LARGE:
            way.close()  # what it announced was not sent: the next request would be taken for it
        return verdict is Verdict.RIGHT

    def _next(self) -> tuple[int, asking.Asked]:
        number = self._order.first + self._sent
        self._sent += 1
        (kind,) = self._chance.choices(list(asking.SHARES), list(asking.SHARES.values()))
        count = _SEVERAL if kind is Kind.SEVERAL else 1
        pictures = self._chance.sample(self._pictures, count)
        return number, asking.Asked(
            f"{self._order.seed}-{number}", kind, pictures, self._order.model
        )

    def _request(self, asked: asking.Asked) -> bytes:
        return asking.request(asked, self._order.address, self._order.key)


def _tell_surplus() -> None:
    now = time.monotonic()
    _write(ledger.Event(NOBODY, Kind.ONE, Verdict.TWICE, "an answer to nothing", now, now))


async def _serve(order: Order) -> None:
    sender = Sender(order)
    _write(await sender.check())
    if await asyncio.to_thread(sys.stdin.buffer.readline):  # the word to begin
        _write(await sender.send())


def _write(message: msgspec.Struct) -> None:
    data = msgspec.json.encode(message) + b"\n"
    while data:
        data = data[os.write(_STDOUT, data) :]


def main() -> None:
    """Do as ordered."""
    signals.leave_to_supervisor()
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(order))


if __name__ == "__main__":
    main()
