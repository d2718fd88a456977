"""The v0 route, ``GET|POST /{project}/{version}``: the model in the path, wishes in the query, and
a body that is nothing but the picture."""

import msgspec
from starlette import routing, types

from parallax.gateway import bodies, callers, headers, identifiers, problems, queries
from parallax.gateway.roboflow import endpoint, ids, kinds, multipart, pictures, query, reserved


class Route(routing.Route):
    """A route that leaves alone what belongs to another part of the server, however it is asked
    for: there, a path that is not known is an error and not a model."""

    def matches(self, scope: types.Scope) -> tuple[routing.Match, types.Scope]:
        """See ``routing.Route``."""
        if scope["type"] == "http" and reserved.is_reserved(scope["path"]):
            return routing.Match.NONE, {}
        return super().matches(scope)


class Legacy(endpoint.Endpoint):
    """The endpoint over one context."""

    async def understand(
        self, scope: types.Scope, receive: types.Receive, until: float
    ) -> endpoint.Asked | endpoint.Stubbed:
        """See ``Endpoint.understand``."""
        started = self.api.clock()
        model_id = "/".join(scope["path_params"].values())
        inference_id = identifiers.dashed()
        allowed = callers.of(scope).models
        kin = ids.stubbed(self.api.models, model_id, allowed)
        if kin is not None:
            await bodies.read(receive, until - started)
            seconds = self.api.clock() - started
            return endpoint.stub(model_id, kin.task, inference_id, seconds, None)
        model = ids.find(self.api.models, model_id, allowed)
        asked = queries.parse(query.Query, scope["query_string"])
        call = asked.call(kinds.BY_TASK[model.task], model_id)
        params = msgspec.structs.replace(call.params(model), drawing=asked.drawing())
        body = await bodies.read(receive, until - started)
        return endpoint.Asked(
            id=inference_id,
            model=model,
            sources=[await _source(asked, scope, body)],
            many=False,
            params=params,
            options=call.options(),
        )


async def _source(asked: query.Query, scope: types.Scope, body: bytes) -> pictures.Source:
    """Return the picture; which of its places counts does not depend on what is in them."""
    if asked.image:
        return pictures.from_text("url", asked.image)
    sent = headers.find(scope, b"content-type")
    if sent is None:
        raise problems.BadRequestError("Request must include a Content-Type header, or ?image=URL.")
    content_type = sent.decode("latin-1")
    if content_type.partition(";")[0].strip().lower() == "multipart/form-data":
        return await multipart.picture(content_type, body)
    # Whatever the header says of it: clients of this route call bare base64 JSON.
    return pictures.from_body(asked.image_type, body)
