"""Stand-ins with behaviour: a session, brokers whose line fails, a child process."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from parallax.broker import base
from parallax.contract import errors, lifeline, spec
from parallax.engine import session as sessions
from parallax.supervisor import child as children

T = TypeVar("T")


def model(name: str = "m", *, side: int = 4, max_batch: int = 8, **changes: Any) -> spec.ModelSpec:
    """Return the spec of a fused detector."""
    wanted: dict[str, Any] = {
        "id": name,
        "version": "v1",
        "task": "object-detection",
        "family": "yolov8",
        "labels": ("cat", "dog"),
        "input": spec.InputSpec(side, side),
        "batch": spec.BatchSpec(max_batch),
        "graph": "",
        "fused": True,
        "input_name": "x",
        "output_names": ("y",),
        "source": "m.onnx",
    }
    return spec.ModelSpec(**(wanted | changes))


class FakeSession:
    """A detector that finds one box per picture, at x = the picture's first pixel.

    It fails like the real one: for ``poison`` pixels, and for batches of more than ``fits``.
    """

    def __init__(self, of: spec.ModelSpec, *, boxes: int = 1) -> None:
        self.model = of
        self.max_batch = of.batch.max_size
        self.in_turn = False
        self.warm_seconds = 0.0
        self.boxes = boxes
        self.poison: frozenset[int] = frozenset()
        self.nan: frozenset[int] = frozenset()
        """Pixels for which it finds what is no number."""
        self.fits: int | None = None
        self.ran: list[list[int]] = []
        self.proceed = threading.Event()
        """While it is not set, runs wait, like those of a slow device."""
        self.proceed.set()

    def run(self, batch: Sequence[NDArray[np.uint8]], *, alone: bool = False) -> sessions.Outputs:
        """See ``engine.session.Session.run``."""
        values = [int(tensor[0, 0, 0]) for tensor in batch]
        self.ran.append(values)
        if not self.proceed.wait(10):
            raise AssertionError("the test never let the run proceed")
        if self.fits is not None and len(batch) > self.fits:
            raise sessions.OutOfDeviceMemoryError("device full")
        if self.poison & set(values):
            raise RuntimeError("the network choked")
        rows = np.zeros((len(batch), self.boxes, 6), np.float32)
        rows[:, :, 0] = np.array(values)[:, np.newaxis]
        rows[:, :, 4] = 1.0
        rows[[value in self.nan for value in values], :, 2] = np.nan
        return [rows]

    @property
    def sizes(self) -> list[int]:
        """Sizes of the batches that were run."""
        return [len(values) for values in self.ran]

    def as_session(self) -> sessions.Session:
        """Return it under the type of the real one."""
        return cast(sessions.Session, self)


class Fault:
    """When a broker's line fails: before an operation is carried out, or after it (the answer is
    lost)."""

    def __init__(self) -> None:
        self.before: Callable[[base.Op[Any]], bool] = lambda op: False
        self.after: Callable[[base.Op[Any]], bool] = lambda op: False
        self.seen: list[base.Op[Any]] = []

    def once(self, kind: type[base.Op[Any]]) -> Callable[[base.Op[Any]], bool]:
        """Return a condition that is true for the first operation of a kind."""
        left = [1]

        def first(op: base.Op[Any]) -> bool:
            return isinstance(op, kind) and bool(left) and bool(left.pop())

        return first

    def check(self, condition: Callable[[base.Op[Any]], bool], op: base.Op[Any]) -> None:
        """Raise what a lost line raises."""
        if condition(op):
            raise errors.BrokerUnavailableError("the line is down")


class FlakyAsync:
    """An asyncio client with a fault in its line."""

    def __init__(self, inner: base.AsyncBroker, fault: Fault) -> None:
        self._inner = inner
        self._fault = fault

    async def execute(self, op: base.Op[T]) -> T:
        """See ``base.AsyncBroker``."""
        self._fault.check(self._fault.before, op)
        answer = await self._inner.execute(op)
        self._fault.seen.append(op)
        if answer or not isinstance(op, base.Read):
            self._fault.check(self._fault.after, op)
        return answer

    async def execute_many(self, ops: Sequence[base.Op[T]]) -> list[T]:
        """See ``base.AsyncBroker``."""
        return [await self.execute(op) for op in ops]

    async def aclose(self) -> None:
        """See ``base.AsyncBroker``."""


class FlakyBlocking:
    """A blocking client with a fault in its line."""

    def __init__(self, inner: base.BlockingBroker, fault: Fault) -> None:
        self._inner = inner
        self._fault = fault
        self.closed = False

    def execute(self, op: base.Op[T]) -> T:
        """See ``base.BlockingBroker``."""
        self._fault.check(self._fault.before, op)
        answer = self._inner.execute(op)
        self._fault.seen.append(op)
        if answer or not isinstance(op, base.Read):
            self._fault.check(self._fault.after, op)
        return answer

    def execute_many(self, ops: Sequence[base.Op[T]]) -> list[T]:
        """See ``base.BlockingBroker``."""
        return [self.execute(op) for op in ops]

    def close(self) -> None:
        """See ``base.BlockingBroker``."""
        self.closed = True


class FakeLine:
    """The supervisor's end of a fake child's lifeline."""

    def __init__(self, child: "FakeChild") -> None:
        self._child = child
        self.said: list[lifeline.ToChild] = []
        self.on_say: Callable[[lifeline.ToChild], None] = lambda message: None
        """What the child does about it."""

    def say(self, message: lifeline.ToChild) -> None:
        """See ``supervisor.child.Line``."""
        self.said.append(message)
        self.on_say(message)
        if isinstance(message, lifeline.Stop) and self._child.obeys:
            self._child.end("finished")

    def close(self) -> None:
        """See ``supervisor.child.Line``."""


class FakeChild:
    """A child process without the process: the test says when it speaks and ends."""

    def __init__(self, pid: int, hear: Callable[[lifeline.FromChild], None]) -> None:
        self.pid = pid
        self.speak = hear
        self.obeys = True
        """Whether it ends when it is told to stop."""
        self.fake_line = FakeLine(self)
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def line(self) -> children.Line:
        """See ``supervisor.child.Child``."""
        return cast(children.Line, self.fake_line)

    def end(self, how: str) -> None:
        """Let the process end."""
        if not self._end.done():
            self._end.set_result(how)

    async def ended(self) -> str:
        """See ``supervisor.child.Child``."""
        return await self._end


class Nursery:
    """Launches fake children and is the kernel that kills them."""

    FIRST_PID = 5_000_000  # above what any kernel gives out

    def __init__(self) -> None:
        self.children: list[FakeChild] = []
        self.killed: list[int] = []

    def launch(self, hear: Callable[[lifeline.FromChild], None]) -> FakeChild:
        """Start a child."""
        self.children.append(FakeChild(self.FIRST_PID + len(self.children), hear))
        return self.children[-1]

    def kill(self, pid: int) -> None:
        """Kill a child that is alive; see ``supervisor.child.kill``."""
        self.killed.append(pid)
        self.children[pid - self.FIRST_PID].end("killed by SIGKILL")

    @property
    def last(self) -> FakeChild:
        """The youngest child."""
        return self.children[-1]
