"""What is calculated of a crystal, how, and what it is compared with."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowpot.validation import (
    at_least,
    mapping,
    names,
    nearest,
    number,
    one_of,
    positive,
    whole,
)
from flowpot.validation import seed as check_seed

PROPERTIES = ("eos", "elastic", "phonons", "nve")
"""Equation of state, elastic constants, phonons, and energy drift of dynamics."""

AUDITABLE = ("eos", "elastic", "phonons")
"""Those that labels of the distorted cells give, too."""

UNITS = {
    "volume": "A^3/atom",
    "energy": "eV/atom",
    "lattice_constant": "A",
    "lattice_constant_b": "A",
    "lattice_constant_c": "A",
    "bulk_modulus": "GPa",
    "bulk_modulus_elastic": "GPa",
    "shear_modulus": "GPa",
    "lowest_stiffness": "GPa",
    "highest_frequency": "THz",
    "lowest_frequency": "THz",
    "acoustic_at_gamma": "THz",
    "energy_drift": "meV/atom/ps",
    "energy_fluctuation": "meV/atom",
}
"""Units of the quantities whose names are always the same."""

_OF = {
    "eos": (
        *("volume", "energy", "bulk_modulus"),
        *("lattice_constant", "lattice_constant_b", "lattice_constant_c"),
    ),
    "elastic": ("bulk_modulus_elastic", "shear_modulus", "lowest_stiffness"),
    "phonons": ("highest_frequency", "lowest_frequency", "acoustic_at_gamma"),
    "nve": ("energy_drift", "energy_fluctuation"),
}
_WITHOUT_RELATIVE_ERROR = {
    "energy": "its zero is a convention: the campaign's tolerance of the energy is its "
    "place",
    "lowest_frequency": "of a stable crystal it is zero",
    "acoustic_at_gamma": "it is a check of the potential, whose true value is zero",
    "energy_drift": "it is a check of the potential, whose true value is zero",
    "energy_fluctuation": "it depends on the time step",
}
"""Quantities that no relative tolerance makes sense of, and why."""
_ELASTIC = re.compile(r"C[1-6][1-6]")
_PHONON = re.compile(r"phonon_\w+_\d+")
_TRANSLATIONS = tuple(f"phonon_GAMMA_{branch}" for branch in (1, 2, 3))
_LEAST_POINTS = 5  # of an equation of state: four parameters, and one to spare
_LARGEST_STRAIN = 0.2


def _usual_name(quantity: str) -> str:
    """
    Return the name that a quantity has in documents.

    Examples
    --------
    >>> _usual_name("C21"), _usual_name("phonon_Gamma_4"), _usual_name("C44")
    ('C12', 'phonon_GAMMA_4', 'C44')
    """
    if _ELASTIC.fullmatch(quantity):
        return "C" + "".join(sorted(quantity[1:]))
    return re.sub("_gamma_", "_GAMMA_", quantity, flags=re.IGNORECASE)


def unit_of(quantity: str) -> str | None:
    """
    Return the unit of a quantity by its name; None where there is no such quantity.

    Examples
    --------
    >>> unit_of("bulk_modulus"), unit_of("C44"), unit_of("phonon_X_3"), unit_of("hue")
    ('GPa', 'GPa', 'THz', None)
    """
    if _ELASTIC.fullmatch(quantity):
        return "GPa"
    if _PHONON.fullmatch(quantity):
        return "THz"
    return UNITS.get(quantity)


def calculation_of(quantity: str) -> str:
    """
    Return the calculation that gives a quantity: one of :data:`PROPERTIES`.

    Examples
    --------
    >>> calculation_of("bulk_modulus"), calculation_of("C44")
    ('eos', 'elastic')
    """
    if _ELASTIC.fullmatch(quantity):
        return "elastic"
    if _PHONON.fullmatch(quantity):
        return "phonons"
    return next(kind for kind, names in _OF.items() if quantity in names)


def check_property_tolerance(
    tolerance: Mapping[str, float], properties: Sequence[str] | None = None
) -> None:
    """
    Refuse relative tolerances of quantities that cannot be meant.

    Parameters
    ----------
    tolerance
        Shares by the names of quantities.
    properties
        What is calculated; None: not known.
    """
    mapping(property_tolerance=tolerance)
    check_quantities("property_tolerance", tolerance)
    for name, value in tolerance.items():
        field = f"property_tolerance[{name!r}]"
        positive(**{field: value})
        if not value < 1:
            raise ValueError(
                f"{field} is {value}: it is a share of the value, such as 0.05 for 5 %"
            )
        if (why := _without_relative_error(name)) is not None:
            raise ValueError(
                f"property_tolerance has {name!r}, which has no relative error: {why}; "
                "leave it out"
            )
        needed = calculation_of(name)
        if properties is not None and needed not in properties:
            raise ValueError(
                f"property_tolerance has {name!r}, and validator.properties "
                f"{tuple(properties)}: add {needed!r}"
            )


def _without_relative_error(quantity: str) -> str | None:
    """Return why no relative tolerance of a quantity makes sense, None if one does."""
    if quantity in _TRANSLATIONS:
        return "it is a translation, whose true value is zero"
    return _WITHOUT_RELATIVE_ERROR.get(quantity)


def check_quantities(field: str, given: Mapping[str, Any]) -> None:
    """
    Refuse names that are no quantities, and values that are no numbers.

    Parameters
    ----------
    field
        Name of the field, for the message.
    given
        Numbers by the names of quantities.
    """
    for name, value in given.items():
        if unit_of(name) is None:
            raise ValueError(
                f"{field} has {name!r}{nearest(name, UNITS)}: quantities are "
                f"{', '.join(UNITS)}, elastic constants such as C44, and phonons such "
                "as phonon_X_1 (the first branch at X)"
            )
        if (usual := _usual_name(name)) != name:
            raise ValueError(f"{field} has {name!r}: it is called {usual!r}")
        number(**{f"{field}[{name!r}]": value})


def check_auditable(**given: Sequence[str]) -> None:
    """Refuse names of what no labels give, by the name of the field."""
    for field, properties in given.items():
        names(**{field: properties})
        for name in properties:
            one_of(AUDITABLE, **{field: name})


def check_referenced(referenced: Sequence[str], properties: Sequence[str]) -> None:
    """
    Refuse reference calculations of what is not calculated, or of nothing.

    Parameters
    ----------
    referenced
        What they are made of.
    properties
        What the members calculate.
    """
    if not referenced:
        raise ValueError(
            "reference_properties is empty, and there is a reference_maker: name some "
            f"of {AUDITABLE}, or leave the reference_maker out"
        )
    for name in referenced:
        if name not in properties:
            raise ValueError(
                f"reference_maker calculates {name!r}, and properties is {properties}: "
                f"add {name!r}, name others in reference_properties, or leave the "
                "reference_maker out"
            )


@dataclass
class ValidationOptions:
    """
    The fields of :class:`flowpot.ValidationMaker`, which describes them.

    All calculations of a member depend on these alone.
    """

    properties: tuple[str, ...] = PROPERTIES
    references: dict[str, Any] | None = None
    eos_strain: float = 0.03
    eos_points: int = 7
    supercell_length: float = 15.0
    displacement: float = 0.01
    nve_temperature: float = 300.0
    nve_steps: int = 500
    nve_time_step: float = 1.0
    nve_length: float = 10.0
    fmax: float = 1e-4
    max_steps: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        names(properties=self.properties)
        if not self.properties:
            raise ValueError(f"properties is empty: use some of {PROPERTIES}")
        for name in self.properties:
            one_of(PROPERTIES, properties=name)
        self.properties = tuple(dict.fromkeys(self.properties))
        mapping(references=self.references)
        for name, value in (self.references or {}).items():
            if isinstance(value, Mapping):
                check_quantities(f"references[{name!r}]", value)
            else:
                check_quantities("references", {name: value})
        positive(
            eos_strain=self.eos_strain,
            supercell_length=self.supercell_length,
            displacement=self.displacement,
            nve_temperature=self.nve_temperature,
            nve_time_step=self.nve_time_step,
            nve_length=self.nve_length,
            fmax=self.fmax,
        )
        if self.eos_strain > _LARGEST_STRAIN:
            raise ValueError(
                f"eos_strain is {self.eos_strain}: it is a linear strain, such as 0.03"
            )
        whole(_LEAST_POINTS, eos_points=self.eos_points)
        whole(10, nve_steps=self.nve_steps)
        whole(1, max_steps=self.max_steps)
        at_least(0, seed=self.seed)
        check_seed(seed=self.seed)

    def references_of(self, crystal: str, crystals: list[str]) -> dict[str, float]:
        """
        Return the reference values of a crystal.

        Parameters
        ----------
        crystal
            Its name.
        crystals
            Names of all crystals that are validated.

        Raises
        ------
        ValueError
            Where the references are of another crystal, or of one of several and do
            not say of which.
        """
        given = self.references or {}
        nested = {k: v for k, v in given.items() if isinstance(v, Mapping)}
        flat = {k: v for k, v in given.items() if k not in nested}
        if flat and len(crystals) > 1:
            raise ValueError(
                f"references has {', '.join(flat)} without a crystal, and there are "
                f"{len(crystals)}: give them by crystal, as in "
                f"references={{{crystals[0]!r}: {{'bulk_modulus': 98}}}}"
            )
        for name in nested:
            if name not in crystals:
                raise ValueError(
                    f"references has the crystal {name!r}{nearest(name, crystals)}: "
                    f"there are {', '.join(map(repr, crystals))}"
                )
        return {**flat, **nested.get(crystal, {})}
