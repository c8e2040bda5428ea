"""Surfaces: slabs cut from bulk crystals, with every termination."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.cell import Cell
from pymatgen.core.surface import Slab

from flowpot.augmentation.crystal import Crystal
from flowpot.augmentation.generator import Batch, ParentGenerator, dataset_of
from flowpot.augmentation.inputs import Inputs, Parent
from flowpot.augmentation.supercell import supercell
from flowpot.dataset import Dataset
from flowpot.dataset.geometry.cells import lattice_planes
from flowpot.dataset.geometry.vacuum import add_vacuum, empty_directions, widest_gap
from flowpot.validation import complete, positive, several, whole

_THINNER = 0.8
"""Factor by which slabs of too many atoms are made thinner."""
_THINNEST = 1.0
"""Thickness (A) below which no slab is cut."""


@dataclass(frozen=True)
class Slabs(ParentGenerator):
    """
    Slabs of the bulk inputs, one for each surface and termination.

    Parameters
    ----------
    miller_indices
        Surfaces, by three indices in the conventional cell, also for hexagonal
        crystals. Of surfaces that are equivalent by symmetry, the first is cut.
    min_thickness
        Least distance between the outermost atoms, in A.
    max_atoms
        Largest number of atoms. Slabs of `min_thickness` that have more are made
        thinner.
    min_length
        Wanted length of the shortest in-plane translation, in A. It may be shorter
        because of `max_atoms`.
    """

    miller_indices: tuple[tuple[int, int, int], ...] = (
        (1, 1, 1),
        (1, 1, 0),
        (1, 0, 0),
        (0, 0, 1),
    )
    min_thickness: float = 10.0
    max_atoms: int = 450
    min_length: float = 18.0

    kind: ClassVar[str] = "slab"

    def __post_init__(self) -> None:
        """Check the parameters."""
        complete(self)
        positive(min_thickness=self.min_thickness, min_length=self.min_length)
        whole(1, max_atoms=self.max_atoms)
        several(miller_indices=self.miller_indices)
        indices = tuple(
            _index(index, "miller_indices") for index in self.miller_indices
        )
        object.__setattr__(self, "miller_indices", indices)

    def from_parent(
        self, parent: Parent, inputs: Inputs, rng: np.random.Generator
    ) -> Batch:
        """Cut the slabs of one input."""
        del rng  # there is nothing random about surfaces
        empty = dataset_of([], self.kind)
        if parent.cell.info.get("charge"):
            note = f"{parent.label}: no slabs, since it is charged"
            return Batch(empty, notes=(note,))
        if not is_bulk(parent.cell):
            return Batch(empty, notes=(f"{parent.label}: no slabs, it is no bulk",))
        crystal = Crystal.of(parent.cell)
        frames, notes = [empty], []
        for index, equivalent in crystal.distinct(self.miller_indices).items():
            if equivalent:
                planes = ", ".join(map(_plane, equivalent))
                notes.append(
                    f"{parent.label}: no slabs of {planes}, the same as "
                    f"{_plane(index)} by symmetry"
                )
            slabs = _cut(crystal, index, self.min_thickness, self.max_atoms)
            if not slabs:
                notes.append(
                    f"{parent.label}: no {_plane(index)} slab, the thinnest has more "
                    f"than max_atoms={self.max_atoms}"
                )
            frames += [self._frame(slab, index, inputs.vacuum) for slab in slabs]
        return Batch(Dataset.concatenate(frames), notes=tuple(notes))

    def _frame(self, slab: Slab, index: tuple[int, ...], vacuum: float) -> Dataset:
        """Repeat a slab in its plane, and add its metadata."""
        atoms = supercell(
            open_slab(slab, vacuum),
            min_length=self.min_length,
            max_atoms=self.max_atoms,
        )
        return dataset_of(
            [atoms],
            self.kind,
            miller=" ".join(map(str, index)),
            termination=float(slab.shift),
            thickness=float(np.ptp(atoms.positions[:, 2])),
        )


def slabs(
    atoms: Atoms,
    miller_index: Sequence[int],
    *,
    min_thickness: float = 10.0,
    max_atoms: int = 450,
    vacuum: float = 15.0,
) -> list[Atoms]:
    """
    Cut slabs from a bulk crystal, one for each termination.

    Parameters
    ----------
    atoms
        A crystal, periodic in three directions, in any of its cells.
    miller_index
        Three indices of the surface, in the conventional cell.
    min_thickness
        Least distance between the outermost atoms, in A.
    max_atoms
        Largest number of atoms. Slabs that have more are made thinner.
    vacuum
        Vacuum between slabs, in A.

    Returns
    -------
    list of Atoms
        Slabs of the smallest in-plane cell, open along the third cell vector, which is
        normal to the surface; none if even the thinnest has too many atoms. The
        terminations are pymatgen's, of which equivalent ones are cut once.

    Raises
    ------
    ValueError
        If the structure is no bulk crystal, or has a charge, or a parameter makes no
        sense.
    """
    positive(min_thickness=min_thickness, vacuum=vacuum)
    whole(1, max_atoms=max_atoms)
    index = _index(miller_index, "miller_index")
    if not is_bulk(atoms):
        raise ValueError(
            f"{atoms.get_chemical_formula()} is no bulk crystal (periodic in three "
            "directions, without vacuum): slabs cannot be cut from it"
        )
    if charge := atoms.info.get("charge"):
        raise ValueError(
            f"{atoms.get_chemical_formula()} has a charge of {charge}, and how much of "
            "it a slab has is not known: remove it, and charge the slab"
        )
    cut = _cut(Crystal.of(atoms), index, min_thickness, max_atoms)
    return [open_slab(slab, vacuum) for slab in cut]


def is_bulk(atoms: Atoms) -> bool:
    """Tell whether a structure is periodic in three directions and has no vacuum."""
    return bool(atoms.pbc.all()) and not empty_directions(atoms)


def open_slab(slab: Slab, vacuum: float) -> Atoms:
    """
    Return a pymatgen slab as Atoms, with its normal along z.

    Parameters
    ----------
    slab
        The slab.
    vacuum
        Vacuum along z, in A, which is not periodic.
    """
    cell = np.array(slab.lattice.matrix)
    cell[2] = np.cross(cell[0], cell[1]) / np.linalg.norm(np.cross(cell[0], cell[1]))
    # Right-handed, so that the change to standard axes is a rotation.
    standard, rotation = Cell(cell).standard_form()
    atoms = Atoms(
        [site.specie.Z for site in slab],
        slab.cart_coords @ rotation.T,
        cell=standard,
        pbc=(True, True, False),
    )
    moments = [getattr(site.specie, "spin", None) for site in slab]
    if moments[0] is not None:
        atoms.set_initial_magnetic_moments(moments)
    return add_vacuum(atoms, vacuum)


def _cut(
    crystal: Crystal,
    index: tuple[int, ...],
    min_thickness: float,
    max_atoms: int,
) -> list[Slab]:
    """Cut slabs that are thick enough, or as thick as the number of atoms allows."""
    layer = crystal.layer(index)
    widest, _ = widest_gap(layer.frac_coords[:, 2] % 1.0)
    _, heights = lattice_planes(layer.lattice.matrix)
    size = min_thickness + float(widest * heights[2])
    cut = crystal.slabs(index, size)
    while any(len(slab) > max_atoms for slab in cut):
        size *= _THINNER
        if size < _THINNEST:
            return []
        cut = crystal.slabs(index, size)
    return cut


def _plane(index: tuple[int, ...]) -> str:
    """Write a plane, such as (1 0 0)."""
    return f"({' '.join(map(str, index))})"


def _index(given: Any, name: str) -> tuple[int, ...]:
    """Return the Miller indices of a plane; `name` is the field that they are from."""
    is_list = isinstance(given, Iterable) and not isinstance(given, str | bytes)
    index = tuple(given) if is_list else ()
    is_whole = all(isinstance(i, Integral) and not isinstance(i, bool) for i in index)
    if len(index) != 3 or not is_whole or not any(index):  # noqa: PLR2004
        raise ValueError(
            f"{name}: the miller index {given!r} is no plane: give three whole numbers "
            "for each, not all zero, for hexagonal crystals too, such as (1, 1, 0)"
        )
    return tuple(int(i) for i in index)
