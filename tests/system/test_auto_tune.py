"""A server that measures at its start, and one that reads what the first has chosen."""

from pathlib import Path

import httpx
import pytest

from tests.support import server as servers

pytestmark = pytest.mark.system


def plan(server: servers.Server) -> dict[str, int]:
    """Return how many processes there are of each kind."""
    rows = server.status()["processes"]
    return {role: sum(row["role"] == role for row in rows) for role in ("api", "pre", "infer")}


def tune_lines(server: servers.Server) -> list[str]:
    return [line for line in server.log.splitlines() if line.startswith("tune ")]


def children(server: servers.Server) -> int:
    """Return how many processes belong to the server."""
    group = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return sum(servers.alive(pid) and _descends(pid, server.process.pid) for pid in group)


def _descends(pid: int, ancestor: int) -> bool:
    try:
        while pid > 1 and pid != ancestor:
            pid = servers.parent(pid)
    except OSError:
        return False
    return pid == ancestor


def test_what_a_start_chooses_is_the_plan_of_the_next(tmp_path: Path, sample: bytes) -> None:
    saved = tmp_path / "tuned.toml"
    saved.write_text("# kept\n[limits]\nmax_images = 9\n")
    with servers.serve("--auto-tune", "--auto-tune-save", str(saved)) as first:
        answer = httpx.post(f"{first.url}/demo", files={"file": sample}, timeout=30)
        assert answer.json()["predictions"]
        chosen, lines, count = plan(first), tune_lines(first), children(first)
    assert lines[0].startswith("tune      measured demo in ")
    assert sum(line.startswith("tune      --") for line in lines) == 5
    assert saved.read_text().startswith("# kept\n[limits]\nmax_images = 9\n")
    with servers.serve("--config", str(saved)) as second:
        assert plan(second) == chosen
        assert tune_lines(second) == []
        assert children(second) == count
        assert httpx.post(f"{second.url}/demo", files={"file": sample}, timeout=30).is_success
    with servers.serve("--auto-tune", "--config", str(saved)) as third:
        assert tune_lines(third) == ["tune      nothing to choose: every value is set"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [("[http\n", "is not valid TOML"), (None, "there is no folder")],
)
def test_a_file_that_cannot_take_the_choice_ends_the_start(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    path = tmp_path / ("f.toml" if content else "missing/f.toml")
    if content:
        path.write_text(content)
    ended = servers.run(
        *("serve", "--port", "0", "--redis-port", "0"),
        *("--auto-tune", "--auto-tune-save", str(path)),
    )
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"parallax: {path}: ")
    assert problem in line
    if content:
        assert path.read_text() == content
