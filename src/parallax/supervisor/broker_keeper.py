"""Keeps the broker: the embedded one is started again when it dies, an external one is watched."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from parallax.broker import base, client, keys, server, server_config, urls
from parallax.contract import errors, lifeline
from parallax.contract.topology import Role
from parallax.policy import restarts
from parallax.settings import concerns
from parallax.supervisor import sockets

log = logging.getLogger(__name__)

PROBE_EVERY = 0.5
"""Seconds between two looks at an external broker."""

STOP_PATIENCE = 5.0


class BrokerKeeper(Protocol):
    """The broker as the supervisor sees it."""

    @property
    def url(self) -> str:
        """Where our processes connect; may hold a password."""
        ...

    @property
    def up(self) -> bool:
        """Whether it answers."""
        ...

    @property
    def restarted(self) -> asyncio.Event:
        """Set by each return of a broker that was away, and may have lost everything."""
        ...

    def info(self, now: float) -> lifeline.ProcessInfo | None:
        """Return its row of the process table, if it is a process of ours."""
        ...

    async def start(self) -> str:
        """Make it answer and return a line that says what it is. Raises ``StartupError``."""
        ...

    async def run(self) -> None:
        """Watch it until it is stopped."""
        ...

    async def stop(self) -> None:
        """End it, if it is ours."""
        ...


class EmbeddedKeeper:
    """A broker of our own."""

    def __init__(
        self, settings: concerns.Settings, run_dir: Path, cpus: int, changed: Callable[[], None]
    ) -> None:
        wanted = settings.broker
        data = Path(settings.models.cache_dir or run_dir) / "broker" / wanted.namespace
        if wanted.durability != "none":
            data.mkdir(parents=True, exist_ok=True)
        self._password_file = run_dir / server_config.PASSWORD_NAME
        password = secrets.token_urlsafe(18) if wanted.redis_port else None
        options = server_config.Options(
            run_dir=run_dir,
            data_dir=data if wanted.durability != "none" else run_dir,
            tcp_port=wanted.redis_port,
            maxmemory=wanted.redis_memory_mb << 20,
            cpus=cpus,
            durability=wanted.durability,
            password=password,
        )
        if password:
            self._password_file.touch(mode=0o600)
            self._password_file.write_text(password)
        self._broker = server.EmbeddedBroker(server.find_binary(wanted.redis_server), options)
        self.url = self._broker.url
        self.restarted = asyncio.Event()
        self._tcp_port = wanted.redis_port
        self._changed = changed
        self._backoff = restarts.Backoff()
        self._restarts = 0
        self._started = 0.0
        self._reason = ""
        """How it last ended."""
        self._state = "starting"

    @property
    def up(self) -> bool:
        """Whether the process runs and answers."""
        return self._state == "ready"

    def info(self, now: float) -> lifeline.ProcessInfo | None:
        """Return the broker's row of the process table."""
        uptime = round(now - self._started, 3) if self.up else 0.0
        pid = self._broker.pid if self.up else 0
        restarts, why = self._restarts, self._reason
        return lifeline.ProcessInfo(Role.BROKER.value, 0, pid, self._state, restarts, uptime, why)

    async def start(self) -> str:
        """Start it and wait until it answers."""
        if self._tcp_port:
            sockets.check_free("127.0.0.1", self._tcp_port, "--redis-port")
        await self._broker.start()
        self._started = time.monotonic()
        self._become("ready")
        port = self._broker.tcp_port
        shell = f"; REDISCLI_AUTH=$(cat {self._password_file}) redis-cli -p {port}" if port else ""
        return f"{self._broker.version}, embedded (pid {self._broker.pid}){shell}"

    async def run(self) -> None:
        """Start it again whenever it ends."""
        away_since = 0.0
        while True:
            status = await self._broker.wait()
            if self._state == "stopping":
                return
            self._reason = f"ended with {status}"
            self._restarts += 1
            self._become("backing-off")
            ended = time.monotonic()
            lived = ended - self._started if self._started else 0.0
            away_since = away_since or ended  # the first of several ends
            self._started = 0.0
            delay = self._backoff.after(lived)
            log.error("broker ended with %d; restart %d in %.2f s", status, self._restarts, delay)
            await asyncio.sleep(delay)
            if self._state == "stopping":
                return
            try:
                await self.start()
                self.restarted.set()
                log.info("broker is ready again after %.1f s", time.monotonic() - away_since)
                away_since = 0.0
            except (errors.StartupError, OSError) as problem:
                log.error("%s", problem)

    async def stop(self) -> None:
        """End the process."""
        self._become("stopping")
        await self._broker.stop(STOP_PATIENCE)
        self._become("stopped")

    def _become(self, state: str) -> None:
        self._state = state
        self._changed()


class ExternalKeeper:
    """Somebody else's broker: watched, not owned."""

    def __init__(self, url: str, names: keys.Keys, changed: Callable[[], None]) -> None:
        self.url = url
        self.up = False
        self.restarted = asyncio.Event()
        self._names = names
        self._changed = changed

    def info(self, now: float) -> lifeline.ProcessInfo | None:
        """Return nothing: it is no process of ours."""
        return None

    async def start(self) -> str:
        """Check that it can be used."""
        for doubt in await server.check_external(self.url):
            log.warning("broker: %s", doubt)
        self.up = True
        return f"external, {urls.public(self.url)}"

    async def run(self) -> None:
        """Look whether it answers."""
        probe = client.connect_async(self.url, self._names)
        while True:
            await asyncio.sleep(PROBE_EVERY)
            try:
                await probe.execute(base.Abandoned(("probe",)))
                up = True
            except errors.BrokerUnavailableError:
                up = False
            if up != self.up:
                log.warning("the broker %s", "is back" if up else "does not answer")
                self.up = up
                self._changed()
                if up:
                    self.restarted.set()

    async def stop(self) -> None:
        """Leave it alone."""


def make(
    settings: concerns.Settings,
    names: keys.Keys,
    run_dir: Path,
    cpus: int,
    changed: Callable[[], None],
) -> BrokerKeeper:
    """Return the keeper of the broker that the settings name."""
    if settings.broker.redis_url:
        return ExternalKeeper(settings.broker.redis_url, names, changed)
    return EmbeddedKeeper(settings, run_dir, cpus, changed)
