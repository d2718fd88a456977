"""Paths of the original server that are not served, and names that no model can have."""

import httpx
import pytest

from parallax.gateway import routes
from parallax.gateway.roboflow import reserved
from tests.gateway import support


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "path",
    [
        "/clip/embed_image",
        "/sam2/segment_image",
        "/doctr/ocr",
        "/ocr/trocr",
        "/sam3_3d/infer",
        "/workflows/run",
        "/someone/workflows/theirs",
        "/infer/action_recognition",
        "/infer/lmm",
        "/infer/lmm/x",
        "/infer/depth-estimation",
        "/infer/workflows/a/b",
        "/inference_pipelines/list",
        "/initialise_webrtc_worker",
        "/notebook/start",
        "/device/stats",
        "/build/anything",
        "/dashboard.html",
    ],
)
async def test_what_the_original_serves_and_we_do_not_is_501(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await client.request(method, path, content=b"{}")

    assert answer.status_code == 501
    assert list(answer.json()) == ["message"]


async def test_what_the_original_dropped_is_410_with_its_fields(client: httpx.AsyncClient) -> None:
    answer = await client.post("/gaze/gaze_detection", content=b"{}")

    assert answer.status_code == 410
    assert answer.json()["error_type"] == "FeatureDeprecatedError"
    assert {"message", "feature", "reason", "removal_release", "replacement"} < set(answer.json())


@pytest.mark.parametrize("path", ["/infer/nothing", "/model/nothing", "/jobs/7", "/start/x"])
async def test_an_unknown_path_beside_ours_is_no_model(
    rig: support.Rig, client: httpx.AsyncClient, path: str
) -> None:
    rig.models.replace([support.model(path.removeprefix("/"))])

    answer = await client.post(path, content=b"QUJD", headers={"Content-Type": "text/plain"})

    assert (answer.status_code, rig.hand.seen) == (404, 0)


async def test_no_model_takes_a_path_of_ours(rig: support.Rig) -> None:
    paths = [each.path for each in routes.operations(rig.context)]
    ours = {path for path in paths if not path.startswith("/{")}

    assert all(reserved.is_reserved(path) for path in ours - {"/"})
    assert not reserved.is_reserved("/coco/3")
