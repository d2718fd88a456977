"""Paths of the original server that are not served (yet): they say so, and not "not found". And
which paths belong to a part of the server, so that no model can be called like them."""

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
    }
)
GAZE = "gaze"
OTHER = frozenset(
    {
        "build",
        "dashboard.html",
        "device",
        "inference_pipelines",
        "initialise_webrtc_worker",
        "notebook",
        "workflows",
    }
)
INFER = frozenset({"action_recognition", "depth-estimation", "lmm", "workflows"})
"""What stands behind ``/infer/``."""
OWN = frozenset(
    {
        "_next",
        "clear_cache",
        "docs",
        "favicon.ico",
        "healthz",
        "infer",
        "info",
        "jobs",
        "logs",
        "metrics",
        "model",
        "openapi.json",
        "readiness",
        "redoc",
        "robots.txt",
        "sample.jpg",
        "start",
        "static",
        "status",
        "v2",
    }
)
"""First segments of what this server has under names of its own, or may have."""

_RESERVED = CORE_MODELS | OTHER | OWN | {GAZE}


def is_reserved(path: str) -> bool:
    """Say whether a path belongs to a part of the server and not to a model."""
    return _segments(path)[0] in _RESERVED


async def unmatched(scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
    """Answer a path that no route matches.

    Raises:
        RemovedFeatureError: the original server had it once.
        NotServedError: the path is one of the original server's.
        HTTPException: 404 for all others.
    """
    if scope["type"] == "http":
        first, *rest = _segments(scope["path"])
        if first == GAZE:
            raise problems.RemovedFeatureError("gaze detection", "its model is no longer offered")
        if first in CORE_MODELS:
            raise problems.NotServedError(f"The core model {first} is not served yet.")
        if first in OTHER or _is_foreign(first, rest):
            raise problems.NotServedError(f"{scope['path']} is not served yet.")
    raise exceptions.HTTPException(404)


def _segments(path: str) -> list[str]:
    return path.removeprefix("/").split("/")


def _is_foreign(first: str, rest: list[str]) -> bool:
    if first == "infer":
        return bool(rest) and rest[0] in INFER
    # /{workspace}/workflows/{id}
    return len(rest) == 2 and rest[0] == "workflows" and first not in _RESERVED
