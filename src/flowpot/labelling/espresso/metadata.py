"""
What a structure is, for databases to be asked about.

The fields and values are those of ``emmet.core.structure.StructureMetadata``, whose
import alone takes longer than many a job.
"""

from typing import Any, Self

from emmet.core.types.pymatgen_types.composition_adapter import CompositionType
from emmet.core.types.pymatgen_types.element_adapter import ElementType
from pydantic import BaseModel, Field
from pymatgen.core import Structure

_SYMMETRY_PRECISIONS = ((0.1, 5.0), (1e-3, 1.0))
"""Distances (A) and angles (degrees) that are tried in turn, as emmet does."""


class SymmetryData(BaseModel):
    """The space group of a structure; None where spglib finds none."""

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
        # Loaded where it is used: a job that only plans does without.
        import spglib  # noqa: PLC0415
        from pymatgen.symmetry.analyzer import (  # noqa: PLC0415
            SpacegroupAnalyzer,
            SymmetryUndeterminedError,
        )

        known: dict[str, Any] = {"version": spglib.__version__}
        for symprec, angle in _SYMMETRY_PRECISIONS:
            known |= {"symprec": symprec, "angle_tolerance": angle}
            try:
                group = SpacegroupAnalyzer(structure, symprec, angle)
            except SymmetryUndeterminedError:
                continue
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
