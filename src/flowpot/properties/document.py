"""Documents of a validation: properties with error bars."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, Field

from flowpot.dataset import Artifact
from flowpot.documents import StageDoc

IntervalKind = Literal["calibrated", "members", "none"]


class MemberDoc(StageDoc):
    """What one member of a committee calculated of one crystal."""

    member: int = Field(description="rank of the member, from 0")
    crystal: str = Field(description="name of the crystal")
    values: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="quantities by property"
    )
    failures: dict[str, str] = Field(
        default_factory=dict, description="why properties were not calculated"
    )
    curves: Artifact | None = Field(
        default=None, description="npz of arrays, named property/array"
    )
    cells: Artifact | None = Field(
        default=None,
        description="distorted cells, with the metadata `property` and `point`",
    )


class Quantity(BaseModel):
    """A quantity by all members of a committee, and how far it may be off."""

    name: str
    calculation: str = Field(description="eos, elastic, phonons or nve")
    unit: str
    members: list[float | None] = Field(
        description="by each member; None where it failed"
    )
    mean: float = Field(description="over the members that have it")
    interval: tuple[float, float] | None = Field(
        default=None, description="95 % interval of the true value"
    )
    interval_kind: IntervalKind = Field(
        default="none",
        description="calibrated: by the error model; members: Student's t of another "
        "member",
    )
    reason: str | None = Field(
        default=None,
        description="why the interval is not calibrated, or not to be relied on",
    )
    reference: float | None = Field(default=None, description="to be compared with")
    reference_source: str | None = Field(
        default=None, description="where the reference comes from"
    )
    calculated: float | None = Field(
        default=None,
        description="by reference calculations of the same cells, whatever other "
        "reference was given",
    )

    @property
    def half_width(self) -> float | None:
        """Half of the interval's width; None without one."""
        if self.interval is None:
            return None
        return (self.interval[1] - self.interval[0]) / 2

    @property
    def relative_half_width(self) -> float | None:
        """The same in units of the mean; None without one, or where the mean is 0."""
        if self.half_width is None or self.mean == 0:
            return None
        return self.half_width / abs(self.mean)

    @property
    def deviation(self) -> float | None:
        """Difference between mean and reference; None without a reference."""
        return None if self.reference is None else self.mean - self.reference

    @property
    def is_covered(self) -> bool | None:
        """Whether the reference is inside the interval; None without either."""
        if self.reference is None or self.interval is None:
            return None
        return self.interval[0] <= self.reference <= self.interval[1]


class MemberFailure(BaseModel):
    """A property that a member has not calculated, and why."""

    member: int
    calculation: str
    reason: str


class CrystalDoc(BaseModel):
    """The properties of one crystal."""

    name: str
    quantities: list[Quantity] = Field(default_factory=list)
    failures: list[MemberFailure] = Field(default_factory=list)
    band_covers: float | None = Field(
        default=None,
        description="share of the reference calculations of the equation of state that "
        "are inside the 95 % band of the energy",
    )

    def quantity(self, name: str) -> Quantity:
        """
        Return a quantity by its name.

        Raises
        ------
        KeyError
            Naming those that there are.
        """
        for each in self.quantities:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.quantities)
        raise KeyError(f"{self.name} has no {name!r}: there are {known}")


class ValidationDoc(StageDoc):
    """Properties of crystals by a committee, with error bars."""

    n_members: int = Field(description="size of the committee")
    properties: list[str] = Field(description="what was calculated")
    crystals: list[CrystalDoc] = Field(default_factory=list)
    notes: list[str] = Field(
        default_factory=list, description="what does not hold for one quantity alone"
    )
    curves: Artifact | None = Field(
        default=None,
        description="npz of arrays, named crystal/property/array; the first axis of "
        "those that differ between members counts these",
    )
    dataset: Artifact | None = Field(
        default=None,
        description="the distorted cells of all calculations, with the metadata "
        "`property` and `crystal`: candidates to be labelled",
    )
    labelled: Artifact | None = Field(
        default=None, description="those that reference calculations have labelled"
    )
    n_sent: int = Field(
        default=0, description="reference calculations, failed ones too"
    )
    verdict: str = Field(default="", description="what came out, in words")

    def crystal(self, name: str | None = None) -> CrystalDoc:
        """
        Return a crystal by its name; without one, the only one.

        Raises
        ------
        KeyError
            Naming those that there are.
        """
        found = [each for each in self.crystals if name in (None, each.name)]
        if len(found) != 1:
            known = ", ".join(repr(each.name) for each in self.crystals)
            raise KeyError(f"give the name of one of the crystals {known}, not {name}")
        return found[0]

    def too_uncertain(self, tolerance: Mapping[str, float]) -> list[str]:
        """
        Say which quantities have wider intervals than is tolerated.

        Parameters
        ----------
        tolerance
            Largest relative half-width of the interval, by the names of quantities.

        Returns
        -------
        list of str
            One sentence a quantity; one that no crystal has, and one without an
            interval, are too uncertain, too.
        """
        wide = []
        for name, limit in tolerance.items():
            found = [
                (crystal.name, quantity.relative_half_width)
                for crystal in self.crystals
                for quantity in crystal.quantities
                if quantity.name == name
            ]
            if not found:
                wide.append(f"{name} is not known")
            for crystal, width in found:
                if width is None or not width <= limit:
                    by = "unknown" if width is None else f"+-{width:.1%}"
                    wide.append(f"{name} of {crystal} is {by} (tolerated {limit:.1%})")
        return wide
