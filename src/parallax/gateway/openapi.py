"""``/openapi.json``, made from the operations that are served and the types that check requests."""

import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import orjson

from parallax.contract import errors
from parallax.gateway import deadlines, operation, problems

Json = dict[str, Any]

_COMPONENT = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_OK = 200
_BODIES: dict[str, type[msgspec.Struct]] = {
    problems.UnauthorizedError.code: operation.Unauthorized,
    errors.InvalidRequestError.code: operation.Violations,
}
_SECURITY = {
    "key": {"type": "apiKey", "in": "query", "name": "api_key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
# A server without keys asks for none.
_EITHER_OR_NONE: list[Json] = [{}, *({name: []} for name in _SECURITY)]


def document(operations: Iterable[operation.Operation], version: str) -> bytes:
    """Return the description of all operations as JSON."""
    served = list(operations)
    types = {id(each): each for op in served for each in _types(op)}
    refs, components = msgspec.json.schema_components(list(types.values()), ref_template=_COMPONENT)
    schemas = dict(zip(types, refs, strict=True))
    paths: dict[str, Json] = {}
    for op in served:
        shown = _Shown(op, schemas, components)
        paths.setdefault(op.path, {}).update({m.lower(): shown.method(m) for m in op.methods})
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "parallax", "version": version, "description": _DESCRIPTION},
            "paths": paths,
            "components": {"schemas": components, "securitySchemes": _SECURITY},
        }
    )


_DESCRIPTION = (
    "An inference server for ONNX vision models. Keys of a request that are not known are ignored; "
    "whole numbers and numeric texts pass for numbers. If the server asks for a key, it comes as "
    "`api_key` in the query, as a bearer token, or as `api_key` in a JSON body."
)


class _Shown:
    """One operation as OpenAPI says it."""

    def __init__(
        self, op: operation.Operation, schemas: Mapping[int, Json], components: Mapping[str, Json]
    ) -> None:
        self._op = op
        self._schemas = schemas
        self._components = components

    def method(self, method: str) -> Json:
        op = self._op
        shown: Json = {
            "summary": op.summary,
            "operationId": re.sub(r"\W+", "_", f"{method.lower()}{op.path}").strip("_"),
            "parameters": [*self._path(), *self._query(), *self._headers()],
            "responses": {str(status): each for status, each in self._responses()},
        }
        if not op.open:
            shown["security"] = _EITHER_OR_NONE
        if op.body is not None and method != "GET":
            shown["requestBody"] = {"required": True, "content": self._content(op.body)}
        return shown

    def _path(self) -> Iterator[Json]:
        for name in _PARAMETER.findall(self._op.path):
            schema = {"type": "string", "pattern": "^[^/]+$"}
            yield {"name": name, "in": "path", "required": True, "schema": schema}

    def _query(self) -> Iterator[Json]:
        if self._op.query is None:
            return
        name = self._schemas[id(self._op.query)]["$ref"].rpartition("/")[2]
        properties = self._components[name]["properties"]
        for name, schema in properties.items():
            plain = {key: value for key, value in schema.items() if key != "description"}
            parameter: Json = {"name": name, "in": "query", "required": False, "schema": plain}
            if "description" in schema:
                parameter["description"] = schema["description"]
            yield parameter

    def _headers(self) -> Iterator[Json]:
        if self._op.timed:
            yield {
                "name": deadlines.NAME,
                "in": "header",
                "required": False,
                "schema": {"type": "number", "exclusiveMinimum": 0},
                "description": "Seconds within which the answer is wanted.",
            }

    def _responses(self) -> Iterator[tuple[int, Json]]:
        op = self._op
        yield _OK, self._response(_OK, op.answer)
        told: operation.Problems = (errors.InternalError, *_guarded(op), *op.problems)
        for problem in told:
            status = problems.STATUS[problem.code]
            body = _BODIES.get(problem.code, operation.Problem)
            yield status, self._response(status, {operation.JSON: body})
        for problem, content in op.others.items():
            status = problems.STATUS[problem.code]
            yield status, self._response(status, content)

    def _response(self, status: int, content: operation.Content) -> Json:
        return {"description": HTTPStatus(status).phrase, "content": self._content(content)}

    def _content(self, content: operation.Content) -> Json:
        return {media: {"schema": self._schema(schema)} for media, schema in content.items()}

    def _schema(self, schema: operation.Schema) -> Json:
        if isinstance(schema, Mapping):
            return dict(schema)
        if isinstance(schema, tuple):
            return {"anyOf": [self._schemas[id(each)] for each in schema]}
        return self._schemas[id(schema)]


def _guarded(op: operation.Operation) -> operation.Problems:
    """Return what the guard at the door may raise."""
    if op.open:
        return ()
    every: operation.Problems = (problems.UnauthorizedError, problems.QuotaExceededError)
    return (*every, problems.ForbiddenError) if op.admin else every


def _types(op: operation.Operation) -> Iterator[operation.Schema]:
    bodies = [op.answer, *op.others.values(), *([] if op.body is None else [op.body])]
    for content in bodies:
        for schema in content.values():
            if not isinstance(schema, Mapping):
                yield from schema if isinstance(schema, tuple) else (schema,)
    if op.query is not None:
        yield op.query
    yield from (operation.Problem, operation.Unauthorized, operation.Violations)
