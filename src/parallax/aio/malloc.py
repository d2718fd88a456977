"""How the C library keeps memory in processes that handle pictures.

Giving picture-sized buffers back to the kernel and asking for them again costs hundreds of page
faults per picture, so they stay in the heap.
"""

import contextlib
import ctypes

MMAP_THRESHOLD = 64 << 20
TRIM_THRESHOLD = 256 << 20

VARIABLES = {
    "MALLOC_MMAP_THRESHOLD_": str(MMAP_THRESHOLD),
    "MALLOC_TRIM_THRESHOLD_": str(TRIM_THRESHOLD),
}
"""What children inherit that are yet to be started."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def tune() -> None:
    """Do the same in this process, as far as its C library can."""
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, MMAP_THRESHOLD)
        libc.mallopt(_M_TRIM_THRESHOLD, TRIM_THRESHOLD)
