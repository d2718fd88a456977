"""``POST /infer/object_detection``: translates a request of this dialect into a detection and back.

A plain ASGI endpoint, because it must see the client hang up while it waits.
"""

import dataclasses
import uuid

import msgspec
from starlette import types

from parallax.contract import errors, messages, spec
from parallax.gateway import bodies, context, hangup, metrics, problems
from parallax.gateway.roboflow import envelope, ids, pictures, schema

TASK = "object-detection"


@dataclasses.dataclass(slots=True)
class _Asked:
    """What a request of this dialect says, in the terms of the dispatcher."""

    id: str
    model: spec.ModelSpec
    pictures: list[bytes]
    many: bool
    params: messages.DetectionParams
    options: messages.ImageOptions


class ObjectDetection:
    """The endpoint over one context."""

    def __init__(self, api: context.ApiContext) -> None:
        self._api = api
        limits = api.settings.limits
        # More pictures than may ever be in flight would be refused as overload for ever.
        self._most_images = min(limits.max_images, limits.max_in_flight)
        self._timeout = limits.timeout

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Answer one request, and count how it ended."""
        outcome = errors.InternalError.code
        try:
            await self._answer(receive, send)
            outcome = "ok"
        except errors.ParallaxError as problem:
            outcome = problem.code
            raise
        except hangup.ClientGoneError:
            outcome = "client_gone"
            raise
        finally:
            metrics.OUTCOMES.labels(outcome).inc()

    async def _answer(self, receive: types.Receive, send: types.Send) -> None:
        api = self._api
        api.board.check()
        api.dispatcher.check_room()
        started = api.clock()
        deadline = started + self._timeout
        asked = self._translate(await bodies.read(receive, self._timeout))
        work = api.dispatcher.detect(
            asked.model, asked.pictures, asked.params, asked.options, deadline
        )
        answers = await hangup.watched(receive, work)
        content = envelope.body(answers, asked.id, api.clock() - started, asked.many)
        headers = envelope.headers(answers, asked.model, len(content))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _translate(self, body: bytes) -> _Asked:
        # Nothing of the result refers to the body, so that is not held while the request waits.
        call = schema.parse(body)
        if call.visualize_predictions:
            raise problems.NotServedError(
                "visualize_predictions is not served yet; leave it out or send false."
            )
        params = schema.params(call)
        fields = schema.images(call, self._most_images)
        model = ids.resolve(self._api.models, schema.model_id(call), TASK)
        return _Asked(
            id=str(uuid.uuid4()) if call.id is msgspec.UNSET else call.id,
            model=model,
            pictures=[pictures.decode(field) for field in fields],
            many=isinstance(call.image, list),
            params=params,
            options=messages.ImageOptions(auto_orient=not call.disable_preproc_auto_orient),
        )
