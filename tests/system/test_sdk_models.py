"""The original client asks what is served, and loads and unloads models."""

from collections.abc import Iterator

import pytest

from tests.support import onnx_heads, sdk, zoo
from tests.support import server as servers

# The first test may have to install the client.
pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

SERVED = {model: onnx_heads.HEADS[each.head].task for model, each in zoo.EXHIBITS.items()} | {
    zoo.SCENES: "object-detection"
}


@pytest.fixture(autouse=True)
def _all_loaded(client: sdk.Client) -> Iterator[None]:
    yield
    for model in SERVED:
        client.call("load_model", model_id=model)


def listed(answer: dict[str, list[dict[str, object]]]) -> set[object]:
    """Return the ids in a list of models."""
    return {entry["model_id"] for entry in answer["models"]}


def test_server_says_who_it_is(client: sdk.Client) -> None:
    info = client.call("get_server_info")
    assert set(info) == {"name", "version", "uuid"}
    assert all(isinstance(value, str) and value for value in info.values())


@pytest.mark.parametrize("method", ["list_loaded_models", "list_loaded_models_async"])
def test_every_model_is_listed_with_its_task(client: sdk.Client, method: str) -> None:
    models = client.call(method)["models"]
    assert {entry["model_id"]: entry["task_type"] for entry in models} == SERVED
    assert all(entry["input_width"] == entry["input_height"] > 0 for entry in models)


@pytest.mark.parametrize("method", ["get_model_description", "get_model_description_async"])
def test_alias_is_described_under_its_id(client: sdk.Client, method: str) -> None:
    described = client.call(method, model_id="yolov8n-640")
    assert described["model_id"] == "coco/3"
    assert described["task_type"] == "object-detection"


@pytest.mark.parametrize("suffix", ["", "_async"])
def test_model_is_gone_when_unloaded_and_back_when_loaded(client: sdk.Client, suffix: str) -> None:
    named = {"model_id": zoo.SPARE}
    without = client.call(f"unload_model{suffix}", **named)
    assert listed(without) == set(SERVED) - {zoo.SPARE}
    with pytest.raises(sdk.RaisedError) as caught:
        client.call(f"get_model_description{suffix}", allow_loading=False, **named)
    assert caught.value.raised == "ModelNotInitializedError"
    assert listed(client.call(f"load_model{suffix}", **named)) == set(SERVED)


def test_alias_is_unloaded_and_loaded(client: sdk.Client) -> None:
    unloaded, loaded = client.calls(
        ("unload_model", {"model_id": "yolov8n-640"}), ("load_model", {"model_id": "yolov8n-640"})
    )
    assert listed(unloaded) == set(SERVED) - {"coco/3"}
    assert listed(loaded) == set(SERVED)


def test_loading_twice_and_unloading_a_stranger_change_nothing(client: sdk.Client) -> None:
    again, stranger = client.calls(
        ("load_model", {"model_id": zoo.SPARE}), ("unload_model", {"model_id": "nobody/7"})
    )
    assert listed(again) == listed(stranger) == set(SERVED)


@pytest.mark.parametrize("suffix", ["", "_async"])
def test_inference_after_everything_was_unloaded_loads_its_model(
    client: sdk.Client, sample_path: str, suffix: str
) -> None:
    assert client.call(f"unload_all_models{suffix}") == {"models": []}
    found = client.infer(sample_path, "yolov8n-640", f"infer{suffix}")["predictions"]
    assert found
    assert listed(client.call("list_loaded_models")) == {"coco/3"}


def test_v0_inference_after_everything_was_unloaded_loads_its_model(
    driver: sdk.Driver, zoo_server: servers.Server, client: sdk.Client, sample_path: str
) -> None:
    client.call("unload_all_models")
    older = sdk.Client(driver, zoo_server.url, key="any", v0=True)
    assert older.infer(sample_path, zoo.SCENES)["predictions"]
    assert listed(client.call("list_loaded_models")) == {zoo.SCENES}


@pytest.mark.parametrize(
    ("method", "extra"), [("select_model", {}), ("load_model", {"set_as_default": True})]
)
def test_model_is_chosen_once_for_all_calls(
    client: sdk.Client, sample_path: str, method: str, extra: dict[str, bool]
) -> None:
    _, answer = client.calls(
        (method, {"model_id": zoo.ONE_LABEL, **extra}), ("infer", {"inference_input": sample_path})
    )
    assert answer["top"] in zoo.EXHIBITS[zoo.ONE_LABEL].labels
