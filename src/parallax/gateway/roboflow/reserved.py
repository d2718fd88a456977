"""Paths of the original server that are not served (yet): they say so, and not "not found"."""

from starlette import exceptions, types

from parallax.gateway import problems

CORE_MODELS = frozenset(
    {
        "clip",
        "perception_encoder",
        "doctr",
        "easy_ocr",
        "ocr",
        "sam",
        "sam2",
        "sam3",
        "sam3_3d",
        "grounding_dino",
        "yolo_world",
        "owlv2",
        "gaze",
    }
)
OTHER = frozenset({"workflows", "inference_pipelines", "initialise_webrtc_worker"})


async def unmatched(scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
    """Answer a path that no route matches.

    Raises:
        NotServedError: the path is one of the original server's.
        HTTPException: 404 for all others.
    """
    if scope["type"] == "http":
        segments = scope["path"].split("/")
        first = segments[1] if len(segments) > 1 else ""
        if first in CORE_MODELS:
            raise problems.NotServedError(f"The core model {first} is not served.")
        if first in OTHER or (first == "infer" and len(segments) > 2):
            raise problems.NotServedError(f"{scope['path']} is not served.")
    raise exceptions.HTTPException(404)
