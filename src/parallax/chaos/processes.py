"""Processes as the kernel sees them: their parents, files, memory and sockets; Linux only."""

import contextlib
import os
from pathlib import Path

from parallax.bench import process_tree

_PROC = Path("/proc")
_ESTABLISHED = "01"
_ZOMBIE, _STOPPED = "Z", "T"


def parent(pid: int) -> int:
    """Return the pid of the parent; 0 of a process that is gone."""
    fields = process_tree.fields_of(pid)
    return int(fields[1]) if fields else 0


def birth(pid: int) -> int:
    """Return when it was started (clock ticks since boot), which tells it from a later process of
    the same pid; 0 of a process that is gone."""
    fields = process_tree.fields_of(pid)
    return int(fields[19]) if fields else 0


def alive(pid: int) -> bool:
    """Say whether it runs or could run."""
    fields = process_tree.fields_of(pid)
    return bool(fields) and fields[0] != _ZOMBIE


def zombie(pid: int) -> bool:
    """Say whether it has ended and nobody took notice."""
    return process_tree.fields_of(pid)[:1] == [_ZOMBIE]


def still(pid: int) -> bool:
    """Say whether it can accept nothing more: it was stopped, or has ended."""
    return process_tree.fields_of(pid)[:1] in ([], [_ZOMBIE], [_STOPPED])


def files(pid: int) -> int:
    """Return how many descriptors are open; 0 of a process that is gone."""
    try:
        return len(os.listdir(_PROC / str(pid) / "fd"))
    except OSError:
        return 0


def memory_mb(pid: int) -> float:
    """Return the resident memory that it shares with nobody; 0 of a process that is gone."""
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return float(line.split()[1]) * 1.024 / 1000
    return 0.0


def name(pid: int) -> str:
    """Return the command line, shortened."""
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return "gone"
    return b" ".join(words).decode(errors="replace").strip()[:80]


def client_ports(pid: int) -> frozenset[int]:
    """Return the other ends' ports of the TCP connections that a process holds."""
    inodes = _sockets(pid)
    found = set[int]()
    for table in ("tcp", "tcp6"):
        for fields in _rows(pid, table):
            if fields[3] == _ESTABLISHED and fields[9] in inodes:
                found.add(int(fields[2].rpartition(":")[2], 16))
    return frozenset(found)


def unix_socket(pid: int) -> Path | None:
    """Return the path of a unix socket on which a process has connections."""
    inodes = _sockets(pid)
    for fields in _rows(pid, "unix"):
        if len(fields) > 7 and fields[6] in inodes and fields[7].startswith("/"):
            return Path(fields[7])
    return None


def _sockets(pid: int) -> set[str]:
    found = set[str]()
    with contextlib.suppress(OSError):
        for link in (_PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                kind, _, inode = os.readlink(link).partition(":[")
                if kind == "socket":
                    found.add(inode.rstrip("]"))
    return found


def _rows(pid: int, table: str) -> list[list[str]]:
    try:
        lines = (_PROC / str(pid) / "net" / table).read_text().splitlines()
    except OSError:
        return []
    return [line.split() for line in lines[1:]]
