"""The inside of an api process around an in-process broker, and stand-ins for what is beyond it."""

import asyncio
import base64
import contextlib
import dataclasses
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

import httpx
import orjson
from starlette import applications

from parallax.aio import tasks
from parallax.broker import base, keys, memory
from parallax.contract import errors, lifeline, messages, roster, spec, wire
from parallax.contract.topology import Stage
from parallax.gateway import app, context, control, dispatch, mailbox, pending
from parallax.gateway.remote import fetch
from parallax.settings import concerns
from parallax.slab import layout as layouts
from parallax.slab import pictures, slab

T = TypeVar("T")

KEYS = keys.Keys("test", "here")
PICTURE = b"\xff\xd8 not really a picture \xff\xd9"
FRAGMENT = b'{"image":{"width":4,"height":3},"predictions":[]}'
TIMINGS = messages.Timings(1.0, 2.0, 0.5, 4)
READY = lifeline.Health(True, "", 0.0, (lifeline.ProcessInfo("pre", 0, 7, "ready", 1, 3.0),))
_HOLDER = base.Holder(Stage.PRE, "hand")


def model(name: str = "fish", **changes: Any) -> spec.ModelSpec:
    """Return a detector's spec."""
    plain = spec.ModelSpec(
        id=name,
        version="v1",
        task="object-detection",
        family="yolo",
        labels=("cod", "eel"),
        input=spec.InputSpec(64, 32),
        batch=spec.BatchSpec(),
        graph="/nowhere.onnx",
        fused=True,
        input_name="images",
        output_names=("out",),
        source="/nowhere.onnx",
        aliases=("poisson",),
    )
    return type(plain)(**{name: getattr(plain, name) for name in plain.__struct_fields__} | changes)


def call(**changes: Any) -> dict[str, Any]:
    """Return the JSON of a good request, with changes."""
    return {"model_id": "fish", "image": image()} | changes


def image(content: bytes = PICTURE) -> dict[str, str]:
    """Return an image object."""
    return {"type": "base64", "value": base64.b64encode(content).decode()}


async def wait_until(happened: Callable[[], object], what: str) -> None:
    """Let the loop run until something is true, which must be soon."""
    try:
        async with asyncio.timeout(5):
            while not happened():  # noqa: ASYNC110 - any condition, no event for it
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise AssertionError(f"did not happen: {what}") from None


class Line:
    """A broker client whose line can be cut, and whose broker can lose everything."""

    def __init__(self) -> None:
        self.cut = False
        self.stuck: asyncio.Event | None = None
        """When set, submissions wait for this event."""
        self.empty_handed = False
        """When set, mailboxes are read at once and in vain."""
        self.done: list[base.Op[Any]] = []
        self.memory = memory.Memory(time.monotonic)
        self._client = memory.connect_async(self.memory, KEYS)

    def lose_everything(self) -> None:
        """Start the broker anew, empty."""
        old, self.memory = self.memory, memory.Memory(time.monotonic)
        self._client = memory.connect_async(self.memory, KEYS)
        old.wake()

    def sent(self, kind: type[base.Op[T]]) -> list[base.Op[T]]:
        """Return the operations of a kind that were carried out."""
        return [op for op in self.done if isinstance(op, kind)]

    async def execute(self, op: base.Op[T]) -> T:
        """Carry one operation out, if the line is up before and after."""
        self._check()
        if self.empty_handed and isinstance(op, base.ReadReplies):
            return cast(T, [])
        if self.stuck is not None and isinstance(op, base.Submit):
            await self.stuck.wait()
        answer = await self._client.execute(op)
        self._check()
        self.done.append(op)
        return answer

    async def execute_many(self, ops: Sequence[base.Op[T]]) -> list[T]:
        """Carry several out."""
        return [await self.execute(op) for op in ops]

    async def aclose(self) -> None:
        """Nothing to close."""

    def _check(self) -> None:
        if self.cut:
            raise errors.BrokerUnavailableError("the broker cannot be reached")


@dataclasses.dataclass
class Taken:
    """A picture that arrived behind the broker."""

    entry: base.Entry
    work: messages.PreWork


class Hand:
    """All stages in one: takes pictures and answers them, at once or when told."""

    def __init__(self, line: Line) -> None:
        self.automatic: Callable[[Taken], bytes | errors.ParallaxError] | None = _fragment
        self.taken: asyncio.Queue[Taken] = asyncio.Queue()
        self.seen = 0
        self._line = line

    async def run(self) -> None:
        """Take pictures for ever."""
        read = base.Read((KEYS.pre,), _HOLDER, 16, 20)
        while True:
            client = memory.connect_async(self._line.memory, KEYS)
            for entry in await client.execute(read):
                self.seen += 1
                taken = Taken(entry, wire.decode(messages.PreWork, entry.work))
                if self.automatic is None:
                    self.taken.put_nowait(taken)
                else:
                    await self.answer(taken, self.automatic(taken))

    async def next(self) -> Taken:
        """Return the next picture that was not answered automatically."""
        async with asyncio.timeout(5):
            return await self.taken.get()

    async def answer(
        self, taken: Taken, content: bytes | errors.ParallaxError = FRAGMENT
    ) -> base.Outcome:
        """Finish a picture."""
        route = taken.work.route
        if isinstance(content, bytes):
            reply = messages.Reply(route.request, route.item, "", "", TIMINGS)
            return await self.finish(taken, wire.encode(reply), content)
        reply = messages.Reply(route.request, route.item, content.code, content.message, TIMINGS)
        return await self.finish(taken, wire.encode(reply), b"")

    async def finish(self, taken: Taken, reply: bytes, bulk: bytes) -> base.Outcome:
        """Finish a picture with any reply."""
        client = memory.connect_async(self._line.memory, KEYS)
        return await client.execute(base.Finish(taken.entry, _HOLDER, reply, bulk))


def _fragment(taken: Taken) -> bytes:
    return FRAGMENT


class Rig:
    """One api process without its HTTP server; of its pictures so many may lie in the slab."""

    def __init__(self, slots: int = 0, /, **limits: Any) -> None:
        self.settings = concerns.Settings(
            limits=dataclasses.replace(concerns.LimitSettings(), **limits)
        )
        self.line = Line()
        self.hand = Hand(self.line)
        self.fetcher = fetch.make(self.settings)
        self.board = context.HealthBoard()
        self.board.update(READY)
        self.models = context.Models()
        loaded = roster.Package("fish", "/nowhere.onnx", roster.State.LOADED, "v1")
        self.models.replace([model()], (), (loaded,))
        self.orders: list[lifeline.Order] = []
        """What was said to the supervisor."""
        self.control = control.Control(self.models, self.orders.append, time.monotonic)
        layout = layouts.SlabLayout((layouts.ArenaLayout(slots, 4096),), board_rows=1)
        with tempfile.NamedTemporaryFile() as file:
            file.truncate(layout.size)
            self.slab = slab.Slab(file.name, layout)
            self.shelf = pictures.Pictures(self.slab, 0, file.name)
        self.dispatcher = dispatch.Dispatcher(
            self.line, "here", "api-1", self.settings.limits, time.monotonic, self.shelf
        )
        self.mailbox = mailbox.Mailbox(
            self.line,
            "api-1",
            self.dispatcher.pending,
            self.dispatcher.outbox,
            time.monotonic,
            ttl=0.3,
        )

    @property
    def context(self) -> context.ApiContext:
        """What ``app.build`` takes."""
        return context.ApiContext(
            settings=self.settings,
            node="here",
            api="api-1",
            broker=self.line,
            dispatcher=self.dispatcher,
            fetcher=self.fetcher,
            models=self.models,
            control=self.control,
            board=self.board,
            version="1.2.3",
            uuid="the-uuid",
        )

    @property
    def app(self) -> applications.Starlette:
        """A new application over this rig."""
        return app.build(self.context)

    def locked(self, **http: Any) -> applications.Starlette:
        """Return an application with other HTTP settings: keys."""
        changed = dataclasses.replace(self.settings.http, **http)
        settings = dataclasses.replace(self.settings, http=changed)
        return app.build(dataclasses.replace(self.context, settings=settings))

    def client(self) -> httpx.AsyncClient:
        """Return a client that calls the application directly."""
        transport = httpx.ASGITransport(self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://test")

    def submitted(self) -> list[pending.Part]:
        """Return the parts whose record is in the broker."""
        return self.dispatcher.pending.submitted(time.monotonic())

    async def detect(self, count: int = 1, patience: float = 5.0) -> list[pending.Answer]:
        """Run a detection below HTTP."""
        return await self.dispatcher.detect(
            model(),
            [PICTURE] * count,
            messages.DetectionParams(),
            messages.ImageOptions(),
            time.monotonic() + patience,
        )


@contextlib.asynccontextmanager
async def running(slots: int = 0, /, **limits: Any) -> AsyncIterator[Rig]:
    """Run a rig; a task of it that dies is an error of the test."""
    rig = Rig(slots, **limits)
    crew = tasks.Crew()
    rig.dispatcher.start(crew)
    rig.mailbox.start(crew)
    crew.start(rig.hand.run(), "hand")
    await rig.mailbox.opened.wait()
    try:
        yield rig
        over = asyncio.Event()
        over.set()
        await crew.until(over)
    finally:
        await crew.close()


class Exchange:
    """One ASGI exchange whose client sends, waits and hangs up as the test says."""

    def __init__(self, group: asyncio.TaskGroup, application: Any, **scope: Any) -> None:
        self.messages: list[dict[str, Any]] = []
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.task = group.create_task(
            application(_scope(**scope), self._inbox.get, self._send), name="exchange"
        )

    def send(self, body: bytes, more: bool = False) -> None:
        """Send a piece of the body."""
        self._inbox.put_nowait({"type": "http.request", "body": body, "more_body": more})

    @property
    def taken(self) -> bool:
        """Whether the application has taken all that was sent."""
        return self._inbox.empty()

    def hang_up(self) -> None:
        """Close the connection."""
        self._inbox.put_nowait({"type": "http.disconnect"})

    async def ended(self) -> None:
        """Wait for the application to be through."""
        async with asyncio.timeout(5):
            await asyncio.wait({self.task})

    @property
    def status(self) -> int | None:
        """The status of the answer, if there is one."""
        return self.messages[0]["status"] if self.messages else None

    @property
    def json(self) -> Any:
        """The body of the answer."""
        return orjson.loads(b"".join(message.get("body", b"") for message in self.messages[1:]))

    async def _send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)


def _scope(
    path: str = "/infer/object_detection",
    method: str = "POST",
    headers: Sequence[tuple[bytes, bytes]] = (),
    http_version: str = "1.1",
) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": http_version,
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": list(headers),
    }


async def within(seconds: float, work: Awaitable[T]) -> T:
    """Await something that must not take long."""
    async with asyncio.timeout(seconds):
        return await work
