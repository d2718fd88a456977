"""The demo detector really detects: measured through HTTP on scenes that it has not seen."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest

from parallax.demo import evaluate, scenes
from tests.support import load
from tests.support import server as servers

pytestmark = pytest.mark.system

SEEDS = range(700_000, 700_060)
"""Apart from the seeds of training and calibration, and from those looked at while designing."""


def test_mean_average_precision_over_http_is_at_least_nine_tenths(server: servers.Server) -> None:
    unseen = [scenes.generate(seed) for seed in SEEDS]

    def found(scene: scenes.Scene) -> list[evaluate.Detection]:
        stream = io.BytesIO()
        scene.image.save(stream, "JPEG", quality=90)
        response = load.detect(server.url, stream.getvalue(), confidence=0.05, iou_threshold=0.45)
        predictions: list[evaluate.Detection] = response.json()["predictions"]
        return predictions

    with ThreadPoolExecutor(4) as clients:
        detections = list(clients.map(found, unseen))
    score, per_class = evaluate.mean_average_precision([each.boxes for each in unseen], detections)
    assert score >= 0.9, per_class
