"""Quantities against their tolerances: known well enough, or why not."""

from collections.abc import Iterator, Mapping, Sequence
from math import floor, log10
from typing import Literal

from pydantic import BaseModel, Field

from flowpot.properties.document import (
    CrystalDoc,
    IntervalKind,
    Quantity,
    ValidationDoc,
)
from flowpot.properties.options import calculation_of, unit_of
from flowpot.properties.verdict import number

Standing = Literal["within", "wide", "off", "unaudited", "unknown"]


class PropertyStanding(BaseModel):
    """A quantity of a crystal against its tolerance."""

    crystal: str
    name: str
    calculation: str = Field(description="eos, elastic, phonons or nve")
    unit: str = ""
    tolerance: float = Field(description="relative")
    mean: float | None = Field(None, description="over the members; None: not known")
    half_width: float | None = Field(
        None, description="of its 95 % interval; None without one"
    )
    interval_kind: IntervalKind = "none"
    reason: str | None = Field(
        None, description="why the interval is not to be relied on, or is not known"
    )
    calculated: float | None = Field(None, description="by reference calculations")
    n_failed: int = Field(0, description="members that have not calculated it")
    failure: str | None = Field(None, description="why the first of them has not")
    standing: Standing = Field(
        "unknown",
        description="wide: the interval; off: from the reference calculation; "
        "unaudited: without the reference calculation that was asked for",
    )

    @property
    def title(self) -> str:
        """What it is of what, in words."""
        return f"{self.name.replace('_', ' ')} of {self.crystal}"

    @property
    def is_within(self) -> bool:
        """Whether it is known well enough."""
        return self.standing == "within"

    @property
    def is_learnable(self) -> bool:
        """Whether labels of the distorted cells may mend it."""
        return self.standing in ("wide", "off")

    @property
    def excess(self) -> float | None:
        """
        Largest error, by interval or reference, over the tolerance.

        None where neither is known.
        """
        errors = [each for each in (self.width, self.deviation) if each is not None]
        return max(map(abs, errors)) / self.tolerance if errors else None

    @property
    def width(self) -> float | None:
        """Half-width of the interval in units of the mean; None without."""
        if self.half_width is None or not self.mean:
            return None
        return self.half_width / abs(self.mean)

    @property
    def deviation(self) -> float | None:
        """Relative difference from the reference calculation; None without."""
        if self.mean is None or not self.calculated:
            return None
        return (self.mean - self.calculated) / abs(self.calculated)

    @property
    def brief(self) -> str:
        """What is wrong with it, in a few words."""
        what = self.title
        if self.mean is None:
            return f"{what} is not known"
        value = f"{what} {number(self.mean)} {self.unit}"
        if self.width is not None:
            value += f" +- {100 * self.width:.3g} %"
        if self.standing == "unaudited":
            return f"{value}, without a reference"
        if self.standing == "off" and self.calculated is not None:
            value = f"{what} {number(self.mean)}, not {number(self.calculated)}"
            value += f" {self.unit}"
        return f"{value}, tolerance {100 * self.tolerance:.3g} %"

    def __str__(self) -> str:
        """Write the value, how well it is known, and the tolerance."""
        what = self.title
        if self.mean is None:
            return f"{what} is not known: {self.reason}"
        said = f"{what} {with_error(self.mean, self.half_width)} {self.unit}"
        if self.half_width is None and not self.n_failed:
            said += f" without an interval ({self.reason})"
        if self.deviation is not None:
            assert self.calculated is not None
            said += (
                f", by reference calculations {number(self.calculated)} "
                f"({100 * self.deviation:+.1f} %)"
            )
        elif self.standing == "unaudited":
            said += ", without a reference calculation"
        if self.interval_kind == "members":
            why = f": {self.reason}" if self.reason else ""
            said += f" (by the members' spread, not calibrated{why})"
        if self.n_failed:
            said += f", {self.n_failed} of the members left out ({self.failure})"
        if self.width is not None:
            said += f", known to {100 * self.width:.3g} %"
        return f"{said}, tolerance {100 * self.tolerance:.3g} %"


def standings(
    document: ValidationDoc,
    tolerance: Mapping[str, float],
    *,
    audited: Sequence[str] | bool = (),
) -> list[PropertyStanding]:
    """
    Compare the quantities of a validation with their tolerances.

    A quantity is known well enough where its interval is within the tolerance, and
    where a reference calculation, if there is one, is no further away. A single member
    has no interval: the reference calculation alone tells.

    Parameters
    ----------
    document
        The validation.
    tolerance
        Relative tolerances by the names of quantities.
    audited
        Properties that reference calculations were asked for: what they should tell,
        and do not, is not known well enough. True, as in jobs of earlier versions, is
        the equation of state.

    Returns
    -------
    list of PropertyStanding
        One of each quantity and crystal. Quantities that symmetry makes equal to others
        are left out where another crystal has them.
    """
    if isinstance(audited, bool):
        audited = ("eos",) if audited else ()
    found = []
    for name, limit in tolerance.items():
        of_crystals = [
            standing
            for crystal in document.crystals
            for standing in _of_crystal(crystal, name, limit, audited)
        ]
        if not of_crystals:
            known = {
                quantity.name: None
                for crystal in document.crystals
                for quantity in crystal.quantities
                if quantity.calculation == calculation_of(name)
            }
            of_crystals = [
                PropertyStanding(
                    crystal=", ".join(crystal.name for crystal in document.crystals),
                    name=name,
                    calculation=calculation_of(name),
                    tolerance=limit,
                    reason=f"there are {', '.join(known) or 'no quantities'}",
                )
            ]
        found += of_crystals
    return found


def with_error(value: float, half_width: float | None) -> str:
    """
    Write a value and its error, with two digits of the error.

    Examples
    --------
    >>> with_error(98.123, 6.81), with_error(5.4312, 0.0123), with_error(98.123, None)
    ('98.1 +- 6.8', '5.431 +- 0.012', '98.12')
    """
    if not half_width:
        return number(value)
    digits = max(1 - floor(log10(half_width)), 0)
    return f"{value:.{digits}f} +- {half_width:.{digits}f}"


def _of_crystal(
    crystal: CrystalDoc, name: str, limit: float, audited: Sequence[str]
) -> Iterator[PropertyStanding]:
    """Yield the standing of a quantity, if the crystal has it or should have it."""
    kind = calculation_of(name)
    quantity = next((each for each in crystal.quantities if each.name == name), None)
    failed = [each for each in crystal.failures if each.calculation == kind]
    if quantity is None and not failed:
        return
    standing = PropertyStanding(
        crystal=crystal.name,
        name=name,
        calculation=kind,
        unit=unit_of(name) or "",
        tolerance=limit,
    )
    if quantity is None:
        standing.reason = f"{kind} failed ({failed[0].reason})"
    else:
        _fill(standing, quantity)
        standing.n_failed = len(failed)
        standing.failure = failed[0].reason if failed else None
        standing.standing = _stands(standing, audited=kind in audited)
    yield standing


def _fill(standing: PropertyStanding, quantity: Quantity) -> None:
    standing.mean, standing.half_width = quantity.mean, quantity.half_width
    standing.interval_kind, standing.reason = quantity.interval_kind, quantity.reason
    standing.calculated = quantity.calculated
    if standing.half_width is None:
        standing.reason = "one member has no spread"


def _stands(standing: PropertyStanding, *, audited: bool) -> Standing:
    width, deviation = standing.width, standing.deviation
    if width is not None and width > standing.tolerance:
        return "wide"
    if deviation is not None and abs(deviation) > standing.tolerance:
        return "off"
    if audited and deviation is None:
        return "unaudited"
    return "unknown" if width is None and deviation is None else "within"
