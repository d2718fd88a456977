"""Both brokers, each through both of its clients, for the one suite that they must pass."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from parallax.broker import base
from tests.broker import worlds
from tests.support import valkey


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory: Path = tmp_path_factory.mktemp("vk")
    with valkey.running(directory) as url:
        yield url


@pytest.fixture
def real(valkey_url: str) -> Iterator[worlds.ValkeyWorld]:
    world = worlds.ValkeyWorld(valkey_url)
    world.flush()
    yield world
    world.close()


@pytest.fixture(
    params=["memory", pytest.param("valkey", marks=pytest.mark.redis)],
)
def world(request: pytest.FixtureRequest) -> worlds.World:
    if request.param == "memory":
        return worlds.MemoryWorld()
    found: worlds.ValkeyWorld = request.getfixturevalue("real")
    return found


@pytest.fixture(params=["async", "blocking"])
async def connect(
    request: pytest.FixtureRequest, world: worlds.World
) -> AsyncIterator[Callable[[], base.AsyncBroker]]:
    opened: list[base.AsyncBroker] = []

    def make() -> base.AsyncBroker:
        new = (
            world.connect_async() if request.param == "async" else worlds.Threaded(world.connect())
        )
        opened.append(new)
        return new

    yield make
    for broker in opened:
        await broker.aclose()


@pytest.fixture
def broker(connect: Callable[[], base.AsyncBroker]) -> base.AsyncBroker:
    return connect()
