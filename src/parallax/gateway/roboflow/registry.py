"""``/model/*``: what is served, and loading and unloading it.

The SDK asks for the list before every request, so it is made once per change of the models. A key
for some models sees and loads those only; loading is what a request for one would do anyhow.
"""

import msgspec
from starlette import requests, responses

from parallax.contract import errors, spec
from parallax.gateway import bodies, callers, context
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
        self._contents: dict[ids.Allowed, bytes] = {}
        self._generation: int | None = None

    async def show(self, request: requests.Request) -> responses.Response:
        """List what is loaded and may be used. Query parameters are ignored."""
        return self._shown(request)

    async def add(self, request: requests.Request) -> responses.Response:
        """Load a model; the answer lists it already."""
        await self._load(await self._named(request), _allowed(request))
        return self._shown(request)

    async def remove(self, request: requests.Request) -> responses.Response:
        """Unload a model; one that is not there is not there afterwards either."""
        named = await self._named(request)
        try:
            model = ids.find(self._api.models, named, _allowed(request))
        except (errors.UnknownModelError, errors.ModelRefusedError):
            return self._shown(request)
        await self._api.control.unload(model.id, self._until())
        return self._shown(request)

    async def clear(self, request: requests.Request) -> responses.Response:
        """Unload all models; whatever is in the body."""
        await self._api.control.clear(self._until())
        return self._shown(request)

    async def clear_cache(self, request: requests.Request) -> responses.Response:
        """The older form of ``clear``."""
        await self._api.control.clear(self._until())
        return _json(msgspec.json.encode("Cache Cleared"))

    async def start(self, request: requests.Request) -> responses.Response:
        """The older form of ``add``."""
        await self._load("/".join(request.path_params.values()), _allowed(request))
        started = Started(200, "inference session started from local memory.")
        return _json(msgspec.json.encode(started))

    async def _load(self, requested: str, allowed: ids.Allowed) -> None:
        try:
            model_id = ids.find(self._api.models, requested, allowed).id
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

    def _shown(self, request: requests.Request) -> responses.Response:
        models, allowed = self._api.models, _allowed(request)
        if self._generation != models.generation:
            self._generation = models.generation
            self._contents.clear()
        content = self._contents.get(allowed)
        if content is None:
            loaded = [_entry(each) for each in models.all() if ids.permits(models, allowed, each)]
            content = self._contents[allowed] = msgspec.json.encode(answers.Registry(loaded))
        return _json(content)


def _allowed(request: requests.Request) -> ids.Allowed:
    return callers.of(request.scope).manages


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
