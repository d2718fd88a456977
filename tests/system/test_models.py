"""Models of the user's own, through HTTP."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import load, photos
from tests.support import server as servers

pytestmark = pytest.mark.system

MODEL = Path(__file__).parents[3] / "shared" / "models" / "yolox_nano.onnx"

COCO = {0: "person", 15: "cat", 41: "cup", 60: "dining table"}

EXPECTED = {
    "astronaut.png": [("person", 0.926, (11.5, 20.3, 357.4, 487.0))],
    # The box reaches over the edges of this picture; answers are clipped to it.
    "chelsea.png": [("cat", 0.621, (0.0, 0.0, 449.4, 300.0))],
    "coffee.png": [
        ("cup", 0.898, (162.1, 16.3, 258.8, 278.2)),
        ("dining table", 0.738, (0.2, 0.4, 598.0, 397.6)),
    ],
    "camera.png": [("person", 0.932, (4.9, 64.0, 295.8, 438.3))],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """A server with the real detector, as a package of project and version."""
    if not MODEL.exists():
        pytest.skip(f"{MODEL} is not there")
    folder = tmp_path_factory.mktemp("models") / "coco" / "1"
    folder.mkdir(parents=True)
    shutil.copy(MODEL, folder / "weights.onnx")
    names = [COCO.get(index, f"class {index}") for index in range(80)]
    (folder / "class_names.txt").write_text("\n".join(names))
    (folder / "model.toml").write_text('family = "yolox"\naliases = ["yolox_nano"]\n')
    with servers.serve("--models", str(folder.parents[1]), "--cpu-workers", "1") as running:
        yield running


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("model", ["coco/1", "yolox_nano"])
def test_detector_finds_what_is_in_the_photograph(
    server: servers.Server, name: str, model: str
) -> None:
    response = load.detect(
        server.url, photos.read(name), model=model, confidence=0.4, iou_threshold=0.45
    )
    found = response.json()["predictions"]
    assert [each["class"] for each in found] == [label for label, _, _ in EXPECTED[name]]
    for each, (_, score, (left, top, width, height)) in zip(found, EXPECTED[name], strict=True):
        box = (each["x"] - each["width"] / 2, each["y"] - each["height"] / 2)
        assert each["confidence"] == pytest.approx(score, abs=0.02)
        assert box == pytest.approx((left, top), abs=2.0)
        assert (each["width"], each["height"]) == pytest.approx((width, height), abs=2.5)


def test_models_ls_and_check_describe_the_package(server: servers.Server) -> None:
    registry = server.get("/model/registry").json()["models"]
    assert [each["model_id"] for each in registry] == ["coco/1"]
    assert registry[0]["batch_size"] == 1
    assert registry[0]["input_height"] == 416


def test_check_names_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"nonsense")
    checked = servers.run("models", "check", str(tmp_path / "broken.onnx"))
    assert checked.returncode == 1
    assert "broken.onnx" in checked.stdout + checked.stderr
