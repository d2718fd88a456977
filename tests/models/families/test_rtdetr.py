"""Queries in one output: probabilities of each class, or ranked in the graph."""

import numpy as np
import pytest

from parallax.contract import spec
from parallax.models.families import base, rtdetr
from tests.support import run_heads

SIZE = (640, 480)
PLAIN, RANKED = rtdetr.RtDetr(), rtdetr.RtDetrDecoded()


@pytest.mark.parametrize(
    ("outputs", "known", "classes"),
    [
        ([(1, 300, 84)], 0, 80),
        ([(None, 300, 5)], 1, 1),
        ([(1, 300, 84)], 81, None),
        ([(1, 300, 4)], 0, None),
        # As many rows as there are cells, or three to a cell.
        ([(1, 6300, 84)], 0, None),
        ([(1, 18900, 84)], 0, None),
        ([(1, 2001, 84)], 0, None),
        ([(1, 300, None)], 0, None),
        ([(1, None, 84)], 0, None),
        ([(1, 300, 4), (1, 300, 80)], 0, None),
        ([(300, 84)], 0, None),
        ([], 0, None),
    ],
)
def test_recognised(outputs: list[base.Shape], known: int, classes: int | None) -> None:
    layout = PLAIN.recognise(outputs, SIZE, spec.Layout(classes=known))
    assert (layout.classes if layout else None) == classes


@pytest.mark.parametrize(("columns", "fits"), [(6, True), (5, False), (84, False)])
def test_ranked_rows_do_not_tell_their_number_of_classes(columns: int, fits: bool) -> None:
    layout = RANKED.recognise([(1, 300, columns)], SIZE, spec.Layout(classes=80))
    assert (layout is not None) is fits
    assert layout is None or (layout.classes, layout.anchors) == (80, 300)


def test_boxes_are_shares_of_each_side_and_the_best_class_counts() -> None:
    output = np.random.default_rng(0).random((2, 30, 7), np.float32)
    found = run_heads.table(run_heads.decode(PLAIN, [output], SIZE))
    for row, (x, y, width, height, *classes) in enumerate(output[0].tolist()):
        best = classes.index(max(classes))
        expected = [x * 640, y * 480, width * 640, height * 480, classes[best], best]
        assert found[row].tolist() == pytest.approx(expected, rel=1e-6)


def test_ranked_rows_have_score_and_class() -> None:
    output = np.random.default_rng(0).random((2, 30, 6), np.float32)
    output[:, :, 5] = 7
    found = run_heads.table(run_heads.decode(RANKED, [output], SIZE))
    for row, (x, y, width, height, score, _) in enumerate(output[0].tolist()):
        expected = [x * 640, y * 480, width * 640, height * 480, score, 7]
        assert found[row].tolist() == pytest.approx(expected, rel=1e-6)
