"""Looks at a server as a whole: what it holds at one moment."""

import os

from parallax.broker import admin
from parallax.chaos import leaks, processes
from parallax.chaos.site import Site
from parallax.contract import errors


def look(site: Site) -> leaks.Look:
    """Return what the server holds now."""
    status = site.status()
    children = site.meet()
    rows = {row["pid"]: row for row in status.get("processes", []) if row["pid"]}
    run_dir = site.run_dir
    return leaks.Look(
        processes={
            pid: leaks.Process(
                row["role"], row["slot"], processes.files(pid), processes.memory_mb(pid)
            )
            for pid, row in rows.items()
        },
        children=len(children),
        zombies=[f"{processes.name(pid)} {pid}" for pid in children if processes.zombie(pid)],
        strays=[f"{pid} {processes.name(pid)}" for pid in site.survivors()],
        keys=_keys(site),
        held=status.get("slab", {}).get("held", 0),
        in_flight=status.get("in_flight", 0),
        shared=sorted(os.listdir(site.shm_dir)) if site.shm_dir else [],
        run_files=sum(len(names) for _, _, names in os.walk(run_dir)) if run_dir else 0,
    )


def _keys(site: Site) -> list[admin.Key]:
    console = site.console()
    if console is None:
        return []
    try:
        return console.all_keys()
    except errors.BrokerUnavailableError:
        return []
    finally:
        console.close()
