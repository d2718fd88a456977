"""The kernel of fake children."""

import pytest

from parallax.supervisor import child as children
from tests.support import fakes


@pytest.fixture
def nursery(monkeypatch: pytest.MonkeyPatch) -> fakes.Nursery:
    """Launches fake children; whoever kills one kills a fake."""
    made = fakes.Nursery()
    monkeypatch.setattr(children, "kill", made.kill)
    return made
