"""The audit of dependencies: that it asks about all of them, and understands the answer."""

import json

from packaging import requirements

from tests import audit
from tests.support import distributions

KNOWN = {"id": "GHSA-1", "fix_versions": ["2.0"], "aliases": [], "description": ""}


def answer(*rows: dict[str, object]) -> str:
    return json.dumps({"dependencies": rows, "fixes": []})


def test_all_that_the_server_needs_is_asked_about() -> None:
    asked = {requirements.Requirement(line).name for line in audit.pins()}
    direct = [requirements.Requirement(each) for each in distributions.PROJECT["dependencies"]]

    assert {each.name for each in direct if distributions.holds(each)} <= asked
    assert "hiredis" in asked, "an extra that is asked for"
    assert "h11" in asked, "what a dependency brings"
    assert "pillow" in asked, "what is known of Pillow is known of Pillow-SIMD"


def test_versions_are_those_of_releases() -> None:
    assert not [line for line in audit.pins() if line.startswith("pillow==") and "post" in line]


def test_nothing_known_is_good() -> None:
    good, told = audit.verdict(answer({"name": "a", "version": "1", "vulns": []}), "")

    assert good
    assert told == "1 packages, 0 vulnerabilities"


def test_a_known_vulnerability_is_named_with_its_remedy() -> None:
    good, told = audit.verdict(answer({"name": "a", "version": "1", "vulns": [KNOWN]}), "")

    assert not good
    assert told.startswith("a 1: GHSA-1, mended in ['2.0']\n")


def test_what_was_not_asked_about_is_told() -> None:
    good, told = audit.verdict(answer({"name": "a", "skip_reason": "not found"}), "")

    assert good
    assert told.startswith("NOT AUDITED: a\n")


def test_nobody_to_ask_is_no_fault_but_told() -> None:
    good, told = audit.verdict("", "Traceback\n  ...\nConnectionError: no such host\n")

    assert good
    assert told == "NOT AUDITED: ConnectionError: no such host"
