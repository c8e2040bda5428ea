"""Isolated atoms: the energies from which binding is counted."""

from collections.abc import Sequence

from ase import Atoms

from flowpot.augmentation.validation import elements, positive


def isolated_atoms(species: Sequence[str], *, vacuum: float = 15.0) -> list[Atoms]:
    """
    Return one atom of each element, alone in a box.

    Parameters
    ----------
    species
        Element symbols.
    vacuum
        Side of the cubic box, in A: the distance between periodic images.
    """
    elements(species=species)
    positive(vacuum=vacuum)
    made = []
    for symbol in species:
        atom = Atoms(symbol, cell=[vacuum] * 3, pbc=False)
        atom.center()
        made.append(atom)
    return made
