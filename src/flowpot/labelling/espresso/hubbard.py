"""DFT+U: the card of pw.x 7.1 and later, the keys before it."""

import re
from collections.abc import Mapping
from typing import Any

from ase.data import atomic_numbers

from flowpot.labelling.espresso.keys import checked_number

_CARD_SINCE = (7, 1)
_MANIFOLD = re.compile(r"([A-Z][a-z]?)-([1-7][spdf])")


def check_hubbard(hubbard: Mapping[str, float]) -> None:
    """Refuse manifolds that are not written as ``Ni-3d``."""
    for manifold, value in hubbard.items():
        found = _MANIFOLD.fullmatch(manifold)
        if found is None or found.group(1) not in atomic_numbers:
            raise ValueError(
                f"hubbard names {manifold!r}: write element and manifold, as in "
                "{'Ni-3d': 6.0} (eV)"
            )
        checked_number(f"hubbard[{manifold!r}]", value, "eV", positive=False)


def hubbard_input(
    hubbard: Mapping[str, float], labels: list[str], version: str
) -> tuple[dict[str, Any], str]:
    """
    Write Hubbard parameters for a version of pw.x.

    Parameters
    ----------
    hubbard
        U (eV) of each manifold.
    labels
        Names of the species, in the order of the input; spin makes ``Ni`` and ``Ni1``.
    version
        Of Quantum ESPRESSO.

    Returns
    -------
    system
        Keys of the namelist SYSTEM.
    card
        What follows the other cards.
    """
    elements = [re.match(r"[A-Z][a-z]?", label) for label in labels]
    pairs = [
        (place, label, manifold)
        for place, (label, element) in enumerate(
            zip(labels, elements, strict=True), start=1
        )
        for manifold in hubbard
        if element is not None and manifold.split("-")[0] == element.group(0)
    ]
    if not pairs:
        return {}, ""
    if version_numbers(version) >= _CARD_SINCE:
        lines = [
            f"U {label}-{manifold.split('-')[1]} {hubbard[manifold]:g}"
            for _, label, manifold in pairs
        ]
        return {}, "\n".join(["HUBBARD (ortho-atomic)", *lines, ""])
    values = {f"hubbard_u({place})": hubbard[manifold] for place, _, manifold in pairs}
    return {"lda_plus_u": True, "u_projection_type": "ortho-atomic", **values}, ""


def version_numbers(version: str) -> tuple[int, int]:
    """
    Return major and minor number of a version.

    Examples
    --------
    >>> version_numbers("6.7MaX")
    (6, 7)
    """
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None:
        raise ValueError(f"pw.x states version {version!r}: expected such as 7.3.1")
    return int(found.group(1)), int(found.group(2))
