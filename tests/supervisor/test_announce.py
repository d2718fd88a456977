"""What a person sees at the start."""

import subprocess
from pathlib import Path

import pytest

from parallax.contract import spec
from parallax.contract.topology import Role
from parallax.supervisor import announce
from tests.support import fakes


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "http://127.0.0.1:9001"),
        ("0.0.0.0", "http://127.0.0.1:9001"),
        ("::", "http://127.0.0.1:9001"),
        ("", "http://127.0.0.1:9001"),
        ("::1", "http://[::1]:9001"),
        ("example.org", "http://example.org:9001"),
    ],
)
def test_the_address_works_from_this_machine(host: str, shown: str) -> None:
    assert announce.url(host, 9001) == shown


def test_a_model_s_line_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    models = (
        fakes.model("cats", side=64),
        fakes.model("old", batch=spec.BatchSpec(4, fixed_size=4), fused=False),
    )

    announce.Announcer().models(models, ("cats: guessed its family",))

    first, second, note = capsys.readouterr().err.splitlines()
    assert first == (
        "model     cats: object-detection, yolov8, 64x64, 2 classes, batch up to 8, fused graph"
    )
    assert second.endswith("batch 4, plain graph")
    assert note.strip() == "cats: guessed its family"


@pytest.mark.parametrize(
    ("pids", "detail", "line"),
    [
        ([7], "", "pre       1 process (pid 7)\n"),
        ([7, 8], "warm", "pre       2 processes (pid 7, 8): warm\n"),
        ([1, 2, 3, 4, 5], "", "pre       5 processes (pid 1, 2, 3, 4, ...)\n"),
    ],
)
def test_a_group_s_line_names_its_processes(
    capsys: pytest.CaptureFixture[str], pids: list[int], detail: str, line: str
) -> None:
    announce.Announcer().group(Role.PRE, detail, pids)

    assert capsys.readouterr().err == line


def test_the_last_lines_give_the_address_and_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    announce.Announcer().ready("http://127.0.0.1:9001", (fakes.model("cats"),))

    ready, tried = capsys.readouterr().err.splitlines()
    assert ready.startswith("ready     http://127.0.0.1:9001 after 0.")
    assert tried.startswith("try       curl -s http://127.0.0.1:9001/cats -F file=@")


def test_without_models_there_is_nothing_to_try(capsys: pytest.CaptureFixture[str]) -> None:
    announce.Announcer().ready("http://127.0.0.1:9001", ())

    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("folder", "given"),
    [
        ("/plain", "file=@/plain/sample.jpg"),
        ("/with space", "file=@/with space/sample.jpg"),
        ("/it's", "file=@/it's/sample.jpg"),
        ("/a;b", 'file=@"/a;b/sample.jpg"'),
        ('/a"b', r'file=@"/a\"b/sample.jpg"'),
        ("/a\\b", r'file=@"/a\\b/sample.jpg"'),
    ],
)
def test_the_command_survives_the_shell(folder: str, given: str) -> None:
    command = announce.try_it("http://[::1]:9001", "~project/1", Path(folder) / "sample.jpg")

    words = subprocess.run(
        ["/bin/sh", "-c", f"printf '%s\\n' {command}"], capture_output=True, check=True, text=True
    ).stdout.splitlines()

    assert words == ["curl", "-s", "http://[::1]:9001/~project/1", "-F", given]
