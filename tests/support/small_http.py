"""A small HTTP server that answers every request as it is told, in bytes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

RIGHT = b'{"image":{"width":64,"height":48},"predictions":[]}'

Answer = Callable[[int], bytes | None]
"""From the number of the request (0 is the first of all connections) to what is written; None
closes the connection without an answer."""


def response(body: bytes = RIGHT, status: str = "200 OK", more: str = "") -> bytes:
    """Return a response as bytes."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


class Small:
    """Counts connections and requests; answers after ``delay`` seconds, one at a time."""

    def __init__(self, answer: Answer, delay: float) -> None:
        self.answer = answer
        self.delay = delay
        self.connections = 0
        self.requests: list[bytes] = []
        self.url = ""
        self._turn = asyncio.Lock()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answer(len(self.requests) - 1)
                async with self._turn:
                    await asyncio.sleep(self.delay)
                if answer is None:
                    break
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(answer: Answer, delay: float = 0.0) -> AsyncIterator[Small]:
    """Run the server on a free port within the block."""
    small = Small(answer, delay)
    server = await asyncio.start_server(small.serve, "127.0.0.1", 0)
    small.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield small
    finally:
        server.close()
