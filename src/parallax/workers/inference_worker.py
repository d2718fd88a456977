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
    device = devices.parse(config.device)
    started = time.monotonic()
    try:
        loaded = _load(config, device)
    except (errors.ModelRefusedError, errors.StartupError) as problem:
        line.say(lifeline.Failed(problem.code, problem.message))
        raise SystemExit(REFUSED) from problem
    detail = f"{len(loaded)} model(s) on {device}, warm in {time.monotonic() - started:.1f} s"
    uvloop.run(_serve(line, config, loaded, lifeline.Ready(detail)))


def _load(config: WorkerConfig, device: devices.Device) -> dict[str, sessions.Session]:
    sessions.load_device_libraries(device)
    loaded: dict[str, sessions.Session] = {}
    for model in config.models:
        loaded[model.id] = sessions.Session(model, device)
        loaded[model.id].warm_up()
    return loaded


async def _serve(
    line: lifelines.Lifeline,
    config: WorkerConfig,
    loaded: dict[str, sessions.Session],
    ready: lifeline.Ready,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hear(message: lifeline.ToChild) -> None:
        if isinstance(message, lifeline.Stop):
            loop.call_soon_threadsafe(stop.set)

    line.listen(hear)
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
