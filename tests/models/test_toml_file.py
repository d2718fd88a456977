"""``model.toml``: everything it may say, and every mistake named."""

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallax.models import description, toml_file
from tests.support import packages

EVERYTHING = """
task = "pose"
family = "yolov8"
decoded = true
labels = ["cat", "dog"]
aliases = ["pets/1"]
activation = "sigmoid"
multi_label = true
suppress = false
hidden = ["dog"]
keypoint_shape = [2, 3]

[colors]
cat = "#ff8000"

[keypoints]
names = ["nose", "tail"]
edges = [[0, 1]]

[input]
width = 64
height = 96
auto_orient = false
crop = [10, 20, 90, 80.5]
grayscale = true
contrast = "adaptive"
resize = "fill"
padding = 0
color = "bgr"
scale = 255
mean = [0.1, 0.2, 0.3]
std = [1, 2, 3]

[batching]
max = 4
max_delay_ms = 2.5

[thresholds]
default = 0.5
best = 0.3
best_by_class = { cat = 0.25 }
"""


def read(folder: Path, content: str) -> description.Description:
    path = packages.write(folder / "model.toml", content)
    return toml_file.read(path, folder).description


def test_everything(tmp_path: Path) -> None:
    assert read(tmp_path, EVERYTHING) == description.Description(
        task="keypoint-detection",
        family="yolov8",
        decoded=True,
        labels=("cat", "dog"),
        aliases=("pets/1",),
        activation="sigmoid",
        multi_label=True,
        suppress=False,
        hidden=("dog",),
        colors={"cat": "#ff8000"},
        keypoints=(description.KeypointsDescription(names=("nose", "tail"), edges=((0, 1),)),),
        keypoint_shape=(2, 3),
        input=description.InputDescription(
            width=64,
            height=96,
            auto_orient=False,
            crop=(10.0, 20.0, 90.0, 80.5),
            grayscale=True,
            contrast="adaptive",
            resize="fill",
            padding=0,
            color="bgr",
            scale=255.0,
            mean=(0.1, 0.2, 0.3),
            std=(1.0, 2.0, 3.0),
        ),
        batching=description.BatchingDescription(max=4, max_delay_ms=2.5),
        thresholds=description.ThresholdsDescription(
            default=0.5, best=0.3, best_by_class={"cat": 0.25}
        ),
    )


def test_keypoints_of_each_class(tmp_path: Path) -> None:
    found = read(tmp_path, "[[keypoints]]\nnames = ['a']\n[[keypoints]]\nnames = ['b', 'c']")
    assert [one.names for one in found.keypoints or ()] == [("a",), ("b", "c")]


def test_labels_from_a_file(tmp_path: Path) -> None:
    names = packages.write(tmp_path / "names.txt", "cat\ndog \nbird\n\n")
    path = packages.write(tmp_path / "model.toml", 'labels = "names.txt"')
    said = toml_file.read(path, tmp_path)
    assert said.description.labels == ("cat", "dog", "bird")
    assert said.taken == (path, names)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("famly = 'yolox'", "unknown key `famly`; did you mean family?"),
        ("architecture = 'yolov8n'", "unknown key `architecture`; the family has the key"),
        ("task = 'juggling'", "the task 'juggling' is not served"),
        ("[input]\nresise = 'stretch'", "unknown key `resise` in [input]; did you mean resize?"),
        (
            "[input]\nresize = 'crop'",
            "[input] resize: 'crop' is not allowed (one of letterbox, ",
        ),
        ("activation = 'relu'", "activation: 'relu' is not allowed (one of softmax, "),
        ("[input]\ncontrast = 'more'", "(one of none, stretching, equalization, adaptive)"),
        ("[input]\ncrop = [0, 0, 100]", "[input] crop: expected a list of 4 values, got 3"),
        ("[input]\ncrop = [90, 0, 10, 100]", "a min is not below its max"),
        ("[input]\ncrop = [0, 0, 100, 101]", "[input] crop[3]: expected a number of at most 100"),
        ("[input]\nscale = 0.0039", "[input] scale: expected a number of at least 1"),
        ("[input]\nscale = inf", "[input] scale: expected a number of at most 1000000"),
        ("[input]\nstd = [0, 1, 1]", "[input] std[0]: expected a number above 0"),
        ("[input]\nwidth = 'wide'", ": [input] width: expected a whole number, got a text"),
        ("[batching]\nmax = 0", "[batching] max: expected a whole number of at least 1"),
        ("[thresholds]\ndefault = 40", "[thresholds] default: expected a number of at most 1"),
        ("[thresholds]\nbest_by_class = [0.5]", "[thresholds] best_by_class: expected a table"),
        ("colors = { cat = 'red' }", "colors: expected a colour like #ff8000"),
        ("keypoint_shape = [17, 4]", "keypoint_shape[1]: 4 is not allowed"),
        ("[keypoints]\nnames = ['a']\nedges = [[0, 1]]", "the edge [0, 1] is outside of 1 names"),
        ("[keypoints]\nnames = ['']", "[keypoints] names[0]: expected a text that is not empty"),
        ("labels = ['cat', '']", "labels[1]: expected a text that is not empty"),
        ("labels = 'none.txt'", "names 'none.txt', which does not exist"),
        ("labels = '../names.txt'", "lies outside of the package's folder"),
        ("labels = '/etc/hostname'", "lies outside of the package's folder"),
        ("labels = \"\\u0000\"", "cannot open"),
        ("= 3", "not valid TOML"),
        ("x = " + "[" * 5000, "not valid TOML"),
        (".".join("a" * 50_000) + " = 1", "a line with 49999 dots"),
        ("x = {" + " . ".join(["'='"] * 50_000) + " = 1}", "a line with 49999 dots"),
        ("[" + ".".join("a" * 2000) + "]\n" + "b = 1\n" * 5000, "a line with 1999 dots"),
        ("#" * (1 << 20) + "\n", "longer than 1048576 bytes"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, content: str, reason: str) -> None:
    packages.write(tmp_path / "names.txt", "cat")
    folder = tmp_path / "m"
    message = packages.refusal(lambda: read(folder, content))
    assert message.startswith(f"{folder / 'model.toml'}: ")
    assert reason in message


def test_the_words_of_a_key_are_read_in_any_case(tmp_path: Path) -> None:
    said = read(tmp_path, "activation = 'Sigmoid'\n[input]\ncolor = 'RGB'\nresize = 'Stretch'")
    assert (said.activation, said.input.color, said.input.resize) == ("sigmoid", "rgb", "stretch")


def test_labels_through_a_link_out_of_the_folder(tmp_path: Path) -> None:
    packages.write(tmp_path / "secret.txt", "secret")
    folder = tmp_path / "m"
    folder.mkdir()
    os.symlink(tmp_path / "secret.txt", folder / "names.txt")
    assert "lies outside" in packages.refusal(lambda: read(folder, "labels = 'names.txt'"))


def test_a_blank_line_between_labels(tmp_path: Path) -> None:
    packages.write(tmp_path / "names.txt", "cat\n\ndog\n")
    assert "line 2 is blank" in packages.refusal(lambda: read(tmp_path, "labels = 'names.txt'"))


VALUES = st.sampled_from(
    ["1", "-1", "1e300", "nan", "true", "'x'", "''", "[]", "[1, 2]", "{}", "1979-05-27", "[[0, 0]]"]
)
KEYS = st.sampled_from(
    [*description.Description.__struct_fields__, *description.InputDescription.__struct_fields__]
)


@given(
    lines=st.lists(st.tuples(KEYS, VALUES), max_size=3, unique_by=lambda line: line[0]),
    table=st.sampled_from(["", "[input]\n", "[thresholds]\n", "[keypoints]\n", "[[keypoints]]\n"]),
)
def test_whatever_is_written_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, str]], table: str
) -> None:
    folder = tmp_path_factory.mktemp("m")
    content = table + "\n".join(f"{key} = {value}" for key, value in lines)
    found = packages.outcome(lambda: read(folder, content))
    assert isinstance(found, description.Description) or str(folder) in str(found)


TABLES = {
    "": description.Description,
    "input": description.InputDescription,
    "batching": description.BatchingDescription,
    "thresholds": description.ThresholdsDescription,
    "keypoints": description.KeypointsDescription,
}


@pytest.mark.parametrize(
    ("table", "key"),
    [(name, key) for name, table in TABLES.items() for key in table.__struct_fields__],
)
def test_every_key_is_in_the_readme(table: str, key: str) -> None:
    if key in TABLES or key == "architecture":
        return
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = [row for row in rows if (f"`[{table}] " in row) == bool(table)]
    assert any(re.search(rf"[\[` ]{key}[`\]]", row) for row in named)


def test_a_thousand_names_with_dots_may_stand_in_one_line(tmp_path: Path) -> None:
    names = [f"St. Bernard {index}" for index in range(1000)]
    assert read(tmp_path, f"labels = {json.dumps(names)}").labels == tuple(names)
