"""All connections of an api process: taking them in, looking after them, seeing them off.

There are at most ``max_connections``. Shortly before that, idle ones are closed to make room, those
first that have been silent longest. A few more are accepted beyond the limit, for a moment and one
request each: who asks after the server's health is answered, all others are told to come back.
Beyond these nobody is accepted, and who connects waits in the kernel's queue.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Sequence

from parallax.gateway.edge import connection, descriptors, inlet, listener, patience, shared

log = logging.getLogger(__name__)

SPARE = 64
"""Connections beyond the limit."""
LOOK_DRAINING = 0.1
LAST_CALL = 0.1
"""Seconds for which connections are still accepted when draining has begun, for those that were
under way."""
LOOK_FOR_ROOM = 0.05
"""Seconds after which idle connections are looked for again when there were not enough."""
HANDSHAKE = 10.0
"""Seconds for agreeing on encryption."""


class Server:
    """Accepts and keeps connections inside a task group of the caller."""

    def __init__(
        self, common: shared.Shared, sockets: Sequence[int], group: asyncio.TaskGroup
    ) -> None:
        self._common = common
        self._limit = descriptors.limit(common.options.max_connections, SPARE)
        self._group = group
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[connection.Connection] = set()
        self._listener = listener.Listener(sockets, self._accepted)
        self._hurry = asyncio.Event()
        self._leaving: set[connection.Connection] = set()
        """Those that are being closed to make room."""
        self._no_room_until = 0.0

    async def sweep(self) -> None:
        """Look after all connections for ever."""
        look = self._common.options.rules.look
        while True:
            pause = look if self._common.draining is None else min(look, LOOK_DRAINING)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hurry.wait()
            self._hurry.clear()
            now = self._common.loop.time()
            for each in tuple(self._open):
                each.sweep(now)
            if self._count >= self._ample:
                self._make_room()

    async def drain(self, seconds: float) -> bool:
        """Accept no more and wait until all connections have ended; return whether they have."""
        self._common.draining = self._common.loop.time()
        self._hurry.set()
        self._listener.accept_waiting()
        if self._tasks:
            await asyncio.sleep(LAST_CALL)
        self._listener.accept_waiting()
        self._listener.close()
        return await self.ended(seconds)

    async def ended(self, seconds: float) -> bool:
        """Wait until all connections have ended; return whether they have."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        return not self._tasks

    def abort(self) -> int:
        """Drop all connections; return on how many of them something was under way."""
        busy = 0
        for each in tuple(self._open):
            busy += each.watch.phase is not patience.Phase.IDLE
            each.abort()
        for task in self._tasks:
            task.cancel()
        return busy

    def close(self) -> None:
        """Stop listening, whatever has happened."""
        self._listener.close()

    def _accepted(self, connected: socket.socket) -> None:
        if self._count >= self._ample:
            self._make_room()
        crowded = self._count >= self._limit
        task = self._group.create_task(
            self._converse(connected, crowded=crowded), name="connection"
        )
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        if len(self._tasks) >= self._limit + SPARE:
            self._listener.hold()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._listener.held and len(self._tasks) < self._limit + SPARE:
            self._listener.go_on()

    @property
    def _count(self) -> int:
        return len(self._tasks) - len(self._leaving)

    @property
    def _ample(self) -> int:
        return self._limit - self._limit // 16

    def _make_room(self) -> None:
        """Close idle connections, if it has not just been found that there are none."""
        now = self._common.loop.time()
        if now < self._no_room_until:
            return
        latest = now - self._common.options.rules.evictable
        wanted = self._count - (self._limit - self._limit // 8)
        idle = sorted(
            (each for each in self._open - self._leaving if _silent(each, latest)),
            key=lambda each: each.watch.since,
        )
        for each in idle[:wanted]:
            self._leaving.add(each)
            each.make_room()
        if len(idle) < wanted:
            self._no_room_until = now + LOOK_FOR_ROOM

    async def _converse(self, connected: socket.socket, *, crowded: bool) -> None:
        loop = self._common.loop
        reader = inlet.Inlet(loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        tls = self._common.options.tls
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                connected,
                ssl=tls and tls(),
                ssl_handshake_timeout=HANDSHAKE if tls else None,
            )
        except OSError as problem:  # among them that of a failed handshake
            log.debug("a connection did not come about: %s", problem)
            connected.close()
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        made = connection.Connection(self._common, reader, writer, crowded=crowded)
        self._open.add(made)
        try:
            await made.run()
        finally:
            self._open.discard(made)
            self._leaving.discard(made)


def _silent(each: connection.Connection, latest: float) -> bool:
    return each.watch.phase is patience.Phase.IDLE and each.watch.since <= latest
