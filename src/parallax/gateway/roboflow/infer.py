"""The v1 inference routes, ``POST /infer/<task>``: all in one JSON body, one endpoint per task."""

import msgspec
from starlette import types

from parallax.gateway import bodies, callers, context, identifiers
from parallax.gateway.roboflow import endpoint, ids, kinds, parsing, pictures


class Infer(endpoint.Endpoint):
    """The endpoint of one task over one context."""

    def __init__(self, api: context.ApiContext, kind: kinds.Kind) -> None:
        super().__init__(api)
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind.call, strict=False)

    async def understand(
        self, scope: types.Scope, receive: types.Receive, until: float
    ) -> endpoint.Asked | endpoint.Stubbed:
        """See ``Endpoint.understand``."""
        started = self.api.clock()
        # Nothing of the result refers to the body, so that is not held while the request waits.
        call = parsing.parse(self._decoder, await bodies.read(receive, until - started))
        fields = parsing.images(call, self.most_images)
        many = isinstance(call.image, list)
        inference_id = identifiers.dashed() if call.id is msgspec.UNSET else call.id
        allowed = callers.of(scope).models
        kin = ids.stubbed(self.api.models, call.model_id, allowed)
        if kin is not None:
            seconds = self.api.clock() - started
            count = len(fields) if many else None
            return endpoint.stub(call.model_id, self._kind.task, inference_id, seconds, count)
        model = ids.resolve(self.api.models, call.model_id, self._kind.task, allowed)
        return endpoint.Asked(
            id=inference_id,
            model=model,
            sources=[pictures.from_field(field) for field in fields],
            many=many,
            params=call.params(model),
            options=call.options(),
        )
