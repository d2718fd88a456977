"""What the log says of models, each change once."""

import logging

import pytest

from parallax.contract import roster, spec
from parallax.supervisor import model_log
from tests.support import fakes

V1, V2 = fakes.model("m", version="v1"), fakes.model("m", version="v2")
LOADED = roster.Package("m", "/m/w.onnx", roster.State.LOADED, "v1")


def reading(model: spec.ModelSpec | None, reason: str = "") -> spec.Reading:
    return spec.Reading("/m", "/m/w.onnx", "m", model, reason, ("m: family guessed",))


@pytest.fixture(autouse=True)
def level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.mark.parametrize(
    ("found", "before", "said"),
    [
        (reading(V1), None, ["/m/w.onnx is new", "m: family guessed"]),
        (reading(V2), LOADED, ["/m/w.onnx has changed", "m: family guessed"]),
        (reading(V1), LOADED, ["/m/w.onnx is what is served already"]),
        (reading(None, "bad"), LOADED, ["/m/w.onnx is refused: bad; version v1 stays"]),
        (reading(None, "bad"), None, ["/m/w.onnx is refused: bad"]),
    ],
)
def test_what_was_found_at_a_place(
    caplog: pytest.LogCaptureFixture,
    found: spec.Reading,
    before: roster.Package | None,
    said: list[str],
) -> None:
    model_log.read(found, before)

    assert caplog.messages == said


def test_a_place_that_held_no_model_goes_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    model_log.gone(None)
    model_log.gone(LOADED)

    assert caplog.messages == ["/m/w.onnx is gone"]


def test_a_version_that_cannot_be_loaded_names_the_one_that_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model_log.refused(V2, "no memory", (V1,))

    assert caplog.messages == ["model m, version v2, is refused: no memory; version v1 stays"]


@pytest.mark.parametrize(
    ("state", "end"), [(roster.State.UNLOADED, "unloaded"), (None, "served no more")]
)
def test_a_model_that_leaves_by_request_is_told_from_one_that_is_removed(
    caplog: pytest.LogCaptureFixture, state: roster.State | None, end: str
) -> None:
    rows = [] if state is None else [roster.Package("m", "/m/w.onnx", state)]
    model_log.switched((V1,), (), rows)

    assert caplog.messages == [f"model m is {end}"]


def test_the_demo_model_in_place_of_others_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    empty = "no models in x: serving the demo model"
    model_log.demo(spec.Reading("", "", "demo", notes=(empty, "demo: family inferred")))

    assert [(each.levelname, each.message) for each in caplog.records] == [("WARNING", empty)]
