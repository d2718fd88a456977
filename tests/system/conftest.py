"""What the system tests share: servers, pictures, models, and the original client."""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from tests.support import sdk, zoo
from tests.support import server as servers

SHARED_MODEL = Path(__file__).parents[3] / "shared" / "models" / "yolox_nano.onnx"


@pytest.fixture(scope="session")
def sample() -> bytes:
    """The demo picture, as JPEG bytes."""
    return (resources.files("parallax.demo") / "sample.jpg").read_bytes()


@pytest.fixture(scope="session")
def sample_path(sample: bytes, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The demo picture, as a file."""
    path = tmp_path_factory.mktemp("sample") / "sample.jpg"
    path.write_bytes(sample)
    return str(path)


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Server]:
    """A server with the demo model, one for all tests of a module."""
    with servers.serve("--cpu-workers", "2") as running:
        yield running


@pytest.fixture(scope="module")
def limited() -> Iterator[servers.Server]:
    """A server with small limits, that must end with the processes it started with."""
    limits = ("--max-body-mb", "2", "--max-images", "4", "--url-block", "blocked.example.com")
    with servers.serve("--cpu-workers", "1", *limits) as running:
        before = {(row["role"], row["slot"]): row["pid"] for row in running.status()["processes"]}
        yield running
        after = {(row["role"], row["slot"]): row["pid"] for row in running.status()["processes"]}
        assert after == before, "no process died of bad input"
        running.wait_idle()


@pytest.fixture(scope="session")
def zoo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of every task."""
    return zoo.write(tmp_path_factory.mktemp("zoo"))


@pytest.fixture(scope="module")
def zoo_server(zoo_folder: Path) -> Iterator[servers.Server]:
    """A server with a model of every task, one for all tests of a module."""
    with servers.serve("--cpu-workers", "1", "--models", str(zoo_folder)) as running:
        yield running


@pytest.fixture(scope="session")
def driver() -> Iterator[sdk.Driver]:
    """The original client."""
    with sdk.driving() as running:
        yield running


@pytest.fixture
def client(driver: sdk.Driver, zoo_server: servers.Server) -> sdk.Client:
    """The original client of a server with a model of every task."""
    return sdk.Client(driver, zoo_server.url)
