"""The shape of the code, held by a machine: layers, sizes, empty package files, light workers."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
LARGEST_FILE = 400
HEAVY = ("onnxruntime", "onnx", "starlette", "hypercorn", "aiohttp")

_MACHINE_PATH = re.compile(r"""["'](/home/|/root/|/Users/|/opt/|/mnt/|[A-Z]:\\)|\.\./""")
_CODE = re.compile(r"register_custom_ops|allow_pickle=True|\bload_library\(")
"""What no rule of the linter knows: libraries of ONNX Runtime, pickles of NumPy."""


def python(code: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}  # noqa: TID251 - a child needs all of it
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
        cwd=ROOT,
    )


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_layers_hold() -> None:
    code = "from importlinter import cli; raise SystemExit(cli.lint_imports(no_cache=True))"
    done = python(code)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_source_file(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.name == "__init__.py":
        assert text == "", "a package file that imports makes rings; it stays empty"
    assert len(text.splitlines()) <= LARGEST_FILE
    assert not list(machine_paths(text))


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_source_file_lets_no_model_and_no_array_bring_code(path: Path) -> None:
    assert not _CODE.search(path.read_text(encoding="utf-8"))


def machine_paths(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if _MACHINE_PATH.search(line))


def test_machine_paths_are_seen() -> None:
    assert list(machine_paths('a = "/home/me/x"\nb = "ok"\nc = "../x"\n')) == [
        'a = "/home/me/x"',
        'c = "../x"',
    ]


@pytest.mark.parametrize("process", ["workers.stage_worker", "supervisor.run"])
def test_process_that_is_to_be_light_imports_nothing_heavy(process: str) -> None:
    code = (
        "import sys\n"
        f"import parallax.{process}\n"
        f"sys.exit(' '.join(set({HEAVY!r}) & set(sys.modules)) or 0)\n"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_every_source_folder_is_a_package() -> None:
    folders = {path.parent for path in SOURCES if path.parent != ROOT / "src"}
    assert [named(folder) for folder in folders if not (folder / "__init__.py").exists()] == []
