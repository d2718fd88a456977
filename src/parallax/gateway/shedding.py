"""Refusing the requests that an overloaded server could not answer, as cheaply as it can be done.

Ten times too many requests leave nothing of a server that takes each of them in to say no. So the
refusal is decided as soon as the headers are parsed, and written as bytes: no task, no middleware,
and the body is thrown away where it arrives (``edge.exchange``). What is known only later, that
this model would take too long, is refused by the dispatcher.
"""

import functools
from collections.abc import Iterable

from starlette import types

from parallax.contract import errors
from parallax.gateway import context, deadlines, metrics, middleware, operation, problems
from parallax.gateway.roboflow import reserved

_STATUS_LINE = b"HTTP/1.1 503 Service Unavailable\r\n"


class Shedder:
    """Refuses what is hopeless among the requests of one api process for inference."""

    def __init__(self, api: context.ApiContext, served: Iterable[operation.Operation]) -> None:
        self._api = api
        # Of a path with parameters only how many there are is looked at: nothing else is served
        # under names that are not reserved.
        self._templates = {
            each.path.count("/"): each.path for each in served if each.timed and "{" in each.path
        }
        self._paths = {each.path: each.path for each in served if each.timed}

    def __call__(
        self, method: bytes, target: bytes, sent: Iterable[tuple[bytes, bytes]]
    ) -> bytes | None:
        """Return the answer that refuses a request, or None to let it in; see ``shared.Refuse``."""
        template = self._template(method, target)
        if template is None:
            return None
        scope: types.Scope = {"headers": sent}
        limits = self._api.settings.limits
        try:
            problem = self._api.dispatcher.refusal(deadlines.patience(scope, limits.timeout))
        except errors.InvalidRequestError:
            return None  # the endpoint says so
        if problem is None:
            self._api.dispatcher.expect()
            return None
        metrics.count_outcome(problem.code)
        metrics.observe_http("POST", problems.status(problem), template, 0.0)
        request_id = middleware.request_id_of(scope)
        if self._api.settings.http.access_log:
            scope["method"], scope["raw_path"] = "POST", target.partition(b"?")[0]
            scope[middleware.REQUEST_ID] = request_id
            middleware.log_access(scope, problems.status(problem), 0.0)
        head, content = _answer(problem.message, problem.retry_after)
        return b"%bx-request-id: %b\r\n\r\n%b" % (head, request_id, content)

    def expects(self, method: bytes, target: bytes) -> bool:
        """Say whether a request like this is counted, if it is let in, until it has arrived."""
        return self._template(method, target) is not None

    def _template(self, method: bytes, target: bytes) -> str | None:
        """Return the route of a request for inference."""
        if method != b"POST":
            return None
        path = target.partition(b"?")[0].decode("latin-1")
        exact = self._paths.get(path)
        if exact is not None or path == "/" or reserved.is_reserved(path):
            return exact
        return self._templates.get(path.count("/"))


@functools.lru_cache(maxsize=256)
def _answer(message: str, retry_after: float) -> tuple[bytes, bytes]:
    """Return the head (without its end) and the body of a refusal."""
    described, content = problems.answer(errors.OverloadedError(message, retry_after))
    head = b"".join(b"%b: %b\r\n" % pair for pair in (*described, *middleware.UNKEPT))
    return _STATUS_LINE + head, content
