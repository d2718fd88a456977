"""The files that a process counts in have their pages before they are needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from parallax.observe import metric_files

PROGRAM = """
from prometheus_client import Counter, Histogram
from parallax.observe import metric_files
assert metric_files.reserve(("counter", "histogram"))
Counter("a", "A.", ["b"]).labels("c").inc()
Histogram("d", "D.").observe(1.0)
"""


def test_the_library_counts_in_files_that_are_allocated(tmp_path: Path) -> None:
    variables = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", PROGRAM], env=variables, check=True, timeout=30)

    files = sorted(tmp_path.iterdir())
    assert [each.name.partition("_")[0] for each in files] == ["counter", "histogram"]
    for each in files:
        assert each.stat().st_size == metric_files.ROOM
        assert each.stat().st_blocks * 512 >= metric_files.ROOM
        content = each.read_bytes()
        assert b'"a_total"' in content or b'"d_sum"' in content


def test_where_there_is_no_room_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "missing"))
    assert not metric_files.reserve(("counter",))
    assert "no room for metrics" in caplog.text


def test_without_a_directory_nothing_is_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    assert metric_files.reserve(("counter",))
