"""TLS in front of a broker without: a server in a thread that unpacks and passes on."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from tests.support import certificates

T = TypeVar("T")


@contextlib.contextmanager
def running(context: ssl.SSLContext, socket_path: str) -> Iterator[int]:
    """Serve TLS on a port of loopback in front of a unix socket; gives the port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="tls-proxy")
    thread.start()

    def done(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    try:
        bridge = _Bridge(socket_path)
        server = done(asyncio.start_server(bridge.join, "127.0.0.1", 0, ssl=context))
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            done(_end(server))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def server_side(
    issued: certificates.Issued, client: certificates.Issued | None = None
) -> ssl.SSLContext:
    """Return the context of a server, which wants a certificate of ``client``'s authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    if client is not None:
        context.load_verify_locations(client.authority)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class _Bridge:
    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on in both ways until one side ends."""
        with contextlib.suppress(OSError, ssl.SSLError, asyncio.CancelledError):
            inner_reader, inner_writer = await asyncio.open_unix_connection(self._socket_path)
            ways = (_pass(reader, inner_writer), _pass(inner_reader, writer))
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            inner_writer.close()
        writer.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while content := await reader.read(1 << 16):
        writer.write(content)
        await writer.drain()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)
