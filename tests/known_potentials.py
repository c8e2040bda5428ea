"""Potentials whose properties are known, as members of a committee."""

import numpy as np
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones


def stillinger_weber(scale: float = 1.0) -> Calculator:
    """
    Return Stillinger and Weber's silicon (Phys. Rev. B 31, 5262, 1985).

    Its constants (GPa) are C11 151.4, C12 76.4, C44 56.4 and B 101.4, and its lattice
    constant 5.431 A (Kluge, Ray and Rahman, J. Chem. Phys. 85, 4028, 1986). All
    energies are multiplied by `scale`.
    """
    from matscipy.calculators.manybody import Manybody
    from matscipy.calculators.manybody.explicit_forms.stillinger_weber import (
        Stillinger_Weber_PRB_31_5262_Si,
        StillingerWeber,
    )

    parameters = dict(Stillinger_Weber_PRB_31_5262_Si)
    parameters["epsilon"] *= scale
    return Manybody(**StillingerWeber(parameters))


def lennard_jones(epsilon: float) -> Calculator:
    """Return a rare gas: stresses are in proportion to epsilon, volumes all equal."""
    return LennardJones(epsilon=epsilon, sigma=3.4, rc=7.0, smooth=True)


class BrokenEMT(EMT):
    """EMT that never answers."""

    def calculate(self, *args, **kwargs):  # noqa: ARG002 - as ASE calls it
        """Fail at once."""
        raise ArithmeticError("no convergence")


class ChargeEnergy(Calculator):
    """An energy that is the charge of the frame."""

    implemented_properties = ("energy", "forces", "stress")

    def calculate(self, atoms=None, properties=(), system_changes=()):
        """Read the charge that a frame states."""
        super().calculate(atoms, properties, system_changes)
        self.results = {
            "energy": float(atoms.info.get("charge", 0)),
            "forces": np.zeros((len(atoms), 3)),
            "stress": np.zeros(6),
        }


class NoStressEMT(EMT):
    """EMT without stress, as many calculators are."""

    implemented_properties = ("energy", "free_energy", "energies", "forces")

    def calculate(self, *args, **kwargs):
        """Calculate by EMT, and drop the stress."""
        super().calculate(*args, **kwargs)
        self.results.pop("stress", None)


class LosingStressEMT(EMT):
    """EMT whose stress is not a number once the atoms have moved by 0.05 A."""

    def calculate(self, atoms=None, *args, **kwargs):
        """Calculate by EMT."""
        super().calculate(atoms, *args, **kwargs)
        if not hasattr(self, "_first"):
            self._first = atoms.get_scaled_positions()
        moved = (atoms.get_scaled_positions() - self._first) @ atoms.cell.array
        if abs(moved).max() > 0.05:
            self.results["stress"] = np.full(6, np.nan)
