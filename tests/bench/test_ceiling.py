"""The stages alone: what is counted, and what is left behind. How fast they are is no test."""

import dataclasses
import multiprocessing
from pathlib import Path

import msgspec
import orjson
import pytest

from parallax.bench import ceiling, crew, failures, one_model, photographs, stages_alone
from parallax.contract import spec
from tests.support import zoo

STAGES = {stages_alone.PRE, stages_alone.INFER, stages_alone.POST}


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    return photographs.encoded(0, [(320, 240), (640, 480)])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> spec.ModelSpec:
    model, _ = one_model.read([], None, tmp_path_factory.mktemp("cache"))
    return model


@pytest.fixture
def job(demo: spec.ModelSpec, pictures: list[bytes]) -> stages_alone.Job:
    return stages_alone.Job(demo, pictures)


def test_the_ceiling_names_stages_arrangements_and_what_binds(pictures: list[bytes]) -> None:
    found = ceiling.measure([], None, pictures, 0.5, "cpu")

    assert set(found.stages_ms) == STAGES
    assert found.binds == max(found.stages_ms, key=lambda stage: found.stages_ms[stage])
    assert found.images_per_s == max(found.arrangements.values()) > 0
    assert found.arrangements[found.arrangement] == found.images_per_s
    assert found.plain_images_per_s


def test_no_process_is_left(job: stages_alone.Job) -> None:
    crew.work([job], 0.1)

    assert multiprocessing.active_children() == []


def test_no_process_is_left_when_a_picture_cannot_be_decoded(job: stages_alone.Job) -> None:
    broken = dataclasses.replace(job, pictures=[b"no picture"])

    with pytest.raises(failures.BenchError, match="known format"):
        crew.work([job, broken], 60.0)
    assert multiprocessing.active_children() == []


def test_with_an_accelerator_the_lower_of_cores_and_device_counts(job: stages_alone.Job) -> None:
    found = ceiling.beside_device(job, None, 1, [1, 2], 0.5)

    assert found.images_per_s == min(found.parts["cores"], found.parts["device"]) > 0
    assert len(found.arrangements) == 2
    assert set(found.stages_ms) == STAGES


def test_a_graph_with_a_constant_batch_is_run_in_no_other(job: stages_alone.Job) -> None:
    model = msgspec.structs.replace(job.model, batch=spec.BatchSpec(2, fixed_size=2))
    fixed = dataclasses.replace(job, model=model, batch=2)

    assert {each.batch for jobs in ceiling.arrangements(fixed, 2).values() for each in jobs} == {2}


def test_one_core_gets_no_arrangement_for_several(job: stages_alone.Job) -> None:
    assert all(name.startswith(ceiling.PER_CORE) for name in ceiling.arrangements(job, 1))


def test_processes_begin_with_different_pictures(job: stages_alone.Job) -> None:
    jobs = ceiling.arrangements(job, 2)[ceiling.PER_CORE]

    assert [each.first for each in jobs] == [0, 1]


@pytest.mark.parametrize("model", [zoo.SEGMENTS, zoo.POSE, zoo.ONE_LABEL, zoo.PIXELS])
def test_every_task_has_its_stages(model: str, pictures: list[bytes], tmp_path: Path) -> None:
    served, exported = one_model.read([zoo.write(tmp_path / "models")], model, tmp_path / "cache")
    job = stages_alone.Job(served, pictures)
    loop = stages_alone.Loop(job, stages_alone.network(job))

    tally = stages_alone.Tally()
    loop.step(tally)

    assert exported is None
    assert set(tally.ms()) == STAGES


def test_plain_work_finds_what_the_fused_graph_finds(tmp_path: Path) -> None:
    data = photographs.encoded(1, [(320, 320)])
    served, exported = one_model.read([], None, tmp_path)
    assert exported is not None
    jobs = [stages_alone.Job(served, data), stages_alone.Job(exported, data, work="plain")]

    ours, plain = (labels(job) for job in jobs)

    assert ours == plain != []


def labels(job: stages_alone.Job) -> list[str]:
    loop = stages_alone.Loop(job, stages_alone.network(job))
    loop.pre()
    (answer,) = loop.post(loop.infer())
    return [each["class"] for each in orjson.loads(answer)["predictions"]]


def test_an_unknown_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(failures.BenchError, match="no model 'nobody'"):
        one_model.read([zoo.write(tmp_path / "models")], "nobody", tmp_path / "cache")


def test_only_the_part_of_a_batch_within_the_window_counts(job: stages_alone.Job) -> None:
    loop = stages_alone.Loop(job, stages_alone.network(job))
    clock = iter([0.0, 0.0, 1.0, 5.0])

    tally = stages_alone.counted(loop, 0.0, 2.0, lambda: next(clock))

    assert tally.images == 1.25
    assert tally.timed[stages_alone.PRE] == 2
