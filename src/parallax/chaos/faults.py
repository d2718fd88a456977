"""What chaos does to a server: each fault by its name."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from parallax.broker import admin
from parallax.chaos import processes
from parallax.chaos.schedule import Step
from parallax.chaos.site import Site, wait
from parallax.contract.topology import Role

_PAUSE = 3.0
"""Seconds for which the broker lets its clients wait."""
_PATIENCE = 10.0
"""Seconds to wait for a process of a role: one that is loaded may be slow to name them."""
_LEFT = 65_536
"""Bytes that are left free in a shared memory that is full."""
_FILLER = "filler"
_MOST_AT_ONCE = 4


class CannotError(Exception):
    """This fault cannot be done to this server; says why."""


def _nothing() -> None:
    pass


def _yes() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Inflicted:
    """A fault that was done."""

    note: str
    """To what."""
    gone: frozenset[int] = frozenset()
    """Processes that must be replaced."""
    lasts: float = 0.0
    """Seconds until ``undo`` is to be called, unless ``over`` is true before."""
    over: Callable[[], bool] = field(default=lambda: False)
    undo: Callable[[], None] = _nothing
    healed: Callable[[], bool] = _yes
    """What must be so afterwards, beside that all processes are well."""


Fault = Callable[[Site, Step], Inflicted]
"""Raises ``CannotError``."""


def _kill(role: Role) -> Fault:
    def inflict(site: Site, step: Step) -> Inflicted:
        pid = _one(site, step, role)
        site.kill(pid, api=role is Role.API)
        return Inflicted(f"{role} {pid}", frozenset({pid}))

    return inflict


def _stop(role: Role) -> Fault:
    def inflict(site: Site, step: Step) -> Inflicted:
        pid = _one(site, step, role)
        birth = processes.birth(pid)
        site.send(pid, signal.SIGSTOP)
        cut = site.cut(pid)

        def ended() -> bool:
            return not processes.alive(pid) or processes.birth(pid) != birth

        def go_on() -> None:
            if ended():
                site.cuts.append(cut)
            else:
                site.send(pid, signal.SIGCONT)

        return Inflicted(f"{role} {pid}, {step.hold:.1f} s", frozenset(), step.hold, ended, go_on)

    return inflict


def _kill_several(site: Site, step: Step) -> Inflicted:
    rows = {row["pid"]: row["role"] for row in site.rows() if row["state"] == "ready"}
    count = min(len(rows), 2 + step.pick(_MOST_AT_ONCE - 1))
    left, chosen = sorted(rows), list[int]()
    for nth in range(1, count + 1):
        chosen.append(left.pop(step.pick(len(left), nth)))
    site.meet()
    for pid in chosen:
        site.kill(pid, api=rows[pid] == Role.API)
    return Inflicted(
        ", ".join(f"{rows[pid]} {pid}" for pid in chosen) or "nobody", frozenset(chosen)
    )


def _kill_fork_server(site: Site, step: Step) -> Inflicted:
    children = site.pids(Role.PRE, Role.INFER, Role.POST, Role.API)
    apis = site.pids(Role.API)
    forker = processes.parent(children[0]) if children else 0
    if forker in (0, site.supervisor):
        raise CannotError("there is no fork server")
    # Its children end with it a moment later, api processes among them; these are not left that
    # moment, in which they would accept connections that nobody knows of when they are cut.
    for pid in apis:
        site.send(pid, signal.SIGSTOP)
        site.cuts.append(site.cut(pid))
    site.send(forker, signal.SIGKILL)
    for pid in apis:
        site.send(pid, signal.SIGKILL)
    return Inflicted(f"pid {forker}", frozenset({forker, *children}))


def _flush(site: Site, step: Step) -> Inflicted:
    with _console(site) as console:
        console.flush()
    return Inflicted("every key")


def _pause(site: Site, step: Step) -> Inflicted:
    with _console(site) as console:
        console.pause(_PAUSE)
    return Inflicted(f"{_PAUSE:g} s", lasts=_PAUSE)


def _reload(site: Site, step: Step) -> Inflicted:
    if site.models_dir is None:
        raise CannotError("the models are not ours to replace")
    path = site.models_dir / f"{site.model}.onnx"
    before = _version(site)
    # A later doc_string (field 6) takes the place of an earlier one: another file, the same model.
    text = f"chaos {step.picks[0]}".encode()
    fresh = path.with_suffix(".part")
    fresh.write_bytes(path.read_bytes() + b"\x32" + bytes([len(text)]) + text)
    fresh.replace(path)
    return Inflicted(path.name, healed=lambda: _version(site) not in ("", before))


def _version(site: Site) -> str:
    """Return the version of the model that is loaded; empty while none is, or it is not known."""
    for row in site.status().get("models", []):
        if row["id"] == site.model and row["state"] == "loaded":
            return str(row["version"])
    return ""


def _fill(site: Site, step: Step) -> Inflicted:
    if site.shm_dir is None or not site.private_shm:
        raise CannotError("its shared memory is not a file system of its own")
    stats = os.statvfs(site.shm_dir)
    size = stats.f_bavail * stats.f_frsize - _LEFT
    filler = site.shm_dir / _FILLER
    if size > 0:
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    return Inflicted(
        f"{size / 1e6:.0f} MB, {step.hold:.1f} s",
        lasts=step.hold,
        undo=lambda: filler.unlink(missing_ok=True),
    )


def _one(site: Site, step: Step, role: Role) -> int:
    pids = list[int]()

    def there() -> bool:
        pids[:] = sorted(site.pids(role))
        return bool(pids)

    if not wait(there, _PATIENCE, _nothing):
        raise CannotError(f"there is no {role} process")
    return pids[step.pick(len(pids))]


@contextlib.contextmanager
def _console(site: Site) -> Iterator[admin.Console]:
    console = site.console()
    if console is None:
        raise CannotError("its broker cannot be reached")
    try:
        yield console
    finally:
        console.close()


FAULTS: dict[str, Fault] = {
    **{f"kill-{role}": _kill(role) for role in Role if role is not Role.SUPERVISOR},
    **{f"stop-{role}": _stop(role) for role in Role if role is not Role.SUPERVISOR},
    "kill-several": _kill_several,
    "kill-fork-server": _kill_fork_server,
    "flushall": _flush,
    "client-pause": _pause,
    "reload": _reload,
    "shm-full": _fill,
}
"""Faults that a server recovers from."""

DRAIN = "drain"
"""At the very end: the server is told to stop while requests come."""
