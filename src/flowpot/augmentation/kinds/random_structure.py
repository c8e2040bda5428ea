"""Random structures of random symmetry, drawn by PyXtal."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from pymatgen.core import Composition

from flowpot.augmentation.generator import Batch, Generator, dataset_of
from flowpot.augmentation.inputs import Inputs
from flowpot.dataset.geometry.closeness import made_distance
from flowpot.dataset.geometry.neighbours import closest_contact
from flowpot.dataset.geometry.vacuum import add_vacuum
from flowpot.plugins import optional_package
from flowpot.validation import (
    amounts,
    bounds,
    complete,
    elements,
    one_of,
    positive,
    several,
    some_of,
    whole,
    whole_numbers,
)

_GROUPS = {3: 230, 2: 80, 1: 75, 0: 32}
"""Number of space, layer, rod and (crystallographic) point groups, by dimension."""
_PERIODIC = {
    3: (True, True, True),
    2: (True, True, False),
    1: (False, False, True),
    0: (False, False, False),
}
_ATTEMPTS = 200
"""How often a group is drawn for a structure, at most."""


def random_structure(
    composition: Mapping[str, int],
    rng: np.random.Generator,
    *,
    dimension: int = 3,
    volume_factor: float = 1.0,
    min_distance: float | None = None,
    vacuum: float = 15.0,
) -> Atoms:
    """
    Draw a random structure of random symmetry, as AIRSS does.

    Parameters
    ----------
    composition
        Number of atoms of each element in the conventional cell.
    rng
        Source of randomness.
    dimension
        3 for crystals, 2 for layers, 1 for rods, 0 for clusters.
    volume_factor
        Volume, relative to PyXtal's estimate from atomic volumes.
    min_distance
        Shortest distance allowed, as a fraction of the sum of covalent radii; PyXtal
        itself is stricter. None for the common limit.
    vacuum
        Vacuum along open directions, in A.

    Returns
    -------
    Atoms
        The structure, periodic in as many directions as its dimension.

    Raises
    ------
    ImportError
        If PyXtal is not installed.
    ValueError
        If no group was met that has Wyckoff positions for the composition, or a
        parameter makes no sense.

    References
    ----------
    C. J. Pickard and R. J. Needs, J. Phys.: Condens. Matter 23, 053201 (2011);
    S. Fredericks et al., Comput. Phys. Commun. 261, 107810 (2021).
    """
    _check_composition(composition=composition)
    whole(0, dimension=dimension)
    one_of(tuple(_GROUPS), dimension=dimension)
    positive(volume_factor=volume_factor, vacuum=vacuum)
    shortest = made_distance(min_distance)
    found = _search(composition, rng, dimension, volume_factor, shortest)
    if found is None:
        raise ValueError(
            f"no random structure of {dict(composition)} found in {_ATTEMPTS} "
            "attempts: raise volume_factor, or change the number of atoms"
        )
    return add_vacuum(found, vacuum)


def _search(
    composition: Mapping[str, int],
    rng: np.random.Generator,
    dimension: int,
    volume_factor: float,
    min_distance: float,
) -> Atoms | None:
    """Draw structures until one keeps its atoms apart; None if none of them does."""
    for _ in range(_ATTEMPTS):
        group = int(rng.integers(1, _GROUPS[dimension] + 1))
        atoms = _draw(composition, dimension, group, volume_factor, rng)
        if atoms is None:
            continue
        if closest_contact(atoms, within=max(min_distance, 0.1)) >= min_distance:
            return atoms
    return None


def _check_composition(**fields: Any) -> None:
    """Refuse what is not a number of atoms, a whole one, for each of some elements."""
    amounts(**fields)
    for name, composition in fields.items():
        elements(**{name: list(composition)})
        whole_numbers(1, **{name: composition.values()})


@dataclass(frozen=True)
class RandomStructures(Generator):
    """
    Random structures of the inputs' compositions.

    Parameters
    ----------
    n_frames
        Number of structures in all.
    max_atoms
        Largest number of atoms in the cell. The number of formula units is drawn among
        those that fit.
    compositions
        Formula units, such as ``{"Si": 1, "O": 2}``, one of which is drawn for each
        structure; None for those of the inputs.
    dimensions
        3 for crystals, 2 for layers, 1 for rods, 0 for clusters; one is drawn for each
        structure.
    volume_factor
        Lowest and highest volume relative to PyXtal's estimate, between which volumes
        are uniform.
    """

    n_frames: int = 50
    max_atoms: int = 12
    compositions: tuple[Mapping[str, int], ...] | None = None
    dimensions: tuple[int, ...] = (3,)
    volume_factor: tuple[float, float] = (0.8, 1.6)

    kind: ClassVar[str] = "random_structure"

    def __post_init__(self) -> None:
        """Check the parameters."""
        complete(self)
        whole(1, n_frames=self.n_frames, max_atoms=self.max_atoms)
        whole_numbers(0, dimensions=self.dimensions)
        some_of(tuple(_GROUPS), dimensions=self.dimensions)
        bounds(0, volume_factor=self.volume_factor)
        several(compositions=self.compositions)
        for number, composition in enumerate(self.compositions or ()):
            _check_composition(**{f"compositions[{number}]": composition})
        object.__setattr__(self, "dimensions", tuple(self.dimensions))
        object.__setattr__(self, "volume_factor", tuple(self.volume_factor))
        if self.compositions is not None:
            object.__setattr__(self, "compositions", tuple(self.compositions))

    def generate(self, inputs: Inputs) -> Iterator[Batch]:
        """Make the structures."""
        rng = inputs.rng(self.kind)
        units, too_large = self._units(inputs)
        structures, dimensions = [], []
        for _ in range(self.n_frames):
            unit = units[int(rng.integers(len(units)))]
            copies = int(rng.integers(1, self.max_atoms // sum(unit.values()) + 1))
            dimension = int(rng.choice(self.dimensions))
            factor = float(rng.uniform(*self.volume_factor))
            composition = {symbol: copies * count for symbol, count in unit.items()}
            found = _search(composition, rng, dimension, factor, inputs.min_distance)
            if found is not None:
                structures.append(add_vacuum(found, inputs.vacuum))
                dimensions.append(dimension)
        frames = dataset_of(
            inputs.of_elements(structures), self.kind, dimension=dimensions
        )
        notes = []
        if missing := self.n_frames - len(structures):
            notes.append(
                f"{missing} of {self.n_frames} random structures are missing, not "
                f"found in {_ATTEMPTS} attempts each: raise volume_factor or max_atoms"
            )
        if too_large:
            notes.append(
                f"no random structures of {too_large}, whose formula units have more "
                f"than {self.max_atoms} atoms: raise max_atoms"
            )
        yield Batch(frames, (self.kind,), notes=tuple(notes))

    def _units(
        self, inputs: Inputs
    ) -> tuple[list[dict[str, int]], list[dict[str, int]]]:
        """Return the formula units that fit into the cell, and those that do not."""
        compositions = self.compositions
        if compositions is None:
            formulae = {
                parent.cell.get_chemical_formula(empirical=True)
                for parent in inputs.parents
            }
            compositions = tuple(
                {str(element): int(n) for element, n in Composition(formula).items()}
                for formula in sorted(formulae)
            )
        fitting: list[dict[str, int]] = []
        too_large: list[dict[str, int]] = []
        for unit in compositions:
            fits = sum(unit.values()) <= self.max_atoms
            (fitting if fits else too_large).append(dict(unit))
        if not fitting:
            raise ValueError(
                f"random_structures: max_atoms={self.max_atoms} is less than one "
                f"formula unit of {too_large}: raise it"
            )
        return fitting, too_large


def _draw(
    composition: Mapping[str, int],
    dimension: int,
    group: int,
    volume_factor: float,
    rng: np.random.Generator,
) -> Atoms | None:
    """Draw a structure of one group; None if the group does not suit it."""
    pyxtal = optional_package(
        "pyxtal", "random structures", "set random_structures=None"
    )
    crystal = pyxtal.pyxtal()
    incompatible = import_module("pyxtal.msg").Comp_CompatibilityError
    try:
        crystal.from_random(
            dimension,
            group,
            list(composition),
            list(composition.values()),
            factor=volume_factor,
            random_state=np.random.default_rng(rng.integers(2**63)),
        )
    except (incompatible, RuntimeError):
        return None
    if not crystal.valid:
        return None
    drawn = crystal.to_ase()
    return Atoms(
        drawn.numbers, drawn.positions, cell=drawn.cell, pbc=_PERIODIC[dimension]
    )
