"""What a failure looks like over HTTP: the one table from error code to status, and the bodies.

No other file of parallax knows a status code of an error.
"""

import math
import re
from collections.abc import Sequence

import orjson
from starlette import exceptions, responses, types

from parallax.contract import errors

Headers = list[tuple[bytes, bytes]]

ENCODINGS = "gzip, deflate"
"""In which a body may come."""
_LONGEST_CODING = 64


class SlowBodyError(errors.ParallaxError):
    """The client did not send its request within the request timeout."""

    code = "slow_body"


class NotServedError(errors.ParallaxError):
    """A part of the original server's interface that this server does not offer (yet)."""

    code = "not_served"


class UnknownPathError(errors.ParallaxError):
    """Nothing is served under this path."""

    code = "unknown_path"


class BadRequestError(errors.ParallaxError):
    """The parts of a request are well formed and still do not make one: a header is missing, or
    values contradict each other."""

    code = "bad_request"


class UnauthorizedError(errors.ParallaxError):
    """No key was sent, or one that is not of this server. The text is the original server's."""

    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__("Unauthorized api_key")


class ForbiddenError(errors.ParallaxError):
    """The key is one of this server, and what is asked for is not for it."""

    code = "forbidden"


class QuotaExceededError(errors.ParallaxError):
    """The key has as much in flight as it may have. ``retry_after`` is in seconds."""

    code = "quota_exceeded"

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnsupportedEncodingError(errors.ParallaxError):
    """The body is packed in a way that this server does not unpack."""

    code = "unsupported_encoding"

    def __init__(self, coding: bytes) -> None:
        said = coding.decode("ascii", "backslashreplace")[:_LONGEST_CODING]
        super().__init__(
            f"Bodies with Content-Encoding {said!r} are not read; send {ENCODINGS}, or none."
        )


class RemovedFeatureError(errors.ParallaxError):
    """The original server no longer has it, and has fields for telling that to its clients."""

    code = "removed"

    def __init__(self, feature: str, reason: str) -> None:
        super().__init__(f"There is no {feature} any more: {reason}.")
        self.feature = feature
        self.reason = reason


class InvalidBodyError(errors.InvalidRequestError):
    """A schema violation, with the kind of it and the offending value for the ``detail`` list."""

    def __init__(
        self,
        message: str,
        location: tuple[str | int, ...] = ("body",),
        kind: str = "value_error",
        given: object = None,
    ) -> None:
        super().__init__(message, location)
        self.kind = kind
        self.given = given


STATUS: dict[str, int] = {
    errors.InternalError.code: 500,
    errors.BadImageError.code: 400,
    errors.InvalidRequestError.code: 422,
    errors.BadModelIdError.code: 400,
    errors.UnknownModelError.code: 404,
    errors.WrongTaskError.code: 400,
    errors.BodyTooLargeError.code: 413,
    errors.OverloadedError.code: 503,
    errors.NotReadyError.code: 503,
    errors.BrokerUnavailableError.code: 503,
    errors.DeadlineExceededError.code: 504,
    errors.ModelFailedError.code: 500,
    errors.AnswerTooLargeError.code: 400,
    errors.PoisonedError.code: 500,
    errors.TensorLostError.code: 500,
    errors.MalformedEntryError.code: 500,
    errors.ModelRefusedError.code: 500,
    errors.SettingsError.code: 500,
    errors.StartupError.code: 500,
    SlowBodyError.code: 408,
    NotServedError.code: 501,
    UnknownPathError.code: 404,
    BadRequestError.code: 400,
    UnauthorizedError.code: 401,
    ForbiddenError.code: 403,
    QuotaExceededError.code: 429,
    RemovedFeatureError.code: 410,
    UnsupportedEncodingError.code: 415,
}

INTERNAL_MESSAGE = "Internal error."
_CLOSING = frozenset({errors.BodyTooLargeError.code, SlowBodyError.code})
"""After these the rest of the body is unread, so the connection cannot carry another request."""
_RETRYABLE = frozenset({429, 503})
_VAGUE = frozenset(
    {
        errors.InternalError.code,
        errors.TensorLostError.code,
        errors.MalformedEntryError.code,
        errors.SettingsError.code,
        errors.StartupError.code,
    }
)
"""Codes that should never reach a client: the details are for the log."""
_FIXED = {
    # Addresses and paths are for the log.
    errors.BrokerUnavailableError.code: "The server's broker does not answer; try again.",
}

_QUOTED_PATH = re.compile(r"(['\"])/[^'\"\n]*?([^'\"/\n]*)\1")
_LEADING_PATH = re.compile(r"(^|: )/(?:[^:\n]*/)?([^/:\n]+): ")
_REST_FROM_PATH = re.compile(r"(?<![\w/.'\"])(?<!GET )/.*", re.DOTALL)


def not_loaded(cause: str) -> errors.BadImageError:
    """Return the refusal of a picture that there is no picture of; ``cause`` is a sentence."""
    return errors.BadImageError(errors.NOT_LOADED + cause)


def status(problem: errors.ParallaxError) -> int:
    """Return the status of an answer that reports this problem."""
    return STATUS.get(problem.code, 500)


def body(problem: errors.ParallaxError) -> bytes:
    """Return the JSON object that reports this problem."""
    if isinstance(problem, errors.InvalidRequestError):
        return orjson.dumps({"detail": [_detail(problem)]})
    if isinstance(problem, RemovedFeatureError):
        return orjson.dumps({"message": problem.message, **_removed(problem)})
    if isinstance(problem, UnauthorizedError):
        return orjson.dumps({"status": status(problem), "message": problem.message})
    message = INTERNAL_MESSAGE if problem.code in _VAGUE else problem.message
    if isinstance(problem, errors.ModelRefusedError):
        message = without_paths(message)
    return orjson.dumps({"message": _FIXED.get(problem.code, message)})


def answer(problem: errors.ParallaxError) -> tuple[Headers, bytes]:
    """Return headers and body of the answer that reports this problem."""
    content = body(problem)
    described = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
        *headers(problem),
    ]
    return described, content


def headers(problem: errors.ParallaxError) -> Headers:
    """Return the headers beside content type and length."""
    extra: Headers = []
    if status(problem) in _RETRYABLE:
        extra.append((b"retry-after", str(retry_after(problem)).encode()))
    if isinstance(problem, UnsupportedEncodingError):
        extra.append((b"accept-encoding", ENCODINGS.encode()))
    if problem.code in _CLOSING:
        extra.append((b"connection", b"close"))
    return extra


def retry_after(problem: errors.ParallaxError) -> int:
    """Return the whole seconds after which to try again."""
    wait = 1.0
    if isinstance(problem, errors.OverloadedError | QuotaExceededError):
        wait = problem.retry_after
    return max(1, math.ceil(wait))


def refusal(scope: types.Scope, problem: exceptions.HTTPException) -> responses.Response:
    """Return what the router refuses (unknown path, wrong method) as an object with a message."""
    path = scope["path"]
    if problem.status_code == 405:
        allowed = _sorted_methods((problem.headers or {}).get("Allow", ""))
        message = f"Method {scope['method']} is not allowed here; allowed: {', '.join(allowed)}."
        extra = {"Allow": ", ".join(allowed)}
    else:
        message = (
            f"Nothing is served under {path}." if problem.status_code == 404 else problem.detail
        )
        extra = dict(problem.headers or {})
    content = orjson.dumps({"message": message})
    return responses.Response(content, problem.status_code, extra, "application/json")


def without_paths(text: str) -> str:
    """Return a reason without the folders of this server: of a path only the file's name is left.

    Where it cannot be seen how far a path goes, nothing of what follows it is told.
    """
    text = _LEADING_PATH.sub(r"\1\2: ", _QUOTED_PATH.sub(r"\1\2\1", text))
    return _REST_FROM_PATH.sub("... (the server's log says all)", text, count=1)


def _removed(problem: RemovedFeatureError) -> dict[str, object]:
    return {
        "error_type": "FeatureDeprecatedError",
        "feature": problem.feature,
        "reason": problem.reason,
        "removal_release": None,
        "replacement": None,
    }


def _sorted_methods(allowed: str) -> Sequence[str]:
    return sorted(method.strip() for method in allowed.split(",") if method.strip())


def _detail(problem: errors.InvalidRequestError) -> dict[str, object]:
    detail: dict[str, object] = {"type": "value_error", "loc": list(problem.location)}
    detail["msg"] = problem.message
    if isinstance(problem, InvalidBodyError):
        detail["type"] = problem.kind
        if problem.given is not None:
            detail["input"] = problem.given
    return detail
