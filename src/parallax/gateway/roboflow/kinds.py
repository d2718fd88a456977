"""The tasks of this dialect: which route is for which, and what its requests and answers hold."""

from dataclasses import dataclass

from parallax.contract import tasks
from parallax.gateway.roboflow import answers, calls


@dataclass(frozen=True, slots=True)
class Kind:
    """One task."""

    task: str
    """The word of ``contract.tasks``."""
    path: str
    """Of its v1 route."""
    call: type[calls.Call]
    answer: type[answers.Answer]


ALL = (
    Kind(
        tasks.OBJECT_DETECTION,
        "/infer/object_detection",
        calls.DetectionCall,
        answers.DetectionAnswer,
    ),
    Kind(
        tasks.INSTANCE_SEGMENTATION,
        "/infer/instance_segmentation",
        calls.SegmentationCall,
        answers.SegmentationAnswer,
    ),
    Kind(
        tasks.SEMANTIC_SEGMENTATION,
        "/infer/semantic_segmentation",
        calls.SemanticCall,
        answers.SemanticAnswer,
    ),
    Kind(
        tasks.CLASSIFICATION,
        "/infer/classification",
        calls.ClassificationCall,
        answers.ClassificationAnswer,
    ),
    Kind(
        tasks.KEYPOINT_DETECTION,
        "/infer/keypoints_detection",
        calls.KeypointCall,
        answers.KeypointAnswer,
    ),
)

BY_TASK = {kind.task: kind for kind in ALL}
