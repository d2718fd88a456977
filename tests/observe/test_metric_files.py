"""The files that a process counts in have their pages early, and outlive it in number only once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from parallax.contract.topology import Role
from parallax.observe import metric_files

PROGRAM = """
import sys
from parallax.contract.topology import Role
from parallax.observe import metric_files
metric_files.adopt(Role.API, int(sys.argv[1]))
from prometheus_client import Counter, Gauge, Histogram, CollectorRegistry, generate_latest
from prometheus_client import multiprocess
print(metric_files.reserve(("counter", "histogram", "gauge_livesum")), file=sys.stderr)
Counter("a", "A.", ["b"]).labels("c").inc()
Histogram("d", "D.").observe(1.0)
Gauge("e", "E.", multiprocess_mode="livesum").set(1)
shared = CollectorRegistry()
multiprocess.MultiProcessCollector(shared)
print(generate_latest(shared).decode(), flush=True)
sys.stdin.read()
"""


def begin(place: Path, slot: int = 0) -> "subprocess.Popen[str]":
    """Start a process that counts, and lives until its input ends."""
    variables = {"PROMETHEUS_MULTIPROC_DIR": str(place), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PROGRAM, str(slot)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=variables, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def live(place: Path, slot: int = 0) -> tuple[str, str]:
    """Let a process count and end; return what it showed and what it said of its room."""
    return begin(place, slot).communicate(timeout=60)


def names(place: Path) -> list[str]:
    """Return the files with numbers."""
    return sorted(each.name for each in place.glob("*.db"))


def test_the_library_counts_in_files_that_are_allocated(tmp_path: Path) -> None:
    _, said = live(tmp_path)

    assert "True" in said
    assert names(tmp_path) == ["counter_api-0.db", "gauge_livesum_api-0.db", "histogram_api-0.db"]
    for each in tmp_path.glob("*.db"):
        assert each.stat().st_size == metric_files.ROOM
        assert each.stat().st_blocks * 512 >= metric_files.ROOM
        content = each.read_bytes()
        assert any(name in content for name in (b'"a_total"', b'"d_sum"', b'"e"'))


def test_a_successor_goes_on_counting_in_the_files_of_its_predecessor(tmp_path: Path) -> None:
    live(tmp_path)
    before = names(tmp_path)
    shown, _ = live(tmp_path)

    assert 'a_total{b="c"} 2.0' in shown
    assert "d_count 2.0" in shown
    assert names(tmp_path) == before


def test_slots_are_added_up(tmp_path: Path) -> None:
    live(tmp_path, 1)
    shown, _ = live(tmp_path, 11)

    assert 'a_total{b="c"} 2.0' in shown
    assert "\ne 2.0" in shown


def test_beside_a_predecessor_that_still_lives_a_process_counts_in_files_of_its_own(
    tmp_path: Path,
) -> None:
    first = begin(tmp_path)
    assert first.stdout is not None
    first.stdout.readline()  # it has counted
    second = begin(tmp_path)
    shown, _ = second.communicate(timeout=60)
    first.communicate(timeout=60)

    assert 'a_total{b="c"} 2.0' in shown
    assert f"counter_api-0-{second.pid}.db" in names(tmp_path)


def test_what_was_true_of_a_dead_process_is_dropped_and_its_counts_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    live(tmp_path)
    (tmp_path / "gauge_livesum_api-0-77.db").touch()
    (tmp_path / "gauge_livesum_api-07.db").touch()
    metric_files.forget(Role.API, 0, 77)

    assert names(tmp_path) == ["counter_api-0.db", "gauge_livesum_api-07.db", "histogram_api-0.db"]


def test_where_there_is_no_room_that_is_said(tmp_path: Path) -> None:
    _, said = live(tmp_path / "missing")

    assert "no room for metrics" in said
    assert "False" in said


def test_without_a_directory_nothing_is_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    metric_files.adopt(Role.API, 0)
    assert metric_files.reserve(("counter",))
