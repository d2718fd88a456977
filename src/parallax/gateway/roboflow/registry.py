"""``/model/*``: what is served, and loading and unloading it.

The SDK asks for the list before every request, so it is made once per change of the models.
"""

import msgspec
from starlette import requests, responses

from parallax.contract import errors, spec
from parallax.gateway import bodies, context
from parallax.gateway.roboflow import aliases, answers, fields, ids, kinds, parsing


class ModelCall(msgspec.Struct):
    """Names a model to load or unload. Other keys are ignored."""

    model_id: fields.Text


class Started(msgspec.Struct):
    """The answer of ``/start``."""

    status: int
    message: str


_decoder = msgspec.json.Decoder(ModelCall, strict=False)


class Registry:
    """The routes over one context."""

    def __init__(self, api: context.ApiContext) -> None:
        self._api = api
        self._content = b""
        self._generation: int | None = None

    async def show(self, request: requests.Request) -> responses.Response:
        """List what is loaded. Keys and other query parameters are ignored."""
        return self._shown()

    async def add(self, request: requests.Request) -> responses.Response:
        """Load a model; the answer lists it already."""
        await self._load(await self._named(request))
        return self._shown()

    async def remove(self, request: requests.Request) -> responses.Response:
        """Unload a model; one that is not there is not there afterwards either."""
        named = await self._named(request)
        try:
            model = ids.find(self._api.models, named)
        except (errors.UnknownModelError, errors.ModelRefusedError):
            return self._shown()
        await self._api.control.unload(model.id, self._until())
        return self._shown()

    async def clear(self, request: requests.Request) -> responses.Response:
        """Unload all models; whatever is in the body."""
        await self._api.control.clear(self._until())
        return self._shown()

    async def clear_cache(self, request: requests.Request) -> responses.Response:
        """The older form of ``clear``."""
        await self._api.control.clear(self._until())
        return _json(msgspec.json.encode("Cache Cleared"))

    async def start(self, request: requests.Request) -> responses.Response:
        """The older form of ``add``."""
        await self._load("/".join(request.path_params.values()))
        started = Started(200, "inference session started from local memory.")
        return _json(msgspec.json.encode(started))

    async def _load(self, requested: str) -> None:
        try:
            model_id = ids.find(self._api.models, requested).id
        except errors.ModelRefusedError:
            # Here the reason is asked for, and the control tells it.
            package = ids.refused(self._api.models, requested)
            if package is None:
                raise
            model_id = package.id
        await self._api.control.load(model_id, self._until())

    async def _named(self, request: requests.Request) -> str:
        body = await bodies.read(request.receive, self._api.settings.limits.timeout)
        return parsing.parse(_decoder, body).model_id

    def _until(self) -> float:
        return self._api.clock() + self._api.settings.limits.timeout

    def _shown(self) -> responses.Response:
        models = self._api.models
        if self._generation != models.generation:
            loaded = answers.Registry([_entry(model) for model in models.all()])
            self._generation = models.generation
            self._content = msgspec.json.encode(loaded)
        return _json(self._content)


def _json(content: bytes) -> responses.Response:
    return responses.Response(content, media_type="application/json")


def _entry(model: spec.ModelSpec) -> answers.Entry:
    # The SDK resolves aliases itself and then looks for exactly the id behind them.
    target = aliases.canonical(model.id)
    names = {*model.aliases, model.id, *aliases.ALIASES.get(target, ())} - {target}
    return answers.Entry(
        model_id=target,
        task_type=model.task,
        batch_size=model.batch.fixed_size,
        input_height=model.input.height,
        input_width=model.input.width,
        vram_bytes=None,
        request_aliases=sorted(names),
        request_paths=[kinds.BY_TASK[model.task].path, f"/{target}"],
    )
