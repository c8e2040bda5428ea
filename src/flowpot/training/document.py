"""What a training and a committee leave behind."""

from typing import Any

from pydantic import BaseModel, Field, field_validator

from flowpot.dataset import Artifact
from flowpot.documents import StageDoc

Metrics = dict[str, dict[str, float]]
"""By set (train, val, test) and property (energy, forces, stress)."""


class Attempt(BaseModel):
    """One run of the training program, and how it ended."""

    seed: int
    learning_rate_scale: float = Field(
        default=1.0, description="factor on the learning rate that was asked for"
    )
    failure: str | None = Field(
        default=None, description="why it failed; None: it did not"
    )


class PotentialDoc(StageDoc):
    """Output of a training: the model, and how good it is."""

    model: Artifact | None = Field(
        default=None, description="model file; None: it failed"
    )
    checkpoint: Artifact | None = Field(
        default=None, description="what a training can be continued from"
    )
    backend: str = Field(description="mace or metatomic")
    metrics: Metrics = Field(
        default_factory=dict,
        description="RMSE by set and property: energy (eV/atom), forces (eV/A, over "
        "components), stress (eV/A^3, over components)",
    )
    mae: Metrics = Field(
        default_factory=dict, description="mean absolute errors, likewise"
    )
    n_frames: dict[str, int] = Field(default_factory=dict, description="by set")
    loss_curve: dict[str, list[float]] = Field(
        default_factory=dict, description="columns epoch, train and val"
    )
    force_field_name: dict[str, str] = Field(
        default_factory=lambda: {
            "@module": "flowpot.potentials",
            "@callable": "calculator",
        },
        description="with calculator_kwargs, what atomate2's force-field flows take",
    )
    calculator_kwargs: dict[str, Any] = Field(default_factory=dict)

    species: list[str] = Field(default_factory=list)
    cutoff: float = Field(default=0.0, description="in A")
    e0s: dict[str, float] = Field(
        default_factory=dict, description="energies of isolated atoms used (eV)"
    )
    hyperparameters: dict[str, Any] = Field(
        default_factory=dict, description="all that the program was told"
    )
    features: Artifact | None = Field(
        default=None,
        description="moments of the training set's features, for the distance of other "
        "atoms from it; None where the model gives no features",
    )
    seed: int = Field(default=0, description="seed of the training that gave the model")
    device: str = "cpu"
    attempts: list[Attempt] = Field(default_factory=list)
    failure: str | None = Field(
        default=None, description="why there is no model; None: there is one"
    )

    @field_validator("force_field_name", mode="before")
    @classmethod
    def _name_of(cls, value: Any) -> Any:
        """Take back the function that monty makes of the pair on reading."""
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
    ranks: list[int] = Field(
        default_factory=list,
        description="which of the committee's members each is: those missing failed",
    )
    member_metrics: list[Metrics] = Field(
        default_factory=list, description="RMSE of each member"
    )
    n_frames: dict[str, int] = Field(default_factory=dict, description="by set")
    failures: list[str] = Field(
        default_factory=list, description="why members are missing"
    )
