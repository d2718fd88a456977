"""Ratios of two reports, and what is said when they are hard to compare."""

from pathlib import Path

import msgspec
import pytest

from parallax.bench import compare, failures, result
from tests.support import reports


def test_a_report_compared_with_itself_is_one_in_every_figure() -> None:
    same = reports.report()
    head, row = compare.rows(same, same)
    assert row == ["8 in flight", *["1.00"] * (len(head) - 1)]
    assert not list(compare.warnings(same, same))


def test_ratios_are_new_over_old() -> None:
    old, new = reports.report(), reports.report(reports.phase(images_per_s=150.0, pss_mb=None))
    head, row = compare.rows(old, new)
    assert row[head.index("images/s")] == "1.50"
    assert row[head.index("PSS")] == ""


def test_a_load_of_one_run_alone_is_left_out() -> None:
    new = reports.report(reports.PHASE, reports.phase(mode="open", concurrency=1024, rate=50.0))
    assert [row[0] for row in compare.rows(reports.report(), new)] == ["load", "8 in flight"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"machine": result.Machine(64, "Other", 1, "x", "3.13")}, "machine: 2 x Some CPU then"),
        ({"pictures": result.Pictures(9, 1.0, ["8x8"])}, "pictures"),
        ({"target": result.Target("u", "roboflow", "big", True, [])}, "model: demo then, big now"),
        ({"phases": []}, "no load was measured in both"),
    ],
)
def test_what_differs_besides_the_server_is_told(changes: dict[str, object], told: str) -> None:
    warnings = list(compare.warnings(reports.report(), reports.report(**changes)))
    assert any(warning.startswith(told) for warning in warnings)


def test_a_machine_that_has_become_slower_is_told() -> None:
    slower = msgspec.structs.replace(reports.CEILING, images_per_s=100.0)
    old, new = reports.report(ceiling=reports.CEILING), reports.report(ceiling=slower)
    (warning,) = compare.warnings(old, new)
    assert "0.80 of its earlier speed" in warning


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(msgspec.json.encode(reports.report(ceiling=reports.CEILING)))
    assert compare.load(path) == reports.report(ceiling=reports.CEILING)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"format": 99}', "a report of format 99"),
        (b'{"format": 1}', "is not a report"),
        (b"[]", "is not a report"),
        (b"\x00", "is not a report"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(failures.BenchError, match=told):
        compare.load(path)
