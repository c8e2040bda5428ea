"""Labelled frames from the documents of atomate2's static Makers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from types import NoneType
from typing import Any, get_args

import numpy as np
from ase.stress import voigt_6_to_full_3x3_stress
from ase.units import GPa
from monty.json import MontyDecoder
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel
from pymatgen.core import IMolecule, IStructure

from flowpot.dataset.io.ase import label_arrays
from flowpot.dataset.io.emmet import VASP_OUTPUT, free_energy
from flowpot.dataset.io.pymatgen import from_structures, states_of
from flowpot.dataset.labels import PROPERTIES, is_symmetric
from flowpot.documents import class_names, field_of

KBAR = 0.1 * GPa
"""One kbar in eV/A^3."""

_MOST_ENERGY = 1e7  # eV/atom: ten times an all-electron atom of the heaviest elements
_MOST_FORCE = 1e6  # eV/A
_MOST_STRESS = 1e4  # eV/A^3
_VOIGT = (6,)
_PACKED = (1, 3, 3)  # the shape in documents that hold a list of frames
_LONGEST = 60  # characters of a value that a message quotes


@dataclass(frozen=True)
class StressConvention:
    """
    What the stress of a kind of document means.

    Parameters
    ----------
    factor
        What the stress is multiplied by to have eV/A^3 and ASE's sign, which is
        positive under tension.
    voigt
        Whether six components are in ASE's order: xx, yy, zz, yz, xz, xy.
    """

    factor: float
    voigt: bool


CONVENTIONS = {
    "vasp": StressConvention(-KBAR, voigt=False),  # kbar, positive under compression
    "aims": StressConvention(KBAR, voigt=True),  # kbar, positive under tension
    "ase": StressConvention(1.0, voigt=True),  # eV/A^3, positive under tension
}
"""
Conventions by name.

`factor` is -0.1 GPa times the ``stress_sign_correction`` of atomate2's elastic flow of
the same code.
"""

_CONVENTION_OF = {
    "atomate2.aims.schemas.task.OutputDoc": "aims",
    "atomate2.ase.schemas.OutputDoc": "vasp",  # force fields, too: converted there
    "atomate2.torchsim.schema.CalculationOutput": "ase",
    VASP_OUTPUT: "vasp",
    "flowpot.labelling.espresso.document.EspressoOutput": "vasp",
}
"""Conventions of the classes of documents that are known."""

STRESS_CONVENTION = "stress_convention"
"""The attribute by which a document's class states its own convention."""


class LabelError(ValueError):
    """A document holds no label, or one that cannot be true."""


class UnknownStressError(LabelError):
    """Nothing says what the stress in a kind of document means."""


def stress_convention(output: Any, stated: str | None = None) -> str:
    """
    Find the convention of the stress in a static document.

    Parameters
    ----------
    output
        The document's ``output``, or its class. A plain dictionary, which has no
        class, counts as one of atomate2's VASP documents.
    stated
        A name in `CONVENTIONS` that holds whatever the class.

    Returns
    -------
    str
        A name in `CONVENTIONS`.

    Raises
    ------
    UnknownStressError
        Where the class is unknown; the message says what to do.
    """
    if stated is not None:
        return checked_convention(stated)
    if isinstance(output, Mapping) and "@class" not in output:
        return "vasp"
    names = class_names(output)
    own = None
    if not isinstance(output, Mapping):
        kind = output if isinstance(output, type) else type(output)
        own = getattr(kind, STRESS_CONVENTION, None)
    if own is not None:
        return checked_convention(own)
    known = [_CONVENTION_OF[name] for name in names if name in _CONVENTION_OF]
    if not known:
        raise UnknownStressError(
            f"the sign and unit of the stress in documents of {names[0]} are unknown: "
            f"set the LabellingMaker's {STRESS_CONVENTION} to {_choices()}, or give "
            f"that class an attribute `{STRESS_CONVENTION}`"
        )
    return known[0]


def checked_convention(name: str) -> str:
    """Return a name in `CONVENTIONS`; raise ValueError for any other."""
    if name not in CONVENTIONS:
        raise ValueError(f"{STRESS_CONVENTION} is {name!r}: use one of {_choices()}")
    return name


def output_class(schema: type[BaseModel]) -> type | None:
    """Return the class of a document's field ``output``, None where it has none."""
    field = schema.model_fields.get("output")
    if field is None:
        return None
    kinds = [k for k in get_args(field.annotation) or [field.annotation] if k]
    return next((k for k in kinds if isinstance(k, type) and k is not NoneType), None)


def from_static_documents(
    documents: Sequence[Any], convention: str | None = None
) -> dict[str, Any]:
    """
    Turn atomate2 static documents into the columns of a Dataset.

    Parameters
    ----------
    documents
        Documents, or what they are in a JobStore. Their energy is in eV and their
        forces in eV/A. Of VASP's documents the free energy is read: see `free_energy`.
    convention
        See `read_labels`.

    Raises
    ------
    ValueError
        Where a label of a document cannot be true, or a document has no geometry.
    """
    documents = [MontyDecoder().process_decoded(document) for document in documents]
    structures = [_geometry(document, n) for n, document in enumerate(documents)]
    inputs, labels = [], []
    for frame, (document, structure) in enumerate(
        zip(documents, structures, strict=True)
    ):
        # The moments of VASP's final structure are results: those of its input count.
        start = field_of(field_of(document, "input"), "structure")
        is_start = isinstance(start, IStructure | IMolecule)
        is_same = is_start and len(start) == len(structure)
        inputs.append(start if is_same else structure)
        output = field_of(document, "output")
        periodic = any(getattr(structure, "pbc", [False]))
        try:
            labels.append(
                read_labels(
                    output,
                    len(structure),
                    periodic=periodic,
                    convention=convention,
                    free_energy=free_energy(document),
                )
            )
        except LabelError as error:
            raise ValueError(f"document {frame}: {error}") from error
    sizes = [len(structure) for structure in structures]
    return {
        **from_structures(structures),
        **label_arrays(labels, sizes),
        **states_of(inputs),
    }


def _geometry(document: Any, frame: int) -> IStructure | IMolecule:
    """Return a document's structure, whichever field it is in."""
    for name in ("structure", "molecule"):
        structure = field_of(document, name)
        if isinstance(structure, IStructure | IMolecule):
            return structure
    raise ValueError(
        f"document {frame} has neither structure nor molecule: give the output of a "
        "static job"
    )


def read_labels(
    output: Any,
    n_atoms: int,
    *,
    periodic: bool = True,
    convention: str | None = None,
    free_energy: float | None = None,
) -> dict[str, Any]:
    """
    Read and check the labels in a static document.

    Parameters
    ----------
    output
        The document's ``output``, whose attributes or entries are ``energy`` (eV),
        ``forces`` (eV/A) and ``stress``.
    n_atoms
        Number of atoms of the frame.
    periodic
        Whether the frame has periodic axes. Without them its stress is not read, since
        it means nothing.
    convention
        A name in `CONVENTIONS`; None leaves it to the document's class: see
        `stress_convention`.
    free_energy
        Energy (eV) to take instead of that in `output`, if any: see `free_energy`.

    Returns
    -------
    dict
        Those of ``energy`` (eV), ``forces`` (eV/A, shape (n_atoms, 3)) and ``stress``
        (eV/A^3, ASE's sign, shape (3, 3)) that the document has.

    Raises
    ------
    LabelError
        Where a label has the wrong shape, is not finite, is too large to be true, or
        where the stress is not symmetric.
    """
    values = {name: field_of(output, name) for name in PROPERTIES}
    if free_energy is not None:
        values["energy"] = free_energy
    labels: dict[str, Any] = {}
    if values["energy"] is not None:
        labels["energy"] = _checked_energy(values["energy"], n_atoms)
    if values["forces"] is not None:
        labels["forces"] = _checked_forces(values["forces"], n_atoms)
    if values["stress"] is not None and periodic:
        rule = CONVENTIONS[stress_convention(output, convention)]
        labels["stress"] = _checked_stress(values["stress"], rule)
    return labels


def _checked_energy(value: Any, n_atoms: int) -> float:
    """Return an energy (eV); refuse what is no number, infinite or impossible."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if not isinstance(value, Real) or isinstance(value, bool | np.bool_):
        raise LabelError(f"energy is {_short(value)}: not a number")
    energy = float(value)
    if not np.isfinite(energy) or abs(energy) > _MOST_ENERGY * n_atoms:
        raise LabelError(
            f"energy is {energy:g} eV for {n_atoms} atoms: no atom has more than "
            f"{_MOST_ENERGY:g} eV"
        )
    return energy


def _checked_forces(value: Any, n_atoms: int) -> NDArray[np.float64]:
    """Return forces (eV/A), shape (n_atoms, 3); refuse impossible ones."""
    forces = _numbers("forces", value)
    if forces.shape != (n_atoms, 3):
        raise LabelError(
            f"forces have shape {forces.shape}, {n_atoms} atoms need ({n_atoms}, 3)"
        )
    _refuse_impossible("forces", forces, _MOST_FORCE, "eV/A")
    return forces


def _checked_stress(value: Any, rule: StressConvention) -> NDArray[np.float64]:
    """Return a stress (eV/A^3, ASE's sign), shape (3, 3); refuse impossible ones."""
    tensor = _numbers("stress", value)
    if tensor.shape == _VOIGT:
        if not rule.voigt:
            raise LabelError(
                "stress has six components in an order that its document does not "
                "state: it must be a 3 x 3 tensor"
            )
        tensor = voigt_6_to_full_3x3_stress(tensor)
    elif tensor.shape == _PACKED:
        tensor = tensor[0]
    if tensor.shape != (3, 3):
        raise LabelError(f"stress has shape {tensor.shape}: it must be (3, 3)")
    stress = rule.factor * tensor
    _refuse_impossible("stress", stress, _MOST_STRESS, "eV/A^3")
    if not is_symmetric(stress):
        difference = np.abs(stress - stress.T).max()
        raise LabelError(
            f"stress is not symmetric: components differ by {difference:.3g} eV/A^3"
        )
    return stress


def _numbers(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return an array of floats; refuse what are no real numbers."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        raise LabelError(f"{name} are not an array: rows differ in length") from None
    if array.dtype.kind not in "iuf":
        raise LabelError(f"{name} are {_short(value)}: not all are numbers")
    return array.astype(np.float64)


def _refuse_impossible(
    name: str, values: NDArray[np.float64], most: float, unit: str
) -> None:
    """Refuse values that are not finite, or above the most that is possible."""
    bad = ~(np.abs(values) <= most)
    if bad.any():
        raise LabelError(
            f"{name}: {bad.sum()} of {values.size} components are not finite or beyond "
            f"{most:g} {unit}, {values[bad][0]:g} for example"
        )


def _short(value: Any) -> str:
    """Quote a value, cut where it is long."""
    text = repr(value)
    return text if len(text) < _LONGEST else f"{text[: _LONGEST - 3]}..."


def _choices() -> str:
    return (
        "'vasp' (kbar, positive under compression), 'aims' (kbar, positive under "
        "tension) or 'ase' (eV/A^3, positive under tension)"
    )
