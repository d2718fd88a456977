"""What the system tests share: a server, pictures, and models that behave badly on purpose."""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from tests.support import server as servers

SHARED_MODEL = Path(__file__).parents[3] / "shared" / "models" / "yolox_nano.onnx"


@pytest.fixture(scope="session")
def sample() -> bytes:
    """The demo picture, as JPEG bytes."""
    return (resources.files("parallax.demo") / "sample.jpg").read_bytes()


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Server]:
    """A server with the demo model, one for all tests of a module."""
    with servers.serve("--cpu-workers", "2") as running:
        yield running
