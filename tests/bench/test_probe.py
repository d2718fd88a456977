"""What a short measurement returns, and what it leaves out. How fast things are is no test."""

from pathlib import Path

import pytest
from msgspec import structs

from parallax.bench import one_model, probe
from parallax.contract import spec
from parallax.engine import runtime
from parallax.policy import tuning

HERE = tuning.Place(2, 0, {})


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> spec.ModelSpec:
    model, _ = one_model.read([], None, tmp_path_factory.mktemp("cache"))
    return model


def request(*models: spec.ModelSpec, seconds: float, here: tuning.Place = HERE) -> probe.Request:
    return probe.Request(models, "cpu", runtime.Means(), here, seconds)


def test_every_way_is_measured_where_there_is_time(demo: spec.ModelSpec) -> None:
    here = tuning.Place(2, 0, {tuning.CPU_BATCH: 2})

    (found,) = probe.measure(request(demo, seconds=60.0, here=here))

    assert set(found.rates) == set(tuning.ways(here, [1, 2, 4, 8]))
    assert min(found.pre_ms, found.post_ms, *found.rates.values()) > 0


def test_without_time_the_default_alone_is_measured(demo: spec.ModelSpec) -> None:
    (found,) = probe.measure(request(demo, seconds=0.0))

    assert list(found.rates) == [tuning.Way(2, 1, 1)]


def test_a_model_that_cannot_be_run_is_left_out(demo: spec.ModelSpec, tmp_path: Path) -> None:
    broken = structs.replace(demo, id="broken", graph=str(tmp_path / "missing.onnx"))

    found = probe.measure(request(broken, demo, seconds=0.0))

    assert [each.model for each in found] == ["demo"]


def test_a_way_that_the_network_refuses_is_left_out(demo: spec.ModelSpec) -> None:
    fixed = structs.replace(demo, batch=spec.BatchSpec(3, fixed_size=3))

    (found,) = probe.measure(request(fixed, seconds=0.0))

    assert list(found.rates) == [tuning.Way(2, 1, 3)]
