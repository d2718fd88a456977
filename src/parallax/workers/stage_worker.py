"""The process of a pre or post slot: one long call in a single-process executor.

Wiring only. It must not import onnxruntime or the web stack: there are two of these for every core.
"""

import os
import socket
import threading
from dataclasses import dataclass

from parallax.aio import lifeline as lifelines
from parallax.aio import rosters, signals
from parallax.broker import base, client
from parallax.contract import lifeline, topology
from parallax.observe import logs, stderr
from parallax.slab import slab as slabs
from parallax.vision import opencv
from parallax.workers import consumer, known, post, pre, seating
from parallax.workers.config import WorkerConfig

SHARE_TRIPS = {topology.Stage.PRE: 0.004, topology.Stage.POST: 0.002}
"""Seconds for which finished entries wait to be moved on together: an answer is built in a fraction
of a millisecond, a small picture decoded in one or two."""

_attached: list[lifelines.Lifeline] = []


def attach(end: socket.socket) -> None:
    """Initializer of the executor's process: say hello, and keep the lifeline for ``run``."""
    stderr.never_wait()
    signals.leave_to_supervisor()
    line = lifelines.Lifeline(end)
    line.say(lifeline.Hello(os.getpid()))
    _attached.append(line)


def run(config: WorkerConfig) -> None:
    """Consume until told to stop, in the executor's process.

    Raises:
        BrokerUnavailableError: the broker stayed away for longer than a worker waits.
    """
    logs.configure(f"{config.stage}:{config.slot}", config.log_level)
    opencv.stay_single_threaded()
    stop = threading.Event()
    line = _attached.pop()
    models = known.Known(rosters.read(config.roster_path))
    line.say(lifeline.Knows(models.generation))
    line.listen(lambda message: _hear(message, _Ears(line, stop, models, config.roster_path)))
    slab = slabs.Slab(config.slab_path, config.slab_layout)
    broker = client.connect_blocking(config.broker_url, config.keys)
    seat = seating.seat(config)
    source = _source(config, slab)
    worker = consumer.Consumer(
        broker,
        source,
        seat,
        _handler(config, models, slab, broker),
        slab,
        slab.board(config.board_row),
    )
    keeper = seating.lease_keeper(config, lambda: (source.stream,))
    keeper.start()
    line.say(lifeline.Ready())
    try:
        worker.run(stop)
    finally:
        keeper.stop()
        broker.close()


@dataclass(frozen=True, slots=True)
class _Ears:
    line: lifelines.Lifeline
    stop: threading.Event
    models: known.Known
    roster_path: str


def _hear(message: lifeline.ToChild, ears: _Ears) -> None:
    match message:
        case lifeline.Stop():
            ears.stop.set()
        case lifeline.Ping():
            ears.line.say(lifeline.Pong())
        case lifeline.Models():
            ears.models.replace(rosters.read(ears.roster_path))
            ears.line.say(lifeline.Knows(ears.models.generation))
        case _:
            pass  # for api processes


def _source(config: WorkerConfig, slab: slabs.Slab) -> consumer.Source:
    most, share_trips = topology.PREFETCH[config.stage], SHARE_TRIPS[config.stage]
    if config.arena is None:
        return consumer.Source(config.keys.post, most, share_trips)
    return consumer.Source(config.keys.pre, most, share_trips, slab.arena(config.arena).has_room)


def _handler(
    config: WorkerConfig, models: known.Known, slab: slabs.Slab, broker: base.BlockingBroker
) -> consumer.Handler:
    seat = seating.seat(config)
    if config.stage is topology.Stage.POST:
        return post.PostHandler(seat, models.versions, slab, broker, config.max_pixels)
    if config.arena is None:
        raise ValueError("a pre worker needs an arena")
    arena = slab.arena(config.arena)
    arena.reclaim_unfinished()
    return pre.PreHandler(
        seat, config.keys, models.current, arena, slab, config.max_pixels, config.decoding
    )
