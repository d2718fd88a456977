"""The garbage collector of a process that answers one request after the other."""

import gc

YOUNG = 10_000
"""Objects made beyond those that died, before the young are looked through (CPython: 700)."""


def settle() -> None:
    """Leave alone what is there by now: it stays, and to look through it takes milliseconds.

    To be called once, when a process has all that it keeps. Requests leave few rings behind, so the
    young are looked through less often as well.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
