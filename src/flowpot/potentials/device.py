"""The device that a model runs on, and the memory that it uses there."""

import ctypes
import os
from functools import cache

import psutil

from flowpot.settings import get_settings
from flowpot.validation import device as check_device

_MIB = 2**20
_MALLOC_OPTIONS = {
    "MALLOC_TRIM_THRESHOLD_": (-1, 512 * _MIB),
    "MALLOC_TOP_PAD_": (-2, 64 * _MIB),
    "MALLOC_MMAP_THRESHOLD_": (-3, 32 * _MIB),  # the largest value that glibc accepts
}
"""Number in malloc.h and value of each option, by the variable that sets it too."""
_KEPT = 256 * _MIB
"""
Memory of a batch on a CPU: half of what glibc is made to keep.

Measured for MACE of 128x0e + 128x1o in float64: up to this an atom takes the same time
in batches of any size; in batches of twice as much 1.4 times as long, because the
kernel maps and zeroes their pages anew each time.
"""
_SHARE = {"cpu": 0.25, "cuda": 0.5}
"""Share of the free memory that a batch may take: others use a CPU's, too."""
_MOST_ATOMS = 4096
"""Batches of so many atoms are fast even for the smallest models."""
_ATOMS_ON_CPU = 256
"""Atoms of a batch where its memory is not known."""


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
        If torch knows no such device, or finds no such one here.
    """
    if device is None:
        raise ValueError("device is None: use 'auto', 'cpu', 'cuda' or 'cuda:1'")
    check_device(device=device)
    if device == "auto":
        device = get_settings().DEVICE
    if device == "cpu":
        return device
    import torch  # noqa: PLC0415 - optional

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not device.startswith("cuda"):
        _check_torch(device)
        return device
    if not torch.cuda.is_available():
        raise ValueError(
            f"device is {device!r}, but torch finds no GPU here: set it to 'cpu' or "
            "'auto', or install a torch built for this machine's GPU"
        )
    _, _, number = device.partition(":")
    if number and int(number) >= (n := torch.cuda.device_count()):
        raise ValueError(
            f"device is {device!r}, and torch finds {n} GPU(s) here, counted from 0: "
            "give one of them, or 'cuda'"
        )
    return device


def _check_torch(device: str) -> None:
    """Refuse a device that torch does not know, or that cannot be used here."""
    import torch  # noqa: PLC0415 - optional

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:
        raise ValueError(
            f"device is {device!r}, which torch does not know, or cannot use here: use "
            "'auto', 'cpu', 'cuda' or 'cuda:1'"
        ) from error


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


def allocator_variables() -> dict[str, str]:
    """
    Return the variables by which a child program's glibc keeps freed memory.

    They are what `keep_freed_memory` does for this process; those that are set stay.
    """
    return {
        variable: str(value)
        for variable, (_, value) in _MALLOC_OPTIONS.items()
        if variable not in os.environ
    }


def batch_atoms(device: str, bytes_per_atom: float | None) -> int:
    """
    Return a number of atoms that are fast to evaluate at once, and fit into memory.

    Parameters
    ----------
    device
        torch device.
    bytes_per_atom
        Memory that an evaluation takes at its peak, in bytes per atom. None: not known.
    """
    if bytes_per_atom is None:
        return _ATOMS_ON_CPU if device == "cpu" else _MOST_ATOMS
    return max(1, min(_MOST_ATOMS, int(_batch_memory(device) / bytes_per_atom)))


def _batch_memory(device: str) -> float:
    """Return the memory (bytes) that the evaluation of a batch should take at most."""
    if not device.startswith("cuda"):
        available = _SHARE["cpu"] * psutil.virtual_memory().available
        return min(_KEPT, available) if device == "cpu" else available
    import torch  # noqa: PLC0415 - optional

    free, _ = torch.cuda.mem_get_info(device)
    cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return _SHARE["cuda"] * (free + cached)
