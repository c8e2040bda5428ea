"""Phases of silicon, with about the volumes that PBE gives them."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import bulk, cut
from ase.spacegroup import crystal

from flowpot.demo import silicon_structures

_BOND = 2.369  # A, of diamond


@dataclass(frozen=True)
class Phase:
    """
    A phase of silicon, of about the volume that PBE gives it.

    Attributes
    ----------
    atoms
        Its cell, of which all edges are scaled by one factor; atoms are not relaxed.
    edge
        Lattice constant a of the conventional cell (A).
    trained
        Whether the campaign began with it.
    """

    atoms: Atoms
    edge: float
    trained: bool = False

    def edge_at(self, volume: float) -> float:
        """Return the lattice constant (A) at a volume (A^3/atom)."""
        own = self.atoms.get_volume() / len(self.atoms)
        return float(self.edge * (volume / own) ** (1 / 3))


def stacked(sequence: str) -> Atoms:
    """
    Return a polytype of diamond, by the stacking of its bilayers.

    ``ABC`` is diamond itself, ``AB`` lonsdaleite.
    """
    a = _BOND * np.sqrt(8 / 3)
    across = {"A": (0, 0), "B": (1 / 3, 2 / 3), "C": (2 / 3, 1 / 3)}
    # Of an atom's bonds one is straight up; a third of a bond above is the next layer.
    sites = [
        (*across[layer], (number + height) / len(sequence))
        for number, layer in enumerate(sequence)
        for height in (0, 3 / 4)
    ]
    cell = [a, a, 4 / 3 * _BOND * len(sequence), 90, 90, 120]
    return Atoms("Si" * len(sites), scaled_positions=sites, cell=cell, pbc=True)


def phases() -> dict[str, Phase]:
    """Return the phases: four insulators, a semimetal and two metals."""
    diamond, lonsdaleite = silicon_structures()
    cubic = {"spacegroup": 206, "cellpar": [6.67] * 3 + [90] * 3}
    bc8 = crystal("Si", [(0.1003,) * 3], **cubic)
    primitive = (-0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.5, 0.5, -0.5)
    four = stacked("ABCB")
    # Coordinates of germanium's (Kasper and Richards, Acta Cryst. 17 (1964) 752).
    st12 = crystal(
        "Si2",
        [(0.0912, 0.0912, 0), (0.1730, 0.3784, 0.2486)],
        spacegroup=96,
        cellpar=[5.73, 5.73, 6.74, 90, 90, 90],
    )
    for atoms in (bc8, st12):
        atoms.info.clear()  # a Spacegroup cannot be kept with frames
    a, ratio = 4.81, 0.55
    # the body-centred tetragonal cell of beta-tin, of two atoms
    tin = Atoms(
        "Si2",
        cell=a * np.array([(-1, 1, ratio), (1, -1, ratio), (1, 1, -ratio)]) / 2,
        scaled_positions=[(0, 0, 0), (0.75, 0.25, 0.5)],
        pbc=True,
    )
    return {
        "diamond": Phase(diamond, 5.47, trained=True),
        "lonsdaleite": Phase(lonsdaleite, lonsdaleite.cell.lengths()[0], trained=True),
        "BC8": Phase(cut(bc8, *primitive), 6.67, trained=True),
        "4H": Phase(four, four.cell.lengths()[0]),
        "ST12": Phase(st12, 5.73),
        "beta-tin": Phase(tin, a),
        "simple cubic": Phase(bulk("Si", "sc", a=2.53), 2.53),
    }
