"""The scenes are the only truth the demo is measured against, so their boxes must be right."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from parallax.demo.scenes import NAMES, compose, generate

SEEDS = range(8)
scene_of = cache(generate)


def test_the_same_seed_gives_the_same_scene() -> None:
    first, second = generate(5, (340, 320)), generate(5, (340, 320))
    assert first.boxes == second.boxes
    assert first.image.tobytes() == second.image.tobytes()


def test_another_seed_gives_another_scene() -> None:
    assert scene_of(5).image.tobytes() != scene_of(6).image.tobytes()


def test_a_size_asked_for_is_kept() -> None:
    scene = generate(3, (400, 330))
    assert scene.image.size == (400, 330)
    assert scene.image.mode == "RGB"


def test_sizes_and_shapes_vary_within_bounds() -> None:
    sizes = {scene_of(seed).image.size for seed in SEEDS}
    assert len(sizes) == len(SEEDS)
    assert all(320 <= side <= 960 for size in sizes for side in size)
    assert any(w > h for w, h in sizes)
    assert any(w < h for w, h in sizes)


@pytest.mark.parametrize("seed", SEEDS)
def test_boxes_are_inside_the_picture_and_not_tiny(seed: int) -> None:
    scene = scene_of(seed)
    assert scene.boxes
    for box in scene.boxes:
        assert 0 <= box.x1 < box.x2 <= scene.image.width
        assert 0 <= box.y1 < box.y2 <= scene.image.height
        assert max(box.x2 - box.x1, box.y2 - box.y1) >= 16


@pytest.mark.parametrize("seed", SEEDS)
def test_boxes_are_tight_around_what_was_painted(seed: int) -> None:
    _, owners, labels = compose(seed)
    boxes = scene_of(seed).boxes
    assert [box.label for box in boxes] == labels
    for index, box in enumerate(boxes):
        mine = owners == index
        x1, y1, x2, y2 = (int(side) for side in (box.x1, box.y1, box.x2, box.y2))
        assert mine[y1:y2, x1:x2].sum() == mine.sum()
        edges = (mine[y1, x1:x2], mine[y2 - 1, x1:x2], mine[y1:y2, x1], mine[y1:y2, x2 - 1])
        assert all(edge.any() for edge in edges)


def test_a_mask_holds_a_drawing_rather_than_flat_colour() -> None:
    pixels, owners, _ = compose(1)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (*owners.shape, 3)
    spread = [pixels[owners == index].std() for index in range(owners.max() + 1)]
    assert min(spread) > 5


def test_every_class_turns_up() -> None:
    seen = {box.label for seed in range(20) for box in generate(seed, (320, 320)).boxes}
    assert seen == set(NAMES)
