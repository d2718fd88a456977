"""The words for what a model does, as clients of the Roboflow dialect know them."""

from typing import Final

OBJECT_DETECTION: Final = "object-detection"
INSTANCE_SEGMENTATION: Final = "instance-segmentation"
SEMANTIC_SEGMENTATION: Final = "semantic-segmentation"
CLASSIFICATION: Final = "classification"
KEYPOINT_DETECTION: Final = "keypoint-detection"

ALL: Final = (
    OBJECT_DETECTION,
    INSTANCE_SEGMENTATION,
    SEMANTIC_SEGMENTATION,
    CLASSIFICATION,
    KEYPOINT_DETECTION,
)

BOXED: Final = frozenset({OBJECT_DETECTION, INSTANCE_SEGMENTATION, KEYPOINT_DETECTION})
"""Tasks whose answers are boxes, with or without more."""
