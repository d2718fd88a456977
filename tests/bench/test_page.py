"""The page of a report: complete, well-formed, and nobody's markup but ours."""

import html.parser
import itertools
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.bench import drawing, page, result
from tests.support import reports

NASTY = '<script src="https://example.org/x.js">alert(1)</script>&"\''
VOID = {"meta", "link", "br"}
OPENED = reports.phase(mode="open", concurrency=1024, rate=50.0)
PHASES = (
    reports.phase(concurrency=1),
    reports.phase(concurrency=64, errors={"503": 7}),
    OPENED,
)


class Reader(html.parser.HTMLParser):
    """Follows the tags, and keeps their names, their attributes and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(document: str) -> Reader:
    reader = Reader()
    reader.feed(document)
    reader.close()
    assert reader.open == []
    return reader


def full() -> result.Report:
    return reports.report(*PHASES, ceiling=reports.CEILING)


def test_every_phase_is_shown() -> None:
    seen = read(page.render(full())).text

    for name in ("1 in flight", "64 in flight", "50/s"):
        assert name in seen
    assert "503: 7" in seen


@pytest.mark.parametrize("report", [full(), reports.report(), reports.report(PHASES[2])])
def test_pictures_are_well_formed(report: result.Report) -> None:
    drawn = re.findall(r"<svg.*?</svg>", page.render(report), re.DOTALL)

    assert drawn
    for each in drawn:
        ElementTree.fromstring(each)


def test_nothing_is_fetched_and_nothing_runs() -> None:
    document = page.render(full())
    seen = read(document)

    links = [value for name, value in seen.attributes if name in ("src", "href")]
    assert links == ["data:,"]
    assert not seen.names & {"script", "img", "iframe", "object", "embed", "form"}
    assert "url(" not in document
    assert "@import" not in document


def test_what_a_report_says_is_no_markup() -> None:
    machine = result.Machine(2, NASTY, 8000, NASTY, NASTY)
    target = result.Target(NASTY, "roboflow", NASTY, False, [NASTY])
    phase = reports.phase(
        errors={NASTY: 1}, batches={NASTY: 1}, cpu_ms_per_image={NASTY: 1.0}, stage_ms={NASTY: 1.0}
    )
    ceiling = result.Ceiling(1.0, NASTY, NASTY, {NASTY: 1.0}, {NASTY: 1.0}, [1.0], {NASTY: 1.0})
    pictures = result.Pictures(1, 1.0, [NASTY])

    seen = read(
        page.render(
            reports.report(
                phase,
                parallax=NASTY,
                started=NASTY,
                machine=machine,
                target=target,
                pictures=pictures,
                ceiling=ceiling,
            )
        )
    )

    assert "script" not in seen.names
    assert seen.text.count(NASTY) >= 14


@pytest.mark.parametrize("ceiling", [reports.CEILING, None])
def test_a_report_in_which_nothing_was_answered_has_a_page(
    ceiling: result.Ceiling | None,
) -> None:
    nothing = result.Latency(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    dead = reports.phase(
        answered=0,
        images_per_s=0.0,
        curve=[],
        batches={},
        cpu_ms_per_image={},
        latency_ms=nothing,
        pss_mb=None,
        errors={"connection": 300},
    )

    seen = read(page.render(reports.report(dead, ceiling=ceiling))).text

    assert "connection: 300" in seen


def test_the_plot_shows_the_ceiling_and_what_plain_work_reaches() -> None:
    found = reports.CEILING
    ceiling = result.Ceiling(
        found.images_per_s, "a", "infer", found.stages_ms, {"a": 125.0}, [125.0], {}, 80.0
    )

    seen = read(page.render(reports.report(*PHASES, ceiling=ceiling))).text

    assert "ceiling 125" in seen
    assert "plain work 80.0" in seen


def test_the_command_can_be_run_again() -> None:
    command = ["parallax", "bench", "--images", "my pictures", "--", "--max-batch=4"]
    seen = read(page.render(reports.report(command=command))).text

    assert "parallax bench --images 'my pictures' -- --max-batch=4" in seen


@given(wanted=st.lists(st.floats(0, 100), min_size=1, max_size=10), distance=st.floats(0.1, 10))
def test_labels_keep_apart_and_inside(wanted: list[float], distance: float) -> None:
    places = drawing.apart(wanted, distance, 0.0, 100.0)

    assert all(-1e-6 <= place <= 100 + 1e-6 for place in places)
    ordered = sorted(places)
    assert all(b - a >= distance - 1e-6 for a, b in itertools.pairwise(ordered))


@given(most=st.floats(1e-3, 1e7))
def test_ticks_are_few_and_reach_the_highest_value(most: float) -> None:
    marks = drawing.ticks(most)

    assert marks[0] == 0.0
    assert marks[-1] >= most * 0.999
    assert 3 <= len(marks) <= 7


@given(least=st.floats(0.01, 1e4), times=st.floats(1, 1e5))
def test_logarithmic_ticks_enclose_the_values(least: float, times: float) -> None:
    marks = drawing.log_ticks(least, least * times)

    assert marks[0] <= least * 1.001
    assert marks[-1] >= least * times * 0.999
    assert len(marks) >= 2
