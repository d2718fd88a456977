"""Waiting for an event that stands for "look again"."""

import asyncio

import pytest

from parallax.aio import events


@pytest.mark.parametrize("limit", [None, 10.0])
async def test_what_was_set_ends_the_wait_and_is_cleared(limit: float | None) -> None:
    event = asyncio.Event()
    event.set()

    await events.passed(event, limit)

    assert not event.is_set()


async def test_the_limit_ends_the_wait_for_what_never_comes() -> None:
    event = asyncio.Event()

    await events.passed(event, 0.001)

    assert not event.is_set()
