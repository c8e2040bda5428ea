"""The document of a Quantum ESPRESSO single point, on atomate2's static contract."""

from contextlib import suppress
from typing import Any, Literal, Self

from emmet.core.math import Matrix3D, Vector3D
from emmet.core.types.pymatgen_types.composition_adapter import CompositionType
from emmet.core.types.pymatgen_types.element_adapter import ElementType
from emmet.core.types.pymatgen_types.structure_adapter import StructureType
from pydantic import BaseModel, Field
from pymatgen.core import Structure

from flowpot.documents import StageDoc

_SYMMETRY_PRECISIONS = ((0.1, 5.0), (1e-3, 1.0))
"""Tolerances (A, degrees) that are tried one after the other, as emmet does."""


class SymmetryData(BaseModel):
    """Space group of a structure; fields are None if spglib finds none."""

    crystal_system: str | None = Field(
        None, description='"Triclinic", "Monoclinic" ... "Cubic"'
    )
    symbol: str | None = Field(None, description="space group, Hermann-Mauguin")
    hall: str | None = Field(None, description="Hall symbol")
    number: int | None = Field(None, description="number of the space group")
    point_group: str | None = Field(None, description="point group")
    symprec: float | None = Field(None, description="spglib's tolerance (A)")
    angle_tolerance: float | None = Field(
        None, description="spglib's tolerance (degrees)"
    )
    version: str | None = Field(None, description="version of spglib")

    @classmethod
    def from_structure(cls, structure: Structure) -> Self:
        """Determine the symmetry of a structure."""
        # Imported here because jobs that only plan do not need it.
        import spglib  # noqa: PLC0415
        from pymatgen.symmetry.analyzer import (  # noqa: PLC0415
            SpacegroupAnalyzer,
            SymmetryUndeterminedError,
        )

        known: dict[str, Any] = {"version": spglib.__version__}
        for symprec, angle in _SYMMETRY_PRECISIONS:
            known |= {"symprec": symprec, "angle_tolerance": angle}
            with suppress(SymmetryUndeterminedError):  # the next tolerance may do
                group = SpacegroupAnalyzer(structure, symprec, angle)
                return cls(
                    crystal_system=group.get_crystal_system().title(),
                    symbol=group.get_space_group_symbol(),
                    hall=group.get_hall(),
                    number=group.get_space_group_number(),
                    point_group=group.get_point_group_symbol(),
                    **known,
                )
        return cls(**known)


class StructureMetadata(BaseModel):
    """Composition, size and symmetry of a structure."""

    nsites: int | None = Field(None, description="number of atoms")
    elements: list[ElementType] | None = Field(None, description="elements")
    nelements: int | None = Field(None, description="number of elements")
    composition: CompositionType | None = Field(None, description="atoms by element")
    composition_reduced: CompositionType | None = Field(
        None, description="the same in smallest whole numbers"
    )
    formula_pretty: str | None = Field(None, description="reduced formula")
    formula_anonymous: str | None = Field(
        None, description="reduced formula with A, B ... for the elements"
    )
    chemsys: str | None = Field(None, description="elements, joined by dashes")
    volume: float | None = Field(None, description="volume of the cell (A^3)")
    density: float | None = Field(None, description="mass density (g/cm^3)")
    density_atomic: float | None = Field(None, description="volume per atom (A^3)")
    symmetry: SymmetryData | None = Field(None, description="space group")

    @classmethod
    def from_structure(cls, meta_structure: Structure, **kwargs: Any) -> Self:
        """
        Describe a structure.

        Parameters
        ----------
        meta_structure
            The structure.
        **kwargs
            Other fields of the document.
        """
        composition = meta_structure.composition.remove_charges()
        elements = sorted({element.symbol for element in composition.elements})
        return cls(
            nsites=len(meta_structure),
            elements=elements,
            nelements=len(elements),
            composition=composition,
            composition_reduced=composition.reduced_composition,
            formula_pretty=composition.reduced_formula,
            formula_anonymous=composition.anonymized_formula,
            chemsys="-".join(elements),
            volume=meta_structure.volume,
            density=float(meta_structure.density),
            density_atomic=meta_structure.volume / len(meta_structure),
            symmetry=SymmetryData.from_structure(meta_structure),
            **kwargs,
        )


class EspressoCalculation(BaseModel):
    """Parameters of a pw.x calculation."""

    protocol: str = Field(description="stringent, balanced or fast")
    pseudo_family: str = Field(description="name of the pseudopotential family")
    pseudopotentials: dict[str, dict[str, Any]] = Field(
        description="per element: filename, md5, ecutwfc and ecutrho (Ry)"
    )
    kpoints: tuple[int, int, int] = Field(description="Gamma-centred mesh")
    ecutwfc: float = Field(description="cutoff of the wavefunctions (Ry)")
    ecutrho: float = Field(description="cutoff of the density (Ry)")
    parameters: dict[str, dict[str, Any]] = Field(
        description="namelists of the last run, remedies included"
    )
    command: str = Field(description="command that started pw.x")


class Correction(BaseModel):
    """A remedy that a handler applied before pw.x was started again."""

    handler: str = Field(description="class of the handler")
    errors: list[str] = Field(description="what it diagnosed")
    actions: list[str] = Field(description="what it changed")


class EspressoOutput(BaseModel):
    """
    The labels, in the units and signs of atomate2's static Makers.

    All fields are None if the calculation failed: an unconverged SCF gives no label.
    """

    structure: StructureType | None = Field(default=None, description="the frame")
    energy: float | None = Field(
        default=None,
        description="pw.x's last `!` energy, whose gradient the forces are (eV)",
    )
    energy_per_atom: float | None = Field(
        default=None, description="energy / atoms (eV)"
    )
    energy_without_smearing: float | None = Field(
        default=None, description="internal energy F + TS (eV)"
    )
    forces: list[Vector3D] | None = Field(default=None, description="forces (eV/A)")
    forces_max: float | None = Field(
        default=None, description="largest force on an atom (eV/A)"
    )
    stress: Matrix3D | None = Field(
        default=None,
        description="stress (kbar, VASP's sign); None without periodic axes",
    )
    fermi_level: float | None = Field(
        default=None, description="Fermi level, the upper of two (eV)"
    )
    total_magnetization: float | None = Field(
        default=None, description="total magnetisation (Bohr magnetons)"
    )
    absolute_magnetization: float | None = Field(
        default=None, description="absolute magnetisation (Bohr magnetons)"
    )
    magnetic_moments: list[float] | None = Field(
        default=None,
        description="moment of each atom's sphere, or its length (Bohr magnetons)",
    )


class EspressoRun(BaseModel):
    """How the calculation went; numbers are those of the last run unless stated."""

    n_scf_steps: int | None = Field(default=None, description="SCF iterations")
    scf_accuracy: float | None = Field(
        default=None, description="last estimate of the energy error (eV)"
    )
    n_kpoints: int | None = Field(default=None, description="irreducible k-points")
    n_bands: int | None = Field(default=None, description="Kohn-Sham states")
    highest_occupation: float | None = Field(
        default=None,
        description="largest occupation of the highest band, 1 if it is full; None "
        "without smearing, or if pw.x did not say it",
    )
    n_electrons: float | None = Field(default=None, description="valence electrons")
    n_mpi: int | None = Field(default=None, description="MPI processes")
    n_starts: int = Field(default=1, description="runs of pw.x, remedies included")
    wall_seconds: float | None = Field(
        default=None, description="pw.x's own wall time (s)"
    )
    core_seconds: float | None = Field(
        default=None, description="wall time x cores (s)"
    )


class EspressoTaskDoc(StructureMetadata, StageDoc):
    """
    A Quantum ESPRESSO single point.

    Honours atomate2's static contract: ``output.structure``, ``output.output.energy``,
    ``.forces`` and ``.stress``, ``output.dir_name``, ``output.uuid``. Its elastic,
    equation-of-state and phonon flows take it unchanged.
    """

    state: Literal["successful", "failed"] = Field(description="how it ended")
    errors: list[str] = Field(
        default_factory=list, description="why it failed; empty if it did not"
    )
    warnings: list[str] = Field(
        default_factory=list, description="warnings of pw.x and of the cache, each once"
    )
    corrections: list[Correction] = Field(
        default_factory=list, description="remedies that were applied, in order"
    )
    structure: StructureType = Field(description="the frame")
    input: EspressoCalculation = Field(description="parameters of the calculation")
    output: EspressoOutput = Field(description="the labels")
    run: EspressoRun = Field(description="how the calculation went")
    dir_name: str = Field(description="host:folder of the files")
    uuid: str | None = Field(default=None, description="uuid of the job")
    from_cache: bool = Field(
        default=False, description="whether the label comes from the cache"
    )
    task_label: str = Field(default="qe static", description="name of the Maker")
