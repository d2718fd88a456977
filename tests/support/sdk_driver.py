"""Calls the original client, in the environment that it is installed in, and says what came of it.

The tests start this file as a program. A line of its input is an order: a client, its
configuration, and calls of its methods, one after the other. A line of its output has what each
call returned or raised.
"""

import asyncio
import dataclasses
import inspect
import json
import sys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from inference_sdk import InferenceConfiguration, InferenceHTTPClient
from PIL import Image

_READERS: dict[str, Callable[[str], Any]] = {"array": cv2.imread, "pil": Image.open}


def understood(value: Any) -> Any:
    """Return an argument; ``{"array": path}`` and ``{"pil": path}`` are pictures."""
    if isinstance(value, list):
        return [understood(each) for each in value]
    if isinstance(value, dict) and len(value) == 1 and set(value) <= set(_READERS):
        [(kind, path)] = value.items()
        return _READERS[kind](path)
    return value


def told(value: Any) -> Any:
    """Return a result as JSON; of a picture its kind and its width and height."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return told(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {key: told(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [told(each) for each in value]
    if isinstance(value, np.ndarray):
        return {"array": [value.shape[1], value.shape[0]]}
    if isinstance(value, Image.Image):
        return {"pil": list(value.size)}
    return "the client" if isinstance(value, InferenceHTTPClient) else value


async def _awaited(coroutine: Any) -> Any:
    return await coroutine


def outcome(client: InferenceHTTPClient, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a method and return its result or what it raised."""
    try:
        made = {name: understood(value) for name, value in arguments.items()}
        value = getattr(client, method)(**made)
        if inspect.iscoroutine(value):
            value = asyncio.run(_awaited(value))
        if inspect.isgenerator(value):
            value = list(value)
        return {"value": told(value)}
    except Exception as problem:  # noqa: BLE001 - whatever it is, the test is to see it
        return {
            "raised": type(problem).__name__,
            "text": str(problem),
            "status": getattr(problem, "status_code", None),
            "message": getattr(problem, "api_message", None),
        }


def main() -> None:
    """Serve orders until the input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        order = json.loads(line)
        client = InferenceHTTPClient(**order["client"])
        client.configure(InferenceConfiguration(**order["configuration"]))
        outcomes = [outcome(client, method, arguments) for method, arguments in order["calls"]]
        answers.write(json.dumps(outcomes) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
