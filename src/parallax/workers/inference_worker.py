"""The process of an inference loop. Wiring only."""

import asyncio
import os
import socket
import time
from pathlib import Path

import uvloop

from parallax.aio import lifeline as lifelines
from parallax.aio import rosters, signals, tasks
from parallax.broker import base, client
from parallax.contract import errors, lifeline, spec
from parallax.engine import device as devices
from parallax.engine import runtime
from parallax.engine import session as sessions
from parallax.observe import logs, metric_files, stderr
from parallax.slab import slab as slabs
from parallax.workers import batch_run, inference, known, loader, metrics, seating
from parallax.workers.config import WorkerConfig

REFUSED = 65
"""Exit status of a loop that cannot serve its models; starting it again would not help."""

Loaded = dict[known.Version, sessions.Session]


def main(end: socket.socket, config: WorkerConfig) -> None:
    """Load the models, then run the loop until told to stop."""
    signals.leave_to_supervisor()
    stderr.never_wait()
    logs.configure(f"infer:{config.slot}", config.log_level)
    metric_files.reserve(metrics.KINDS)
    line = lifelines.Lifeline(end)
    line.say(lifeline.Hello(os.getpid()))
    ears = _Ears(line)
    line.listen(ears.hear)
    started = time.monotonic()
    try:
        sessions.load_device_libraries(devices.parse(config.device))
        first = rosters.read(config.roster_path).known
        loaded = loader.load_all(_load_on(config, line), first)
    except (errors.ModelRefusedError, errors.StartupError) as problem:
        line.say(lifeline.Failed(problem.code, problem.message))
        raise SystemExit(REFUSED) from problem
    seconds = time.monotonic() - started
    models = "1 model" if len(loaded) == 1 else f"{len(loaded)} models"
    detail = f"{models} on {config.device}, warm in {seconds:.1f} s"
    uvloop.run(_serve(line, ears, config, loaded, lifeline.Ready(detail)))


class _Ears:
    """Hears the supervisor from the first moment on, also while models load for minutes."""

    def __init__(self, line: lifelines.Lifeline) -> None:
        self._line = line
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._loader: loader.Loader | None = None

    def attach(self, stop: asyncio.Event, models: loader.Loader) -> None:
        """From now on, let the loop stop in good order and change its models."""
        self._loop, self._stop, self._loader = asyncio.get_running_loop(), stop, models

    def hear(self, message: lifeline.ToChild) -> None:
        """Act on a message, in the listening thread."""
        match message:
            case lifeline.Stop() if self._loop and self._stop:
                self._loop.call_soon_threadsafe(self._stop.set)
            case lifeline.Stop():
                os._exit(0)  # nothing is held yet, and loading cannot be interrupted otherwise
            case lifeline.Ping() if self._loop:
                self._loop.call_soon_threadsafe(self._line.say, lifeline.Pong())
            case lifeline.Models() if self._loop and self._loader:
                # One that comes too early is no loss: it is said again until it is answered.
                self._loop.call_soon_threadsafe(self._loader.call)


def _load_on(config: WorkerConfig, line: lifelines.Lifeline) -> loader.Load:
    device = devices.parse(config.device)
    cache = Path(config.cache_dir) if config.cache_dir else None
    means = runtime.Means(
        cores=config.cores,
        run_threads=config.run_threads,
        cpu_max_batch=config.cpu_max_batch,
        provider=config.provider,
        scratch=Path(config.roster_path).parent,
        cache=cache,
    )

    def load(model: spec.ModelSpec) -> sessions.Session:
        # The supervisor sees to it that this ends.
        line.say(lifeline.Loading(model.id, model.version))
        made = sessions.Session(model, device, means)
        made.warm_up()
        return made

    return load


async def _serve(
    line: lifelines.Lifeline,
    ears: _Ears,
    config: WorkerConfig,
    loaded: Loaded,
    ready: lifeline.Ready,
) -> None:
    stop = asyncio.Event()
    broker = client.connect_async(config.broker_url, config.keys)
    eager = not devices.parse(config.device).batches
    pace = inference.Pace(config.runs, eager, config.stuck_timeout)
    working = inference.InferenceLoop(_bench(config, broker, loaded), pace)
    models = loader.Loader(
        working, _load_on(config, line), lambda: rosters.read(config.roster_path), line.say
    )
    ears.attach(stop, models)
    keeper = seating.lease_keeper(config, lambda: working.streams)
    keeper.start()
    # What changed while it loaded is found out by the first look at the roster.
    models.call()
    crew = tasks.Crew()
    crew.start(models.run(), "follow roster")
    line.say(ready)
    try:
        await crew.race({crew.background(working.run(stop), "loop")})
    finally:
        await crew.close()
        keeper.stop()
        await broker.aclose()


def _bench(config: WorkerConfig, broker: base.AsyncBroker, loaded: Loaded) -> batch_run.Bench:
    if config.arena is None:
        raise ValueError("an inference loop needs an arena")
    slab = slabs.Slab(config.slab_path, config.slab_layout)
    arena = slab.arena(config.arena)
    arena.reclaim_unfinished()
    return batch_run.Bench(
        broker,
        config.keys,
        seating.seat(config),
        loaded,
        slab,
        arena,
        slab.board(config.board_row),
    )
