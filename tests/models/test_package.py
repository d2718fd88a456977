"""Where models lie, what they say of themselves, and every reason to refuse one."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from parallax.contract import errors
from parallax.models import description, package
from tests.support import onnx_models

NAMES = {"names": "{0: 'cat', 1: 'dog', 2: 'bird'}"}


def found(directory: Path) -> dict[str, str]:
    """Map ids to paths below the folder, and misfits' paths to reasons."""
    entries = list(package.find(directory))
    return {
        (
            entry.id if isinstance(entry, package.Found) else str(entry.path.relative_to(directory))
        ): (
            str(entry.path.relative_to(directory))
            if isinstance(entry, package.Found)
            else entry.reason
        )
        for entry in entries
    }


def read(folder: Path, **recipe: Any) -> package.Package:
    """Read a package made of the files in a folder and a model."""
    path = folder / "weights.onnx"
    if not path.exists():
        onnx_models.make(path, onnx_models.Recipe(**recipe))
    return package.read(package.Found("m", path))


def described(folder: Path, **recipe: Any) -> description.Description:
    return read(folder, **recipe).description


def refusal(folder: Path, **recipe: Any) -> str:
    with pytest.raises(errors.ModelRefusedError) as caught:
        read(folder, **recipe)
    return caught.value.message


def write(path: Path, content: object) -> None:
    path.write_text(content if isinstance(content, str) else json.dumps(content))


class TestFind:
    """Where models are looked for."""

    def test_layouts(self, tmp_path: Path) -> None:
        places = ["a.onnx", "b/b.onnx", "shop/3/weights.onnx", "shop/4/best.onnx", "c/c.onnx"]
        for place in places:
            onnx_models.make(tmp_path / place)
        assert found(tmp_path) == {
            "a": "a.onnx",
            "b": "b/b.onnx",
            "c": "c/c.onnx",
            "shop/3": "shop/3/weights.onnx",
            "shop/4": "shop/4/best.onnx",
        }

    def test_a_file_is_that_one_model(self, tmp_path: Path) -> None:
        path = onnx_models.make(tmp_path / "a.onnx")
        assert list(package.find(path)) == [package.Found("a", path)]

    def test_hidden_and_reserved_names_are_skipped(self, tmp_path: Path) -> None:
        for place in (".git/x.onnx", "_file_locks/x.onnx", "a/1/2/deep.onnx", "._a.onnx"):
            onnx_models.make(tmp_path / place)
        assert found(tmp_path) == {}

    def test_other_files_are_no_models(self, tmp_path: Path) -> None:
        (tmp_path / "README.md").write_text("hello")
        (tmp_path / "folder.onnx").mkdir()
        assert found(tmp_path) == {}

    def test_several_models_in_one_folder(self, tmp_path: Path) -> None:
        onnx_models.make(tmp_path / "m" / "a.onnx")
        onnx_models.make(tmp_path / "m" / "b.onnx")
        assert found(tmp_path) == {"m": "holds several ONNX files (a.onnx, b.onnx); keep one"}

    def test_a_description_without_a_model(self, tmp_path: Path) -> None:
        (tmp_path / "m").mkdir()
        write(tmp_path / "m" / "environment.json", {})
        assert found(tmp_path) == {"m": "describes a model but holds no .onnx file"}

    def test_a_name_no_id_can_have(self, tmp_path: Path) -> None:
        onnx_models.make(tmp_path / "a b.onnx")
        assert "has a segment 'a b'" in found(tmp_path)["a b.onnx"]

    def test_a_missing_folder(self, tmp_path: Path) -> None:
        (entry,) = package.find(tmp_path / "nothing")
        assert entry == package.Misfit(tmp_path / "nothing", "no such folder")


@pytest.mark.parametrize("model_id", ["a", "shop/3", "yolov8n-640", "a.b_c~1+2@x", "größe"])
def test_good_ids(model_id: str) -> None:
    package.check_id(model_id)


@pytest.mark.parametrize(
    "model_id", ["", "/", "a/", "/a", ".", "..", "a/..", "a/b/c", "a b", "a\n"]
)
def test_bad_ids(model_id: str) -> None:
    with pytest.raises(errors.BadModelIdError):
        package.check_id(model_id)


class TestToml:
    """``model.toml``."""

    def test_everything(self, tmp_path: Path) -> None:
        write(
            tmp_path / "model.toml",
            """
            task = "detect"
            family = "yolox"
            decoded = true
            labels = ["cat", "dog", "bird"]
            aliases = ["pets/1"]
            [input]
            width = 64
            height = 96
            resize = "stretch"
            padding = 0
            color = "bgr"
            scale = 255
            mean = [0.1, 0.2, 0.3]
            std = [1, 2, 3]
            [batching]
            max = 4
            max_delay_ms = 2.5
            """,
        )
        assert described(tmp_path) == description.Description(
            task="object-detection",
            family="yolox",
            decoded=True,
            labels=("cat", "dog", "bird"),
            aliases=("pets/1",),
            input=description.InputDescription(
                width=64,
                height=96,
                resize="stretch",
                padding=0,
                color="bgr",
                scale=255.0,
                mean=(0.1, 0.2, 0.3),
                std=(1.0, 2.0, 3.0),
            ),
            batching=description.BatchingDescription(max=4, max_delay_ms=2.5),
        )

    def test_beside_a_bare_file_its_own_name_comes_first(self, tmp_path: Path) -> None:
        write(tmp_path / "model.toml", 'family = "yolov8"')
        assert described(tmp_path).family == "yolov8"
        write(tmp_path / "weights.toml", 'family = "yolox"')
        assert described(tmp_path).family == "yolox"

    def test_labels_from_a_file(self, tmp_path: Path) -> None:
        write(tmp_path / "model.toml", 'labels = "names.txt"')
        write(tmp_path / "names.txt", "cat\ndog \nbird\n\n")
        assert described(tmp_path).labels == ("cat", "dog", "bird")

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ("famly = 'yolox'", "unknown key `famly`"),
            ("[input]\nresise = 'stretch'", "unknown key `resise` - at `$.input`"),
            ("[input]\nresize = 'crop'", "Invalid enum value 'crop' - at `$.input.resize`"),
            ("[input]\nscale = 0.0039", "Expected `float` >= 1.0 - at `$.input.scale`"),
            ("[input]\nstd = [0, 1, 1]", "Expected `float` > 0.0"),
            ("[input]\nwidth = 'wide'", "Expected `int | null`, got `str` - at `$.input.width`"),
            ("[batching]\nmax = 0", "Expected `int` >= 1 - at `$.batching.max`"),
            ("labels = ['cat', '']", "at `$.labels[1]`"),
            ("labels = 'none.txt'", "names 'none.txt', which does not exist"),
            ("labels = '../names.txt'", "lies outside of the package's folder"),
            ("labels = '/etc/hostname'", "lies outside of the package's folder"),
            ("= 3", "not valid TOML"),
        ],
    )
    def test_mistakes(self, tmp_path: Path, content: str, reason: str) -> None:
        write(tmp_path / "names.txt", "cat")
        folder = tmp_path / "m"
        folder.mkdir()
        write(folder / "model.toml", content)
        message = refusal(folder)
        assert message.startswith(f"{folder / 'model.toml'}: ")
        assert reason in message

    def test_labels_through_a_link_out_of_the_folder(self, tmp_path: Path) -> None:
        write(tmp_path / "secret.txt", "secret")
        folder = tmp_path / "m"
        folder.mkdir()
        os.symlink(tmp_path / "secret.txt", folder / "names.txt")
        write(folder / "model.toml", "labels = 'names.txt'")
        assert "lies outside" in refusal(folder)

    def test_a_blank_line_between_labels(self, tmp_path: Path) -> None:
        write(tmp_path / "model.toml", "labels = 'names.txt'")
        write(tmp_path / "names.txt", "cat\n\ndog\n")
        assert "line 2 is blank" in refusal(tmp_path)

    def test_what_is_not_text(self, tmp_path: Path) -> None:
        (tmp_path / "model.toml").write_bytes(b"\xff\xfe\x00")
        assert "cannot be read" in refusal(tmp_path)

    def test_what_is_far_too_long(self, tmp_path: Path) -> None:
        (tmp_path / "model.toml").write_bytes(b"#" * (5 << 20))
        assert "longer than" in refusal(tmp_path)


class TestUltralytics:
    """Metadata inside the file."""

    def test_names_task_and_size(self, tmp_path: Path) -> None:
        metadata = {**NAMES, "task": "detect", "imgsz": "[96, 64]", "stride": "32"}
        assert described(tmp_path, metadata=metadata) == description.Description(
            task="object-detection",
            labels=("cat", "dog", "bird"),
            input=description.InputDescription(width=64, height=96),
        )

    def test_a_list_of_names_and_one_side(self, tmp_path: Path) -> None:
        inside = described(tmp_path, metadata={"names": "['a', 'b', 'c']", "imgsz": "64"})
        assert inside.labels == ("a", "b", "c")
        assert (inside.input.width, inside.input.height) == (64, 64)

    @pytest.mark.parametrize(
        ("metadata", "reason"),
        [
            ({"names": "__import__('os').system('true')"}, "'names' is not a literal"),
            ({"names": "(" * 5000}, "'names' is not a literal"),
            ({"names": "[" + "'a'," * 100_000 + "]"}, "'names' is longer than"),
            ({"names": "{0: 'a', 2: 'b'}"}, "does not number its classes"),
            ({"names": "{0: 1}"}, "not a table of class names"),
            ({"names": "7"}, "not a table of class names"),
            ({"imgsz": "[640, 640, 3]"}, "'imgsz' is no size: [640, 640, 3]"),
            ({"imgsz": "-1"}, "'imgsz' is no size"),
        ],
    )
    def test_nonsense(self, tmp_path: Path, metadata: dict[str, str], reason: str) -> None:
        assert reason in refusal(tmp_path, metadata=metadata)

    def test_what_a_person_wrote_is_stronger(self, tmp_path: Path) -> None:
        write(tmp_path / "model.toml", "labels = ['x', 'y', 'z']")
        inside = described(tmp_path, metadata={**NAMES, "task": "detect"})
        assert inside.labels == ("x", "y", "z")
        assert inside.task == "object-detection"


class TestRoboflow:
    """Files of Roboflow's tools."""

    @pytest.mark.parametrize("nested", [False, True])
    def test_environment(self, tmp_path: Path, nested: bool) -> None:
        steps: Any = {
            "auto-orient": {"enabled": True},
            "resize": {
                "enabled": True,
                "format": "Fit (white edges) in",
                "width": 64,
                "height": "96",
            },
        }
        write(
            tmp_path / "environment.json",
            {
                "PREPROCESSING": json.dumps(steps) if nested else steps,
                "CLASS_MAP": {"1": "dog", "0": "cat"},
                "COLORS": {"dog": "#fff"},
            },
        )
        assert described(tmp_path) == description.Description(
            labels=("cat", "dog"),
            input=description.InputDescription(
                width=64, height=96, resize="letterbox", padding=255
            ),
        )

    def test_class_names_and_model_type(self, tmp_path: Path) -> None:
        write(tmp_path / "class_names.txt", "cat\ndog\n")
        kind = {"project_task_type": "object-detection", "model_type": "yolov8n", "model_id": "s/3"}
        write(tmp_path / "model_type.json", kind)
        assert described(tmp_path) == description.Description(
            task="object-detection", family="yolov8", labels=("cat", "dog"), aliases=("s/3",)
        )

    def test_the_newer_layout(self, tmp_path: Path) -> None:
        write(
            tmp_path / "model_config.json",
            {
                "model_architecture": "yolov8",
                "task_type": "object-detection",
                "backend_type": "onnx",
                "canonical_model_id": "shop/4",
            },
        )
        write(
            tmp_path / "inference_config.json",
            {
                "image_pre_processing": {"auto-orient": {"enabled": True}},
                "network_input": {
                    "training_input_size": {"height": 64, "width": 96},
                    "color_mode": "bgr",
                    "resize_mode": "letterbox",
                    "padding_value": 127,
                    "input_channels": 3,
                    "scaling_factor": 255,
                    "normalization": [[0.1, 0.2, 0.3], [1, 1, 1]],
                },
                "post_processing": {"type": "nms", "fused": False},
            },
        )
        assert described(tmp_path) == description.Description(
            task="object-detection",
            family="yolov8",
            aliases=("shop/4",),
            input=description.InputDescription(
                width=96,
                height=64,
                resize="letterbox",
                padding=127,
                color="bgr",
                scale=255.0,
                mean=(0.1, 0.2, 0.3),
                std=(1.0, 1.0, 1.0),
            ),
        )

    @pytest.mark.parametrize(
        ("name", "content", "reason"),
        [
            ("environment.json", "[1]", "no valid JSON object"),
            ("environment.json", "{", "no valid JSON object"),
            ("environment.json", {"PREPROCESSING": 3}, "expected an object, found int"),
            (
                "environment.json",
                {"PREPROCESSING": {"static-crop": {"enabled": True}}},
                "not served yet: the preprocessing step 'static-crop'",
            ),
            ("environment.json", {"CLASS_MAP": {"0": "a", "7": "b"}}, "does not number"),
            (
                "model_type.json",
                {"project_task_type": "object-detection", "model_type": "rfdetr-base"},
                "not served yet: the architecture 'rfdetr-base'",
            ),
            ("model_config.json", {"backend_type": "trt"}, "the back end 'trt' is not served"),
            (
                "inference_config.json",
                {"network_input": {"resize_mode": "center-crop"}},
                "not served yet: resize_mode 'center-crop'",
            ),
            (
                "inference_config.json",
                {"post_processing": {"fused": True}},
                "post-processing fused into the graph",
            ),
            (
                "inference_config.json",
                {"class_names_operations": [{"type": "class_name_removal"}]},
                "not served yet: class_names_operations",
            ),
            (
                "inference_config.json",
                {"network_input": {"normalization": [[0, 0, 0]]}},
                "normalization is not [[mean], [std]]",
            ),
            (
                "inference_config.json",
                {"network_input": {"color_mode": "hsv"}},
                "Invalid enum value 'hsv'",
            ),
        ],
    )
    def test_reasons_to_refuse(
        self, tmp_path: Path, name: str, content: object, reason: str
    ) -> None:
        write(tmp_path / name, content)
        message = refusal(tmp_path)
        assert message.startswith(f"{tmp_path / name}: ")
        assert reason in message

    @pytest.mark.parametrize(
        ("kind", "task"),
        [
            ({"model_type": "yolov8n-seg"}, "instance-segmentation"),
            ({"model_type": "vit", "project_task_type": "classification"}, "classification"),
        ],
    )
    def test_other_tasks_are_told(self, tmp_path: Path, kind: object, task: str) -> None:
        write(tmp_path / "model_type.json", kind)
        assert described(tmp_path).task == task


class TestNetwork:
    """The ONNX file itself."""

    @pytest.mark.parametrize("content", [b"", b"hello", b"\x08\x07" * 50, os.urandom(2000)])
    def test_what_is_no_onnx_file(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "weights.onnx").write_bytes(content)
        assert "not an ONNX file" in refusal(tmp_path)

    def test_two_inputs(self, tmp_path: Path) -> None:
        path = onnx_models.make(tmp_path / "weights.onnx")
        model = onnx.load(path)
        model.graph.input.append(onnx.helper.make_tensor_value_info("other", 1, (1,)))
        onnx.save(model, path)
        assert "has 2 inputs, expected one picture" in refusal(tmp_path)

    @pytest.mark.parametrize("shape", [(1, 1000), (1, 1, 28, 28), (1, 64, 64, 3)])
    def test_an_input_that_is_no_picture(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        path = onnx_models.make(tmp_path / "weights.onnx")
        model = onnx.load(path)
        model.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("images", 1, shape))
        onnx.save(model, path)
        assert "expected (N, 3, height, width)" in refusal(tmp_path)

    def test_external_weights_are_part_of_the_package(self, tmp_path: Path) -> None:
        path = onnx_models.make(tmp_path / "weights.onnx", external="weights.data")
        opened = package.read(package.Found("m", path))
        assert opened.network.external == ((tmp_path / "weights.data").resolve(),)

    def test_external_weights_outside_of_the_folder(self, tmp_path: Path) -> None:
        folder = tmp_path / "m"
        path = onnx_models.make(folder / "weights.onnx", external="weights.data")
        model = onnx.load(path, load_external_data=False)
        (tmp_path / "weights.data").write_bytes((folder / "weights.data").read_bytes())
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location":
                    entry.value = "../weights.data"
        path.write_bytes(model.SerializeToString())
        assert "names '../weights.data', which lies outside" in refusal(folder)

    def test_external_weights_through_a_link(self, tmp_path: Path) -> None:
        folder = tmp_path / "m"
        onnx_models.make(folder / "weights.onnx", external="weights.data")
        (folder / "weights.data").rename(tmp_path / "elsewhere.data")
        os.symlink(tmp_path / "elsewhere.data", folder / "weights.data")
        assert "lies outside of the package's folder" in refusal(folder)

    @pytest.mark.parametrize("place", ["subgraph", "function"])
    def test_external_weights_in_hidden_places(self, tmp_path: Path, place: str) -> None:
        path = onnx_models.make(tmp_path / "weights.onnx")
        model = onnx.load(path)
        hidden = onnx.helper.make_node("Constant", [], ["k"])
        tensor = onnx.TensorProto(name="k", data_type=1, dims=[1], data_location=1)
        tensor.external_data.add(key="location", value="/etc/hostname")
        hidden.attribute.append(onnx.helper.make_attribute("value", tensor))
        if place == "function":
            opsets = [onnx.helper.make_opsetid("", 17)]
            function = onnx.helper.make_function("example", "F", [], ["k"], [hidden], opsets)
            model.functions.append(function)
        else:
            branch = onnx.helper.make_graph([hidden], "branch", [], [])
            model.graph.node.append(
                onnx.helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
            )
        path.write_bytes(model.SerializeToString())
        assert "names '/etc/hostname', which lies outside" in refusal(tmp_path)

    def test_external_weights_that_are_missing(self, tmp_path: Path) -> None:
        onnx_models.make(tmp_path / "weights.onnx", external="weights.data")
        (tmp_path / "weights.data").unlink()
        assert "names 'weights.data', which does not exist" in refusal(tmp_path)


class TestDigest:
    """What identifies the content."""

    def test_the_same_content_anywhere(self, tmp_path: Path) -> None:
        digests = set()
        for place in ("a", "b"):
            folder = tmp_path / place
            onnx_models.make(folder / "weights.onnx")
            write(folder / "model.toml", "labels = ['a', 'b', 'c']")
            digests.add(read(folder).digest)
        assert len(digests) == 1

    @pytest.mark.parametrize("change", ["model.toml", "weights.onnx", "weights.data", "names.txt"])
    def test_any_file_changes_it(self, tmp_path: Path, change: str) -> None:
        onnx_models.make(tmp_path / "weights.onnx", external="weights.data")
        write(tmp_path / "names.txt", "a\nb\nc\n")
        write(tmp_path / "model.toml", "labels = 'names.txt'\n")
        before = read(tmp_path).digest
        target = tmp_path / change
        if change == "weights.onnx":
            recipe = onnx_models.Recipe(metadata={"author": "me"}, dtype=np.float32)
            onnx_models.make(target, recipe, external="weights.data")
        else:
            target.write_bytes(target.read_bytes() + b"\n")
        assert read(tmp_path).digest != before
