"""
Columns that look like labels, and that no key names.

Frames whose energy is called ``dft_energy`` would be unlabelled, and labelled again at
great cost, without a word. So where a frame lacks a label, a column of it that looks
like this label is an error, and not metadata.
"""

import re
from collections.abc import Collection, Iterable

from flowpot.dataset.labels import MACE_KEYS, NO_LABEL, LabelKeys
from flowpot.dataset.where import Where

_LOOKS_LIKE = {
    "energy": re.compile(
        r"energy|energies|enrg|^e_?(0|tot|total|dft|ref|fr|wo_entrp)$|^toten$"
        r"|^(dft|ref|tot)_?e$",
        re.IGNORECASE,
    ),
    "forces": re.compile(r"force|^frc|gradient", re.IGNORECASE),
    "stress": re.compile(r"stress|virial", re.IGNORECASE),
}
_IS_NOT = re.compile(
    r"kinetic|weight|error|std|spread|uncertain|disagree|cutoff|ecut|shift|threshold"
    r"|tolerance|delta|max|rms|mae|per_atom|norm|local|atomic|formation|hull|fermi"
    r"|band|gap|binding|adsorption|surface|seed|step|convergence|external|constant",
    re.IGNORECASE,
)
"""Such words make of a label's name that of something else."""
_OTHER_VECTORS = re.compile(
    r"^pos|vel|moment|magmom|spin|dipole|displac|polar|born|scaled|frac|unwrap|image"
    r"|^(disp|ref_?pos|tags|move_mask|initial_.*)$",
    re.IGNORECASE,
)
"""Vectors of an atom that are no forces."""


def check_overlooked(
    columns: Iterable[str],
    vectors: Iterable[str],
    found: Collection[str],
    keys: LabelKeys | None,
    where: Where,
    frame: int,
) -> None:
    """
    Refuse a frame that lacks a label which one of its columns may be.

    Parameters
    ----------
    columns, vectors
        Names of what the frame has: numbers of its own, and three per atom.
    found
        The labels that it has.
    keys
        The names that were asked for, None if none were: of a label whose name was
        chosen, nothing else is expected.
    where, frame
        For the message.

    Raises
    ------
    ValueError
        With the column and the remedy.
    """
    vectors = list(vectors)
    columns = list(columns)
    looks = {
        "energy": [name for name in columns if _is_like(name, "energy")],
        "forces": [name for name in vectors if _is_like(name, "forces")],
        "stress": [name for name in columns if _is_like(name, "stress")],
    }
    if "energy" in found:  # what its frame has beside an energy: rather not metadata
        looks["forces"] += [
            name
            for name in vectors
            if not _OTHER_VECTORS.search(name) and name not in looks["forces"]
        ]
    for label, names in looks.items():
        if names and label not in found and not _was_chosen(label, keys):
            raise where.frame(frame, _message(label, names[0]))


def _was_chosen(label: str, keys: LabelKeys | None) -> bool:
    """Whether the caller has said what a label is called."""
    names = ("stress", "virial") if label == "stress" else (label,)
    return keys is not None and any(
        getattr(keys, name) != getattr(MACE_KEYS, name) for name in names
    )


def _message(label: str, name: str) -> str:
    key = "virial" if label == "stress" and "virial" in name.lower() else label
    return (
        f"it has no {label} by the names that are looked for, and {name!r} may be it: "
        f"if so, say keys=LabelKeys({key}={name!r}, ...) in Python or keys: "
        f"{{{key}: {name}}} in a campaign's file; if not, say {label}={NO_LABEL!r} "
        "there, or read structures only (labels=False)"
    )


def _is_like(name: str, label: str) -> bool:
    return bool(_LOOKS_LIKE[label].search(name)) and not _IS_NOT.search(name)
