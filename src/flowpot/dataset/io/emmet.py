"""VASP's documents, as emmet writes them for atomate2."""

from collections.abc import Sequence
from typing import Any

from flowpot.documents import class_names, field_of

VASP_OUTPUT = "emmet.core.tasks.OutputDoc"
"""Name of the class of their ``output``."""


def is_vasp(output: Any) -> bool:
    """Return whether a document's ``output``, or its class, is emmet's of VASP."""
    return VASP_OUTPUT in class_names(output)


def free_energy(document: Any) -> float | None:
    """
    Return the free energy (eV) that one of emmet's VASP documents holds.

    Forces and stress are its gradient. The energy of the ``output`` is another: it is
    extrapolated to zero smearing.

    Parameters
    ----------
    document
        A model or a dictionary.

    Returns
    -------
    float or None
        None for the documents of other codes, and where VASP's ionic steps were not
        kept: see `free_energy_of_steps`.
    """
    calculations = field_of(document, "calcs_reversed")
    if not isinstance(calculations, Sequence) or not calculations:
        return None
    output = field_of(calculations[0], "output")
    return free_energy_of_steps(field_of(output, "ionic_steps"))


def free_energy_of_steps(steps: Any) -> float | None:
    """
    Return the free energy (eV) of the last of VASP's ionic steps, None without any.

    pymatgen corrects the extrapolated energy of a step where ``vasprun.xml`` gives it
    without the dispersion correction. The free energy is right there, too.
    """
    if not isinstance(steps, Sequence) or not steps:
        return None
    return field_of(steps[-1], "e_fr_energy")
