"""``parallax status`` against a real HTTP server that answers what a test says."""

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from parallax.cli import status_client
from parallax.contract import roster
from tests.cli.conftest import Run

STATUS: dict[str, Any] = {
    "version": "9.9",
    "ready": True,
    "processes": [
        {"role": "api", "slot": 0, "pid": 41, "state": "ready", "restarts": 2, "uptime_s": 12.34}
    ],
    "streams": {"pre": {"queued": 3, "pending": 1}},
    "models": [{"id": "demo", "task": "object-detection"}],
}


class Server(http.server.HTTPServer):
    """Answers ``/status`` with what it is told to."""

    code = 200
    body = json.dumps(STATUS).encode()
    authorization: str | None = None
    """What the last client sent."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        found = self.path == "/status"
        self.server.authorization = self.headers["Authorization"]
        self.send_response(self.server.code if found else 404)
        self.end_headers()
        self.wfile.write(self.server.body if found else b"")

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_json_is_what_the_server_says(run: Run, server: Server) -> None:
    result = run("status", "--url", server.url, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, STATUS)


def test_json_always_has_the_three_parts(run: Run, server: Server) -> None:
    server.body = b'{"version": "1"}'
    result = run("status", "--url", server.url + "/", "--json")
    expected = {"processes": [], "streams": {}, "models": [], "version": "1"}
    assert json.loads(result.stdout) == expected


def test_tables_for_people(run: Run, server: Server) -> None:
    result = run("status", "--url", server.url)
    assert result.exit_code == 0
    for text in (
        "ready\nversion: 9.9\n",
        "Processes",
        "uptime_s",
        "12.3",
        "Streams",
        "queued",
        "Models",
        "demo",
    ):
        assert text in result.stdout


def test_reasons_of_models_stand_below_their_table(run: Run, server: Server) -> None:
    reason = "m.onnx: " + "not an ONNX file " * 6
    models = [
        {"id": "m", "state": "refused", "reason": reason, "package": "/models/m.onnx"},
        {"id": "", "state": "refused", "reason": "no id", "package": "/models/x y.onnx"},
        {"id": "ok", "state": "loaded", "reason": "", "package": "/models/ok.onnx"},
    ]
    server.body = json.dumps({**STATUS, "models": models}).encode()

    shown = run("status", "--url", server.url).stdout

    assert f"m: {reason}".rstrip() in shown
    assert "/models/x y.onnx: no id" in shown
    assert "ok: " not in shown


def test_a_refused_replacement_is_told_from_one_on_its_way(run: Run, server: Server) -> None:
    row = {"state": "loaded", "version": "41d9"}
    models = [
        {**row, "id": "old", "reason": "no outputs"},
        {**row, "id": "soon", "reason": roster.BEING_LOADED},
    ]
    server.body = json.dumps({**STATUS, "models": models}).encode()

    lines = run("status", "--url", server.url).stdout.splitlines()

    refused = "old: the files there now are refused, version 41d9 is served: no outputs"
    assert lines[-2:] == [refused, "soon: a new version is being loaded"]


def test_the_size_of_an_input_is_a_word_and_no_line_ends_in_blanks(
    run: Run, server: Server
) -> None:
    models = [{"id": "m", "input": [256, 128], "reason": ""}, {"id": "[0, 1]", "input": None}]
    server.body = json.dumps({**STATUS, "models": models}).encode()

    lines = run("status", "--url", server.url).stdout.splitlines()

    assert any(line.endswith("256x128") for line in lines)
    assert [line for line in lines if line != line.rstrip()] == []


def test_port_of_the_settings_is_asked(run: Run, server: Server, environ: dict[str, str]) -> None:
    environ["PORT"] = str(server.server_port)
    assert run("status", "--json").exit_code == 0


@pytest.mark.parametrize("code", [200, 503])
def test_not_ready_is_shown_and_no_failure(run: Run, server: Server, code: int) -> None:
    server.code = code
    server.body = json.dumps({**STATUS, "ready": False, "reason": "no live pre worker"}).encode()
    result = run("status", "--url", server.url)
    assert result.exit_code == 0
    assert "not ready: no live pre worker" in result.stdout


def test_brackets_in_names_are_no_markup(run: Run, server: Server) -> None:
    server.body = json.dumps({"models": ["[red]m[/red]"]}).encode()
    assert "[red]m[/red]" in run("status", "--url", server.url).stdout


@pytest.mark.parametrize(
    ("code", "body"),
    [(200, b"hello"), (200, b"[]"), (200, b'{"models": 1}'), (404, b""), (503, b""), (500, b"{}")],
)
def test_other_answers_are_a_line_and_1(run: Run, server: Server, code: int, body: bytes) -> None:
    server.code, server.body = code, body
    result = run("status", "--url", server.url)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("parallax: ")
    assert len(result.stderr.splitlines()) == 1


def test_nobody_there(run: Run, server: Server) -> None:
    server.shutdown()
    server.server_close()
    result = run("status", "--url", server.url)
    assert result.exit_code == 1
    assert f"parallax: no server answers at {server.url}/status: " in result.stderr
    assert result.stderr.endswith("; --url names another\n")


def test_not_an_address(run: Run) -> None:
    result = run("status", "--url", "file:///etc/passwd")
    assert result.exit_code == 2
    assert result.stderr.startswith("parallax: --url: ")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://127.0.0.1:1"),
        ("10.0.0.2", "http://10.0.0.2:1"),
        ("::1", "http://[::1]:1"),
        ("localhost", "http://localhost:1"),
    ],
)
def test_local_url(host: str, url: str) -> None:
    assert status_client.local_url(host, 1) == url


def test_the_key_of_the_settings_goes_to_the_server_of_the_settings_only(
    run: Run, server: Server, environ: dict[str, str]
) -> None:
    environ |= {"PARALLAX_API_KEY": "mine,other", "PARALLAX_PORT": str(server.server_port)}

    assert run("status").exit_code == 0
    assert server.authorization == "Bearer mine"
    assert run("status", "--url", server.url).exit_code == 0
    assert server.authorization is None


def test_a_server_that_wants_another_key_is_named(run: Run, server: Server) -> None:
    server.code = 401

    result = run("status", "--url", server.url)

    assert result.exit_code == 1
    assert "asks for an API key; with --url no key is sent. Use PARALLAX_PORT=" in result.output


def test_the_settings_server_that_wants_a_key_is_told_where_to_set_it(
    run: Run, server: Server, environ: dict[str, str]
) -> None:
    server.code = 401
    environ["PARALLAX_PORT"] = str(server.server_port)

    said = run("status").stderr

    assert "the server asks for an API key: set PARALLAX_API_KEY to one with admin rights" in said
    assert "--url" not in said


def test_a_key_that_the_server_does_not_take_is_said(
    run: Run, server: Server, environ: dict[str, str]
) -> None:
    server.code = 401
    environ |= {"PARALLAX_API_KEY": "mine", "PARALLAX_PORT": str(server.server_port)}

    assert "does not take the API key of the settings" in run("status").stderr


def test_a_key_that_may_not_see_the_status_is_said(run: Run, server: Server) -> None:
    server.code = 403

    assert "may not manage the server" in run("status", "--url", server.url).stderr
