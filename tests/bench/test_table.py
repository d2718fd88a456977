"""The rows that a person reads."""

import io

from parallax.bench import result, table
from tests.support import reports


def test_speed_has_a_row_per_phase_and_names_errors() -> None:
    loads = reports.PHASE, reports.phase(rate=50.0, errors={"503": 2, "timeout": 1})
    head, first, second = table.speed(reports.report(*loads))
    assert (first[0], first[-1]) == ("8 in flight", "none")
    assert (second[0], second[-1]) == ("50/s", "2 503, 1 timeout")
    assert len(head) == len(first) == len(second)


def test_speed_is_told_as_a_part_of_the_ceiling_where_that_was_measured() -> None:
    head, row = table.speed(reports.report(ceiling=reports.CEILING))
    assert row[head.index("of ceiling")] == "0.80"
    assert "of ceiling" not in table.speed(reports.report())[0]


def test_cost_is_by_kind_of_process_in_the_order_of_the_route() -> None:
    head, row = table.cost(reports.report())
    assert head[1:5] == ["batch", "server", "pre", "infer"]
    assert row[1:5] == ["2.0", "10.00", "4.00", "6.00"]


def test_a_server_that_tells_nothing_has_no_columns_of_its_own() -> None:
    bare = reports.phase(cpu_ms_per_image={}, mean_batch=None, pss_mb=None)
    head, row = table.cost(reports.report(bare))
    assert head == ["load", "batch", "client", "share", "PSS MB"]
    assert row == ["8 in flight", "", "0.20", "1.0%", ""]


def test_doubtful_figures_are_warned_of() -> None:
    behind = reports.phase(client=result.Client(1, 0.2, 0.5, True), answered=0)
    first, second = table.warnings(reports.report(behind))
    assert "fell behind at 8 in flight" in first
    assert second == "no right answer at 8 in flight"
    assert not table.warnings(reports.report())


def test_what_the_server_said_of_errors_is_told_once() -> None:
    failed = reports.phase(reasons={"404": "no such model"})
    assert table.warnings(reports.report(failed, failed)) == ["the first 404 said: no such model"]


def test_what_waited_in_the_clients_is_told() -> None:
    held = reports.phase(rate=50.0, client=result.Client(1, 0.2, 0.5, False, 7))
    (said,) = table.warnings(reports.report(held))
    assert "at 50/s 7 requests waited" in said


def test_what_is_printed_holds_all_of_it() -> None:
    stream = io.StringIO()
    table.show(reports.report(ceiling=reports.CEILING), table.console_for(stream))
    shown = stream.getvalue()
    for text in ("model demo", "640x480", "infer binds", "100.0", "300"):
        assert text in shown
    assert not any(line.endswith(" ") for line in shown.splitlines())
