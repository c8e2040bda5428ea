"""The stage before the first training: a committee learns labels of `pretrain_with`."""

from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from jobflow import Maker
from numpy.typing import NDArray
from pydantic import Field

from flowpot.campaign.free_labels import align, differences
from flowpot.campaign.stages import CampaignStages
from flowpot.dataset import Artifact, Dataset
from flowpot.documents import StageDoc, field_of, recorded
from flowpot.jobs import deciding_job
from flowpot.labelling import LabellingMaker
from flowpot.labelling.batches import in_folder
from flowpot.labelling.calculators import check_calculator
from flowpot.labelling.one_by_one import is_callable_at_once
from flowpot.labelling.static_makers import ChecksMachine, LabelsInFolder
from flowpot.training.backend import Training

_BATCH = 100  # frames of a job: a force field takes a minute or so


class FreeLabelsDoc(StageDoc):
    """Frames that a committee is pretrained on, by labels of `pretrain_with`."""

    dataset: Artifact = Field(
        description="the frames, their energies shifted to those of the real labels, "
        "and isolated atoms with real labels"
    )
    n_free: int = Field(description="frames with a label of pretrain_with")
    n_free_failed: int = Field(description="frames that it could not label")
    n_free_dropped: int = Field(
        description="frames that it labelled, and that are not used: audited ones, "
        "and those whose composition has no real label to compare with"
    )
    energy_shift: dict[str, float] = Field(
        description="energy (eV) added to the labels for each atom, by element"
    )
    free_error: dict[str, float] = Field(
        description="root mean square difference of the labels from the real ones of "
        "the frames that train: energy (eV/atom, shifted), forces (eV/A), stress "
        "(eV/A^3)"
    )
    n_compared: int = Field(description="frames that both have labelled")


def free_labelling(campaign: CampaignStages) -> LabellingMaker:
    """
    Return the labelling stage of a campaign's `pretrain_with`.

    A Maker of single frames labels a hundred of them in a job, where it can, under the
    limits of distance and force of the campaign's own labelling stage.
    """
    maker = campaign.pretrain_with
    if isinstance(maker, LabellingMaker):
        return replace(maker, relabel=True)
    assert isinstance(maker, Maker)
    batches = isinstance(maker, LabelsInFolder) or is_callable_at_once(maker)
    own, limits = campaign.labelling, {}
    if isinstance(own, LabellingMaker):
        names = ("max_force", "min_distance_fraction", "volume_per_atom", "vacuum")
        limits = {name: getattr(own, name) for name in names}
    return LabellingMaker(
        name="free labels",
        static_maker=maker,
        batch_size=_BATCH if batches else 1,
        relabel=True,
        **limits,
    )


def check_start(trainer: Training) -> None:
    """
    Refuse a trainer that cannot start from a pretrained model.

    Raises
    ------
    ValueError
        Naming the field, and why.
    """
    try:
        trainer.check_start()
    except ValueError as error:
        raise ValueError(f"pretrain_with is given, and {error}") from error


def check_labeller(maker: Maker, frames: Dataset) -> None:
    """
    Label a frame of each set of elements, in a temporary folder, where that is quick.

    Parameters
    ----------
    maker
        A campaign's `pretrain_with`. One that checks the machine by itself, as pw.x's
        does, or cannot label in this process, labels nothing here.
    frames
        Frames that a campaign begins with.

    Raises
    ------
    ValueError
        Naming the field, the elements and the Maker's error.
    """
    static_maker = getattr(maker, "static_maker", maker)
    if isinstance(static_maker, ChecksMachine):
        static_maker.preflight(_symbols(frames.numbers))
        return
    check_calculator(pretrain_with=static_maker)
    if not is_callable_at_once(static_maker):
        return
    chosen = {" ".join(_symbols(atoms.numbers)): atoms for atoms in frames}
    for elements, atoms in chosen.items():
        try:
            with TemporaryDirectory() as folder:
                in_folder(static_maker).label_in(atoms, folder)
        except (ValueError, ImportError) as error:
            raise ValueError(
                f"pretrain_with, {static_maker.name!r}, does not label {elements}: "
                f"{error}"
            ) from error


def _symbols(numbers: NDArray[np.int64]) -> list[str]:
    return [chemical_symbols[z] for z in np.unique(numbers)]


@deciding_job
@recorded(FreeLabelsDoc)
def align_free_labels(
    labels: Any, shards: list[Any], seed: int
) -> FreeLabelsDoc | dict[str, Any]:
    """
    Make the frames of the pretraining: see :func:`align`.

    Parameters
    ----------
    labels
        LabellingDoc of `pretrain_with`, or what its failure has left.
    shards
        Frames with real labels.
    seed
        Seed of the assignment to sets.
    """
    lost = any(shard is None for shard in shards)
    if lost or field_of(labels, "seconds") is None:
        nothing = dict.fromkeys(FreeLabelsDoc.model_fields)
        failure = field_of(labels, "failure")
        return {**nothing, "failure": failure and f"pretrain_with: {failure}"}
    aligned = align(Dataset.load(labels), Dataset.load(shards), seed)
    n_free = int(np.sum(~aligned.frames.is_isolated_atom))
    return FreeLabelsDoc(
        dataset=aligned.frames.to_artifact("free.h5"),
        n_free=n_free,
        n_free_failed=field_of(labels, "n_failed"),
        n_free_dropped=aligned.n_dropped,
        energy_shift={chemical_symbols[z]: e for z, e in aligned.shift.items()},
        free_error=differences(aligned.free, aligned.real),
        n_compared=len(aligned.free),
        seconds=field_of(labels, "seconds"),
        versions=field_of(labels, "versions"),
    )
