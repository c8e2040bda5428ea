"""What the labels of a frame are called in files and in ASE's dictionaries."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LabelKeys:
    """
    Names of the labels: energy and stress per frame, forces per atom.

    Parameters
    ----------
    energy
        Of the total energy (eV). It must be the one whose gradient the forces are:
        under smearing the free energy.
    forces
        Of the forces (eV/A).
    stress
        Of the stress (eV/A^3, positive under tension).
    virial
        Of the virial (eV, -dE/d(strain)), where a frame has that in place of the
        stress: see `flowpot.dataset.virials`. Files are written with stress only.

    A label that is not there, whatever columns may look like it, is named ``none``.

    Examples
    --------
    >>> LabelKeys(energy="dft_energy", forces="dft_forces").stress
    'REF_stress'
    """

    energy: str = "REF_energy"
    forces: str = "REF_forces"
    stress: str = "REF_stress"
    virial: str = "REF_virials"

    def __post_init__(self) -> None:
        """Refuse one name for two labels."""
        names = [self.energy, self.forces, self.stress, self.virial]
        named = [name for name in names if name != NO_LABEL]
        if len(set(named)) < len(named):
            raise ValueError(f"{self} names two labels alike: give each its own name")


PROPERTIES = ("energy", "forces", "stress")
"""The labels of a frame, which potentials predict."""
FORCES_MAX = "forces_max"
"""The largest error, or disagreement, of the force on an atom of a frame (eV/A)."""
DECIDING = (*PROPERTIES, FORCES_MAX)
"""What may have a tolerance, and so decide which frames are labelled."""
NO_LABEL = "none"
"""The name of a label that is not to be looked for."""
VIRIALS = ("REF_virials", "REF_virial", "virial", "virials")
"""What virials are called in files of MACE, QUIP, GPUMD and NequIP."""
MACE_KEYS = LabelKeys()
"""MACE's defaults, which ASE leaves alone."""
ASE_KEYS = LabelKeys("energy", "forces", "stress", "virial")
"""The names under which ASE hands labels to a calculator."""
