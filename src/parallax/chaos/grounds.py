"""Where chaos takes place: a server of its own, or one that runs."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

from parallax.bench import failures, inquiry, process_tree, server
from parallax.chaos import plan, processes
from parallax.chaos.site import Site, wait

_PREFIX = "parallax-chaos-"
_SHM = Path("/dev/shm")
_SHM_MB = 512
"""Size of a shared memory that may be filled: room for the demo model, and not too much to fill."""
_QUICK = 2.0
"""Seconds until a question to the server is given up: it may be standing still."""
_END = 120.0
"""Seconds in which a server that was told to stop must have ended."""
_GONE = 10.0
"""Seconds after its end in which its processes must be gone."""

Tell = Callable[[str], None]


class Grounds:
    """A server and, if it is our own, its end."""

    def __init__(self, site: Site, running: server.Running | None = None) -> None:
        self.site = site
        self.own = running is not None
        self._running = running
        self._run_dir = site.run_dir
        self._told = False

    def check(self) -> None:
        """Find out whether it still runs.

        Raises:
            BenchError: our own server has ended.
        """
        if self._running is not None and self._running.process.poll() is not None:
            raise failures.BenchError(
                f"the server ended with code {self._running.process.returncode}" + self.last_words()
            )

    def last_words(self) -> str:
        """Return what our own server wrote last; nothing of another."""
        return "" if self._running is None else "; it said last:\n" + self._running.last_words()

    def tell_to_stop(self) -> None:
        """Ask the server to stop, once, and return at once."""
        if self._running is not None and not self._told:
            self._told = True
            self.site.meet()
            self._running.process.terminate()

    def end(self, tell: Tell) -> list[str]:
        """Stop a server of our own and return what was wrong with its end."""
        if self._running is None:
            return []
        process = self._running.process
        self.tell_to_stop()
        if not wait(lambda: process.poll() is not None, _END, lambda: tell("stopping the server")):
            return [f"the server does not stop within {_END:g} s"]
        found = []
        if process.returncode != 0:
            found.append(f"the server ended with code {process.returncode}{self.last_words()}")
        wait(lambda: not self._left(), _GONE, lambda: tell("waiting for its processes"))
        return found + self._left()

    def _left(self) -> list[str]:
        site = self.site
        left = [f"{processes.name(pid)} {pid}" for pid in site.survivors()]
        left += [str(path) for path in site.shm_dir.iterdir()] if site.shm_dir else []
        left += [str(path) for path in [self._run_dir] if path and path.exists()]
        return [f"the server left behind: {each}" for each in left]


@contextlib.contextmanager
def standing(asked: plan.Plan, tell: Tell) -> Iterator[Grounds]:
    """Provide the server within the block.

    Raises:
        BenchError: there is none, or it cannot be reached in all its parts.
    """
    if asked.url is not None:
        yield Grounds(_running(asked, asked.url))
        return
    with contextlib.ExitStack() as stack:
        models = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=_PREFIX)))
        shm, private = asked.shm_dir, False
        if shm is None:
            shm, private = stack.enter_context(_shared_memory("shm-full" in asked.faults))
        content = (resources.files("parallax.demo") / "detector.onnx").read_bytes()
        (models / f"{asked.model}.onnx").write_bytes(content)
        options = ["--namespace=parallax-chaos", f"--models={models}", f"--shm-dir={shm}"]
        running = stack.enter_context(
            server.launched([*options, *asked.serve_args], lambda: tell("starting parallax serve"))
        )
        asking = inquiry.Server(running.url, asked.key, _QUICK)
        site = Site(running.url, running.process.pid, asking, asked.model, models)
        # Another's directory may hold what is none of this server's.
        site.shm_dir = None if asked.shm_dir else shm
        site.private_shm = private
        yield Grounds(site, running)


def _running(asked: plan.Plan, url: str) -> Site:
    asking = inquiry.Server(url, asked.key, _QUICK)
    roles = asking.roles()
    root = asked.pid or process_tree.root_of(roles)
    if root is None or not roles.keys() <= process_tree.descendants(root):
        raise failures.BenchError(
            f"{url} is no parallax whose processes are on this machine and may be seen by us; "
            "check --url, --pid and --api-key"
        )
    return Site(url, root, asking, asked.model)


@contextlib.contextmanager
def _shared_memory(private: bool) -> Iterator[tuple[Path, bool]]:
    """Make a directory for shared memory; on a file system of its own if that is wanted and we may.

    Yields the directory, and whether it is one.
    """
    place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_SHM if _SHM.is_dir() else None))
    options = ["-o", f"size={_SHM_MB}m,mode=700"]
    mounted = private and _quietly("mount", "-t", "tmpfs", *options, "tmpfs", str(place))
    try:
        yield place, mounted
    finally:
        if mounted and not _quietly("umount", str(place)):
            _quietly("umount", "--lazy", str(place))
        shutil.rmtree(place, ignore_errors=True)


def _quietly(*words: str) -> bool:
    try:
        done = subprocess.run(words, capture_output=True, timeout=_GONE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
