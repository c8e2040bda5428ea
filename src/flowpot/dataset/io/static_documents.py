"""Labels in the documents of atomate2's static Makers: units, signs, and sanity."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from types import NoneType
from typing import Any, get_args

import numpy as np
from ase.stress import voigt_6_to_full_3x3_stress
from ase.units import GPa
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel

from flowpot.dataset.labels import PROPERTIES

KBAR = 0.1 * GPa
"""One kbar in eV/A^3."""

_MOST_ENERGY = 1e7  # eV/atom: ten times an all-electron atom of the heaviest elements
_MOST_FORCE = 1e6  # eV/A
_MOST_STRESS = 1e4  # eV/A^3
_ASYMMETRY = (1e-4, 1e-3)  # eV/A^3, and as a share of the largest component
_VOIGT = (6,)
_PACKED = (1, 3, 3)  # of documents that hold a list of frames


@dataclass(frozen=True)
class StressConvention:
    """
    What the stress of a kind of document means.

    Parameters
    ----------
    factor
        Takes it to eV/A^3 with ASE's sign, which is positive under tension.
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
By name.

`factor` is -0.1 GPa times the ``stress_sign_correction`` of atomate2's elastic flow of
the same code.
"""

_DOCUMENTS = {
    "atomate2.aims.schemas.task.OutputDoc": "aims",
    "atomate2.ase.schemas.OutputDoc": "vasp",  # force fields, too: converted there
    "atomate2.torchsim.schema.CalculationOutput": "ase",
    "emmet.core.tasks.OutputDoc": "vasp",
    "flowpot.labelling.espresso.document.EspressoOutput": "vasp",
}

STRESS_CONVENTION = "stress_convention"
"""The attribute by which a document's class states its own convention."""


class LabelError(ValueError):
    """A document holds no label, or one that cannot be true."""


class UnknownStressError(LabelError):
    """Nobody has said what the stress in a kind of document means."""


def stress_convention(output: Any, stated: str | None = None) -> str:
    """
    Find out what the stress of a static document means.

    Parameters
    ----------
    output
        The document's ``output``, or its class. A plain dictionary has no class: it is
        to follow the contract of atomate2's VASP documents.
    stated
        A name in `CONVENTIONS` that is to hold whatever the class.

    Raises
    ------
    UnknownStressError
        Where the class is unknown, with what to do about it.
    """
    if stated is not None:
        return checked_convention(stated)
    if isinstance(output, Mapping):
        if "@class" not in output:
            return "vasp"
        names, own = [f"{output.get('@module')}.{output['@class']}"], None
    else:
        kind = output if isinstance(output, type) else type(output)
        names = [f"{each.__module__}.{each.__qualname__}" for each in kind.__mro__]
        own = getattr(kind, STRESS_CONVENTION, None)
    if own is not None:
        return checked_convention(own)
    found = next((_DOCUMENTS[name] for name in names if name in _DOCUMENTS), None)
    if found is None:
        raise UnknownStressError(
            f"the sign and unit of the stress in documents of {names[0]} are unknown: "
            f"set the LabellingMaker's {STRESS_CONVENTION} to {_choices()}, or give "
            f"that class an attribute `{STRESS_CONVENTION}`"
        )
    return found


def checked_convention(name: str) -> str:
    """Refuse names that are not in `CONVENTIONS`."""
    if name not in CONVENTIONS:
        raise ValueError(f"{STRESS_CONVENTION} is {name!r}: use one of {_choices()}")
    return name


def output_class(schema: type[BaseModel]) -> type | None:
    """Return the class of the field ``output`` of a document; None without one."""
    field = schema.model_fields.get("output")
    if field is None:
        return None
    kinds = [k for k in get_args(field.annotation) or [field.annotation] if k]
    return next((k for k in kinds if isinstance(k, type) and k is not NoneType), None)


def read_labels(
    output: Any, n_atoms: int, *, periodic: bool = True, convention: str | None = None
) -> dict[str, Any]:
    """
    Read and check the labels in a static document.

    Parameters
    ----------
    output
        The document's ``output``, whose attributes or entries are ``energy`` (eV),
        ``forces`` (eV/A) and ``stress``.
    n_atoms
        Atoms of the frame.
    periodic
        Whether the frame has periodic axes. Without, its stress means nothing.
    convention
        See `stress_convention`.

    Returns
    -------
    dict
        Of those that are there: ``energy`` (eV); ``forces`` (eV/A), shape (n_atoms,
        3); ``stress`` (eV/A^3, ASE's sign), shape (3, 3).

    Raises
    ------
    LabelError
        Where a label has not the right shape, is not finite or too large to be true, or
        the stress is not symmetric.
    """
    given = {name: part_of(output, name) for name in PROPERTIES}
    labels: dict[str, Any] = {}
    if given["energy"] is not None:
        labels["energy"] = _checked_energy(given["energy"], n_atoms)
    if given["forces"] is not None:
        labels["forces"] = _checked_forces(given["forces"], n_atoms)
    if given["stress"] is not None and periodic:
        rule = CONVENTIONS[stress_convention(output, convention)]
        labels["stress"] = _checked_stress(given["stress"], rule)
    return labels


def _checked_energy(value: Any, n_atoms: int) -> float:
    """Return a finite energy of a possible size (eV)."""
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
    """Return one finite force an atom (eV/A)."""
    forces = _numbers("forces", value)
    if forces.shape != (n_atoms, 3):
        raise LabelError(
            f"forces have shape {forces.shape}, {n_atoms} atoms need ({n_atoms}, 3)"
        )
    _refuse_impossible("forces", forces, _MOST_FORCE, "eV/A")
    return forces


def _checked_stress(value: Any, rule: StressConvention) -> NDArray[np.float64]:
    """Return a finite, symmetric tensor (eV/A^3, ASE's sign)."""
    given = _numbers("stress", value)
    if given.shape == _VOIGT:
        if not rule.voigt:
            raise LabelError(
                "stress has six components in an order that its document does not "
                "state: it must be a 3 x 3 tensor"
            )
        given = voigt_6_to_full_3x3_stress(given)
    elif given.shape == _PACKED:
        given = given[0]
    if given.shape != (3, 3):
        raise LabelError(f"stress has shape {given.shape}: it must be (3, 3)")
    stress = rule.factor * given
    _refuse_impossible("stress", stress, _MOST_STRESS, "eV/A^3")
    difference = np.abs(stress - stress.T).max()
    if difference > _ASYMMETRY[0] + _ASYMMETRY[1] * np.abs(stress).max():
        raise LabelError(
            f"stress is not symmetric: components differ by {difference:.3g} eV/A^3"
        )
    return stress


def _numbers(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return an array of real numbers."""
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
    """Refuse what is not finite, or too large to be true."""
    bad = ~(np.abs(values) <= most)
    if bad.any():
        raise LabelError(
            f"{name}: {bad.sum()} of {values.size} components are not finite or beyond "
            f"{most:g} {unit}, {values[bad][0]:g} for example"
        )


def part_of(document: Any, name: str) -> Any:
    """Return an attribute of a document, or its entry where it was read as a dict."""
    if isinstance(document, Mapping):
        return document.get(name)
    return getattr(document, name, None)


def _short(value: Any) -> str:
    """Quote a value, cut where it is long."""
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."  # noqa: PLR2004


def _choices() -> str:
    return (
        "'vasp' (kbar, positive under compression), 'aims' (kbar, positive under "
        "tension) or 'ase' (eV/A^3, positive under tension)"
    )
