"""How many connections the process may hold open by the rules of the system."""

import logging
import resource

log = logging.getLogger(__name__)

RESERVED = 192
"""Descriptors for everything else: broker, shared memory, logs, fetched pictures."""
_LEAST = 16


def limit(wanted: int, spare: int) -> int:
    """Return how many connections may be open, ``spare`` more not counted: ``wanted``, or less
    where the system allows less. Raises the soft limit of the process to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + spare + RESERVED
    if resource.RLIM_INFINITY not in (soft, hard) and soft < min(needed, hard):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    if soft in (resource.RLIM_INFINITY,) or soft >= needed:
        return wanted
    fits = max(_LEAST, soft - spare - RESERVED)
    log.warning("--max-connections: at most %d fit into the limit of %d open files", fits, soft)
    return fits
