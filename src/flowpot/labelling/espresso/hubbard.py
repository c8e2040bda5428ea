"""Hubbard U, as the different versions of pw.x read it."""

import re
from collections.abc import Mapping
from typing import Any

from ase.data import atomic_numbers

from flowpot.labelling.espresso.keywords import version_numbers
from flowpot.labelling.espresso.namelists import checked_number
from flowpot.labelling.espresso.species import element_of

_CARD_SINCE = (7, 1)
_MANIFOLD = re.compile(r"([A-Z][a-z]?)-([1-7][spdf])")

_OWN = {
    element: manifold
    for manifold, elements in {
        "1s": "H",
        "2p": "C N O",
        "4p": "As",
        "3d": "Ti V Cr Mn Fe Co Ni Cu Zn Ga",
        "4d": "Zr Nb Mo Tc Ru Rh Pd Ag Cd In",
        "5d": "Hf Ta W Re Os Ir Pt Au Hg",
        "4f": "Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu",
        "5f": "Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr",
    }.items()
    for element in elements.split()
}  # set_hubbard_l.f90 and set_hubbard_n.f90 of pw.x 6.6 to 7.0; l is that of 6.0, too


def check_hubbard(hubbard: Mapping[str, float]) -> None:
    """Refuse manifolds that are not written as ``Ni-3d``."""
    for manifold, value in hubbard.items():
        parts = _MANIFOLD.fullmatch(manifold)
        if parts is None or parts.group(1) not in atomic_numbers:
            raise ValueError(
                f"hubbard names {manifold!r}: write element and manifold, as in "
                "{'Ni-3d': 6.0} (eV)"
            )
        checked_number(f"hubbard[{manifold!r}]", value, "eV", positive=False)


def hubbard_input(
    hubbard: Mapping[str, float], labels: list[str], version: str
) -> tuple[dict[str, Any], str]:
    """
    Return Hubbard parameters in the form that a version of pw.x reads.

    Versions from 7.1 read a card, earlier ones keys of a namelist, for the one manifold
    of each element that they choose themselves.

    Parameters
    ----------
    hubbard
        U (eV) of each manifold, such as ``"Ni-3d"``.
    labels
        Names of the species, in the order of the input. Different moments make several
        species of an element, such as ``Ni`` and ``Ni1``.
    version
        Version of Quantum ESPRESSO.

    Returns
    -------
    system
        Keys of the namelist SYSTEM.
    card
        Text that follows the other cards of the input.

    Raises
    ------
    ValueError
        If the version would apply U to another manifold of an element.
    """
    pairs = [
        (place, label, manifold)
        for place, label in enumerate(labels, start=1)
        for manifold in hubbard
        if manifold.split("-")[0] == element_of(label)
    ]
    if not pairs:
        return {}, ""
    if version_numbers(version) >= _CARD_SINCE:
        lines = [
            f"U {label}-{manifold.split('-')[1]} {hubbard[manifold]:g}"
            for _, label, manifold in pairs
        ]
        return {}, "\n".join(["HUBBARD (ortho-atomic)", *lines, ""])
    for _, _, manifold in pairs:
        _check_own(manifold, version)
    values = {f"hubbard_u({place})": hubbard[manifold] for place, _, manifold in pairs}
    return {"lda_plus_u": True, "u_projection_type": "ortho-atomic", **values}, ""


def _check_own(manifold: str, version: str) -> None:
    """Refuse a manifold that is not pw.x's own choice, for versions without a card."""
    element, orbital = manifold.split("-")
    own = _OWN.get(element)
    if orbital == own:
        return
    has = f"for {element}-{own} alone" if own else f"for no manifold of {element}"
    remedy = f"write {element}-{own}" if own else "leave it out"
    raise ValueError(
        f"hubbard names {manifold!r}, and pw.x {version} has U {has}: {remedy}, or "
        "install pw.x 7.1 or later"
    )
