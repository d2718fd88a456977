"""Finds the embedded broker of a server that runs on this machine, for commands beside it.

Who may read the socket and the password beside it is the broker's protection: both belong to the
server's user alone. A directory of somebody else is not looked into, because anybody may make one
of that name.
"""

import os
import socket
import tempfile
from pathlib import Path

from parallax.broker import server_config
from parallax.contract import errors
from parallax.supervisor import rundir

CONNECT_TIMEOUT = 2.0


def running() -> list[Path]:
    """Return the run directories of this user's servers whose own broker answers."""
    found = Path(tempfile.gettempdir()).glob(f"{rundir.PREFIX}*")
    return [path for path in sorted(found) if _is_of_user(path) and _answers(path)]


def url(run: Path) -> str:
    """Return the URL of the broker of a run directory.

    Raises:
        StartupError: no broker answers there, or the directory is another user's.
    """
    if not _is_of_user(run):
        raise errors.StartupError(f"{run} is no run directory of this user's")
    if not _answers(run):
        raise errors.StartupError(f"no broker answers in {run}")
    return server_config.url(run)


def _is_of_user(path: Path) -> bool:
    try:
        about = path.lstat()
    except OSError:
        return False
    return path.is_dir() and about.st_uid == os.getuid()


def _answers(run: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as trial:
        trial.settimeout(CONNECT_TIMEOUT)
        try:
            trial.connect(str(run / server_config.SOCKET_NAME))
        except OSError:
            return False
    return True


def choose(redis_url: str | None, run: Path | None) -> str:
    """Return the URL of the broker that a command is for: of ``run`` if one is given, else
    ``redis_url``, else that of the one server that runs here.

    Raises:
        StartupError: there is none, or more than one; says how to name it.
    """
    if run is not None:
        return url(run)
    if redis_url:
        return redis_url
    found = running()
    if len(found) == 1:
        return url(found[0])
    if found:
        names = ", ".join(map(str, found))
        raise errors.StartupError(f"several servers run here, --run chooses one: {names}")
    raise errors.StartupError(
        f"no server with an embedded broker runs here as this user (looked for "
        f"{rundir.PREFIX}* in {tempfile.gettempdir()}); "
        "--run names its run directory, --redis-url another broker"
    )
