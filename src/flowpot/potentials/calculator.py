"""A potential as an ASE calculator."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from flowpot.potentials.verlet import VerletList

if TYPE_CHECKING:
    from flowpot.potentials.base import Potential


class PotentialCalculator(Calculator):
    """
    ASE calculator of a potential: energy, forces and, for periodic frames, stress.

    Parameters
    ----------
    potential
        The potential.
    skin
        See `Potential.calculator`.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012, ASE's

    def __init__(self, potential: "Potential", skin: float = 0.0) -> None:
        super().__init__()
        self.potential = potential
        self._neighbours = VerletList(potential, skin) if skin else None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] | None = None,
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Predict everything at once; ASE asks again only when the atoms change."""
        super().calculate(atoms, properties, system_changes)
        energy, forces, stress = self.potential.evaluate_atoms(
            self.atoms, self._neighbours
        )
        results: dict[str, Any] = {
            "energy": energy,
            "free_energy": energy,
            "forces": forces,
        }
        if np.isfinite(stress).all():
            results["stress"] = full_3x3_to_voigt_6_stress(stress)
        self.results = results
