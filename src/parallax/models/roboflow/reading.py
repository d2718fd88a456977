"""The files that Roboflow's tools put beside a model, in the older and in the newer layout."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import structs

from parallax.contract import tasks
from parallax.models import description, files
from parallax.models.roboflow import keypoints, legacy, newer, places

FILES = (
    "model_type.json",
    "model_config.json",
    "inference_config.json",
    "environment.json",
    "class_names.txt",
    "keypoints_metadata.json",
)


def read(folder: Path) -> description.Said:
    """Describe the model in a folder by Roboflow's files; empty when there is none of them.

    Raises:
        ModelRefusedError: a file makes no sense, is a link out of the package, or asks for
            something that is not served.
    """
    paths = {name: folder / name for name in FILES if (folder / name).is_file()}
    for name, path in paths.items():
        files.inside(folder, name, path, places.blobs_of(folder))
    said = description.Description()
    if "model_type.json" in paths:
        said = legacy.model_type(paths["model_type.json"])
    said, notes = _newer(paths, said)
    said = _older(paths, said)
    if "keypoints_metadata.json" in paths:
        said = description.merge(said, keypoints.read(paths["keypoints_metadata.json"]))
    return description.Said(said, tuple(paths.values()), notes)


def _newer(
    paths: Mapping[str, Path], said: description.Description
) -> tuple[description.Description, tuple[str, ...]]:
    if "model_config.json" in paths:
        said = description.merge(newer.model_config(paths["model_config.json"]), said)
    if "inference_config.json" not in paths:
        return said, ()
    kind = said.architecture or ""
    more, notes = newer.inference_config(paths["inference_config.json"], kind)
    if more.suppress is False and kind.startswith("yolo"):
        said = structs.replace(said, family=description.FINAL)
    return description.merge(said, more), notes


def _older(paths: Mapping[str, Path], said: description.Description) -> description.Description:
    if "class_names.txt" in paths and said.task != tasks.CLASSIFICATION:
        said = description.merge(said, _class_names(paths["class_names.txt"]))
    if "environment.json" in paths:
        said = description.merge(said, legacy.environment(paths["environment.json"], said.task))
    if "class_names.txt" in paths:
        # Of a classifier ``environment.json`` has the last word.
        said = description.merge(said, _class_names(paths["class_names.txt"]))
    return said


def _class_names(path: Path) -> description.Description:
    return description.Description(labels=files.read_lines(path) or None)
