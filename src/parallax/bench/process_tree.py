"""CPU time and memory of processes, read from /proc; where there is none, nothing is found."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

_PROC = Path("/proc")
OTHER = "other"
"""Kind of a process that the server does not name, such as the one that all others fork from."""

Seconds = dict[int, float]
"""CPU seconds by pid."""


def descendants(root: int) -> set[int]:
    """Return the process and all that came of it; nothing of one that has ended."""
    children: dict[int, list[int]] = {}
    for folder in _PROC.glob("[0-9]*") if _PROC.is_dir() else ():
        fields = fields_of(int(folder.name))
        if fields:
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found = set[int]()
    waiting = [root] if (fields_of(root) or ["Z"])[0] != "Z" else []
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        waiting += children.get(pid, [])
    return found


def root_of(roles: Mapping[int, str]) -> int | None:
    """Return the pid of the supervisor, if these are processes of this machine: in a container
    elsewhere they have the same numbers, but not the same parents."""
    root = next((pid for pid, role in roles.items() if role == "supervisor"), None)
    if root is None or len(roles) < 2 or not roles.keys() <= descendants(root):
        return None
    return root


def cpu(pids: Iterable[int]) -> Seconds:
    """Return the CPU seconds that each has used, in steps of 10 ms."""
    tick = os.sysconf("SC_CLK_TCK")
    found = ((pid, fields_of(pid)) for pid in pids)
    return {pid: (int(row[11]) + int(row[12])) / tick for pid, row in found if row}


def used(before: Seconds, after: Seconds, roles: Mapping[int, str]) -> dict[str, float]:
    """Return the CPU seconds between two looks by kind; a process that is new began with none."""
    kinds: dict[str, float] = {}
    for pid, seconds in after.items():
        kind = roles.get(pid, OTHER)
        kinds[kind] = kinds.get(kind, 0.0) + seconds - before.get(pid, 0.0)
    return kinds


def pss_mb(pids: Iterable[int]) -> float | None:
    """Return the memory of all of them; a page that several share counts once. None: unknown."""
    found = [kilobytes for pid in pids if (kilobytes := _pss(pid)) is not None]
    return sum(found) / 1000 if found else None


def _pss(pid: int) -> float | None:
    try:
        text = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:  # ended, or of another user
        return None
    rows = (line.split() for line in text.splitlines())
    return next((float(row[1]) * 1.024 for row in rows if row[0] == "Pss:"), None)


def fields_of(pid: int) -> list[str]:
    """Return the fields of ``stat`` from the state on, behind the name, which may hold blanks and
    brackets; none of a process that is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
