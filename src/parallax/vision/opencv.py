"""OpenCV's own threads, which nobody needs where a process stands for each core."""

import cv2


def stay_single_threaded() -> None:
    """Keep OpenCV's functions in the thread that calls them, in this process."""
    cv2.setNumThreads(1)
