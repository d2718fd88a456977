"""What machine this is, in the words of a report."""

import os
import platform
from pathlib import Path

from parallax.bench import result


def describe(cpus: int) -> result.Machine:
    """Return the facts that a reader needs to judge the figures."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return result.Machine(
        cpus=cpus,
        cpu_model=cpu_model(_text(Path("/proc/cpuinfo"))),
        memory_mb=pages * size // 1_000_000,
        os=_system(),
        python=platform.python_version(),
    )


def cpu_model(cpuinfo: str) -> str:
    """Return the name in ``/proc/cpuinfo``, or at least the architecture."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
