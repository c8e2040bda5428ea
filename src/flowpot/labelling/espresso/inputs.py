"""From a frame to the input of pw.x."""

import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.io.espresso import read_fortran_namelist, write_espresso_in
from ase.io.espresso_namelist.namelist import Namelist
from pymatgen.io.core import InputGenerator

from flowpot.labelling.espresso.electrostatics import dipole_correction, isolation
from flowpot.labelling.espresso.hubbard import check_hubbard, hubbard_input
from flowpot.labelling.espresso.kpoints import kpoint_mesh
from flowpot.labelling.espresso.magnetism import (
    check_elements,
    is_isolated_atom,
    relative_moments,
    starting_moments,
)
from flowpot.labelling.espresso.protocols import get_protocol
from flowpot.labelling.espresso.pseudos import PseudoFamily, get_family

INPUT_FILE = "pw.in"

_SECTIONS = ("control", "system", "electrons", "ions", "cell", "fcp", "rism")
_ATOM_DEGAUSS = 0.002  # Ry: wide smearing would mix a free atom's ground state away
_ATOM_MIXING_BETA = 0.3

Settings = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class EspressoInput:
    """
    A pw.x calculation, ready to be written.

    Parameters
    ----------
    atoms
        The frame.
    parameters
        Namelists, by lower-case names.
    mesh
        Gamma-centred mesh of k-points.
    pseudos
        Per element the entry of the pseudopotential family.
    pseudo_dir
        Where the pseudopotential files are.
    text
        The input file.
    """

    atoms: Atoms
    parameters: dict[str, dict[str, Any]]
    mesh: tuple[int, int, int]
    pseudos: dict[str, dict[str, Any]]
    pseudo_dir: Path
    text: str

    @property
    def n_kpoints(self) -> int:
        """Points of the mesh, those equivalent by symmetry included."""
        return math.prod(self.mesh)

    def write(self, folder: Path) -> Path:
        """Write the input file into a folder and give its path."""
        path = folder / INPUT_FILE
        path.write_text(self.text)
        return path


@dataclass
class EspressoInputGenerator(InputGenerator):
    """
    Chooses every parameter of a pw.x single point for a given frame.

    Parameters
    ----------
    protocol
        ``"stringent"``, ``"balanced"`` or ``"fast"``.
    pseudo_family
        Name of a family, or a family.
    user_settings
        Namelists whose keys override what the protocol and family say, for example
        ``{"SYSTEM": {"ecutwfc": 50}}``. ``ecutwfc`` alone keeps the family's ratio of
        ``ecutrho`` to it.
    kspacing
        Distance of k-points (1/A, 2 pi included) instead of the protocol's.
    magnetic_moments
        Starting moment per element (Bohr magnetons). The frame's own come first.
    assume_isolated
        What removes periodic images of frames that are not fully periodic: None,
        ``"auto"`` or a value of pw.x's key (see ``electrostatics.isolation``).
    correct_dipole
        Whether slabs get a dipole correction.
    hubbard
        U of each manifold (eV), for example ``{"Ni-3d": 6.0}``.
    """

    protocol: str = "stringent"
    pseudo_family: str | PseudoFamily = "sssp-1.3-pbe-precision"
    user_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    kspacing: float | None = None
    magnetic_moments: dict[str, float] = field(default_factory=dict)
    assume_isolated: str | None = None
    correct_dipole: bool = False
    hubbard: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        get_protocol(self.protocol)
        get_family(self.pseudo_family)
        check_user_settings(self.user_settings)
        check_elements(self.magnetic_moments)
        check_hubbard(self.hubbard)
        if self.kspacing is not None and not self.kspacing > 0:
            raise ValueError(f"kspacing is {self.kspacing}: use a positive value (1/A)")

    def get_input_set(self, atoms: Atoms, version: str = "7.1") -> EspressoInput:
        """
        Give the input of one frame.

        Parameters
        ----------
        atoms
            The frame.
        version
            Of the Quantum ESPRESSO that is going to read it: DFT+U depends on it.

        Raises
        ------
        FileNotFoundError
            Where a pseudopotential file is missing.
        """
        family = get_family(self.pseudo_family)
        elements = sorted(set(atoms.get_chemical_symbols()))
        pseudos = family.entries(elements)
        folder = family.locate(elements)
        files = {element: folder / pseudos[element]["filename"] for element in elements}

        frame = atoms.copy()
        moments = starting_moments(frame, self.magnetic_moments)
        frame.set_initial_magnetic_moments(None)
        if moments.any():
            frame.set_initial_magnetic_moments(relative_moments(moments, frame, files))
        mesh = self._mesh(frame)
        parameters = self._parameters(frame, float(moments.sum()))
        parameters["control"]["pseudo_dir"] = str(folder)
        names = {element: file.name for element, file in files.items()}
        text = _render(frame, parameters, mesh, names)
        if self.hubbard:
            keys, card = hubbard_input(self.hubbard, _species(text), version)
            parameters["system"] |= keys
            text = _render(frame, parameters, mesh, names) + card
        return EspressoInput(atoms, parameters, mesh, pseudos, folder, text)

    def _mesh(self, atoms: Atoms) -> tuple[int, int, int]:
        """Give the mesh of k-points."""
        distance = self.kspacing or get_protocol(self.protocol).kpoints_distance
        return kpoint_mesh(atoms, distance)

    def _parameters(self, atoms: Atoms, total_moment: float) -> dict[str, Any]:
        """Give the namelists: the protocol's, then the frame's, then the user's."""
        protocol = get_protocol(self.protocol)
        family = get_family(self.pseudo_family)
        wave, density = family.cutoffs(atoms.get_chemical_symbols())
        control: dict[str, Any] = {
            "calculation": "scf",
            "outdir": "./",
            "disk_io": "low",
            "tprnfor": True,
            "tstress": bool(any(atoms.pbc)),
        }
        system: dict[str, Any] = {
            "ecutwfc": wave,
            "ecutrho": density,
            "occupations": "smearing",
            "smearing": "cold",
            "degauss": protocol.degauss,
        }
        electrons: dict[str, Any] = {
            "conv_thr": protocol.conv_thr_per_atom * len(atoms),
            "mixing_beta": protocol.mixing_beta,
            "electron_maxstep": protocol.electron_maxstep,
        }
        if total_moment or atoms.get_initial_magnetic_moments().any():
            system["nspin"] = 2
        if is_isolated_atom(atoms):
            system["degauss"] = _ATOM_DEGAUSS
            electrons["mixing_beta"] = _ATOM_MIXING_BETA
            if total_moment:
                system["tot_magnetization"] = total_moment
        system |= isolation(atoms, self.assume_isolated)
        if self.correct_dipole:
            dipole = dipole_correction(atoms)
            control |= dipole.get("control", {})
            system |= dipole.get("system", {})
        defaults = {"control": control, "system": system, "electrons": electrons}
        return _merge(defaults, self.user_settings, dual=density / wave)


def check_user_settings(settings: Settings) -> None:
    """Refuse settings that pw.x would not get, before anything runs."""
    for section, values in settings.items():
        if section.lower() not in _SECTIONS or not isinstance(values, Mapping):
            raise ValueError(
                f"user_settings[{section!r}] is {values!r}: give namelists, such as "
                "{'SYSTEM': {'ecutwfc': 50}, 'ELECTRONS': {'mixing_beta': 0.2}}"
            )
        for key in values:
            if key.lower().startswith("starting_magnetization"):
                raise ValueError(
                    f"user_settings sets {key}: set the maker's magnetic_moments, or "
                    "the structure's magmom site property, instead"
                )


def edit_input(folder: Path, changes: Settings) -> None:
    """
    Change keys of an input file that is already written: what a remedy does.

    Parameters
    ----------
    folder
        Where the input file is.
    changes
        Lower-case namelist names, keys and their new values; None removes a key.
    """
    path = folder / INPUT_FILE
    with path.open() as file:
        namelists, cards = read_fortran_namelist(file)
    for section, values in changes.items():
        for key, value in values.items():
            namelists[section].pop(key, None)
            if value is not None:
                namelists[section][key] = value
    kept = {name: values for name, values in namelists.items() if values}
    path.write_text(Namelist(kept).to_string() + "\n" + "\n".join(cards) + "\n")


def read_parameters(folder: Path) -> dict[str, dict[str, Any]]:
    """Read the namelists of an input file back."""
    with (folder / INPUT_FILE).open() as file:
        namelists, _ = read_fortran_namelist(file)
    return {name: dict(values) for name, values in namelists.items() if values}


def _merge(
    defaults: dict[str, dict[str, Any]], user: Settings, dual: float
) -> dict[str, dict[str, Any]]:
    """Let the user's keys override the defaults, whatever their case."""
    lowered = {
        section.lower(): {key.lower(): value for key, value in values.items()}
        for section, values in user.items()
    }
    system = lowered.get("system", {})
    if "ecutwfc" in system and "ecutrho" not in system:
        system["ecutrho"] = dual * system["ecutwfc"]
    return {
        section: {**defaults.get(section, {}), **lowered.get(section, {})}
        for section in _SECTIONS
        if section in defaults or section in lowered
    }


def _species(text: str) -> list[str]:
    """Read the names of the species, in their order, from an input file."""
    block = re.search(r"ATOMIC_SPECIES\n((?:\S.*\n)+)", text)
    return [line.split()[0] for line in block.group(1).splitlines()] if block else []


def _render(
    atoms: Atoms,
    parameters: dict[str, dict[str, Any]],
    mesh: tuple[int, int, int],
    pseudopotentials: dict[str, str],
) -> str:
    """Write the input; Gamma alone gets the algorithm for real wavefunctions."""
    gamma = mesh == (1, 1, 1) and not parameters["system"].get("noncolin")
    buffer = io.StringIO()
    write_espresso_in(
        buffer,
        atoms,
        input_data={name: dict(values) for name, values in parameters.items()},
        pseudopotentials=pseudopotentials,
        kpts=None if gamma else mesh,
    )
    # ASE writes the namelists that pw.x does not read here too; it warns about each.
    return re.sub(r"&[A-Z]+\n/\n", "", buffer.getvalue())
