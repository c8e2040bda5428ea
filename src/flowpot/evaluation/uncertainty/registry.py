"""Which uncertainties there are, and those of a committee."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Self

from pydantic import BaseModel, Field

from flowpot.dataset import Artifact, Dataset
from flowpot.dataset.sets import TRAIN, sets_of
from flowpot.documents import field_of
from flowpot.evaluation.uncertainty.base import Uncertainty
from flowpot.evaluation.uncertainty.distance import FeatureDistance
from flowpot.evaluation.uncertainty.ensemble import EnsembleSpread
from flowpot.evaluation.uncertainty.spread import CommitteeSpread
from flowpot.plugins import registered
from flowpot.potentials import Potential, members_of

ENTRY_POINTS = "flowpot.uncertainties"
"""Group of entry points by which other packages add uncertainties."""

_OWN = {
    kind.__name__: kind.__module__
    for kind in (CommitteeSpread, FeatureDistance, EnsembleSpread)
}


def uncertainties() -> dict[str, type[Uncertainty]]:
    """Return flowpot's uncertainties and those of other packages, by class name."""
    return registered(ENTRY_POINTS, _OWN, Uncertainty)


def check_choice(chosen: Sequence[str | Uncertainty]) -> None:
    """
    Refuse names of uncertainties that do not exist.

    Raises
    ------
    ValueError
        Naming those that there are.
    """
    if isinstance(chosen, str) or not isinstance(chosen, Sequence):
        raise ValueError(  # noqa: TRY004 - as for every field
            f"uncertainties is {chosen!r}: give a list of names"
        )
    names = [choice for choice in chosen if not isinstance(choice, Uncertainty)]
    known = uncertainties() if names else {}
    unknown = {str(name) for name in names if name not in list(known)}
    if unknown:
        raise ValueError(
            f"uncertainties has {', '.join(sorted(unknown))}: use some of "
            f"{', '.join(known)}, or install the package that adds it"
        )


class StoredUncertainty(BaseModel):
    """An uncertainty that was fitted, as documents and files keep it."""

    kind: str = Field(description="its class, as module:name")
    state: Artifact = Field(description="what it was fitted to")

    @classmethod
    def of(cls, uncertainty: Uncertainty) -> Self:
        """Keep an uncertainty."""
        state = Artifact.from_bytes("uncertainty", uncertainty.to_bytes())
        return cls(kind=kind_of(uncertainty), state=state)

    def load(self) -> Uncertainty:
        """Read the uncertainty back: see :func:`restored`."""
        return restored(self.kind, self.state.read_bytes())


def kind_of(uncertainty: Uncertainty) -> str:
    """Return the class of an uncertainty as ``module:name``."""
    return f"{type(uncertainty).__module__}:{type(uncertainty).__qualname__}"


def restored(kind: str, state: bytes) -> Uncertainty:
    """
    Make an uncertainty of what was kept of it.

    Parameters
    ----------
    kind
        Its class, as ``module:name``.
    state
        What its :meth:`Uncertainty.to_bytes` returned.

    Raises
    ------
    ValueError
        Where the class is not there, or is no uncertainty.
    """
    module, _, name = kind.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"the committee has the uncertainty {kind}, which cannot be imported "
            f"({error}): install the package that it is of"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Uncertainty)):
        raise ValueError(  # noqa: TRY004 - which readers of files expect
            f"{kind} is no uncertainty: the file is damaged"
        )
    return found.from_bytes(state)


def stored_with(committee: Any) -> list[Uncertainty]:
    """Return the uncertainties that the documents of a committee's members hold."""
    for rank, member in enumerate(members_of(committee)):
        features = field_of(member, "features")
        if features is not None:
            return [FeatureDistance.from_artifact(features, rank)]
    return []


def uncertainties_of(
    members: Sequence[Potential],
    labelled: Dataset,
    stored: Sequence[Uncertainty] = (),
    chosen: Sequence[str | Uncertainty] = (FeatureDistance.__name__,),
) -> list[Uncertainty]:
    """
    Return the uncertainties of a committee, beside the spread of its members.

    Parameters
    ----------
    members
        The committee, loaded.
    labelled
        All labelled frames, with their sets.
    stored
        Uncertainties that the committee brings: see :func:`stored_with`.
    chosen
        Names of uncertainties, which are fitted to the training set if they are not
        stored; and uncertainties, which are taken as they are.

    Raises
    ------
    ValueError
        For a committee of one member that has none of them.
    """
    known = {type(each).__name__: each for each in stored}
    kinds = uncertainties() if any(isinstance(c, str) for c in chosen) else {}
    isolated = (labelled.n_atoms == 1) & ~labelled.pbc.any(axis=1)
    training = labelled[(sets_of(labelled) == TRAIN) & ~isolated]
    usable: list[Uncertainty] = []
    reasons = []
    for choice in chosen:
        if not isinstance(choice, str):
            usable.append(choice)
        elif choice in known:
            usable.append(known[choice])
        elif len(training):
            try:
                usable.append(kinds[choice].fit(members, training))
            except NotImplementedError as error:
                reasons.append(str(error))
    if reasons and not usable and len(members) == 1:
        raise ValueError(
            f"the committee has one member, and {'; '.join(reasons)}: train 2 or more "
            "members, whose spread tells their errors"
        )
    return usable


def loaded(
    given: Sequence[Uncertainty | StoredUncertainty | Mapping[str, Any]],
) -> list[Uncertainty]:
    """Return uncertainties, those that are stored read back."""
    return [
        each
        if isinstance(each, Uncertainty)
        else StoredUncertainty.model_validate(each).load()
        for each in given
    ]
