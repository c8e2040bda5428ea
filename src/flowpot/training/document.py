"""Documents of trained potentials and committees."""

from typing import Any

from pydantic import BaseModel, Field, field_validator

from flowpot.dataset import Artifact
from flowpot.documents import StageDoc, field_of
from flowpot.training.backend import Training

Metrics = dict[str, dict[str, float]]
"""Errors by set (train, val, test) and property (energy, forces, stress)."""


class Attempt(BaseModel):
    """One run of the training program, and how it ended."""

    seed: int
    learning_rate_scale: float = Field(
        default=1.0, description="factor on the learning rate that was asked for"
    )
    failure: str | None = Field(
        default=None, description="why it failed; None: it succeeded"
    )


class PotentialDoc(StageDoc):
    """Output of a training: the model and its errors."""

    model: Artifact | None = Field(
        default=None, description="model file; None: the training failed"
    )
    checkpoint: Artifact | None = Field(
        default=None, description="what a training can be continued from"
    )
    backend: str = Field(
        description="which potential reads the model: mace, metatomic, or one of "
        "another package"
    )
    metrics: Metrics = Field(
        default_factory=dict,
        description="RMSE by set and property: energy (eV/atom), forces (eV/A, over "
        "components), stress (eV/A^3, over components)",
    )
    mae: Metrics = Field(
        default_factory=dict, description="mean absolute errors, as in metrics"
    )
    n_frames: dict[str, int] = Field(
        default_factory=dict, description="number of frames in each set"
    )
    loss_curve: dict[str, list[float]] = Field(
        default_factory=dict, description="columns epoch, train and val", repr=False
    )
    force_field_name: dict[str, str] = Field(
        default_factory=lambda: {
            "@module": "flowpot.potentials",
            "@callable": "calculator",
        },
        description="function that returns an ASE calculator, as atomate2's flows of "
        "force fields take it; its arguments are calculator_kwargs",
    )
    # It has the whole model, which is megabytes in base64.
    calculator_kwargs: dict[str, Any] = Field(default_factory=dict, repr=False)

    species: list[str] = Field(default_factory=list)
    cutoff: float = Field(default=0.0, description="cutoff radius (A)")
    e0s: dict[str, float] = Field(
        default_factory=dict, description="energies of isolated atoms used (eV)"
    )
    hyperparameters: dict[str, Any] = Field(
        default_factory=dict,
        description="all options of the training program",
    )
    features: Artifact | None = Field(
        default=None,
        description="statistics of the features of the training set's atoms, by which "
        "the distance of other atoms is measured; None where the model has none",
    )
    seed: int = Field(default=0, description="seed of the training that gave the model")
    device: str = "cpu"
    attempts: list[Attempt] = Field(default_factory=list)
    failure: str | None = Field(
        default=None, description="why there is no model; None: there is one"
    )
    remarks: list[str] = Field(
        default_factory=list,
        description="what is odd about the frames, and how many were left out",
    )
    extensions: Artifact | None = Field(
        default=None,
        description="compiled extensions of torch that the model needs, as metatrain "
        "collects them; None: it needs none",
    )

    @field_validator("force_field_name", mode="before")
    @classmethod
    def _name_of(cls, value: Any) -> Any:
        """Write the function down again that monty makes of the pair on reading."""
        if callable(value):
            return {"@module": value.__module__, "@callable": value.__qualname__}
        return value


class MembersDoc(StageDoc):
    """Output of a job that trained several potentials side by side."""

    members: list[PotentialDoc]


class CommitteeDoc(StageDoc):
    """
    Output of a committee training.

    In the store its members are references to the outputs of their trainings, so that
    no model is stored twice; read through a JobStore they are PotentialDocs.
    """

    members: list[PotentialDoc]
    metrics: Metrics = Field(
        default_factory=dict, description="RMSE of the committee's mean prediction"
    )
    mae: Metrics = Field(default_factory=dict)
    metrics_by_origin: dict[str, Metrics] = Field(
        default_factory=dict,
        description="RMSE of the committee's mean prediction by origin, set and "
        "property: origins are augmented (what the campaign began with) and explored N "
        "(frames of molecular dynamics in iteration N), and the last audit's frames "
        "are the set audit",
    )
    n_frames_by_origin: dict[str, dict[str, int]] = Field(
        default_factory=dict,
        description="number of frames by origin and set, as in metrics_by_origin",
    )
    ranks: list[int] = Field(
        default_factory=list,
        description="rank in the committee of each member; missing ones have failed",
    )
    member_metrics: list[Metrics] = Field(
        default_factory=list, description="RMSE of each member"
    )
    n_frames: dict[str, int] = Field(
        default_factory=dict, description="number of frames in each set"
    )
    failures: list[str] = Field(
        default_factory=list, description="why members are missing"
    )
    remarks: list[str] = Field(
        default_factory=list,
        description="what is odd about the frames, and how many were left out",
    )


def predecessor(previous: Any, rank: int) -> Any:
    """
    Return the document of a member's predecessor.

    Parameters
    ----------
    previous
        A PotentialDoc, a CommitteeDoc, either as a dict, or None.
    rank
        Rank of the member in the committee.

    Returns
    -------
    PotentialDoc, dict or None
        None where the committee has no member of that rank. The weights of another
        one are no replacement: two members would be alike.
    """
    members = field_of(previous, "members")
    if members is None:
        return previous
    ranks = field_of(previous, "ranks") or list(range(len(members)))
    return members[ranks.index(rank)] if rank in ranks else None


def start_of(document: Any, training: Training) -> Artifact | None:
    """
    Return the model or checkpoint of a potential that a training can start from.

    Parameters
    ----------
    document
        A PotentialDoc, as a dict too, or None.
    training
        The package that trains, and its options.

    Returns
    -------
    Artifact or None
        None where the potential is of another backend, or has no such file.
    """
    if field_of(document, "backend") != training.backend:
        return None
    file = field_of(document, training.starts_from)
    return Artifact.from_document(file) if isinstance(file, dict) else file
