"""LAMMPS's input files, the same for all engines."""

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, chemical_symbols

from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.cell import LammpsCell
from flowpot.exploration.sampling import Output

DATA_FILE = "start.data"
FRAMES_FILE = "frames.dump"
DENSE_FILE = "dense.dump"
LOG_FILE = "log.lammps"
RESTART_FILES = ("restart.a", "restart.b")
FINAL_FILE = "restart.final"
FIX = "flowpot"
CALM = "calm"

_FOOTER = b"LammpS RestartT\0"  # a restart file that ends otherwise was cut off

_FS = 1e-3  # ps, LAMMPS's metal unit of time
_KBAR = 1e3  # bar, its unit of pressure
_LARGEST_SEED = 900_000_000
_BAROSTAT_K = 300  # K; a barostat at rest takes its inertia from this temperature
_TRANSLATIONS = 3
_AXES = ("x", "y", "z")
_DUMP = "id type x y z ix iy iz"
_THERMO = "step time temp pe ke etotal press pxx pyy pzz pxy pxz pyz vol"


def species_of(numbers: np.ndarray) -> list[int]:
    """
    Return the sorted atomic numbers of a frame, in the order of LAMMPS's atom types.

    The data file, the masses, every pair coefficient and the reader of the sampled
    frames use this order, so that species cannot be swapped between them.
    """
    return [int(z) for z in np.unique(numbers)]


def data_file(atoms: Atoms, cell: LammpsCell) -> str:
    """
    Return the text of a LAMMPS data file.

    Parameters
    ----------
    atoms
        The frame.
    cell
        Its map to LAMMPS's axes.

    Notes
    -----
    The cell is always written as a triclinic one, because barostats may tilt it.
    """
    species = species_of(atoms.numbers)
    types = 1 + np.searchsorted(species, atoms.numbers)
    lower = cell.start
    positions = cell.vectors(atoms.positions)
    masses = [
        f"{i} {atomic_masses[z]:.10g} # {chemical_symbols[z]}"
        for i, z in enumerate(species, start=1)
    ]
    rows = [
        f"{i} {kind} {x:.17g} {y:.17g} {z:.17g}"
        for i, (kind, (x, y, z)) in enumerate(
            zip(types, positions, strict=True), start=1
        )
    ]
    return "\n".join(
        [
            f"{atoms.symbols} written by flowpot",
            "",
            f"{len(atoms)} atoms",
            f"{len(species)} atom types",
            *(
                f"0.0 {lower[i, i]:.17g} {axis}lo {axis}hi"
                for i, axis in enumerate(_AXES)
            ),
            f"{lower[1, 0]:.17g} {lower[2, 0]:.17g} {lower[2, 1]:.17g} xy xz yz",
            *("", "Masses", "", *masses),
            *("", "Atoms # atomic", "", *rows, ""),
        ]
    )


def script(
    conditions: Conditions,
    output: Output,
    potential: list[str],
    start: Atoms,
    *,
    extra: list[str] | None = None,
    restart: str | None = None,
) -> list[str]:
    """
    Return LAMMPS's commands for a trajectory.

    Parameters
    ----------
    conditions
        What is simulated.
    output
        What is written.
    potential
        Commands for the potential: pair style, coefficients and the like.
    start
        The frame, of which its periodic axes and its number of atoms matter.
    extra
        Commands before the run, such as ``fix colvars``.
    restart
        Restart file from which to go on; None starts from the data file.
    """
    fresh = restart is None
    return [
        "units metal",
        "atom_style atomic",
        "atom_modify map yes",
        "boundary p p p",
        "box tilt large",
        f"read_data {DATA_FILE}" if fresh else f"read_restart {restart}",
        *potential,
        "neighbor 1.0 bin",
        "neigh_modify every 1 delay 0 check yes",
        f"timestep {conditions.timestep * _FS:.10g}",
        f"thermo_style custom {_THERMO}",
        "thermo_modify format float %.12g lost error flush yes",
        f"thermo {output.thermo_interval}",
        f"compute_modify thermo_temp extra/dof {_at_rest(conditions, start)}",
        *(_start(conditions, start.pbc) if fresh else []),
        *_sampling(output, append=not fresh),
        *_integrator(conditions, start.pbc),
        *(extra or []),
        f"restart {output.restart_interval} {' '.join(RESTART_FILES)}",
        # The ramps of a resumed run go on, and its last step is the same.
        f"run {conditions.n_steps} upto start 0 stop {conditions.n_steps}",
        f"write_restart {FINAL_FILE}",
    ]


def _start(conditions: Conditions, pbc: np.ndarray) -> list[str]:
    """Return commands that relax and draw velocities; LAMMPS refuses 0 K, seed 0."""
    commands = []
    if conditions.minimise:
        commands += [
            "min_style fire",
            f"minimize 0.0 0.01 {conditions.minimise} {10 * conditions.minimise}",
            "reset_timestep 0",
            # The minimiser moves atoms by velocities, and leaves some.
            "velocity all set 0.0 0.0 0.0",
        ]
    temperature = conditions.temperature[0]
    if temperature > 0:
        rotation = "no" if np.any(pbc) else "yes"
        commands.append(
            f"velocity all create {temperature:.10g} {_seed(conditions)} "
            f"mom yes rot {rotation} dist gaussian temp thermo_temp"
        )
    return commands


def _sampling(output: Output, *, append: bool) -> list[str]:
    mode = "append yes" if append else "append no"
    commands = [
        f"dump frames all custom {output.sample_interval} {FRAMES_FILE} {_DUMP}",
        f"dump_modify frames sort id format float %.17g {mode}",
    ]
    if output.dense_interval is not None:
        commands += [
            # The driver sets this variable to 0 while the committee disagrees.
            f"variable {CALM} internal 1.0",
            f"dump dense all custom {output.dense_interval} {DENSE_FILE} {_DUMP}",
            f"dump_modify dense sort id format float %.17g {mode} skip v_{CALM}",
        ]
    return commands


def _at_rest(conditions: Conditions, start: Atoms) -> int:
    """
    Return how many degrees of freedom hold no heat: those that stay at rest.

    The centre of mass does. So do the rotations of a molecule that begins without them,
    unless friction and noise act on it: a Nose-Hoover thermostat that counts them heats
    the vibrations of three atoms to twice its temperature.
    """
    if start.pbc.any() or _has_friction(conditions, start.pbc):
        return _TRANSLATIONS
    return _TRANSLATIONS + (2 if len(start) == 2 else 3)  # noqa: PLR2004 - a rod


def _has_friction(conditions: Conditions, pbc: np.ndarray) -> bool:
    ensemble = conditions.ensemble_for(pbc)
    return ensemble == "langevin" or (
        ensemble != "nve" and min(conditions.temperature) == 0
    )


def _integrator(conditions: Conditions, pbc: np.ndarray) -> list[str]:
    """Return the equations of motion; at 0 K the thermostat is mere friction."""
    ensemble = conditions.ensemble_for(pbc)
    first, last = conditions.temperature
    damping = conditions.temperature_damping * conditions.timestep * _FS
    temperature = f"{first:.10g} {last:.10g} {damping:.10g}"
    langevin = [
        f"fix thermostat all langevin {temperature} {_seed(conditions)}",
        # Langevin's own `zero` takes the same force from each atom: with masses that
        # differ it heats. This takes the same velocity, and leaves all else canonical.
        "fix rest all momentum 1 linear 1 1 1",
    ]
    friction = _has_friction(conditions, pbc)
    if ensemble == "npt":
        barostat = _barostat(conditions, np.asarray(pbc))
        if friction:
            return [f"fix motion all nph {barostat} ptemp {_BAROSTAT_K}", *langevin]
        return [f"fix motion all npt temp {temperature} {barostat}"]
    if friction:
        return ["fix motion all nve", *langevin]
    if ensemble == "nvt":
        counted = "fix_modify motion temp thermo_temp"
        return [f"fix motion all nvt temp {temperature}", counted]
    return ["fix motion all nve"]


def _barostat(conditions: Conditions, pbc: np.ndarray) -> str:
    """
    Return barostats along the periodic axes, which the cell map puts first.

    ``flip no`` keeps the cell vectors continuous along the trajectory.
    """
    first, last = (p * _KBAR for p in conditions.pressure)
    damping = conditions.pressure_damping * conditions.timestep * _FS
    target = f"{first:.10g} {last:.10g} {damping:.10g}"
    n = int(pbc.sum())
    words = [f"{axis} {target}" for axis in _AXES[:n]]
    if conditions.barostat == "tri":
        tilts = {1: (), 2: ("xy",), 3: ("xy", "xz", "yz")}[n]
        words += [f"{tilt} 0.0 0.0 {damping:.10g}" for tilt in tilts]
    if conditions.barostat == "iso" and n > 1:
        words.append({2: "couple xy", 3: "couple xyz"}[n])
    return " ".join([*words, "flip no"])


def _seed(conditions: Conditions) -> int:
    """Map a seed into [1, 9e8], the range of LAMMPS's generators."""
    return 1 + (conditions.seed - 1) % _LARGEST_SEED


def newest_restart(folder: Path) -> str | None:
    """Return the name of the newest complete restart file, None if there is none."""
    files = [folder / name for name in (*RESTART_FILES, FINAL_FILE)]
    complete = [f for f in files if f.exists() and f.read_bytes().endswith(_FOOTER)]
    newest = max(complete, key=lambda f: f.stat().st_mtime_ns, default=None)
    return None if newest is None else newest.name
