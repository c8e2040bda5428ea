"""What the labels of a frame are called in files and in ASE's dictionaries."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LabelKeys:
    """
    Names of the labels: energy and stress per frame, forces per atom.

    Examples
    --------
    >>> LabelKeys(energy="dft_energy", forces="dft_forces").stress
    'REF_stress'
    """

    energy: str = "REF_energy"
    forces: str = "REF_forces"
    stress: str = "REF_stress"

    def __post_init__(self) -> None:
        """Refuse one name for two labels."""
        if len({self.energy, self.forces, self.stress}) != len(PROPERTIES):
            raise ValueError(f"{self} names two labels alike: give three names")


PROPERTIES = ("energy", "forces", "stress")
MACE_KEYS = LabelKeys()
"""MACE's defaults, which ASE leaves alone."""
ASE_KEYS = LabelKeys("energy", "forces", "stress")
"""The names under which ASE hands labels to a calculator."""
