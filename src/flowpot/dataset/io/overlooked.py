"""
Find columns that look like labels, but have names that no key has.

Frames whose energy is called ``dft_energy`` would count as unlabelled, and be labelled
again at great cost. So where a frame lacks a label, a column that looks like this label
is an error.
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
"""Words that turn the name of a label into that of something else."""
_OTHER_VECTORS = re.compile(
    r"^pos|vel|moment|magmom|spin|dipole|displac|polar|born|scaled|frac|unwrap|image"
    r"|^(disp|ref_?pos|tags|move_mask|initial_.*)$",
    re.IGNORECASE,
)
"""Names of vectors of an atom that are no forces."""


def check_overlooked(
    columns: Iterable[str],
    vectors: Iterable[str],
    found: Collection[str],
    keys: LabelKeys | None,
    where: Where,
    frame: int,
) -> None:
    """
    Refuse a frame that lacks a label while one of its columns may be this label.

    Parameters
    ----------
    columns, vectors
        Names of the numbers of the frame, and of the vectors of its atoms.
    found
        Names of the labels that the frame has.
    keys
        Names of the labels that the caller has chosen, None if none: a label whose
        name was chosen has no other name.
    where, frame
        File and number of the frame, for the message.

    Raises
    ------
    ValueError
        Where a column may be a label; names the column and the remedy.
    """
    vectors = list(vectors)
    columns = list(columns)
    looks = {
        "energy": [name for name in columns if _is_like(name, "energy")],
        "forces": [name for name in vectors if _is_like(name, "forces")],
        "stress": [name for name in columns if _is_like(name, "stress")],
    }
    # Where a frame has an energy, any other vectors of its atoms may be its forces.
    if "energy" in found:
        looks["forces"] += [
            name
            for name in vectors
            if not _OTHER_VECTORS.search(name) and name not in looks["forces"]
        ]
    for label, names in looks.items():
        own_keys = ("stress", "virial") if label == "stress" else (label,)
        was_chosen = keys is not None and any(
            getattr(keys, key) != getattr(MACE_KEYS, key) for key in own_keys
        )
        if names and label not in found and not was_chosen:
            is_virial = label == "stress" and "virial" in names[0].lower()
            key = "virial" if is_virial else label
            raise where.frame(
                frame,
                f"it has no {label} by the names that are looked for, and {names[0]!r} "
                f"may be it: if so, say keys=LabelKeys({key}={names[0]!r}, ...) in "
                f"Python or keys: {{{key}: {names[0]}}} in a campaign's file; if not, "
                f"say {label}={NO_LABEL!r} there, or read structures only "
                "(labels=False)",
            )


def _is_like(name: str, label: str) -> bool:
    return bool(_LOOKS_LIKE[label].search(name)) and not _IS_NOT.search(name)
