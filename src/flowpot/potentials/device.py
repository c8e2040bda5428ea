"""The device that a model runs on, and the memory that it uses there."""

import ctypes
import os
from functools import cache

from flowpot.settings import get_settings

_MIB = 2**20
_MALLOC_OPTIONS = {
    "MALLOC_TRIM_THRESHOLD_": (-1, 512 * _MIB),
    "MALLOC_TOP_PAD_": (-2, 64 * _MIB),
    "MALLOC_MMAP_THRESHOLD_": (-3, 32 * _MIB),  # the largest value that glibc accepts
}
"""Number in malloc.h and value of each option, by the variable that sets it too."""


def resolve_device(device: str = "auto") -> str:
    """
    Return the torch device that is meant.

    Parameters
    ----------
    device
        A torch device, or ``auto``: the setting ``DEVICE``. If that is ``auto`` too,
        ``cuda`` where there is a GPU, else ``cpu``.

    Raises
    ------
    ValueError
        If a GPU is asked for and torch finds none.
    """
    import torch  # noqa: PLC0415 - optional

    if device == "auto":
        device = get_settings().DEVICE
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"device is {device!r}, but torch finds no GPU here: set it to 'cpu' or "
            "'auto', or install a torch built for this machine's GPU"
        )
    return device


@cache
def keep_freed_memory() -> bool:
    """
    Make glibc keep freed memory, instead of returning it to the system.

    The tensors of a batch have several MiB each. By default glibc maps them anew, and
    the kernel fills each page with zeros: for MACE's default size that takes half of
    the time. Values that the user has set by ``MALLOC_*_`` variables stay. The process
    keeps up to 512 MiB that it has freed.

    Returns
    -------
    bool
        Whether glibc has accepted the options; False with another C library.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    accepted = True
    for variable, (number, value) in _MALLOC_OPTIONS.items():
        if variable not in os.environ:
            accepted &= mallopt(number, value) == 1
    return accepted
