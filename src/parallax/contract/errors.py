"""Every failure that parallax names, as one tree.

A class says what went wrong (``code``, a word that crosses process lines and appears in answers and
metrics). It knows nothing of HTTP: status codes live in ``gateway.problems`` alone.
"""

from typing import ClassVar


class ParallaxError(Exception):
    """Base of all named failures. ``message`` is safe to show to a client."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InternalError(ParallaxError):
    """Something unexpected broke; the log has the cause, the client gets no detail."""


NOT_LOADED = "Could not load input image. Cause: "
"""How the message of a ``BadImageError`` begins: clients of the Roboflow dialect match on it."""


class BadImageError(ParallaxError):
    """The bytes are not a picture we can decode, or a picture beyond the limits."""

    code = "bad_image"


class InvalidRequestError(ParallaxError):
    """A field is missing, of the wrong type or out of range; ``location`` is the path to it."""

    code = "invalid_request"

    def __init__(self, message: str, location: tuple[str | int, ...] = ("body",)) -> None:
        super().__init__(message)
        self.location = location


class BadModelIdError(ParallaxError):
    """The model id has a form that no model can have."""

    code = "bad_model_id"


class UnknownModelError(ParallaxError):
    """No model of that id is served."""

    code = "unknown_model"


class WrongTaskError(ParallaxError):
    """The model exists but does another task than the route asks for."""

    code = "wrong_task"


class BodyTooLargeError(ParallaxError):
    """The request body is over the limit; it was not read to its end."""

    code = "body_too_large"


class OverloadedError(ParallaxError):
    """The bounded number of requests in flight is reached. ``retry_after`` is in seconds."""

    code = "overloaded"

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotReadyError(OverloadedError):
    """A stage has no live worker, or the server is starting or stopping."""

    code = "not_ready"


class BrokerUnavailableError(OverloadedError):
    """The broker cannot be reached or refuses writes."""

    code = "broker_unavailable"


class DeadlineExceededError(ParallaxError):
    """The request's deadline passed before its answer was ready."""

    code = "deadline_exceeded"


class ModelFailedError(ParallaxError):
    """The model raised or returned something of the wrong shape for this one item."""

    code = "model_failed"


class AnswerTooLargeError(ParallaxError):
    """The answer to one picture would be larger than the server passes on."""

    code = "answer_too_large"


class PoisonedError(ParallaxError):
    """The request took too many workers down with it and was moved to the dead-letter stream."""

    code = "poisoned"


class TensorLostError(ParallaxError):
    """A slab slot no longer holds the tensor that an entry refers to; it has to be recomputed."""

    code = "tensor_lost"


class MalformedEntryError(ParallaxError):
    """A stream entry is foreign or of another format version."""

    code = "malformed_entry"


class ModelRefusedError(ParallaxError):
    """A package on disk cannot be served. The message names the file and the reason."""

    code = "model_refused"


class SettingsError(ParallaxError):
    """An option has a value that is not allowed. The message names option, value and what is."""

    code = "bad_setting"


class StartupError(ParallaxError):
    """The server cannot start here (port taken, /dev/shm too small, broker absent)."""

    code = "cannot_start"


def _family(root: type[ParallaxError]) -> list[type[ParallaxError]]:
    return [root, *(sub for child in root.__subclasses__() for sub in _family(child))]


_BY_CODE: dict[str, type[ParallaxError]] = {cls.code: cls for cls in _family(ParallaxError)}
_BY_CODE[ParallaxError.code] = InternalError


def from_code(code: str, message: str) -> ParallaxError:
    """Rebuild an error that crossed a process line as ``(code, message)``."""
    return _BY_CODE.get(code, InternalError)(message)
