"""``parallax dlq`` on a broker of its own, with letters that a test has buried there."""

import json
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click.testing
import pytest

from parallax.broker import base, client, keys, letters
from parallax.contract import errors, messages, wire
from parallax.contract.topology import Stage
from tests.cli.conftest import Run
from tests.support import valkey

pytestmark = pytest.mark.redis

KEYS = keys.Keys("parallax", "n1")
HOLDER = base.Holder(Stage.PRE, "n1:pre:0")
PICTURE = b"\xff\xd8 a picture"
ESCAPE = "\x1b]0;owned\x07\u202e"
TRACE = f"Traceback\n  in run\nValueError: no {ESCAPE}\n"

Dlq = Callable[..., click.testing.Result]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with valkey.running(tmp_path_factory.mktemp("vk")) as found:
        yield found


@pytest.fixture
def broker(url: str) -> Iterator[base.BlockingBroker]:
    made = client.connect_blocking(url, KEYS)
    yield made
    made.execute(letters.Discard(tuple(each.id for each in listed(made))))
    made.close()


@pytest.fixture
def dlq(run: Run, url: str) -> Dlq:
    return lambda name, *rest: run("dlq", name, "--redis-url", url, *rest)


def listed(broker: base.BlockingBroker) -> list[letters.Letter]:
    return broker.execute(letters.Letters(count=1000))


def asked(drawing: messages.Drawing | None = None) -> messages.PreWork:
    """Return a request as an api process submits it."""
    route = messages.Route("r1", 0, "api1", "n1", 1.0, 1000)
    params = messages.DetectionParams(confidence=0.25, drawing=drawing)
    return messages.PreWork(route, "fish/1", params, messages.ImageOptions())


def bury(
    broker: base.BlockingBroker,
    work: messages.PreWork | None = None,
    picture: bytes = PICTURE,
    cause: str = "model_failed: it raised",
) -> str:
    """Have a request given up; return the id of its letter."""
    data = wire.encode(work or asked())
    broker.execute(base.Submit(base.Address("r1", 0, "api1"), data, picture))
    (entry,) = broker.execute(base.Read((KEYS.pre,), HOLDER, 1, 0))
    broker.execute(base.Bury(entry, HOLDER, cause, b"", TRACE))
    return listed(broker)[-1].id


def bury_a_stranger(broker: base.BlockingBroker) -> str:
    """Have an entry that is not ours set aside."""
    stranger = base.Entry(KEYS.pre, "1-1", "1-1", base.Address("", 0, ""), 0, b"", b"")
    broker.execute(base.Submit(base.Address("r1", 0, "api1"), b"\x63not ours", b""))
    (entry,) = broker.execute(base.Read((KEYS.pre,), HOLDER, 1, 0))
    assert entry.stream == stranger.stream
    broker.execute(base.Bury(entry, HOLDER, f"malformed_entry: {ESCAPE}", b""))
    return listed(broker)[-1].id


class Hand(threading.Thread):
    """A server that answers the next request with what it is told."""

    def __init__(self, url: str, content: bytes | errors.ParallaxError) -> None:
        super().__init__()
        self._url = url
        self._content = content
        self.taken: list[base.Entry] = []

    def run(self) -> None:
        broker = client.connect_blocking(self._url, KEYS)
        (entry,) = self.taken = broker.execute(base.Read((KEYS.pre,), HOLDER, 1, 20_000))
        to, content = entry.address, self._content
        code, message, bulk = "", "", b""
        if isinstance(content, bytes):
            bulk = content
        else:
            code, message = content.code, content.message
        reply = messages.Reply(to.request, to.item, code, message, messages.Timings())
        op: base.Op[base.Outcome] = base.Finish(entry, HOLDER, wire.encode(reply), bulk)
        if code:
            op = base.Bury(entry, HOLDER, "again", wire.encode(reply))
        broker.execute(op)
        broker.close()


def replayed(
    dlq: Dlq, url: str, content: bytes | errors.ParallaxError, *options: str
) -> tuple[click.testing.Result, base.Entry]:
    """Replay while a server answers so."""
    hand = Hand(url, content)
    hand.start()
    result = dlq("replay", *options)
    hand.join(30)
    return result, hand.taken[0]


# --- ls, show ------------------------------------------------------------------------------------


def test_ls_is_a_line_for_each_letter(dlq: Dlq, broker: base.BlockingBroker) -> None:
    first, second = bury(broker), bury(broker, picture=b"")
    lines = dlq("ls").stdout.splitlines()
    assert "fish/1" in next(line for line in lines if first in line)
    assert [line.split()[0] for line in lines if "model_failed" in line] == [first, second]


def test_ls_without_letters_says_so(dlq: Dlq, broker: base.BlockingBroker) -> None:
    result = dlq("ls")
    assert (result.exit_code, result.stdout) == (0, "Dead letters: none\n")


def test_ls_as_json_is_a_line_for_each_letter(dlq: Dlq, broker: base.BlockingBroker) -> None:
    letter, stranger = bury(broker), bury_a_stranger(broker)
    own, other = map(json.loads, dlq("ls", "--json").stdout.splitlines())
    assert (own["id"], own["model"], own["params"]["confidence"]) == (letter, "fish/1", 0.25)
    assert (own["replayable"], own["picture_bytes"]) == (True, len(PICTURE))
    assert (other["id"], other["replayable"]) == (stranger, False)


def test_show_tells_everything(dlq: Dlq, broker: base.BlockingBroker) -> None:
    shown = dlq("show", bury(broker)).stdout
    for fact in ("fish/1", "confidence=0.25", "n1:pre:0", "r1", "api1", "ValueError", "losses"):
        assert fact in shown


def test_show_writes_the_picture(dlq: Dlq, broker: base.BlockingBroker, tmp_path: Path) -> None:
    assert dlq("show", bury(broker), "--picture", tmp_path / "it").exit_code == 0
    assert (tmp_path / "it").read_bytes() == PICTURE


def test_a_picture_that_is_not_kept_is_no_file(
    dlq: Dlq, broker: base.BlockingBroker, tmp_path: Path
) -> None:
    result = dlq("show", bury(broker, picture=b""), "--picture", tmp_path / "it")
    assert (result.exit_code, (tmp_path / "it").exists()) == (1, False)
    assert "is not kept" in result.stderr


def test_a_picture_that_cannot_be_written_is_an_error(
    dlq: Dlq, broker: base.BlockingBroker, tmp_path: Path
) -> None:
    result = dlq("show", bury(broker), "--picture", tmp_path)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize("command", ["ls", "show"])
def test_nothing_in_a_letter_commands_the_terminal(
    dlq: Dlq, broker: base.BlockingBroker, command: str
) -> None:
    letter = bury(broker, cause=f"cause {ESCAPE}")
    printed = dlq(command, *([letter] if command == "show" else [])).stdout
    assert "\\x1b]0;owned\\x07\\u202e" in printed
    assert not set(ESCAPE) & set(printed) - set("]0;owned")


@pytest.mark.parametrize("command", ["ls", "show"])
def test_what_a_stranger_wrote_into_the_stream_is_shown_as_such(
    dlq: Dlq, broker: base.BlockingBroker, url: str, command: str
) -> None:
    import redis

    fields: dict[Any, Any] = {"hello\x1b": b"\xff", "cause": "forged"}
    with redis.Redis.from_url(url) as stranger:
        letter = str(stranger.xadd(KEYS.dead, fields), "ascii")
    printed = dlq(command, *([letter] if command == "show" else []))
    assert printed.exit_code == 0
    assert "not written by parallax" in printed.stdout
    assert "\x1b" not in printed.stdout


def test_a_letter_of_another_version_says_so(dlq: Dlq, broker: base.BlockingBroker) -> None:
    assert "format version 99" in dlq("show", bury_a_stranger(broker)).stdout


@pytest.mark.parametrize("command", ["show", "replay"])
def test_a_letter_that_is_not_there(dlq: Dlq, broker: base.BlockingBroker, command: str) -> None:
    result = dlq(command, "1-1")
    assert (result.exit_code, result.stderr) == (1, "parallax: there is no dead letter 1-1\n")


@pytest.mark.parametrize("letter", ["+", "1", "1-x", "-1-1", "1-1 ", "٣-1", f"{1 << 64}-0"])
def test_an_id_is_checked_before_it_is_used(run: Run, letter: str) -> None:
    result = run("dlq", "show", "--redis-url", "redis://nowhere.invalid", "--", letter)
    assert result.exit_code == 2
    assert "is not like" in result.stderr


# --- replay --------------------------------------------------------------------------------------


def test_replay_prints_the_answer_and_drops_the_letter(
    dlq: Dlq, broker: base.BlockingBroker, url: str
) -> None:
    letter = bury(broker)
    result, seen = replayed(dlq, url, b'{"predictions": []}', letter)
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"predictions": []})
    work = wire.decode(messages.PreWork, seen.work)
    assert (work.model, work.params, seen.bulk) == ("fish/1", asked().params, PICTURE)
    assert (seen.losses, work.route.budget_ms) == (0, 30_000)
    assert work.route.request != "r1"
    assert listed(broker) == []


def test_replay_keeps_the_letter_if_it_shall(
    dlq: Dlq, broker: base.BlockingBroker, url: str
) -> None:
    letter = bury(broker)
    assert replayed(dlq, url, b"{}", letter, "--keep")[0].exit_code == 0
    assert [each.id for each in listed(broker)] == [letter]


def test_a_replay_that_fails_again_leaves_the_letter_and_no_second_one(
    dlq: Dlq, broker: base.BlockingBroker, url: str
) -> None:
    letter = bury(broker)
    result, _ = replayed(dlq, url, errors.ModelFailedError("still broken"), letter)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "parallax: model_failed: still broken\n"
    assert [each.id for each in listed(broker)] == [letter]


def test_a_replay_without_a_server_gives_up_and_leaves_nothing(
    dlq: Dlq, broker: base.BlockingBroker, url: str
) -> None:
    import redis

    result = dlq("replay", bury(broker), "--timeout", "0.2")
    assert result.exit_code == 1
    assert "deadline_exceeded" in result.stderr
    with redis.Redis.from_url(url) as left:
        assert left.xlen(KEYS.pre) == 0
        assert list(left.scan_iter("*dlq:*")) == []


@pytest.mark.parametrize("what", ["stranger", "without a picture"])
def test_what_cannot_be_replayed_says_why(dlq: Dlq, broker: base.BlockingBroker, what: str) -> None:
    letter = bury_a_stranger(broker) if what == "stranger" else bury(broker, picture=b"")
    result = dlq("replay", letter)
    assert result.exit_code == 1
    assert f"{letter} cannot be replayed" in result.stderr


def test_an_answer_that_is_a_picture_goes_to_a_file(
    dlq: Dlq, broker: base.BlockingBroker, url: str, tmp_path: Path
) -> None:
    letter = bury(broker, asked(messages.Drawing(alone=True)))
    refused = dlq("replay", letter)
    assert (refused.exit_code, "--out" in refused.stderr) == (2, True)
    result, _ = replayed(dlq, url, b"\xff\xd8drawn", letter, "--out", str(tmp_path / "drawn"))
    assert result.exit_code == 0
    assert (tmp_path / "drawn").read_bytes() == b"\xff\xd8drawn"


# --- drop, export --------------------------------------------------------------------------------


def test_drop_removes_what_was_named(dlq: Dlq, broker: base.BlockingBroker) -> None:
    made = [bury(broker) for _ in range(3)]
    assert dlq("drop", *made[:2]).stdout == "2 dropped\n"
    assert [each.id for each in listed(broker)] == made[2:]
    assert dlq("drop", made[0]).exit_code == 1


def test_drop_all(dlq: Dlq, broker: base.BlockingBroker) -> None:
    for _ in range(40):
        bury(broker, picture=b"")
    assert dlq("drop", "--all").stdout == "40 dropped\n"
    assert dlq("drop", "--all").stdout == "0 dropped\n"
    assert listed(broker) == []


@pytest.mark.parametrize("rest", [(), ("1-1", "--all")])
def test_drop_wants_ids_or_all(dlq: Dlq, rest: tuple[str, ...]) -> None:
    assert dlq("drop", *rest).exit_code == 2


def test_export_makes_a_folder_for_each(
    dlq: Dlq, broker: base.BlockingBroker, tmp_path: Path
) -> None:
    letter, bare = bury(broker), bury(broker, picture=b"")
    (tmp_path / "out" / letter).mkdir(mode=0o755, parents=True)
    assert dlq("export", tmp_path / "out").stdout.startswith("2 written")
    folder = tmp_path / "out" / letter
    for each in (folder, tmp_path / "out" / bare):
        assert stat.S_IMODE(each.stat().st_mode) == 0o700
    assert json.loads((folder / "letter.json").read_text())["model"] == "fish/1"
    assert (folder / "picture").read_bytes() == PICTURE
    assert (folder / "traceback").read_text() == TRACE
    assert not (tmp_path / "out" / bare / "picture").exists()


# --- which broker --------------------------------------------------------------------------------


def test_a_broker_that_is_not_there_is_an_error_and_no_traceback(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    result = run("dlq", "ls", "--redis-url", f"redis://127.0.0.1:{port}")
    assert result.exit_code == 1
    assert result.stderr.startswith("parallax: the broker cannot be reached")


def test_letters_of_another_namespace_are_not_seen(dlq: Dlq, broker: base.BlockingBroker) -> None:
    bury(broker)
    assert "none" in dlq("ls", "--namespace", "other").stdout
