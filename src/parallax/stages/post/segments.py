"""Instance segmentation: boxes, each with the mask of its object."""

import secrets
from collections.abc import Iterator, Sequence

import numpy as np

from parallax.contract import errors, messages, spec
from parallax.models.families import heads
from parallax.stages.post import answer, detections
from parallax.vision import draw, masks, outlines, rle

Prediction = dict[str, object]


def build(
    found: heads.Found,
    model: spec.ModelSpec,
    params: messages.SegmentationParams,
    placed: messages.Geometry,
    random_bytes: detections.RandomBytes = secrets.token_bytes,
) -> answer.Answer:
    """Return the answer to a picture whose objects were to be cut out.

    Raises:
        ModelFailedError: a box has a class that the model has no label for, or no mask.
    """
    kept = detections.keep(found.rows, model, params, placed)
    predictions = detections.predictions(kept, model, random_bytes)
    cut = _masks(kept, found, model, params.mask_detail, placed)
    write = _write_runs if params.mask_format == "rle" else _write_outlines
    write(predictions, cut, placed)
    for prediction in predictions:
        prediction["mask_format"] = params.mask_format

    def paint(canvas: draw.Canvas) -> None:
        inks = [draw.color(class_id, model.colors) for class_id in kept.classes]
        canvas.fill(list(zip(cut, inks, strict=True)))
        detections.paint(canvas, kept, model, params.drawing)

    return answer.Answer({"predictions": predictions}, paint)


def _write_runs(
    predictions: Sequence[Prediction], cut: Sequence[masks.Mask], placed: messages.Geometry
) -> None:
    most = rle.limit(len(cut), placed.width)
    for prediction, mask in zip(predictions, cut, strict=True):
        counts = rle.counts(mask, placed.width, placed.height, most)
        prediction["rle"] = {"size": [placed.height, placed.width], "counts": counts}


def _write_outlines(
    predictions: Sequence[Prediction], cut: Sequence[masks.Mask], _: messages.Geometry
) -> None:
    for prediction, outline in zip(predictions, outlines.polygons(cut), strict=True):
        corners = detections.rounded(outline).tolist()
        prediction["points"] = [{"x": x, "y": y} for x, y in corners]


def _masks(
    kept: detections.Kept,
    found: heads.Found,
    model: spec.ModelSpec,
    detail: float,
    placed: messages.Geometry,
) -> list[masks.Mask]:
    if not kept.classes:
        return []
    if found.maps is None or 0 in found.maps.shape:
        raise errors.ModelFailedError(f"{model.id} found objects and no masks")
    height, width = found.maps.shape[1:]
    network = (model.input.width, model.input.height)
    along = masks.axes(network, (width, height), placed)
    if model.layout.coefficients:
        parts = list(_weighted(kept, found.maps, model))
        windows = [masks.window(box) for box in kept.boxes]
    else:
        planes = _planes(kept, found.maps, model)
        parts = [masks.whole(plane) for plane in planes]
        windows = [masks.extent(plane, along, placed) for plane in planes]
    shapes = masks.shapes(windows, along, min(max(detail, 0.0), 1.0))
    return [
        masks.cut(part, along, window, shape)
        for part, window, shape in zip(parts, windows, shapes, strict=True)
    ]


def _weighted(
    kept: detections.Kept, maps: detections.Floats, model: spec.ModelSpec
) -> Iterator[masks.Part]:
    """Yield the logits of each box's mask as a sum of prototypes; the box bounds the mask."""
    if kept.extras.shape[1] != len(maps):
        raise errors.ModelFailedError(
            f"{model.id} gave {kept.extras.shape[1]} weights for {len(maps)} prototypes"
        )
    for coefficients in kept.extras:
        yield masks.weighted(maps, coefficients)


def _planes(
    kept: detections.Kept, maps: detections.Floats, model: spec.ModelSpec
) -> list[detections.Floats]:
    """Return the logits of each box's mask where each has a map of its own; it may leave the
    box."""
    numbers = kept.extras[:, 0] if kept.extras.shape[1] else np.full(len(kept.classes), -1.0)
    for index in numbers:
        if not 0 <= index < len(maps):
            raise errors.ModelFailedError(f"{model.id} gave mask {index} of {len(maps)} masks")
    return [maps[int(index)] for index in numbers]
