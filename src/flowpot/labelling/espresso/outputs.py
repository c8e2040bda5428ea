"""Reading the output of pw.x: by ASE's reader, and what that does not read."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from ase.io import read
from ase.io.espresso import units

from flowpot.labelling.espresso.command import ERROR_FILE, OUTPUT_FILE

_NUMBER = r"([-+]?\d+\.?\d*(?:[EeDd][-+]?\d+)?)"
_ERROR = re.compile(
    r"%{20,}\s*\n\s*(?:Error in routine|from)\s+(\S+)\s*(?:\([^)]*\))?.*\n((?:.*\n)*?)"
    r"\s*%{20,}"
)
_NOISE = re.compile(r"#\d+ |at \.\./|-+$|.*[Bb]acktrace")  # in the error stream
_LONGEST = 500  # characters of the error stream that are quoted
_WALL = re.compile(r"PWSCF\s*:.*CPU\s+(.*?)\s*WALL")
_CPU = re.compile(r"PWSCF\s*:\s*(.*?)\s*CPU")
_MPI = re.compile(
    r"(?:Number of MPI processes:|Parallel version \(MPI[^)]*\), running on)\s+(\d+)"
)


@dataclass(frozen=True)
class PwReport:
    """
    What the output of pw.x says about the run.

    Parameters
    ----------
    version
        Version of Quantum ESPRESSO.
    n_mpi
        Number of MPI processes that the header states.
    n_starts
        Number of headers; more than one if several programs wrote into one file.
    converged
        Whether the SCF reached its threshold.
    finished
        Whether pw.x ended regularly (``JOB DONE``).
    stopped
        Whether it ended because ``max_seconds`` had passed.
    errors
        Error boxes, as ``routine: message``. If there is none and pw.x did not end
        regularly, the text of the error stream.
    explained
        Whether pw.x wrote an error box.
    warnings
        Lines with warnings.
    n_scf_steps
        Number of SCF iterations.
    first_accuracy, scf_accuracy
        First and last estimate of the energy error (eV).
    smearing_contribution
        -TS (eV); None without smearing.
    fermi_levels
        Fermi level (eV), or two if the magnetisation is fixed; empty if none is
        printed.
    total_magnetization, absolute_magnetization
        Magnetisation of the cell (Bohr magnetons).
    n_electrons, n_bands
        Numbers of valence electrons and of Kohn-Sham states.
    n_kpoints
        Number of irreducible k-points.
    cpu_seconds, wall_seconds
        CPU and wall time by pw.x's own clock (s).
    """

    version: str | None = None
    n_mpi: int | None = None
    n_starts: int = 0
    converged: bool = False
    finished: bool = False
    stopped: bool = False
    errors: list[str] = field(default_factory=list)
    explained: bool = False
    warnings: list[str] = field(default_factory=list)
    n_scf_steps: int | None = None
    first_accuracy: float | None = None
    scf_accuracy: float | None = None
    smearing_contribution: float | None = None
    fermi_levels: list[float] = field(default_factory=list)
    total_magnetization: float | None = None
    absolute_magnetization: float | None = None
    n_electrons: float | None = None
    n_bands: int | None = None
    n_kpoints: int | None = None
    cpu_seconds: float | None = None
    wall_seconds: float | None = None


@dataclass(frozen=True)
class PwLabel:
    """
    Label of a frame as pw.x has written it.

    Parameters
    ----------
    energy
        pw.x's ``!`` energy (eV): with smearing the free energy F = E - TS, of which
        the forces are the negative gradient.
    forces
        Forces (eV/A), shape (n_atoms, 3).
    stress
        Stress (eV/A^3, ASE's sign), shape (6,) in Voigt's order; None if not printed.
    moments
        Magnetic moment of each atom's sphere (Bohr magnetons); None without spin.
    """

    energy: float
    forces: np.ndarray
    stress: np.ndarray | None
    moments: list[float] | None


def read_report(folder: Path) -> PwReport:
    """Read the output in a folder, complete or not; a missing one reads as empty."""
    path = folder / OUTPUT_FILE
    text = path.read_text(errors="replace") if path.is_file() else ""
    steps = _last(r"convergence has been achieved in\s+(\d+) iterations", text)
    iterations = _last(r"iteration #\s*(\d+)", text)
    accuracies = re.findall(rf"estimated scf accuracy\s+<\s+{_NUMBER} Ry", text)
    first, last = (accuracies[0], accuracies[-1]) if accuracies else (None, None)
    smearing = _last(rf"smearing contrib\. \(-TS\)\s+=\s+{_NUMBER} Ry", text)
    version = re.search(r"Program PWSCF\s+v\.?\s*(\S+)", text)
    ranks = _MPI.search(text)
    # Every process may write the same error, and every step the same warning.
    boxes = dict.fromkeys(
        f"{routine.rstrip(':')}: {' '.join(message.split())}"
        for routine, message in _ERROR.findall(text)
    )
    lines = dict.fromkeys(line.strip() for line in text.splitlines())
    finished = "JOB DONE" in text
    return PwReport(
        version=version.group(1) if version else None,
        n_mpi=int(ranks.group(1)) if ranks else (1 if "Serial" in text else None),
        n_starts=text.count("Program PWSCF"),
        converged=steps is not None and "convergence NOT achieved" not in text,
        finished=finished,
        stopped="Maximum CPU time exceeded" in text,
        errors=list(boxes) or ([] if finished else _stream(folder)),
        explained=bool(boxes),
        warnings=[line for line in lines if "warning" in line.lower()],
        n_scf_steps=_whole(steps or iterations),
        first_accuracy=_scaled(first, units["Ry"]),
        scf_accuracy=_scaled(last, units["Ry"]),
        smearing_contribution=_scaled(smearing, units["Ry"]),
        fermi_levels=_fermi_levels(text),
        total_magnetization=_scaled(
            _last(rf"total magnetization\s+=\s+{_NUMBER}", text)
        ),
        absolute_magnetization=_scaled(
            _last(rf"absolute magnetization\s+=\s+{_NUMBER}", text)
        ),
        n_electrons=_scaled(_last(rf"number of electrons\s+=\s+{_NUMBER}", text)),
        n_bands=_whole(_last(r"number of Kohn-Sham states\s*=\s*(\d+)", text)),
        n_kpoints=_whole(_last(r"number of k points=\s*(\d+)", text)),
        cpu_seconds=_clock(_last(_CPU, text)),
        wall_seconds=_clock(_last(_WALL, text)),
    )


def read_label(folder: Path, n_atoms: int) -> PwLabel:
    """
    Read the label of a converged run.

    Parameters
    ----------
    folder
        Folder of the output.
    n_atoms
        Number of atoms of the frame.

    Raises
    ------
    ValueError
        If energy or forces are missing or not finite.
    """
    (atoms,) = read(folder / OUTPUT_FILE, index="-1:", format="espresso-out")
    results = atoms.calc.results
    energy, forces = results.get("energy"), results.get("forces")
    if energy is None or forces is None or np.shape(forces) != (n_atoms, 3):
        raise ValueError(f"{folder / OUTPUT_FILE} lacks the energy or the forces")
    if not (np.isfinite(energy) and np.isfinite(forces).all()):
        raise ValueError(f"{folder / OUTPUT_FILE}: energy or forces are not finite")
    moments = results.get("magmoms")
    return PwLabel(
        energy=float(energy),
        forces=np.asarray(forces, dtype=float),
        stress=results.get("stress"),
        moments=None if moments is None else [float(m) for m in moments],
    )


def highest_occupation(folder: Path) -> float | None:
    """
    Return the largest occupation of the highest band, over k-points and spins.

    It is read from the XML file that pw.x leaves; None if there is none. The occupation
    of a full band is 1.
    """
    occupations = []
    for path in folder.glob("*.xml"):
        root = ET.parse(path).getroot()  # noqa: S314  pw.x's own file
        spins = 2 if root.findtext(".//band_structure/lsda") == "true" else 1
        for entry in root.iterfind(".//ks_energies/occupations"):
            values = [float(v) for v in (entry.text or "").split()]
            n_bands = len(values) // spins
            occupations += values[n_bands - 1 :: n_bands]
    return max(occupations, default=None)


def _stream(folder: Path) -> list[str]:
    """Return the text of the error stream, without backtraces and launchers' rules."""
    path = folder / ERROR_FILE
    text = path.read_text(errors="replace") if path.is_file() else ""
    lines = [line.strip() for line in text.splitlines()]
    words = [line for line in lines if line and not _NOISE.match(line)]
    return [" ".join(words)[:_LONGEST]] if words else []


def _fermi_levels(text: str) -> list[float]:
    """Return the Fermi level (eV), or two if the magnetisation is fixed."""
    two = re.findall(rf"spin up/dw Fermi energies are\s+{_NUMBER}\s+{_NUMBER}", text)
    if two:
        return [float(value) for value in two[-1]]
    one = _last(rf"the Fermi energy is\s+{_NUMBER}", text)
    return [] if one is None else [float(one)]


def _last(pattern: str | re.Pattern[str], text: str) -> str | None:
    """Return the last match of a pattern with one group, None without a match."""
    matches = re.findall(pattern, text)
    return matches[-1] if matches else None


def _scaled(value: str | None, unit: float = 1.0) -> float | None:
    """Return a number that Fortran has printed, times a unit."""
    return None if value is None else float(value.upper().replace("D", "E")) * unit


def _whole(value: str | None) -> int | None:
    """Return an integer that was printed."""
    return None if value is None else int(value)


def _clock(value: str | None) -> float | None:
    """Return the seconds of a time that pw.x prints as ``1d 2h 3m 4.5s``."""
    if value is None:
        return None
    seconds = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
    parts = re.findall(r"([\d.]+)\s*([dhms])", value)
    return sum(float(number) * seconds[unit] for number, unit in parts)
