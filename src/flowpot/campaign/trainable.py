"""What a campaign refuses before any job runs: elements that no potential of it has."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from flowpot.augmentation import AugmentationMaker
from flowpot.campaign.inputs import is_reference
from flowpot.dataset import Dataset
from flowpot.training import CommitteeDoc, TrainingMaker


@dataclass(frozen=True)
class Supply:
    """
    Elements that a campaign's trainings are given, by atomic number.

    Attributes
    ----------
    species
        Those in frames to train on, as far as these are known before any job runs.
    isolated
        Those of which there is an isolated atom, labelled or to be labelled. None: it
        is not known, since other jobs, or another package's Maker, give frames, too.
    """

    species: frozenset[int]
    isolated: frozenset[int] | None

    @classmethod
    def of(
        cls, augmentation: Any, labelling: Any, structures: Any, dataset: Any
    ) -> "Supply":
        """
        Look through what a campaign starts from.

        Parameters
        ----------
        augmentation, labelling
            The stages' Makers.
        structures, dataset
            See :meth:`flowpot.ActiveLearningMaker.make`.
        """
        given = [dataset] if labelling is None else [structures, dataset]
        present = [part for part in given if part is not None]
        known = [Dataset.load(part) for part in present if not is_reference(part)]
        if labelling is None:  # only what has labels is trained on
            known = [frames.labelled for frames in known]
        species, isolated = set[int](), set[int]()
        for frames in known:
            alone = frames.is_isolated_atom
            neutral = np.isnan(frames.charge) | (frames.charge == 0)
            species |= _numbers(frames[~alone])
            isolated |= _numbers(frames[alone & neutral])
        is_open = len(known) < len(present)
        if None not in (augmentation, labelling) and structures is not None:
            is_open |= not isinstance(augmentation, AugmentationMaker)
            if not is_open and augmentation.isolated_atoms:
                isolated |= _numbers(Dataset.load(structures))
        return cls(frozenset(species), None if is_open else frozenset(isolated))


def check_trainable(
    trainers: Iterable[TrainingMaker], supply: Supply, augmentation: Any = None
) -> None:
    """
    Refuse trainings that cannot begin with the elements that they are given.

    Parameters
    ----------
    trainers
        The trainings' Makers.
    supply
        What they are given.
    augmentation
        The stage's Maker, for the message.

    Raises
    ------
    ValueError
        Naming the field, the elements and the remedy.
    """
    species, missing = sorted(supply.species), list[int]()
    if supply.isolated is not None:
        missing = sorted(supply.species - supply.isolated)
    for trainer in trainers:
        trainer.check_species(species)
        if missing and trainer.takes_isolated_atoms:
            is_off = getattr(augmentation, "isolated_atoms", True) is False
            reason = "augmentation.isolated_atoms is False, and " if is_off else ""
            remedy = "set it to True, give one" if is_off else "give one (pbc False)"
            raise ValueError(
                f"{reason}no isolated atom of {_symbols(missing)} is among the frames, "
                "whose energy is the reference of the training's energies: "
                f"{remedy}, or choose the energies by "
                f"hyperparameters={trainer.reference_options}"
            )


def check_committee(committee: CommitteeDoc, **frames: Any) -> None:
    """
    Refuse a committee that does not know the elements of what a campaign begins with.

    Parameters
    ----------
    committee
        The committee. Members whose elements are not known pass.
    **frames
        What the campaign starts from, by the names of its arguments. None, and outputs
        of other jobs, pass.

    Raises
    ------
    ValueError
        Naming the elements and the remedy.
    """
    for name, part in frames.items():
        if part is None or is_reference(part):
            continue
        numbers = _numbers(Dataset.load(part))
        for rank, member in enumerate(committee.members):
            unknown = {chemical_symbols[z] for z in numbers}.difference(member.species)
            if member.species and unknown:
                raise ValueError(
                    f"committee has a member {rank} that knows "
                    f"{', '.join(member.species)}, and {name} has "
                    f"{', '.join(sorted(unknown))}: give one that was trained on all "
                    "elements, or leave it out to train one"
                )


def _numbers(frames: Dataset) -> set[int]:
    return set(np.unique(frames.numbers).tolist())


def _symbols(numbers: Iterable[int]) -> str:
    return ", ".join(chemical_symbols[z] for z in numbers)
