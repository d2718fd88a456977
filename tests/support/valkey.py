"""A real server for tests: one process on a unix socket, gone when the context ends."""

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import redis

from parallax.broker import server, server_config

START_TIMEOUT = 10.0


@contextlib.contextmanager
def short_directory() -> Iterator[Path]:
    """Make a directory whose path is short enough for a unix socket, and remove it."""
    with tempfile.TemporaryDirectory(prefix="vk", dir="/tmp") as directory:
        yield Path(directory)


@contextlib.contextmanager
def running(directory: Path, tcp_port: int = 0) -> Iterator[str]:
    """Run a server whose files lie in ``directory`` and give its URL.

    A machine without the binary fails the test: skipping would leave the scripts unchecked.
    """
    options = server_config.Options(
        run_dir=directory, data_dir=directory, tcp_port=tcp_port, maxmemory=0, cpus=1
    )
    url = f"unix://{options.socket}"
    with _process(directory / "broker.log", ["-"], server_config.text(options), url):
        yield url


@contextlib.contextmanager
def running_with_sentinel(directory: Path) -> Iterator[str]:
    """Run a server and a sentinel that watches it, and give the URL that asks the sentinel."""
    port, sentinel_port = free_port(), free_port()
    config = directory / "sentinel.conf"
    config.write_text(
        f"port {sentinel_port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {port} 1\n"
    )
    with (
        running(directory, port),
        _process(
            directory / "sentinel.log",
            [str(config), "--sentinel"],
            "",
            f"redis://127.0.0.1:{sentinel_port}",
        ),
    ):
        yield f"redis+sentinel://127.0.0.1:{sentinel_port}/main"


def free_port() -> int:
    """Return a port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def _process(log: Path, arguments: Sequence[str], config: str, url: str) -> Iterator[None]:
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [server.find_binary(), *arguments],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            assert process.stdin is not None
            process.stdin.write(config.encode())
            process.stdin.close()
            _await_answer(url, process)
            yield
        finally:
            process.kill()


def _await_answer(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    with redis.Redis.from_url(url) as probe:
        probe.set_retry(redis.retry.Retry(redis.backoff.NoBackoff(), 0))
        while time.monotonic() < deadline:
            assert process.poll() is None, "the server ended at once"
            with contextlib.suppress(redis.ConnectionError):
                probe.ping()
                return
            time.sleep(0.01)
    raise AssertionError("the server does not answer")
