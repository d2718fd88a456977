"""The process of an api slot. Wiring only."""

import asyncio
import logging
import os
import socket
import time

import uvloop

from parallax import version
from parallax.aio import collector, rosters, signals, tasks
from parallax.aio import lifeline as lifelines
from parallax.broker import client
from parallax.contract import errors, lifeline, roster
from parallax.gateway import app, context, control, dispatch, logbook, mailbox, metrics, serve
from parallax.gateway.remote import fetch
from parallax.observe import logs, metric_files, stderr
from parallax.slab import pictures, slab
from parallax.supervisor.api_config import ApiConfig

log = logging.getLogger(__name__)


def main(end: socket.socket, config: ApiConfig, sockets: list[socket.socket]) -> None:
    """Serve HTTP on the supervisor's sockets until told to drain, then to stop."""
    signals.leave_to_supervisor()
    stderr.never_wait()
    logs.configure(f"api:{config.slot}", config.settings.log.log_level)
    metric_files.reserve(metrics.KINDS)
    line = lifelines.Lifeline(end)
    line.say(lifeline.Hello(os.getpid()))
    uvloop.run(_run(line, config, [each.detach() for each in sockets]))


async def _run(line: lifelines.Lifeline, config: ApiConfig, descriptors: list[int]) -> None:
    await _Api(line, config).run(descriptors)


class _Api:
    """One incarnation of an api process."""

    def __init__(self, line: lifelines.Lifeline, config: ApiConfig) -> None:
        self._line = line
        self._config = config
        self._draining = asyncio.Event()
        self._stopping = asyncio.Event()
        self._board = context.HealthBoard()
        self._models = context.Models()
        self._control = control.Control(self._models, line.say, time.monotonic)
        self._roster: roster.Roster | None = None
        self._crew = tasks.Crew()

    async def run(self, descriptors: list[int]) -> None:
        """Serve until drained and stopped."""
        config, settings = self._config, self._config.settings
        broker = client.connect_async(config.broker_url, config.keys)
        identity = config.identity(os.getpid())
        shelf = pictures.Pictures(
            slab.Slab(config.slab_path, config.slab_layout), config.arena, config.slab_path
        )
        dispatcher = dispatch.Dispatcher(
            broker, config.keys.node, identity, settings.limits, time.monotonic, shelf
        )
        self._go_by(rosters.read(config.roster_path), dispatcher)
        self._listen(dispatcher)
        api = context.ApiContext(
            settings=settings,
            node=config.keys.node,
            api=identity,
            broker=broker,
            dispatcher=dispatcher,
            fetcher=fetch.make(settings),
            models=self._models,
            control=self._control,
            board=self._board,
            version=version.VERSION,
            uuid=config.uuid,
            spare_keys=config.spare_keys,
            recent_logs=logs.keep(logbook.SIZE) if settings.log.in_memory_logs else None,
        )
        await self._serve(api, descriptors)
        await broker.aclose()
        shelf.close()

    async def _serve(self, api: context.ApiContext, descriptors: list[int]) -> None:
        box = mailbox.Mailbox(
            api.broker, api.api, api.dispatcher.pending, api.dispatcher.outbox, api.clock
        )
        crew = self._crew
        box.start(crew)
        api.dispatcher.start(crew)
        crew.background(self._announce(box), "announce")
        crew.background(self._http(api, descriptors), "http")
        try:
            await crew.until(self._stopping)
        finally:
            await crew.close()
            await box.close()

    async def _http(self, api: context.ApiContext, descriptors: list[int]) -> None:
        patience = api.settings.limits.drain_timeout
        too_late = errors.NotReadyError("The server stopped before the request was answered.")
        application = app.build(api)
        self._crew.background(application.state.keyring.watch(), "watch keys")
        await serve.serve(
            application,
            descriptors,
            self._draining,
            patience,
            lambda: api.dispatcher.abort(too_late),
            serve.options(
                api.settings.http, application.state.shedder, self._config.spare_certificate
            ),
        )
        self._line.say(lifeline.Drained())

    async def _announce(self, box: mailbox.Mailbox) -> None:
        await box.opened.wait()
        collector.settle()
        self._line.say(lifeline.Ready())

    def _listen(self, dispatcher: dispatch.Dispatcher) -> None:
        loop = asyncio.get_running_loop()

        def hear(message: lifeline.ToChild) -> None:
            if isinstance(message, lifeline.Models):
                # Read here, in the listening thread: a disk that is slow holds up no request.
                new = rosters.read(self._config.roster_path)
                loop.call_soon_threadsafe(self._go_by, new, dispatcher)
            else:
                loop.call_soon_threadsafe(self._hear, message)

        self._line.listen(hear)

    def _hear(self, message: lifeline.ToChild) -> None:
        match message:
            case lifeline.Health():
                self._board.update(message)
                metrics.show_health(message)
            case lifeline.Ping():
                self._line.say(lifeline.Pong())
            case lifeline.Obeyed():
                self._control.hear(message)
            case lifeline.Drain():
                self._board.drain()
                self._draining.set()
            case lifeline.Stop():
                # A stop without a drain: whoever kills an api process alone still gets its answers.
                self._draining.set()
                self._stopping.set()
            case lifeline.Models():
                pass  # taken care of where it was heard

    def _go_by(self, new: roster.Roster, dispatcher: dispatch.Dispatcher) -> None:
        if self._roster is None or new.generation > self._roster.generation:
            self._roster = new
            self._models.replace(new.serving, new.unloaded, new.packages)
            metrics.show_packages(new.packages)
            self._crew.background(self._settle(new, dispatcher), f"settle roster {new.generation}")
        self._line.say(lifeline.Knows(new.generation))

    async def _settle(self, new: roster.Roster, dispatcher: dispatch.Dispatcher) -> None:
        await dispatcher.usage.only(new.serving)
        self._line.say(lifeline.Settled(new.generation))
