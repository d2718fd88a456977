"""A process that sends requests: ``python -m parallax.bench.client``, started by ``crowd``.

It reads an order from standard input, says that it is ready, reads the moment to begin, and writes
what it found to standard output. Standard input stays open meanwhile; its end means that the parent
is gone. One request at a time passes through here, so nothing but the samples is kept of it.
"""

import asyncio
import gc
import os
import resource
import struct
import sys
import time
import traceback
from typing import Any

import msgspec
import uvloop

from parallax.aio import signals, tasks
from parallax.bench import loops, tally

READY = b"!"
MOMENT = struct.Struct("=d")
LENGTH = struct.Struct("=Q")
_STDIN, _STDOUT = 0, 1
_GRACE = 5.0
_FAULT = 3
_FILES = 64
"""Open files of an interpreter and its loop."""


def main() -> int:
    """Do one phase and return the exit code."""
    signals.leave_to_supervisor()
    (length,) = LENGTH.unpack(_read(LENGTH.size))
    order = msgspec.msgpack.decode(_read(length), type=tally.Order)
    _allow_sockets(2 * order.load.concurrency)
    gc.freeze()
    gc.disable()  # nothing here makes rings, and a pause would be counted as the server's
    _write(READY)
    (start,) = MOMENT.unpack(_read(MOMENT.size))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(_generate(order, start))
    _write(msgspec.msgpack.encode(found))
    return 0


async def _generate(order: tally.Order, start: float) -> tally.Outcome:
    loop, timing = asyncio.get_running_loop(), order.timing
    loop.set_exception_handler(_broken)
    loop.add_reader(_STDIN, _orphaned)
    kept, crew = tally.Tally(order), tasks.Crew()
    way = loops.Closed if order.load.rate is None else loops.Open
    load: loops.Loop = way(order, kept, crew)
    await asyncio.sleep(start - time.monotonic())
    used: list[float] = []
    loop.call_later(timing.warmup, lambda: used.append(time.process_time()))
    if order.load.rate is None:
        loop.call_later(timing.warmup + timing.duration, lambda: used.append(time.process_time()))
    load.begin(start)
    async with asyncio.timeout(timing.warmup + timing.duration + timing.timeout + _GRACE):
        await crew.race({load.finished})
    used.append(time.process_time())
    loop.remove_reader(_STDIN)
    await crew.close()
    return kept.outcome(used[1] - used[0] if len(used) > 1 else 0.0)


def _allow_sockets(count: int) -> None:
    """Raise the limit of open files if it is lower; a common one is 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count + _FILES:
        wanted = count + _FILES
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _orphaned() -> None:
    os._exit(1)


def _broken(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """End this process over a fault of its own, which must not pass for one of the server."""
    problem = context.get("exception")
    if problem is not None and not isinstance(problem, OSError):
        traceback.print_exception(problem)
        os._exit(_FAULT)


def _read(count: int) -> bytes:
    parts = []
    while count:
        part = os.read(_STDIN, min(count, 1 << 20))
        if not part:
            os._exit(1)
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _write(data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(_STDOUT, left) :]


if __name__ == "__main__":
    sys.exit(main())
