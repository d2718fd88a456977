"""The collector: what is there stays out of it, what comes later does not."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from parallax.aio import collector


class Ring:
    """Holds itself."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave the collector as it was."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_is_there_is_not_looked_through_again() -> None:
    collector.settle()

    assert gc.get_freeze_count() > 0
    assert gc.get_threshold()[0] == collector.YOUNG


def test_rings_that_are_made_later_are_still_freed() -> None:
    collector.settle()
    ring = weakref.ref(Ring())

    gc.collect()

    assert ring() is None
