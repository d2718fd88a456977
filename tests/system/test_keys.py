"""A server that asks for keys: they show nowhere, each opens what it may, and a file of them can be
changed while the server runs."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import redis

from tests.support import load, sdk, wait
from tests.support import server as servers

pytestmark = pytest.mark.system

URL = "/infer/object_detection"
OPERATOR = "hush-operator"
RIGHT = ("hush-listed", "hush-in-file")
WRONG = "hush-nobody"
FILE = f"""
[[key]]
name = "operator"
key = "{OPERATOR}"
"""
CAMERA = """
[[key]]
name = "camera"
key = "hush-in-file"
models = ["demo"]
max_concurrent = 1
"""
PARKED = """
[[key]]
name = "parked"
key = "hush-parked"
models = ["shop/3"]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of keys."""
    found = tmp_path / "keys.toml"
    put(found, FILE + CAMERA + PARKED)
    return found


def put(path: Path, text: str) -> None:
    """Replace a file of keys at once."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.chmod(0o600)
    os.replace(fresh, path)


@contextlib.contextmanager
def serve(path: Path, *options: str, **env: str) -> Iterator[servers.Server]:
    """Run a server with a file of keys, and look at it as its operator."""
    more = ("--cpu-workers", "1", "--api-keys-file", str(path), *options)
    with servers.starting(*more, env=env) as server:
        server.key = OPERATOR
        server.wait_ready()
        yield server
        server.stop()


def bearer(key: str) -> dict[str, str]:
    """Return the header that carries a key."""
    return {"Authorization": f"Bearer {key}"}


def status(server: servers.Server, picture: bytes, key: str) -> int:
    """Return the status of a request with a key."""
    content = load.body(picture)
    return httpx.post(server.url + URL, json=content, headers=bearer(key), timeout=60).status_code


def everywhere(server: servers.Server, picture: bytes, key: str) -> list[httpx.Response]:
    """Send a key in each of its places, and return the answers."""
    url, picture_and_key = server.url + URL, load.body(picture, api_key=key)
    return [
        httpx.post(url, json=load.body(picture), params={"api_key": key}, timeout=60),
        httpx.post(url, json=load.body(picture), headers=bearer(key), timeout=60),
        httpx.post(url, json=picture_and_key, timeout=60),
        httpx.post(f"{server.url}/demo?api_key={key}", content=b"no picture", timeout=60),
        httpx.get(f"{server.url}/model/registry?api_key={key}", timeout=60),
    ]


@contextlib.contextmanager
def listening_to_the_broker(server: servers.Server) -> Iterator[list[str]]:
    """Collect every command that the broker gets."""
    (path,) = (server.home / "tmp").glob("parallax-run-*/*.sock")
    heard: list[str] = []
    done = threading.Event()
    with (
        contextlib.closing(redis.Redis(unix_socket_path=str(path))) as client,
        client.monitor() as monitor,  # type: ignore[no-untyped-call]
    ):

        def listen() -> None:
            for command in monitor.listen():
                heard.append(command["command"])
                if "that-is-all" in command["command"]:
                    done.set()
                    return

        thread = threading.Thread(target=listen)
        thread.start()
        yield heard
        client.echo("that-is-all")
        assert done.wait(30)
        thread.join()


def command_lines(server: servers.Server) -> str:
    """Return the command lines of all processes of a server."""
    server.status()
    pids = {server.process.pid} | server.pids
    found = []
    for pid in pids | {servers.parent(pid) for pid in server.pids}:
        with contextlib.suppress(OSError):
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode())
    return "\n".join(found)


@pytest.mark.timeout(180)
def test_keys_show_nowhere(path: Path, sample: bytes) -> None:
    options = ("--access-log", "--in-memory-logs", "--log-level", "debug")
    listed = f"other,{RIGHT[0]}"
    with serve(path, *options, PARALLAX_API_KEY=listed) as server:
        with listening_to_the_broker(server) as heard:
            answers = [*everywhere(server, sample, WRONG)]
            refused = [answer.status_code for answer in answers]
            for key in RIGHT:
                answers += everywhere(server, sample, key)
            assert httpx.get(f"{server.url}/status", headers=bearer(RIGHT[1])).status_code == 403
        operator = [server.get(at) for at in ("/status", "/metrics", "/logs?limit=1000")]
        lines = command_lines(server)
        server.stop()
        log = server.log

    assert refused == [401] * 5
    assert [answer.status_code for answer in answers[5:]] == [200, 200, 200, 400, 200] * 2
    assert [answer.status_code for answer in operator] == [200] * 3
    assert f"POST {URL} 401" in operator[2].text
    assert "key=camera" in log
    assert any("XADD" in command for command in heard)
    assert "--api-keys-file" in lines
    assert "hush" not in "\n".join(answer.text + str(answer.headers) for answer in answers)
    assert "hush" not in "\n".join(answer.text for answer in operator)
    assert "hush" not in "\n".join(heard)
    assert "hush" not in lines
    assert "hush" not in log


@contextlib.contextmanager
def sending_slowly(server: servers.Server, key: str) -> Iterator[None]:
    """Keep a request in flight whose body does not come."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as line:
        line.sendall(
            f"POST {URL} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
            "Content-Length: 1000\r\n\r\n".encode()
        )
        yield


@pytest.mark.timeout(180)
def test_each_key_opens_what_it_may_and_waits_only_for_itself(path: Path, sample: bytes) -> None:
    with serve(path) as server:
        assert status(server, sample, "hush-parked") == 403
        assert status(server, sample, WRONG) == 401
        with sending_slowly(server, RIGHT[1]):
            wait.wait_until(lambda: status(server, sample, RIGHT[1]) == 429, "it has no place left")
            assert [status(server, sample, OPERATOR) for _ in range(5)] == [200] * 5
        wait.wait_until(lambda: status(server, sample, RIGHT[1]) == 200, "its place is free")
        metrics = server.get("/metrics").text

    assert 'parallax_quota_refused_total{key="camera"}' in metrics


@pytest.mark.timeout(300)
def test_the_original_client_works_with_a_key_for_some_models(
    path: Path, driver: sdk.Driver, sample_path: str
) -> None:
    with serve(path) as server:
        camera, parked = (sdk.Client(driver, server.url, key) for key in (RIGHT[1], "hush-parked"))

        assert camera.infer(sample_path, "demo")["predictions"]
        assert [model["model_id"] for model in camera.call("list_loaded_models")["models"]]
        with pytest.raises(sdk.RaisedError) as caught:
            parked.infer(sample_path, "demo")

    assert caught.value.status == 403


@pytest.mark.timeout(180)
def test_a_key_is_revoked_while_the_server_runs(path: Path, sample: bytes) -> None:
    path.chmod(0o644)
    with serve(path) as server:
        assert "everybody on this machine may read or write it" in server.log
        assert status(server, sample, RIGHT[1]) == 200

        put(path, "[[key")
        wait.wait_until(lambda: "keys stay as they were" in server.log, "the mistake is told")
        assert status(server, sample, RIGHT[1]) == 200

        server.wait_restarted("api", server.kill("api"))
        assert status(server, sample, RIGHT[1]) == 200
        assert status(server, sample, WRONG) == 401

        put(path, FILE)
        wait.wait_until(lambda: status(server, sample, RIGHT[1]) == 401, "the key is void")
        assert status(server, sample, OPERATOR) == 200
        assert "gone: camera, parked" in server.log


def test_a_file_that_cannot_be_used_ends_the_start(path: Path) -> None:
    put(path, FILE + "[[key]]\nname = 'x'\nkey = 'hush-x'\nmodel = ['demo']\n")

    done = servers.run("serve", "--port", "0", "--api-keys-file", str(path))

    assert done.returncode == 2
    told = f"parallax: {path}: [[key]] 2 (x): Object contains unknown field `model`"
    assert told in done.stderr
    assert "hush" not in done.stderr
