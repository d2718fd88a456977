"""The console sees what is there, and what it does is done."""

from collections.abc import Iterator

import pytest
import redis

from parallax.broker import admin
from parallax.contract import errors

pytestmark = pytest.mark.redis


@pytest.fixture
def raw(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
        yield client


@pytest.fixture
def console(valkey_url: str) -> Iterator[admin.Console]:
    found = admin.Console(valkey_url)
    yield found
    found.close()


def test_an_empty_broker_has_no_keys(raw: redis.Redis, console: admin.Console) -> None:
    assert console.all_keys() == []


def test_keys_are_told_with_their_life_and_what_is_in_them(
    raw: redis.Redis, console: admin.Console
) -> None:
    raw.set("b", "1", ex=60)
    raw.set("a", "1")
    for _ in range(3):
        raw.xadd("c", {"x": "1"})
    raw.xgroup_create("c", "g", id="0")
    raw.xgroup_create("c", "h", id="0")
    raw.xreadgroup("g", "me", {"c": ">"}, count=2)
    raw.xreadgroup("h", "me", {"c": ">"}, count=1)
    assert console.all_keys() == [
        admin.Key("a", lasting=True),
        admin.Key("b", lasting=False),
        admin.Key("c", lasting=True, length=3, pending=3),
    ]


def test_many_keys_are_all_found(raw: redis.Redis, console: admin.Console) -> None:
    raw.mset({f"k{number}": "1" for number in range(2500)})
    assert len(console.all_keys()) == 2500


def test_flushing_leaves_nothing(raw: redis.Redis, console: admin.Console) -> None:
    raw.set("a", "1")
    console.flush()
    assert raw.dbsize() == 0


def test_a_pause_makes_others_wait_and_ends(raw: redis.Redis, console: admin.Console) -> None:
    console.pause(0.3)
    raw.set("a", "1")  # waits, and is then done
    assert [key.name for key in console.all_keys()] == ["a"]


def test_no_broker_is_an_error_with_a_name() -> None:
    with pytest.raises(errors.BrokerUnavailableError):
        admin.Console("unix:///nowhere/broker.sock").all_keys()
