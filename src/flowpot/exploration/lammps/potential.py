"""LAMMPS's commands for the potential."""

from flowpot.exploration.lammps.script import FIX


def external_forces() -> list[str]:
    """
    Let the driver's callback move the atoms.

    A pair style without forces gives LAMMPS the neighbour list it insists on.
    """
    return [
        "pair_style zero 1.0 nocoeff",
        "pair_coeff * *",
        f"fix {FIX} all external pf/callback 1 1",
        f"fix_modify {FIX} energy yes virial yes",
    ]
