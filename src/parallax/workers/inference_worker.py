"""The process of an inference loop. Wiring only."""

import asyncio
import os
import socket
import time

import uvloop

from parallax.aio import lifeline as lifelines
from parallax.aio import signals
from parallax.broker import client
from parallax.contract import errors, lifeline
from parallax.engine import device as devices
from parallax.engine import session as sessions
from parallax.observe import logs
from parallax.slab import slab as slabs
from parallax.workers import batch_run, inference, seating
from parallax.workers.config import WorkerConfig

REFUSED = 65
"""Exit status of a loop that cannot serve its models; starting it again would not help."""


def main(end: socket.socket, config: WorkerConfig) -> None:
    """Load the models, then run the loop until told to stop."""
    signals.leave_to_supervisor()
    logs.configure(f"infer:{config.slot}", config.log_level)
    line = lifelines.Lifeline(end)
    line.say(lifeline.Hello(os.getpid()))
    ears = _Ears(line)
    line.listen(ears.hear)
    device = devices.parse(config.device)
    started = time.monotonic()
    try:
        loaded = _load(config, device)
    except (errors.ModelRefusedError, errors.StartupError) as problem:
        line.say(lifeline.Failed(problem.code, problem.message))
        raise SystemExit(REFUSED) from problem
    detail = f"{len(loaded)} model(s) on {device}, warm in {time.monotonic() - started:.1f} s"
    uvloop.run(_serve(line, ears, config, loaded, lifeline.Ready(detail)))


class _Ears:
    """Hears the supervisor from the first moment on, also while models load for minutes."""

    def __init__(self, line: lifelines.Lifeline) -> None:
        self._line = line
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def attach(self, stop: asyncio.Event) -> None:
        """From now on, let the loop stop in good order."""
        self._loop, self._stop = asyncio.get_running_loop(), stop

    def hear(self, message: lifeline.ToChild) -> None:
        """Act on a message, in the listening thread."""
        match message:
            case lifeline.Stop() if self._loop and self._stop:
                self._loop.call_soon_threadsafe(self._stop.set)
            case lifeline.Stop():
                os._exit(0)  # nothing is held yet, and loading cannot be interrupted otherwise
            case lifeline.Ping() if self._loop:
                self._loop.call_soon_threadsafe(self._line.say, lifeline.Pong())


def _load(config: WorkerConfig, device: devices.Device) -> dict[str, sessions.Session]:
    sessions.load_device_libraries(device)
    loaded: dict[str, sessions.Session] = {}
    for model in config.models:
        loaded[model.id] = sessions.Session(model, device)
        loaded[model.id].warm_up()
    return loaded


async def _serve(
    line: lifelines.Lifeline,
    ears: _Ears,
    config: WorkerConfig,
    loaded: dict[str, sessions.Session],
    ready: lifeline.Ready,
) -> None:
    stop = asyncio.Event()
    ears.attach(stop)
    if config.arena is None:
        raise ValueError("an inference loop needs an arena")
    slab = slabs.Slab(config.slab_path, config.slab_layout)
    arena = slab.arena(config.arena)
    arena.reclaim_unfinished()
    broker = client.connect_async(config.broker_url, config.keys)
    bench = batch_run.Bench(
        broker,
        config.keys,
        seating.seat(config),
        loaded,
        slab,
        arena,
        slab.board(config.board_row),
    )
    eager = not devices.parse(config.device).batches
    keeper = seating.lease_keeper(config)
    keeper.start()
    line.say(ready)
    try:
        await inference.InferenceLoop(bench, inference.Pace(config.runs, eager)).run(stop)
    finally:
        keeper.stop()
        await broker.aclose()
