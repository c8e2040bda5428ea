"""The Lennard-Jones potential of argon, in LAMMPS."""
# ruff: noqa: ARG002 - it honours the interface of a pair style

from flowpot.exploration.lammps.pair_style import PairStyle


class LennardJones(PairStyle):
    """A potential that both LAMMPS and ASE have."""

    style = "lj/cut"

    def conversion(self, model, species):
        return []

    def converted(self, model, species):
        return model

    def arguments(self, model):
        return "7.0"

    def coefficients(self, model, species):
        return "0.0104 3.40"

    def commands(self, model, species, dispersion=None):
        shifted = ["pair_modify shift yes"]
        return super().commands(model, species, dispersion) + shifted
