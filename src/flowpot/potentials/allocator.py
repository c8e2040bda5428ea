"""Memory that torch has freed on a CPU is kept for its next tensors."""

import ctypes
import os
from functools import cache

_MIB = 2**20
_SETTINGS = {
    "MALLOC_TRIM_THRESHOLD_": (-1, 512 * _MIB),
    "MALLOC_TOP_PAD_": (-2, 64 * _MIB),
    "MALLOC_MMAP_THRESHOLD_": (-3, 32 * _MIB),  # the most that glibc takes
}
"""By the variable that sets it too: the parameter's number in malloc.h, its value."""


@cache
def keep_freed_memory() -> bool:
    """
    Tell glibc to keep freed memory instead of giving it back to the system.

    The tensors of a batch have several MiB each. By default glibc maps them anew, and
    the kernel fills each page with zeros: for MACE's default size that takes half of
    the time. What the user has set by ``MALLOC_*_`` variables stays. The process keeps
    up to 512 MiB that it has freed.

    Returns
    -------
    bool
        Whether it has been told: no other C library knows of this.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    told = True
    for variable, (number, value) in _SETTINGS.items():
        if variable not in os.environ:
            told &= mallopt(number, value) == 1
    return told
