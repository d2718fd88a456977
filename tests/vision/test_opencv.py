"""OpenCV stays in the thread that calls it."""

from collections.abc import Iterator

import cv2
import pytest

from parallax.vision import opencv


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = cv2.getNumThreads()
    yield
    cv2.setNumThreads(before)


def test_one_thread_is_left() -> None:
    cv2.setNumThreads(3)
    opencv.stay_single_threaded()
    assert cv2.getNumThreads() == 1
