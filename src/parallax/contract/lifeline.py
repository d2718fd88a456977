"""What a child process and the supervisor tell each other over the child's lifeline (a
socket that keeps message boundaries).

The socket is also the proof of life of the supervisor: a child that reads end-of-file exits.
"""

from msgspec import Struct


class Hello(Struct, frozen=True, tag=True):
    """First message of a child: it runs, under this pid."""

    pid: int


class Ready(Struct, frozen=True, tag=True):
    """The child does its work from now on; ``detail`` completes its start line."""

    detail: str = ""


class Failed(Struct, frozen=True, tag=True):
    """The child cannot do its work and exits; starting it again would fail the same way."""

    code: str
    message: str


class Drained(Struct, frozen=True, tag=True):
    """An api process has answered all it had accepted, and accepts nothing more."""


class Loading(Struct, frozen=True, tag=True):
    """An inference loop begins to load a version of a model. That lasts until it says what it loads
    next, ``Ready`` or ``Knows``."""

    model: str
    version: str


class Load(Struct, frozen=True):
    """What became of loading one version of a model."""

    model: str
    version: str
    reason: str = ""
    """Why it cannot be used; empty when it is loaded."""


class Knows(Struct, frozen=True, tag=True):
    """The child goes by this generation of the roster from now on; ``loads`` names what an
    inference loop had to load for it."""

    generation: int
    loads: tuple[Load, ...] = ()


class Settled(Struct, frozen=True, tag=True):
    """An api process has answered all that it had admitted for models or versions that this
    generation of the roster does not serve."""

    generation: int


class Order(Struct, frozen=True, tag=True):
    """An api process asks that a model be loaded or unloaded; answered by ``Obeyed``."""

    number: int
    """Chosen by the api process."""
    load: bool
    model: str
    """Id of a package; empty: all (only to unload)."""


class Pong(Struct, frozen=True, tag=True):
    """Answer to ``Ping``, sent by whatever in the child must not stand still."""


class Ping(Struct, frozen=True, tag=True):
    """To any child: say ``Pong``. One that is silent for too long is killed and replaced."""


class Drain(Struct, frozen=True, tag=True):
    """To an api process: stop accepting, answer what is in flight, say ``Drained``."""


class Stop(Struct, frozen=True, tag=True):
    """To any child: finish what is in hand and exit."""


class Models(Struct, frozen=True, tag=True):
    """To any child but the broker: read the roster, go by it, and say ``Knows``.

    Said again until it is answered; the roster itself is a file, because it has no upper size.
    """

    generation: int


class Obeyed(Struct, frozen=True, tag=True):
    """To the api process that gave an order: it is done, or cannot be."""

    number: int
    seconds: float = 0.0
    """How long it took; 0 when there was nothing to do."""
    code: str = ""
    """Of the error; empty on success."""
    message: str = ""


class ProcessInfo(Struct, frozen=True):
    """One row of ``parallax status``."""

    role: str
    slot: int
    pid: int
    state: str
    """``starting``, ``ready``, ``backing-off``, ``stopping`` or ``stopped``."""
    restarts: int
    uptime_s: float
    reason: str = ""
    """How the process before this one ended; empty if there was none."""


class Health(Struct, frozen=True, tag=True):
    """To api processes, whenever it changes: can the pipeline answer, and what does the tree look
    like."""

    ready: bool
    reason: str
    """Why not, for ``/readiness``; empty when ready."""
    at: float
    """Monotonic seconds at which ``uptime_s`` was measured."""
    processes: tuple[ProcessInfo, ...]
    slots: int = 0
    """Tensor slots of the node's slab."""
    slots_held: int = 0
    """Slots that hold a tensor at this moment."""


FromChild = Hello | Ready | Failed | Drained | Loading | Knows | Settled | Order | Pong
ToChild = Ping | Drain | Stop | Health | Models | Obeyed
