"""Reading the output of pw.x: by ASE's reader, and what that does not read."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase.io import read
from ase.io.espresso import units

from flowpot.labelling.espresso.command import CRASH_FILE, ERROR_FILE, OUTPUT_FILE

_NUMBER = r"([-+]?\d+\.?\d*(?:[EeDd][-+]?\d+)?)"
_ERROR = re.compile(
    r"%{20,}\s*\n(?:\s*task #.*\n)?\s*(?:Error in routine|from)\s+(\S+)"
    r"\s*(?:\([^)]*\))?.*\n((?:.*\n)*?)\s*%{20,}"
)
_NOISE = re.compile(r"#\d+ |at \.\./|-+$|.*[Bb]acktrace")  # in the error stream
_LONGEST = 500  # characters of the error stream that are quoted
_WALL = re.compile(r"PWSCF\s*:.*CPU\s+(.*?)\s*WALL")
_CPU = re.compile(r"PWSCF\s*:\s*(.*?)\s*CPU")
_MPI = re.compile(
    r"(?:Number of MPI processes:|Parallel version \(MPI\), running on)\s+(\d+)"
)
_CORES = re.compile(r" version.*, running on\s+(\d+) processor")  # threads are counted
_ENERGY = re.compile(r"^!!?\s+total energy\s+=\s*(\S+)\s+Ry", re.MULTILINE)
_TABLE = "Magnetic moment per site"
_MOMENT = re.compile(r"\bmagn\s*[:=]\s*([-+]?\d+\.\d+)")
_VECTOR = re.compile(rf"^\s*magnetization :\s*((?:{_NUMBER}\s*){{3}})$", re.MULTILINE)
_AUGMENTED = re.compile(r"Pseudo is (?:Ultrasoft|Projector)")


@dataclass(frozen=True)
class PwReport:
    """
    What the output of pw.x says about the run.

    Parameters
    ----------
    version
        Version of Quantum ESPRESSO.
    n_mpi, n_cores
        Numbers of MPI processes and of cores that the header states: each thread of a
        process has a core.
    n_starts
        Number of headers; more than one if several programs wrote into one file.
    converged
        Whether the SCF reached its threshold, and the exchange of a hybrid functional
        its own.
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
        Magnetisation of the cell (Bohr magnetons); the length of a vector.
    n_electrons, n_bands
        Numbers of valence electrons and of Kohn-Sham states.
    n_kpoints
        Number of irreducible k-points.
    n_atoms
        Number of atoms.
    volume
        Volume of the cell (A^3).
    is_hybrid
        Whether the functional has exact exchange.
    is_augmented
        Whether a pseudopotential is ultrasoft or PAW.
    cpu_seconds, wall_seconds
        CPU and wall time by pw.x's own clock (s).
    """

    version: str | None = None
    n_mpi: int | None = None
    n_cores: int | None = None
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
    n_atoms: int | None = None
    volume: float | None = None
    is_hybrid: bool = False
    is_augmented: bool = False
    cpu_seconds: float | None = None
    wall_seconds: float | None = None


@dataclass(frozen=True)
class PwLabel:
    """
    Label of a frame as pw.x has written it.

    Parameters
    ----------
    energy
        pw.x's last ``!`` energy (eV), of a hybrid functional ``!!``: with smearing the
        free energy F = E - TS, of which the forces are the negative gradient.
    forces
        Forces (eV/A), shape (n_atoms, 3).
    stress
        Stress (eV/A^3, ASE's sign), shape (6,) in Voigt's order; None if not printed.
    moments
        Magnetic moment of each atom's sphere (Bohr magnetons), the length of a vector;
        None without spin.
    """

    energy: float
    forces: np.ndarray
    stress: np.ndarray | None
    moments: list[float] | None


def read_report(folder: Path) -> PwReport:
    """Read the output in a folder, complete or not; a missing one reads as empty."""
    text = text_of(folder / OUTPUT_FILE)
    steps = _last(r"convergence has been achieved in\s+(\d+) iterations", text)
    iterations = _last(r"iteration #\s*(\d+)", text)
    accuracies = re.findall(rf"estimated scf accuracy\s+<\s+{_NUMBER} Ry", text)
    first, last = (accuracies[0], accuracies[-1]) if accuracies else (None, None)
    smearing = _last(rf"smearing contrib\. \(-TS\)\s+=\s+{_NUMBER} Ry", text)
    version = re.search(r"Program PWSCF\s+v\.?\s*(\S+)", text)
    volume = _last(rf"unit-cell volume\s+=\s+{_NUMBER}", text)
    serial = "1" if "Serial" in text else None
    ranks = _first(_MPI, text) or serial
    is_hybrid = "EXX-fraction" in text
    exchange = not is_hybrid or "EXX self-consistency reached" in text
    finished = "JOB DONE" in text
    boxes = _boxes(text)
    if not boxes and not finished:  # launchers may lose the last lines of a program
        boxes = _boxes(text_of(folder / CRASH_FILE))
    # Every step may write the same warning.
    lines = dict.fromkeys(line.strip() for line in text.splitlines())
    return PwReport(
        version=version.group(1) if version else None,
        n_mpi=_whole(ranks),
        n_cores=_whole(_first(_CORES, text) or ranks),
        n_starts=text.count("Program PWSCF"),
        converged=steps is not None
        and exchange
        and "convergence NOT achieved" not in text,
        finished=finished,
        stopped="Maximum CPU time exceeded" in text,
        errors=boxes or ([] if finished else _stream(folder)),
        explained=bool(boxes),
        warnings=[line for line in lines if "warning" in line.lower()],
        n_scf_steps=_whole(steps or iterations),
        first_accuracy=_scaled(first, units["Ry"]),
        scf_accuracy=_scaled(last, units["Ry"]),
        smearing_contribution=_scaled(smearing, units["Ry"]),
        fermi_levels=_fermi_levels(text),
        total_magnetization=_total_magnetization(text),
        absolute_magnetization=_scaled(
            _last(rf"absolute magnetization\s+=\s+{_NUMBER}", text)
        ),
        n_electrons=_scaled(_last(rf"number of electrons\s+=\s+{_NUMBER}", text)),
        n_bands=_whole(_last(r"number of Kohn-Sham states\s*=\s*(\d+)", text)),
        n_kpoints=_whole(_last(r"number of k points=\s*(\d+)", text)),
        n_atoms=_whole(_last(r"number of atoms/cell\s*=\s*(\d+)", text)),
        volume=_scaled(volume, units["Bohr"] ** 3),
        is_hybrid=is_hybrid,
        is_augmented=_AUGMENTED.search(text) is not None,
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
    path = folder / OUTPUT_FILE
    text = text_of(path)
    # ASE reads the first energy, which that of a hybrid functional is not.
    energy = _scaled(_last(_ENERGY, text), units["Ry"])
    (atoms,) = read(path, index="-1:", format="espresso-out")
    results = atoms.calc.results
    forces = results.get("forces")
    if energy is None or forces is None or np.shape(forces) != (n_atoms, 3):
        raise ValueError(f"{path} lacks the energy or the forces")
    if not (np.isfinite(energy) and np.isfinite(forces).all()):
        raise ValueError(f"{path}: energy or forces are not finite")
    return PwLabel(
        energy=energy,
        forces=np.asarray(forces, dtype=float),
        stress=results.get("stress"),
        moments=_moments(text, n_atoms),
    )


def _moments(text: str, n_atoms: int) -> list[float] | None:
    """Return the atoms' moments by the last table, or the lengths of vectors."""
    _, found, table = text.rpartition(_TABLE)
    moments = [float(moment) for moment in _MOMENT.findall(table)] if found else []
    if not moments:
        vectors = [row[0].split() for row in _VECTOR.findall(text)]
        moments = [math.hypot(*map(float, vector)) for vector in vectors]
    return moments[-n_atoms:] if len(moments) >= n_atoms else None


def _total_magnetization(text: str) -> float | None:
    """Return the magnetisation of the cell, of non-collinear spins its length."""
    last = _last(r"total magnetization\s+=\s+([^B\n]*)", text) or ""
    values = [float(value) for value in re.findall(_NUMBER, last)]
    if len(values) > 1:
        return math.hypot(*values)
    return values[0] if values else None


def _boxes(text: str) -> list[str]:
    """Return the errors in boxes, each once: every process may write the same."""
    found = (
        f"{routine.rstrip(':')}: {' '.join(message.split())}"
        for routine, message in _ERROR.findall(text)
    )
    return list(dict.fromkeys(found))


def _stream(folder: Path) -> list[str]:
    """Return the text of the error stream, without backtraces and launchers' rules."""
    lines = [line.strip() for line in text_of(folder / ERROR_FILE).splitlines()]
    words = [line for line in lines if line and not _NOISE.match(line)]
    return [" ".join(words)[:_LONGEST]] if words else []


def text_of(path: Path) -> str:
    """Return the content of a file of pw.x; a missing one reads as empty."""
    return path.read_text(errors="replace") if path.is_file() else ""


def _fermi_levels(text: str) -> list[float]:
    """Return the Fermi level (eV), or two if the magnetisation is fixed."""
    two = re.findall(rf"spin up/dw Fermi energies are\s+{_NUMBER}\s+{_NUMBER}", text)
    if two:
        return [float(value) for value in two[-1]]
    one = _last(rf"the Fermi energy is\s+{_NUMBER}", text)
    return [] if one is None else [float(one)]


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    """Return the first match of a pattern with one group, None without a match."""
    match = pattern.search(text)
    return None if match is None else match.group(1)


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
