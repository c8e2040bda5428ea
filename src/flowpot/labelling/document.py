"""Documents of the labelling stage, and what is recorded of each frame."""

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from ase import Atoms
from pydantic import BaseModel, Field

from flowpot.dataset import Artifact, Dataset
from flowpot.documents import StageDoc

FailureStage = Literal["geometry", "engine", "max_force"]
_SCALARS = (str, bool, int, float)


class LabelFailure(BaseModel):
    """A frame that has no label, and why."""

    fingerprint: str = Field(description="content hash of the frame")
    reason: str = Field(description="what went wrong")
    stage: FailureStage = Field(
        description="geometry: not sent to the engine; engine: failed there; "
        "max_force: its label was refused"
    )
    criterion: str | None = Field(
        default=None,
        description="what the frame failed: content, cell, volume, vacuum, distance, "
        "state (charge and spin)",
    )
    folder: str | None = Field(
        default=None, description="host:folder of the engine's files"
    )
    config_type: str | None = Field(
        default=None, description="what kind of frame it is"
    )


class Remark(BaseModel):
    """What engines say of labels that they give, and of how many."""

    kind: Literal["warning", "remedy"] = Field(
        description="what the engine warns of, or what was changed after it had failed"
    )
    text: str = Field(description="in the words of one of the frames")
    n_frames: int = Field(description="frames of which it is said")


class FrameRun(BaseModel):
    """How the calculation of a frame in a batch went, and which frame it is."""

    frame: dict[str, Any] = Field(
        default_factory=dict, description="see :func:`frame_record`"
    )
    state: Literal["successful", "failed"] = Field(description="how it ended")
    energy: float | None = Field(default=None, description="label (eV)")
    forces_max: float | None = Field(
        default=None, description="largest force on an atom (eV/A)"
    )
    errors: list[str] = Field(default_factory=list, description="why it failed")
    corrections: list[str] = Field(
        default_factory=list, description="remedies that were applied, in order"
    )
    warnings: list[str] = Field(
        default_factory=list, description="what the engine warns of, each once"
    )
    folder: str | None = Field(
        default=None, description="host:folder of the engine's files"
    )
    seconds: float = Field(default=0.0, description="wall time (s)")
    n_scf_steps: int | None = Field(
        default=None, description="SCF iterations of the last run"
    )
    core_seconds: float | None = Field(
        default=None, description="wall time x processes (s), where the engine says"
    )


class BatchDoc(StageDoc):
    """A `qe static` job that labelled several frames."""

    dataset: Artifact = Field(
        description="all frames of the batch, in order, labelled where it succeeded"
    )
    runs: list[FrameRun] = Field(description="how each frame went")
    n_labelled: int = Field(description="frames with a label")
    n_failed: int = Field(description="frames without")
    input: dict[str, Any] = Field(
        default_factory=dict,
        description="parameters of the calculation of one labelled frame, as the "
        "engine's document has them",
    )


class LabelPartDoc(StageDoc):
    """Labels of a part of the label jobs; the stage's shard is made of such parts."""

    dataset: Artifact = Field(
        description="the part's frames, labelled where there is a label"
    )
    failed_frames: Artifact = Field(description="its LabelFailures, as JSON")
    n_corrected: int = Field(default=0, description="frames that needed a remedy")
    remarks: list[Remark] = Field(
        default_factory=list, description="warnings and remedies, by frequency"
    )


class LabellingDoc(StageDoc):
    """
    One labelled shard: the frames that a labelling stage adds to a campaign's data.

    ``seconds`` is the engines' wall time, summed over frames, where they report it.
    """

    dataset: Artifact = Field(description="the labelled frames, each with its split")
    n_labelled: int = Field(description="frames in the shard")
    n_computed: int = Field(
        description="frames in the shard that this stage's engine labelled"
    )
    n_sent: int = Field(
        0, description="frames sent to the engine, failed ones included"
    )
    n_failed: int = Field(description="frames without a usable label")
    n_duplicates: int = Field(
        description="frames left out: labelled before, or given twice"
    )
    n_postponed: int = Field(description="frames not sent because of max_labels")
    n_refused: dict[str, int] = Field(
        default_factory=dict, description="frames not sent, by criterion"
    )
    failures: list[LabelFailure] = Field(
        description="each frame without a label; where they are many, the first ones"
    )
    failed_frames: Artifact | None = Field(
        default=None,
        description="all of the failures, as JSON, where `failures` has not all",
    )
    n_corrected: int = Field(default=0, description="frames that needed a remedy")
    remarks: list[Remark] = Field(
        default_factory=list,
        description="warnings of the engine and remedies, the most frequent ones first",
    )
    splits: dict[str, int] = Field(
        default_factory=dict, description="frames per set: train, val, test"
    )
    noise: dict[str, float] | None = Field(
        default=None,
        description="root mean square differences between labels and those of the "
        "refined static Maker: energy (eV/atom), forces (eV/A), stress (eV/A^3); None "
        "if not measured",
    )
    n_noise: int = Field(default=0, description="frames that `noise` is of")
    noise_failures: list[LabelFailure] = Field(
        default_factory=list,
        description="frames drawn for `noise` that lack one of the two labels",
    )


def frame_record(atoms: Atoms, fingerprint: str) -> dict[str, Any]:
    """
    Describe a frame by a few words and numbers that a database can search.

    Parameters
    ----------
    atoms
        The frame. Its ``info`` holds those metadata columns in which it has a value.
    fingerprint
        Content hash of the frame.

    Returns
    -------
    dict
        ``fingerprint``, ``formula`` (of all atoms, in Hill's order), ``n_atoms``, and
        every metadata column with a value: ``config_type``, ``parent``,
        ``iteration``, ``temperature`` (K), ``pressure`` (kbar), ``trajectory``,
        ``md_step`` ...

    Examples
    --------
    >>> from ase.build import bulk
    >>> frame_record(bulk("Si"), "5e0f")
    {'fingerprint': '5e0f', 'formula': 'Si2', 'n_atoms': 2}
    """
    columns = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in atoms.info.items()
    }
    return {
        "fingerprint": fingerprint,
        "formula": atoms.get_chemical_formula(),
        "n_atoms": len(atoms),
        **{k: v for k, v in columns.items() if isinstance(v, _SCALARS)},
    }


def frame_records(frames: Dataset, indices: Iterable[int]) -> list[dict[str, Any]]:
    """
    Describe the frames of a label job, for its metadata.

    The query ``{"metadata.frames.config_type": "md"}`` then finds the job, whichever
    engine it runs.
    """
    return [frame_record(frames[i], str(frames.fingerprints[i])) for i in indices]
