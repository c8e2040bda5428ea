"""The document of an evaluation."""

from typing import Any, Self

from pydantic import Field

from flowpot.dataset import Artifact
from flowpot.documents import StageDoc
from flowpot.evaluation.audit import Audit
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.fresh import FreshError
from flowpot.evaluation.judgement import Judgement
from flowpot.evaluation.uncertainty import StoredUncertainty


class EvaluationDoc(StageDoc):
    """Calibration of a committee, and the frames that are to be labelled next."""

    calibration: dict[str, Calibration] = Field(description="per property")
    audit: Audit = Field(
        description="labels of frames that this committee had judged: of its closing "
        "audit, or its pilot"
    )
    fresh_error: dict[str, FreshError] = Field(
        default_factory=dict,
        description="error on fresh frames, as predicted before they were learned",
    )
    warnings: list[str] = Field(
        default_factory=list,
        description="problems that no selection of frames solves, with their causes",
    )
    n_explored: int = Field(description="frames judged")
    n_over: int = Field(description="of them, flagged")
    flagged_from: float | None = Field(
        None,
        description="chance of being over tolerance from which on they were flagged, "
        "where less than the calibrations' was needed to leave few bad frames",
    )
    n_wrecked: int = Field(description="beyond the upper bound: counted, not labelled")
    n_insane: int = Field(
        description="unphysical: without finite predictions, or with atoms too close"
    )
    n_known: int = Field(description="already labelled or chosen before")
    n_copies: int = Field(
        0, description="further copies of an explored frame: only the first is labelled"
    )
    n_selected: int = Field(description="flagged and chosen for labelling")
    n_audit: int = Field(description="accepted and chosen for labelling as a check")
    n_pilot: int = Field(
        0, description="drawn uniformly, to be labelled before anything is selected"
    )
    n_closing: int = Field(
        0, description="of the pilot, accepted frames that decide whether to end"
    )
    dataset: Artifact = Field(description="the chosen frames, unlabelled")
    predictions: Artifact = Field(
        description="these, with the committee mean as labels and their uncertainties"
    )
    evidence: Artifact = Field(
        description="npz of the uncertainties and errors that the calibration was "
        "fitted to"
    )
    uncertainties: list[StoredUncertainty] = Field(
        default_factory=list,
        description="fitted to the training set here, since the committee's documents "
        "do not hold them",
    )

    @classmethod
    def of(cls, judgement: Judgement, **fields: Any) -> Self:
        """
        Make the document of a judgement.

        Parameters
        ----------
        judgement
            What it says.
        **fields
            Fields that all documents have, such as ``seconds``.
        """
        selection = judgement.selection
        evidence = judgement.evidence.to_bytes()
        return cls(
            calibration=judgement.calibration,
            audit=judgement.audit,
            fresh_error=judgement.fresh_error,
            warnings=judgement.warnings,
            n_explored=judgement.n_explored,
            n_over=selection.n_over,
            flagged_from=judgement.flagged_from,
            n_wrecked=selection.n_wrecked,
            n_insane=judgement.n_insane,
            n_known=judgement.n_known,
            n_copies=judgement.n_copies,
            n_selected=len(selection.selected),
            n_audit=len(selection.audit),
            n_pilot=judgement.n_pilot,
            n_closing=judgement.n_closing,
            dataset=judgement.chosen.without_labels().to_artifact("chosen.h5"),
            predictions=judgement.predictions.to_artifact("predictions.h5"),
            evidence=Artifact.from_bytes("evidence.npz", evidence),
            uncertainties=judgement.uncertainties,
            **fields,
        )
