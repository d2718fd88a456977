"""Headers about the making of an answer."""

import pytest

from parallax.contract import messages
from parallax.gateway import pending
from parallax.gateway.roboflow import envelope
from tests.gateway import support

ANSWER = pending.Answer(support.FRAGMENT, messages.Timings(), 1.0)


def about(name: str, loading: float) -> dict[bytes, bytes]:
    return dict(envelope.headers([ANSWER], support.model(name), loading))


def test_a_loaded_model_was_no_cold_start() -> None:
    found = about("fish", 0.0)

    assert found[b"x-model-cold-start"] == b"false"
    assert not {name for name in found if name.startswith(b"x-model-load")}


@pytest.mark.parametrize("name", ["f" * 5000, "fisch-\u00fc"])
def test_details_that_no_header_can_hold_are_left_out(name: str) -> None:
    found = about(name, 0.5)

    assert found[b"x-model-load-time"] == b"0.500000"
    assert b"x-model-load-details" not in found
