"""A start that cannot succeed ends at once, with a line that says why."""

import socket
from pathlib import Path

import pytest

from tests.support import onnx_endless, wait
from tests.support import server as servers

pytestmark = pytest.mark.system


def test_taken_port(sample: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = servers.run("serve", "--port", port, "--redis-port", "0")
    assert ended.returncode == 1
    assert f"port {port}" in ended.stderr
    assert "in use" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_taken_broker_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = servers.run("serve", "--port", "0", "--redis-port", port)
    assert ended.returncode == 1
    assert f"--redis-port: port {port}" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08" * 1000])
def test_unreadable_model(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.onnx").write_bytes(content)
    ended = servers.run("serve", "--models", str(tmp_path), "--port", "0", "--redis-port", "0")
    assert ended.returncode == 1
    assert "broken.onnx" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_model_that_never_gets_warm_is_named(tmp_path: Path) -> None:
    (tmp_path / "night").mkdir()
    onnx_endless.write(tmp_path / "night" / "weights.onnx")
    options = ("--models", str(tmp_path), "--load-timeout", "1", "--cpu-workers", "1")
    with servers.starting(*options) as server:
        assert server.process.wait(60) == 1
        wait.wait_until(lambda: not server.leftovers(), lambda: str(server.leftovers()), 10.0)
        log = server.log
    assert log.count("is killed: loading model night, version ") == 2
    assert "\nparallax: model night, version " in log
    assert log.rstrip().endswith("loading took over 1 s")
    assert "Traceback" not in log


def test_too_little_shared_memory() -> None:
    ended = servers.run(
        "serve",
        "--port",
        "0",
        "--redis-port",
        "0",
        "--slab-slots",
        "65536",
        "--cpu-workers",
        "1024",
    )
    assert ended.returncode == 1
    assert "/dev/shm is too small" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--cpu-workers", "zero"], "--cpu-workers"),
        (["--port", "70000"], "70000"),
        (["--durability", "maybe"], "everysec"),
        (["--devices", "tpu"], "cuda:N"),
        (["--redis-url", "http://x"], "redis"),
        (["--redis-server", "/nonexistent/valkey"], "/nonexistent/valkey"),
        (["--redis-url", "redis://127.0.0.1:1"], "127.0.0.1:1"),
        (["--models", "/nonexistent"], "/nonexistent"),
        (["--host", "no.such.host.invalid"], "no.such.host.invalid"),
    ],
)
def test_wrong_option_is_named(options: list[str], told: str) -> None:
    ended = servers.run("serve", "--port", "0", "--redis-port", "0", *options)
    assert ended.returncode in (1, 2)
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_wrong_environment_value_names_the_variable() -> None:
    ended = servers.run("serve", env={"NUM_CELERY_WORKERS": "many"})
    assert ended.returncode == 2
    assert "NUM_CELERY_WORKERS" in ended.stderr
    assert "many" in ended.stderr


def test_absent_device_is_one_clear_line() -> None:
    ended = servers.run("serve", "--port", "0", "--redis-port", "0", "--devices", "cuda:7")
    assert ended.returncode == 1
    assert "parallax: device cuda:7" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "restart" not in ended.stderr
