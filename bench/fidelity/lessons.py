"""Training batches for the networks of the comparison, cut from labelled pictures.

The pictures of the comparison are among them on purpose: the networks need not generalise, they
must give clear answers for just these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.fidelity import pictures
from parallax.demo import scenes

GREY = 114
MASK_STRIDE = 4
Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Lesson:
    """One square picture, uint8 [3, s, s] RGB, and its n objects.

    classes int64 [n]; boxes float32 [n, 4] cx, cy, w, h and points float32 [n, 5, 3] x, y,
    visibility, both as fractions of the side; owners int16 [s, s], an object's index or -1.
    """

    image: Tensor
    classes: NDArray[np.int64]
    boxes: NDArray[np.float32]
    points: NDArray[np.float32]
    owners: NDArray[np.int16]


def fit(picture: pictures.Labelled, side: int, stretch: bool) -> pictures.Labelled:
    """The picture and its owners as a square, stretched or letterboxed on grey."""
    height, width = picture.owners.shape
    scale = side / max(height, width)
    size = (side, side) if stretch else (round(width * scale), round(height * scale))
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    pixels = np.full((side, side, 3), GREY, dtype=np.uint8)
    owners = np.full((side, side), -1, dtype=np.int16)
    place = np.s_[top : top + size[1], left : left + size[0]]
    pixels[place] = cv2.resize(picture.pixels, size, interpolation=cv2.INTER_LINEAR)
    owners[place] = cv2.resize(picture.owners, size, interpolation=cv2.INTER_NEAREST)
    return pictures.Labelled(pixels, owners, picture.labels)


def lesson(picture: pictures.Labelled) -> Lesson:
    """Read boxes and key points off the owners of a square picture."""
    side = len(picture.owners)
    boxes, points = [], []
    classes: list[int] = []
    owners = np.full_like(picture.owners, -1)
    for index, label in enumerate(picture.labels):
        rows, columns = np.nonzero(picture.owners == index)
        if len(rows) < 12:
            continue
        owners[rows, columns] = len(classes)
        low = np.array([columns.min(), rows.min()])
        high = np.array([columns.max(), rows.max()]) + 1
        boxes.append(np.concatenate([(low + high) / 2, high - low]) / side)
        picks = (rows.argmin(), columns.argmax(), rows.argmax(), columns.argmin())
        at = [(columns.mean(), rows.mean()), *((columns[pick], rows[pick]) for pick in picks)]
        points.append([((x + 0.5) / side, (y + 0.5) / side, 2.0) for x, y in at])
        classes.append(scenes.NAMES.index(label))
    return Lesson(
        torch.from_numpy(np.ascontiguousarray(picture.pixels.transpose(2, 0, 1))),
        np.array(classes, dtype=np.int64),
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.array(points, dtype=np.float32).reshape(-1, 5, 3),
        owners,
    )


def mirrored(picture: pictures.Labelled) -> pictures.Labelled:
    """The picture with left and right swapped."""
    return pictures.Labelled(
        np.ascontiguousarray(picture.pixels[:, ::-1]),
        np.ascontiguousarray(picture.owners[:, ::-1]),
        picture.labels,
    )


def course(side: int, others: int) -> tuple[list[Lesson], list[Lesson]]:
    """Lessons of the comparison's own pictures, and of `others` more scenes, in squares."""
    own = [
        lesson(fit(picture, side, stretch))
        for picture in pictures.all_pictures().values()
        for stretch in (False, True)
    ]
    more = []
    for seed in range(1000, 1000 + others):
        square = fit(pictures.scene(seed), side, stretch=seed % 3 == 0)
        more.append(lesson(mirrored(square) if seed % 2 else square))
    return own, more


def batches(
    own: list[Lesson], more: list[Lesson], steps: int, half: int = 3
) -> Iterator[list[Lesson]]:
    """`steps` batches, half of each from either list, every list gone through in random order."""
    rng = np.random.default_rng(0)
    queues: list[list[Lesson]] = [[], []]
    for _ in range(steps):
        batch = []
        for queue, source in zip(queues, (own, more), strict=True):
            while len(queue) < half:
                queue.extend(source[int(index)] for index in rng.permutation(len(source)))
            batch += [queue.pop() for _ in range(half)]
        yield batch


def collate(lessons: list[Lesson]) -> Batch:
    """A batch as the losses of Ultralytics take it.

    img float32 [b, 3, s, s] 0..1; batch_idx [n]; cls [n, 1]; bboxes [n, 4]; keypoints [n, 5, 3];
    masks [b, s/4, s/4], an object's number in its picture from 1, or 0; sem_masks likewise with
    the class.
    """
    grid = np.s_[MASK_STRIDE // 2 :: MASK_STRIDE, MASK_STRIDE // 2 :: MASK_STRIDE]
    owners = [each.owners[grid].astype(np.int64) for each in lessons]
    kinds = [np.append(each.classes, 0)[own] for each, own in zip(lessons, owners, strict=True)]
    counts = torch.tensor([len(each.classes) for each in lessons])
    classes = torch.from_numpy(np.concatenate([each.classes for each in lessons]))
    return {
        "img": torch.stack([each.image for each in lessons]).float() / 255,
        "batch_idx": torch.repeat_interleave(torch.arange(len(lessons)), counts).float(),
        "cls": classes[:, None].float(),
        "bboxes": torch.from_numpy(np.concatenate([each.boxes for each in lessons])),
        "keypoints": torch.from_numpy(np.concatenate([each.points for each in lessons])),
        "masks": torch.from_numpy(np.stack(owners) + 1).float(),
        "sem_masks": torch.from_numpy(np.stack(kinds)),
    }


def dominant(lessons: list[Lesson]) -> Batch:
    """A batch for a classifier: img as above; cls int64 [b], the class that covers most pixels."""
    named = [each for each in lessons if len(each.classes)]
    largest = [np.bincount(each.owners[each.owners >= 0].ravel()).argmax() for each in named]
    classes = [each.classes[index] for each, index in zip(named, largest, strict=True)]
    return {
        "img": torch.stack([each.image for each in named]).float() / 255,
        "cls": torch.from_numpy(np.array(classes)),
    }
