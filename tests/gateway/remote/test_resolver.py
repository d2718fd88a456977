"""Only vetted addresses leave the resolver, and a silent name server holds up nobody else."""

import asyncio
import socket
import threading
from collections.abc import Sequence

import pytest

from parallax.contract import errors
from parallax.gateway.remote import policy, resolver

PUBLIC = ["8.8.8.8", "2606:4700:4700::1111"]


def vetting(*found: str) -> resolver.Vetting:
    async def lookup(_: str) -> Sequence[str]:
        return found

    return resolver.Vetting(policy.Policy(), lookup)


async def test_public_addresses_are_handed_out_as_numbers() -> None:
    found = await vetting(*PUBLIC).resolve("example.com", 443)
    assert [one["host"] for one in found] == PUBLIC
    assert [one["family"] for one in found] == [socket.AF_INET, socket.AF_INET6]
    assert all(one["flags"] & socket.AI_NUMERICHOST and one["port"] == 443 for one in found)


@pytest.mark.parametrize(
    "bad", ["10.0.0.1", "::1", "::ffff:127.0.0.1", "fe80::1%lo", "64:ff9b::a00:1"]
)
@pytest.mark.parametrize("place", [0, 1, 2, 20])
async def test_one_address_that_is_not_global_spoils_them_all(bad: str, place: int) -> None:
    found = PUBLIC * 10
    found.insert(place, bad)
    with pytest.raises(errors.BadImageError, match="not global"):
        await vetting(*found).resolve("example.com", 443)


async def test_of_very_many_addresses_a_few_are_enough() -> None:
    assert len(await vetting(*PUBLIC * 100).resolve("example.com", 443)) == 8


async def test_the_system_knows_its_own_name() -> None:
    assert set(await resolver.SystemLookup()("localhost")) <= {"127.0.0.1", "::1"}


async def test_a_name_that_does_not_exist_is_an_error_and_gives_its_place_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    lookup = resolver.SystemLookup(at_once=1)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for _ in range(2):
        with pytest.raises(OSError, match="no such name"):
            await asyncio.wait_for(lookup("example.com"), 5)


async def test_an_abandoned_lookup_keeps_its_place_until_it_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()

    def getaddrinfo(*_: object, **__: object) -> list[tuple[object, ...]]:
        answered.wait(10)
        return [(0, 0, 0, "", ("8.8.8.8", 0)), (0, 0, 0, "", ("8.8.8.8", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    lookup = resolver.SystemLookup(at_once=1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(lookup("slow.example.com"), 0.05)
    async with asyncio.TaskGroup() as group:
        second = group.create_task(lookup("example.com"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(second), 0.05)
        answered.set()
    assert second.result() == ["8.8.8.8"]


async def test_without_a_thread_a_lookup_fails_and_gives_its_place_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    lookup = resolver.SystemLookup(at_once=1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        for _ in range(2):
            with pytest.raises(OSError, match="thread"):
                await asyncio.wait_for(lookup("example.com"), 5)
