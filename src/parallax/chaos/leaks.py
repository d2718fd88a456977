"""What a server must not keep when it is idle again, by comparing two looks at it.

Pure: looks in, sentences out. Something that goes away by itself is no leak, so the second look is
repeated for a while and only what stays counts.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from parallax.broker import admin

MORE_FILES = 48
"""Descriptors that a process may have more than before: a client of the broker keeps up to 32
connections that a busy moment made it open."""
MORE_MEMORY = 0.25
"""Part by which the memory of a process may be larger than at the beginning."""
MORE_MB = 48.0
"""Megabytes that are allowed in any case: allocators keep what a busy moment needed."""
MORE_RUN_FILES = 8
"""Files that the run directory may have more: a broker that writes a log begins new ones."""
_FEWEST = 6
"""Samples of which a rise can be told."""
_LASTING = re.compile(r"^\{[^}]+\}:(pre|post:[^:]+|infer:[^:]+:.+|dead|dead-pictures)$")
"""Keys that stay: the streams, and what was set aside. All others must have a time to live."""


class Process(msgspec.Struct, frozen=True):
    """A process at one moment."""

    role: str
    slot: int
    files: int
    memory_mb: float


class Look(msgspec.Struct, frozen=True):
    """A server at one moment."""

    processes: dict[int, Process]
    """Those that it names itself, by pid."""
    children: int
    """All processes that came of it."""
    zombies: list[str] = []
    strays: list[str] = []
    """Processes that were its own once, and live without it."""
    keys: list[admin.Key] = []
    """Of the broker; none if it cannot be reached."""
    held: int = 0
    """Slots of shared memory in use."""
    in_flight: int = 0
    shared: list[str] = []
    """Names in its directory of shared memory."""
    run_files: int = 0
    """Files in its run directory."""


def judge(before: Look, after: Look) -> list[str]:
    """Return what is there that should not be."""
    found = [
        *(f"zombie {each}" for each in after.zombies),
        *(f"orphan {each}" for each in after.strays),
        *_entries(before.keys, after.keys),
        *_more_files(before, after),
    ]
    if after.children > before.children:
        found.append(f"{after.children} processes, {before.children} before")
    if after.held:
        found.append(f"{after.held} slots of shared memory are held")
    if after.in_flight:
        found.append(f"{after.in_flight} requests are in flight")
    if after.run_files > before.run_files + MORE_RUN_FILES:
        found.append(f"{after.run_files} files in the run directory, {before.run_files} before")
    extra = sorted(set(after.shared) - set(before.shared))
    found += [f"{name} in shared memory" for name in extra]
    return found


def _entries(before: Sequence[admin.Key], after: Sequence[admin.Key]) -> Iterator[str]:
    known = {key.name: key for key in before}
    for key in after:
        lasting = _LASTING.match(key.name)
        if key.lasting and not lasting:
            yield f"broker key {key.name} has no time to live"
        grown = key.length - (known[key.name].length if key.name in known else 0)
        if lasting and grown > 0:
            yield f"{grown} entries more in {key.name}"
        if key.pending:
            yield f"{key.pending} entries pending in {key.name}"


def _more_files(before: Look, after: Look) -> Iterator[str]:
    usual = dict[str, int]()
    for process in before.processes.values():
        usual[process.role] = max(process.files, usual.get(process.role, 0))
    for pid, process in after.processes.items():
        most = usual.get(process.role, 0) + MORE_FILES
        if process.files > most:
            yield (
                f"{process.role} {pid} has {process.files} open files, "
                f"{usual.get(process.role, 0)} at the beginning"
            )


Samples = Sequence[tuple[float, float]]
"""Moments (seconds) and megabytes."""


def swollen(samples: Mapping[str, Samples]) -> list[str]:
    """Name the processes whose memory rose too far."""
    found = []
    for name, row in samples.items():
        if len(row) >= _FEWEST:
            first, last = row[0][1], row[-1][1]
            if last > first * (1 + MORE_MEMORY) + MORE_MB:
                found.append(f"{name} grew from {first:.0f} to {last:.0f} MB")
    return found


def slope(samples: Samples) -> float:
    """Return the rise per second, by least squares; 0 of fewer than three samples."""
    if len(samples) < 3:
        return 0.0
    middle = sum(at for at, _ in samples) / len(samples)
    mean = sum(value for _, value in samples) / len(samples)
    spread = sum((at - middle) ** 2 for at, _ in samples)
    rise = sum((at - middle) * (value - mean) for at, value in samples)
    return rise / spread if spread else 0.0
