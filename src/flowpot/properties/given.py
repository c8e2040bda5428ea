"""What a validation is given, in the form in which its jobs carry it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel

from flowpot.dataset import Dataset
from flowpot.documents import field_of
from flowpot.evaluation import CommitteeCalculator
from flowpot.evaluation.uncertainty import StoredUncertainty

_FILE = ".committee"


@dataclass(frozen=True)
class GivenCommittee:
    """
    A committee, and what its error bars are calculated by.

    Attributes
    ----------
    committee, calibration, uncertainties
        See :meth:`flowpot.ValidationMaker.make`.
    """

    committee: Any
    calibration: Any
    uncertainties: Any

    @classmethod
    def of(cls, committee: Any, calibration: Any, uncertainties: Any) -> Self:
        """Take a calculator, or its file, apart: it brings its own calibration."""
        if isinstance(committee, str | Path) and Path(committee).suffix == _FILE:
            committee = CommitteeCalculator.load(committee)
        if isinstance(committee, CommitteeCalculator):
            calibration = calibration or committee.calibration
            uncertainties = uncertainties or [
                StoredUncertainty.of(each) for each in committee.uncertainties
            ]
            committee = committee.sources
        return cls(committee, as_json(calibration), as_json(uncertainties))


def for_calculation(member: Any) -> Any:
    """Keep of a member's document what it takes to load it."""
    return _fields(member, "model", "backend", "extensions")


def for_calibration(member: Any) -> Any:
    """Keep of a member's document what its error bars need."""
    return _fields(member, "model", "backend", "extensions", "features")


def _fields(member: Any, *names: str) -> Any:
    if field_of(member, "model") is None:
        return member
    return {name: field_of(member, name) for name in names}


def as_json(given: Any) -> Any:
    """Turn pydantic's models, in lists and dictionaries too, into plain JSON."""
    if isinstance(given, BaseModel):
        return given.model_dump(mode="json")
    if isinstance(given, Mapping):
        return {name: as_json(value) for name, value in given.items()}
    if isinstance(given, list | tuple):
        return [as_json(value) for value in given]
    return given  # a reference, too


def structures_of(given: Any) -> Sequence[Any] | None:
    """
    Return structures as pymatgen's, which a Maker can be stored with.

    Raises
    ------
    ValueError
        For anything that holds no structures.
    """
    if given is None:
        return None
    try:
        return Dataset.load(given).to_structures()
    except (TypeError, ValueError, OSError) as error:
        raise ValueError(f"structures cannot be read: {error}") from error
