"""The event loop that api processes run on: connections behave a little differently on each."""

import asyncio
from collections.abc import Callable, Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run these tests on uvloop."""
    return {"uvloop": uvloop.new_event_loop}
