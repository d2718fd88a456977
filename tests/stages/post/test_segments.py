"""Masks travel with their boxes, as outlines or as run lengths."""

from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from parallax.contract import errors, messages, spec, tasks
from parallax.vision import masks
from tests.stages.post import scenes
from tests.support import coco

MODEL = msgspec.structs.replace(
    scenes.DETECTOR,
    task=tasks.INSTANCE_SEGMENTATION,
    layout=spec.Layout(coefficients=2, map_size=(160, 160)),
)
QUERIES = msgspec.structs.replace(
    MODEL, layout=spec.Layout(anchors=300, map_size=(160, 160)), suppress=False
)
BOX = (320.0, 320.0, 200.0, 100.0, 0.9, 1.0)
RLE = messages.SegmentationParams(mask_format="rle")


def halves() -> NDArray[np.float32]:
    """Return two maps: one is positive on the left of the network's middle, one on the right."""
    maps = np.full((2, 160, 160), -4.0, np.float32)
    maps[0, :, :80] = maps[1, :, 80:] = 4.0
    return maps


def one(
    *extras: float,
    model: spec.ModelSpec = MODEL,
    params: messages.SegmentationParams | None = None,
    maps: NDArray[np.float32] | None = None,
) -> dict[str, Any]:
    outputs = [scenes.rows((*BOX, *extras), columns=6 + len(extras))]
    outputs.append(halves() if maps is None else maps)
    wanted = params or messages.SegmentationParams()
    prediction: dict[str, Any]
    (prediction,) = scenes.answer(outputs, model, wanted)["predictions"]
    return prediction


def decoded(prediction: dict[str, Any]) -> NDArray[np.uint8]:
    return coco.decode(prediction["rle"])


def test_an_outline_is_given_in_pixels_of_the_picture() -> None:
    prediction = one(1.0, 0.0)
    corners = {(each["x"], each["y"]) for each in prediction["points"]}
    assert corners == {(440.0, 260.0), (639.0, 260.0), (440.0, 459.0), (639.0, 459.0)}
    assert prediction["mask_format"] == "polygon"
    assert "rle" not in prediction


def test_run_lengths_cover_the_whole_picture() -> None:
    prediction = one(0.0, 1.0, params=RLE)
    assert prediction["rle"]["size"] == [720, 1280]
    rows, columns = np.nonzero(decoded(prediction))
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (640, 839, 260, 459)
    assert prediction["mask_format"] == "rle"
    assert "points" not in prediction


def test_coefficients_weigh_the_prototypes() -> None:
    assert decoded(one(0.5, 1.0, params=RLE)).sum() == 200 * 200
    assert decoded(one(1.0, 0.5, params=RLE))[:, 640:].sum() == 0


@pytest.mark.parametrize("index", [0, 1])
def test_a_query_has_a_map_of_its_own(index: int) -> None:
    columns = np.nonzero(decoded(one(float(index), model=QUERIES, params=RLE)))[1]
    assert (columns.min(), columns.max()) == ((0, 639), (640, 1279))[index]


def test_a_query_s_map_may_leave_its_box() -> None:
    maps = np.full((2, 160, 160), -1.0, np.float32)
    maps[0, 60:100, 10:150] = 1.0
    columns = np.nonzero(decoded(one(0.0, model=QUERIES, params=RLE, maps=maps)))[1]
    assert (columns.min(), columns.max()) == (80, 1199)


def test_a_box_without_mask_has_no_points() -> None:
    assert one(-1.0, -1.0)["points"] == []
    assert decoded(one(-1.0, -1.0, params=RLE)).sum() == 0


def test_detail_decides_how_finely_a_mask_is_cut() -> None:
    maps = np.zeros((2, 160, 160), np.float32)
    maps[0] = 10.0 - np.hypot(*(np.indices((160, 160)) - 79.5))
    points = {
        detail: len(
            one(1.0, 0.0, params=messages.SegmentationParams(mask_detail=detail), maps=maps)[
                "points"
            ]
        )
        for detail in (0.0, 0.5, 1.0)
    }
    assert points[0.0] < points[0.5] < points[1.0]


@pytest.mark.parametrize("index", [-1.0, 2.0, np.nan])
def test_a_map_that_is_not_there_is_the_models_fault(index: float) -> None:
    with pytest.raises(errors.ModelFailedError, match="of 2 masks"):
        one(index, model=QUERIES)


@pytest.mark.parametrize("shape", [(0, 160, 160), (2, 0, 160), (3, 160, 160)])
def test_maps_of_another_shape_are_the_models_fault(shape: tuple[int, ...]) -> None:
    with pytest.raises(errors.ModelFailedError):
        one(1.0, 0.0, maps=np.zeros(shape, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_coefficients_that_are_no_numbers_make_no_noise(value: float) -> None:
    assert one(value, 1.0)["mask_format"] == "polygon"
    assert decoded(one(value, value, params=RLE)).shape == (720, 1280)


def test_nothing_found_needs_no_maps() -> None:
    outputs = [scenes.rows(columns=8), np.zeros((0, 160, 160), np.float32)]
    assert scenes.answer(outputs, MODEL, RLE)["predictions"] == []


def test_a_crowd_in_a_huge_picture_is_sampled_within_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sampled: list[int] = []
    cut = masks.cut

    def counted(*args: Any) -> masks.Mask:
        mask = cut(*args)
        sampled.append(mask.pixels.size)
        return mask

    monkeypatch.setattr(masks, "cut", counted)
    placed = messages.Geometry(10_000, 10_000, 0.064, 0.064, 0.0, 0.0)
    model = msgspec.structs.replace(MODEL, suppress=False)
    found = np.tile(np.array((320, 320, 640, 640, 0.9, 0, 1, 0), np.float32), (40, 1))
    for params in (RLE, messages.SegmentationParams()):
        sampled.clear()
        predictions = scenes.answer([found, halves()], model, params, placed)["predictions"]
        assert len(predictions) == len(sampled) == 40
        assert sum(sampled) <= masks.MAX_PIXELS * 1.02
