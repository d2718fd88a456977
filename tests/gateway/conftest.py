"""Fixtures of the api process."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.gateway import support


@pytest.fixture
async def rig() -> AsyncIterator[support.Rig]:
    """An api process without its HTTP server."""
    async with support.running() as made:
        yield made


@pytest.fixture
async def client(rig: support.Rig) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the rig's application."""
    async with rig.client() as made:
        yield made
