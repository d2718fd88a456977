"""What this machine offers: CPUs, a name, a place for caches.

A container's share of the CPUs is a quota that the CPU count of the system does not show; starting
a worker per core of a 64-core host inside a 2-CPU container makes everything slower. Reading files
and understanding them are apart, so that the second is tested without the first.
"""

import os
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")

ReadFile = Callable[[Path], str | None]
"""Returns a file's text, or None where there is none to read."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The facts that defaults depend on."""

    cpus: int
    """CPUs this process may use, at least 1."""
    hostname: str
    cache_home: Path
    """Directory in which programs keep caches; ours is a folder of it."""
    models: Path | None
    """./models, if it exists."""


def inspect(environ: Mapping[str, str]) -> Machine:
    """Look at this machine."""
    models = Path("models")
    return Machine(
        cpus=usable_cpus(_affinity(), cpu_quota(_read_file)),
        hostname=socket.gethostname(),
        cache_home=cache_home(environ),
        models=models if models.is_dir() else None,
    )


def usable_cpus(affinity: int, quota: float | None) -> int:
    """Return how many busy processes the CPUs carry; a part of a CPU counts only if it is all."""
    return max(1, affinity if quota is None else min(affinity, int(quota)))


def cpu_quota(read_file: ReadFile) -> float | None:
    """Return the CPUs that the group and its parents allow, the least of them; None: no limit."""
    membership = memberships(read_file(_MEMBERSHIP) or "")
    limits = [
        *(quota_v2(read_file(folder / "cpu.max") or "") for folder in _folders("", membership)),
        *(
            quota_v1(
                read_file(folder / "cpu.cfs_quota_us") or "",
                read_file(folder / "cpu.cfs_period_us") or "",
            )
            for folder in _folders("cpu", membership)
        ),
    ]
    return min((limit for limit in limits if limit is not None), default=None)


def memberships(text: str) -> dict[str, str]:
    """Return the path of the group by controller from ``/proc/self/cgroup``; "" is version 2."""
    paths: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        paths |= dict.fromkeys(controllers.split(","), path)
    return paths


def quota_v2(cpu_max: str) -> float | None:
    """Return the CPUs that ``cpu.max`` ("QUOTA PERIOD" or "max PERIOD") grants."""
    quota, _, period = cpu_max.strip().partition(" ")
    return _ratio(quota, period)


def quota_v1(quota_us: str, period_us: str) -> float | None:
    """Return the CPUs that the two files of version 1 grant; a quota of -1 is no limit."""
    return _ratio(quota_us.strip(), period_us.strip())


def cache_home(environ: Mapping[str, str]) -> Path:
    """Return $XDG_CACHE_HOME, else ~/.cache, else (no home) a folder of this user's among the
    temporary ones: prepared graphs in a folder of somebody else's could not be trusted."""
    named = environ.get("XDG_CACHE_HOME", "")
    if named.startswith("/"):  # the specification says to ignore relative ones
        return Path(named)
    home = Path(environ.get("HOME") or "/nonexistent")
    if home.is_dir() and os.access(home, os.W_OK):
        return home / ".cache"
    own = Path(tempfile.gettempdir()) / f"cache-{os.getuid()}"
    own.mkdir(mode=0o700, exist_ok=True)
    is_private = own.stat().st_uid == os.getuid() and not own.stat().st_mode & 0o022
    return own if is_private else Path(tempfile.mkdtemp(prefix="cache-"))


def _ratio(quota: str, period: str) -> float | None:
    try:
        granted, per = int(quota), int(period)
    except ValueError:
        return None
    return granted / per if granted > 0 and per > 0 else None


def _folders(controller: str, membership: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folders whose limits apply: the group's own, and its parents' up to the root.

    Inside a container the group's path may be that of the host, which does not exist here; the root
    then holds the container's own limit.
    """
    roots: Iterable[Path] = (_CGROUP_ROOT,)
    if controller:
        roots = (_CGROUP_ROOT / controller, _CGROUP_ROOT / "cpu,cpuacct")
    inner = PurePosixPath(membership.get(controller, "/").lstrip("/"))
    for root in roots:
        for part in (inner, *inner.parents):
            yield root / part


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _read_file(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
