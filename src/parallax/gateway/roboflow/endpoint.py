"""What the inference routes of this dialect do alike: from a request that is understood to its
answer.

Plain ASGI endpoints, because they must see the client hang up while they wait.
"""

import dataclasses
from collections.abc import Sequence

import msgspec
from starlette import types

from parallax.contract import errors, messages, spec
from parallax.gateway import arrivals, callers, context, deadlines, hangup, metrics, pending
from parallax.gateway.roboflow import answers, envelope, pictures


@dataclasses.dataclass(slots=True)
class Asked:
    """What a request of this dialect says, in the terms of the dispatcher."""

    id: str
    model: spec.ModelSpec
    sources: Sequence[pictures.Source]
    many: bool
    params: messages.Params
    options: messages.ImageOptions


@dataclasses.dataclass(slots=True)
class Stubbed:
    """A request to version 0 of a project: there is nothing to run."""

    content: bytes


class Endpoint:
    """The endpoint over one context; a route says how its requests are understood."""

    def __init__(self, api: context.ApiContext) -> None:
        self.api = api
        limits = api.settings.limits
        # More pictures than may ever be in flight would be refused as overload for ever.
        self.most_images = min(limits.max_images, limits.max_in_flight)
        self.timeout = limits.timeout

    async def understand(
        self, scope: types.Scope, receive: types.Receive, until: float
    ) -> Asked | Stubbed:
        """Read a request to its end and return what it asks for.

        Raises:
            ParallaxError: nothing that could be answered.
        """
        raise NotImplementedError

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """Answer one request, and count how it ended."""
        outcome = errors.InternalError.code
        try:
            await self._answer(scope, receive, send)
            outcome = "ok"
        except errors.ParallaxError as problem:
            outcome = problem.code
            raise
        except hangup.ClientGoneError:
            outcome = "client_gone"
            raise
        finally:
            metrics.count_outcome(outcome)

    async def _answer(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        started = self.api.clock()
        try:
            self.api.board.check()
            patience = deadlines.patience(scope, self.timeout)
            self.api.dispatcher.check_room(patience)
            until = started + patience
            asked = await self.understand(scope, receive, until)
        finally:
            arrivals.note(scope, self.api.dispatcher)
        if isinstance(asked, Stubbed):
            content = asked.content
            headers = envelope.content_headers(envelope.JSON, len(content))
        else:
            callers.occupy(scope, len(asked.sources), self.api.clock())
            found, loading = await hangup.watched(receive, self._run(asked, until))
            content, headers = self._reply(asked, found, started, loading)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _run(self, asked: Asked, until: float) -> tuple[list[pending.Answer], float]:
        """Return the answers, and the seconds that loading the model took."""
        api, loading = self.api, 0.0
        if api.models.get(asked.model.id) is None:
            loading = await api.control.load(asked.model.id, until)
        encoded = await pictures.fetched(asked.sources, api.fetcher, until)
        found = await api.dispatcher.detect(
            asked.model, encoded, asked.params, asked.options, until
        )
        return found, loading

    def _reply(
        self, asked: Asked, found: Sequence[pending.Answer], started: float, loading: float
    ) -> tuple[bytes, envelope.Headers]:
        drawing = asked.params.drawing
        if drawing is not None and drawing.alone:
            content, media = found[0].bulk, b"image/jpeg"
        else:
            seconds = self.api.clock() - started
            content, media = envelope.body(found, asked.id, seconds, asked.many), envelope.JSON
        headers = envelope.headers(found, asked.model, loading)
        return content, [*envelope.content_headers(media, len(content)), *headers]


def stub(model_id: str, task: str, inference_id: str, seconds: float, count: int | None) -> Stubbed:
    """Return the answer to a request to version 0; ``count`` is that of a list of pictures."""
    one = answers.Stub(seconds, True, model_id, task, inference_id)
    return Stubbed(msgspec.json.encode(one if count is None else [one] * count))
