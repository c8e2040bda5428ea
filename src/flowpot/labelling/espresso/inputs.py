"""The input of pw.x for a frame."""

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io.espresso import write_espresso_in
from ase.units import Bohr
from numpy.typing import NDArray
from pymatgen.io.core import InputGenerator

from flowpot.labelling.espresso.electrostatics import (
    IsolatedFrame,
    check_dipole,
    checked_isolation,
    dipole_correction,
    isolated_frame,
)
from flowpot.labelling.espresso.hubbard import check_hubbard, hubbard_input
from flowpot.labelling.espresso.keywords import check_version, needs_version
from flowpot.labelling.espresso.magnetism import (
    SPIN_POLICIES,
    SpinPolicy,
    check_elements,
    check_kinds,
    check_spins,
    fixed_totals,
    is_isolated_atom,
    is_noncollinear,
    relative_moments,
    starting_moments,
)
from flowpot.labelling.espresso.namelists import (
    INPUT_FILE,
    as_fortran,
    checked_number,
    checked_settings,
    merge_settings,
)
from flowpot.labelling.espresso.protocols import (
    band_count,
    get_protocol,
    inequivalent_kpoints,
    kpoint_mesh,
)
from flowpot.labelling.espresso.pseudos import (
    PseudoFamily,
    check_name,
    get_family,
    valence_electrons,
)
from flowpot.labelling.espresso.species import by_species, species_labels

_ATOM_MIXING_BETA = 0.3


@dataclass(frozen=True)
class EspressoInput:
    """
    Input of a pw.x calculation.

    Parameters
    ----------
    atoms
        The frame.
    isolated
        The frame as pw.x gets it, so that it does not interact with its images.
    parameters
        Namelists, by lower-case names.
    mesh
        Gamma-centred mesh of k-points.
    pseudos
        Entry of the pseudopotential family for each element.
    pseudo_dir
        Folder of the pseudopotential files.
    text
        Content of the input file.
    """

    atoms: Atoms
    isolated: IsolatedFrame
    parameters: dict[str, dict[str, Any]]
    mesh: tuple[int, int, int]
    pseudos: dict[str, dict[str, Any]]
    pseudo_dir: Path
    text: str

    @property
    def prefix(self) -> str:
        """Prefix of the names of pw.x's files."""
        return str(self.parameters["control"].get("prefix", "pwscf"))

    @property
    def n_kpoints(self) -> int:
        """Least number of k-points that pw.x will have, those of both spins counted."""
        spins = 2 if self.parameters["system"].get("nspin") == 2 else 1  # noqa: PLR2004
        return spins * inequivalent_kpoints(self.isolated.atoms, self.mesh)

    @property
    def n_bands(self) -> int:
        """Number of Kohn-Sham states at each k-point."""
        return int(self.parameters["system"]["nbnd"])

    def write(self, folder: Path) -> Path:
        """Write the input file into a folder and return its path."""
        path = folder / INPUT_FILE
        path.write_text(self.text)
        return path


@dataclass
class EspressoInputGenerator(InputGenerator):
    """
    Chooses every parameter of a pw.x single point for a given frame.

    The parameters are those of the same names of
    :class:`flowpot.EspressoStaticMaker`, which is one.
    """

    protocol: str = "stringent"
    pseudo_family: str | PseudoFamily = "sssp-1.3-pbe-precision"
    user_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    kspacing: float | None = None
    magnetic_moments: dict[str, float] = field(default_factory=dict)
    spin: SpinPolicy = "given"
    assume_isolated: str | None = None
    correct_dipole: bool = False
    hubbard: dict[str, float] = field(default_factory=dict)
    cutoff_factor: float = 1.0

    def __post_init__(self) -> None:
        """Refuse values of fields that pw.x would not take, before any job runs."""
        get_protocol(self.protocol)
        check_name(self.pseudo_family)
        user = checked_settings(self.user_settings)
        isolation = checked_isolation(self.assume_isolated)
        if isolation == "esm" and user.get("system", {}).get("esm_bc", "pbc") == "pbc":
            raise ValueError(
                "assume_isolated is 'esm', which does nothing without user_settings "
                "{'SYSTEM': {'esm_bc': 'bc1'}}, or 'bc2' or 'bc3'"
            )
        is_set = user.get("control", {}).get("dipfield", False)
        check_dipole(isolation, self.correct_dipole, is_set=is_set)
        check_elements(self.magnetic_moments)
        check_hubbard(self.hubbard)
        check_spins(user.get("system", {}))
        if self.spin not in SPIN_POLICIES:
            raise ValueError(
                f"spin is {self.spin!r}: use one of {', '.join(SPIN_POLICIES)}"
            )
        if self.kspacing is not None:
            self.kspacing = checked_number("kspacing", self.kspacing, "1/A")
        factor = checked_number("cutoff_factor", self.cutoff_factor, "1 changes none")
        self.cutoff_factor = factor

    def get_input_set(self, atoms: Atoms, version: str = "7.1") -> EspressoInput:
        """
        Return the input of one frame.

        Parameters
        ----------
        atoms
            The frame.
        version
            Version of the Quantum ESPRESSO that will read the input: see
            `needs_version`.

        Raises
        ------
        FileNotFoundError
            If a pseudopotential file is missing.
        ValueError
            If the frame and the parameters contradict each other, or the version does
            not read the parameters as they are meant.
        """
        family = get_family(self.pseudo_family)
        elements = sorted(set(atoms.get_chemical_symbols()))
        pseudos = family.entries(elements)
        folder = family.locate(elements)
        files = {element: folder / pseudos[element]["filename"] for element in elements}

        isolated = isolated_frame(atoms, self.assume_isolated)
        frame = isolated.atoms.copy()
        valence = {element: valence_electrons(file) for element, file in files.items()}
        check_version(self._user_system(), version)
        moments = self._moments(frame, valence)
        totals = fixed_totals(frame, moments, valence, self._user_system())
        frame.set_initial_magnetic_moments(None)
        if moments.any():
            frame.set_initial_magnetic_moments(
                relative_moments(moments, frame, valence)
            )
        mesh = self._mesh(frame)
        parameters = self._parameters(frame, {**totals, **isolated.keys})
        parameters["control"]["pseudo_dir"] = str(folder)
        system = parameters["system"]
        electrons = sum(valence[symbol] for symbol in frame.get_chemical_symbols())
        electrons -= float(system.get("tot_charge", 0.0))
        moment = float(system.get("tot_magnetization", np.abs(moments).sum()))
        system.setdefault("nbnd", band_count(electrons, moment, system))
        names = {element: file.name for element, file in files.items()}
        labels = species_labels(_render(frame, parameters, mesh, names))
        keys, hubbard_card = hubbard_input(self.hubbard, labels, version)
        for name, values in parameters.items():
            parameters[name] = by_species(values, labels)
        parameters["system"] |= keys
        text = _render(frame, parameters, mesh, names) + hubbard_card
        return EspressoInput(atoms, isolated, parameters, mesh, pseudos, folder, text)

    def n_kpoints(self, atoms: Atoms) -> int:
        """Return the number of irreducible k-points of a frame."""
        return inequivalent_kpoints(atoms, self._mesh(atoms))

    def n_plane_waves(self, atoms: Atoms) -> float:
        """Return the number of plane waves of a frame, V k^3 / 6 pi^2 for a large V."""
        frame = isolated_frame(atoms, self.assume_isolated).atoms
        cutoff = self._parameters(frame, {})["system"]["ecutwfc"]  # Ry: k^2 in 1/bohr^2
        volume = abs(frame.cell.volume) / Bohr**3
        return float(volume * cutoff**1.5 / (6 * np.pi**2))

    def doubts(self, elements: Iterable[str]) -> list[str]:
        """
        Return what is to be doubted of labels of these elements, by the settings.

        With few plane waves stresses are not the slope of the energies (Pulay stress:
        P. G. Dacosta et al., J. Phys. C 19, L31, 1986), and one training fits both.
        """
        given = self._user_system().get("ecutwfc", np.inf) * self.cutoff_factor
        family = get_family(self.pseudo_family)
        known = sorted({*elements} & family.pseudos.keys())
        wave = family.cutoffs(known)[0] if known else 0.0
        if given >= wave:
            return []
        few = (
            f"ecutwfc is {given:g} Ry, where the pseudopotentials of "
            f"{', '.join(known)} need {wave:g} Ry: with so few plane "
            "waves stresses are not the slope of the energies. Raise it in "
            "user_settings, or leave it out"
        )
        return [few]

    @property
    def needs_version(self) -> bool:
        """Whether the input, or its meaning, depends on the version of pw.x."""
        return bool(self.hubbard) or needs_version(self._user_system())

    @property
    def kpoints_distance(self) -> float:
        """Largest distance of neighbouring k-points (1/A, 2 pi included)."""
        return self.kspacing or get_protocol(self.protocol).kpoints_distance

    def _user_system(self) -> dict[str, Any]:
        """Return the user's keys of SYSTEM, in lower case."""
        return checked_settings(self.user_settings).get("system", {})

    def _moments(
        self, atoms: Atoms, valence: Mapping[str, float]
    ) -> NDArray[np.float64]:
        """Return the moments that the SCF starts from (Bohr magnetons), (n_atoms,)."""
        user = self._user_system()
        moments = starting_moments(atoms, self.magnetic_moments, valence, self.spin)
        if user.get("nspin") == 1 and not is_noncollinear(user):
            moments = np.zeros(len(atoms))
        check_kinds(moments, atoms)
        return moments

    def _mesh(self, atoms: Atoms) -> tuple[int, int, int]:
        """Return the mesh of k-points."""
        return kpoint_mesh(atoms, self.kpoints_distance)

    def _parameters(self, atoms: Atoms, totals: dict[str, Any]) -> dict[str, Any]:
        """Return the namelists: the user's keys override protocol and frame."""
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
        noncollinear = is_noncollinear(self._user_system())
        if noncollinear:
            system["noncolin"] = True  # with nspin = 4 alone ASE writes no moments
        elif atoms.get_initial_magnetic_moments().any():
            system["nspin"] = 2
        if is_isolated_atom(atoms):
            electrons["mixing_beta"] = _ATOM_MIXING_BETA
        system |= totals
        if self.correct_dipole:
            dipole = dipole_correction(atoms)
            control |= dipole.get("control", {})
            system |= dipole.get("system", {})
        defaults = {"control": control, "system": system, "electrons": electrons}
        merged = merge_settings(defaults, self.user_settings, dual=density / wave)
        for name in ("ecutwfc", "ecutrho"):
            merged["system"][name] *= self.cutoff_factor
        return merged


def _render(
    atoms: Atoms,
    parameters: dict[str, dict[str, Any]],
    mesh: tuple[int, int, int],
    pseudopotentials: dict[str, str],
) -> str:
    """Return the text of the input file; Gamma alone has real wavefunctions."""
    system = parameters["system"]
    gamma = mesh == (1, 1, 1) and not system.get("noncolin")
    if system.get("assume_isolated") == "2D":
        gamma = False  # the SCF of pw.x 6.7 diverges with real wavefunctions
    buffer = io.StringIO()
    write_espresso_in(
        buffer,
        atoms,
        input_data=as_fortran(parameters),
        pseudopotentials=pseudopotentials,
        kpts=None if gamma else mesh,
    )
    # ASE also writes empty namelists, and pw.x warns about each that it does not read.
    return re.sub(r"&[A-Z]+\n/\n", "", buffer.getvalue())
