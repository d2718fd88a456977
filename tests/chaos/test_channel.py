"""A channel against a server that answers, breaks, delays and says too much."""

from parallax.bench import connection, targets
from parallax.chaos import channel
from parallax.chaos.asking import Answer
from tests.support import small_http

REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
RIGHT = small_http.response()


class Client(channel.Channel):
    """Counts answers to nothing."""

    def __init__(self, url: str) -> None:
        self.surplus = 0
        super().__init__(targets.address(url), self._count)

    def _count(self) -> None:
        self.surplus += 1

    async def ask(self, patience: float = 20.0, haste: float | None = None) -> Answer | None:
        return await self.exchange(REQUEST, patience, haste)


async def test_one_connection_carries_many_requests_and_is_known_by_its_port() -> None:
    async with small_http.serving(lambda _: RIGHT) as small:
        client = Client(small.url)
        found = {await client.ask() for _ in range(5)}
        port, opened = client.port, client.opened
        client.close()
    assert found == {Answer("200", small_http.RIGHT)}
    assert (small.connections, client.surplus) == (1, 0)
    assert port > 0 < opened


async def test_an_answer_too_much_is_noticed_and_harms_no_later_request() -> None:
    async with small_http.serving(lambda at: RIGHT * 2 if at == 1 else RIGHT) as small:
        client = Client(small.url)
        found = [await client.ask() for _ in range(4)]
        client.close()
    assert found == [Answer("200", small_http.RIGHT)] * 4
    assert (client.surplus, small.connections) == (1, 2)


async def test_half_an_answer_too_much_is_noticed() -> None:
    async with small_http.serving(lambda _: RIGHT + b"HTTP/1.1 200 OK\r\n") as small:
        client = Client(small.url)
        await client.ask()
        client.close()
    assert client.surplus == 1


async def test_an_announcement_is_no_answer() -> None:
    async with small_http.serving(lambda _: b"HTTP/1.1 100 Continue\r\n\r\n" + RIGHT) as small:
        client = Client(small.url)
        assert await client.ask() == Answer("200", small_http.RIGHT)
        client.close()
    assert client.surplus == 0


async def test_when_to_try_again_is_heard_and_forgotten_with_the_next_answer() -> None:
    busy = small_http.response(b"{}", "503 Service Unavailable", "Retry-After: 1\r\n")
    async with small_http.serving(lambda at: busy if at == 0 else RIGHT) as small:
        client = Client(small.url)
        assert await client.ask() == Answer("503", b"{}", retry_after=True)
        assert await client.ask() == Answer("200", small_http.RIGHT)
        client.close()


async def test_no_answer_is_an_answer_too() -> None:
    async with small_http.serving(lambda at: None if at == 0 else b"nonsense\r\n\r\n") as small:
        client = Client(small.url)
        assert await client.ask() == Answer(connection.CONNECTION)
        assert client.opened > 0
        assert await client.ask() == Answer(connection.MALFORMED)
    found = await client.ask()  # nobody listens any more
    assert found is not None
    assert (found.outcome, client.opened, client.port) == (connection.CONNECTION, 0.0, 0)


async def test_patience_ends_and_so_does_haste() -> None:
    async with small_http.serving(lambda _: RIGHT, delay=60.0) as small:
        client = Client(small.url)
        assert await client.ask(patience=0.05) == Answer(connection.TIMEOUT)
        assert await client.ask(haste=0.05) is None
