"""Read a campaign back from the store that it was run on."""

import io
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jobflow import JobStore, OnMissing

from flowpot.campaign.document import CampaignDoc
from flowpot.dataset import Artifact, Dataset
from flowpot.training.document import CommitteeDoc

_IS_CAMPAIGN = {"output.@class": "CampaignDoc"}


class Campaign:
    """
    A finished campaign.

    Attributes
    ----------
    doc
        The CampaignDoc.

    Examples
    --------
    >>> campaign = Campaign.from_store(store, "silicon")  # doctest: +SKIP
    >>> campaign.iterations[["n_labelled", "n_over"]]  # doctest: +SKIP
    >>> campaign.dataset().write("silicon.xyz")  # doctest: +SKIP
    """

    def __init__(self, store: JobStore, job_uuid: str) -> None:
        self._store = store
        self._job_uuid = job_uuid

    @classmethod
    def from_store(cls, store: JobStore, name_or_uuid: str) -> "Campaign":
        """
        Find a campaign by its name (the latest of that name), its uuid or its job's.

        Raises
        ------
        LookupError
            If the store has no finished campaign of that name; with what it has.
        """
        store.connect()
        fields = ("output.name", "output.uuid", "uuid")
        matching = {"$or": [{field: name_or_uuid} for field in fields]}
        found = store.query_one(
            {**_IS_CAMPAIGN, **matching},
            properties=["uuid"],
            sort={"completed_at": -1},
        )
        if found is None:
            names = sorted(
                {d["output"]["name"] for d in store.query(_IS_CAMPAIGN, ["output"])}
            )
            raise LookupError(
                f"no finished campaign {name_or_uuid!r} in the store; it has "
                f"{names or 'none'}"
            )
        return cls(store, found["uuid"])

    @cached_property
    def doc(self) -> CampaignDoc:
        """The CampaignDoc, with all that it refers to."""
        return CampaignDoc.model_validate(
            self._store.get_output(self._job_uuid, load=True, on_missing=OnMissing.NONE)
        )

    @property
    def iterations(self) -> pd.DataFrame:
        """Numbers of each iteration, one row each, nested names joined by dots."""
        rows = [turn.model_dump() for turn in self.doc.iterations]
        return pd.json_normalize(rows).set_index("iteration")

    def dataset(self) -> Dataset:
        """Join all labelled frames."""
        return Dataset.load(self.doc.dataset)

    def committee(self) -> CommitteeDoc:
        """Give the committee of the last training."""
        return CommitteeDoc.model_validate(self.doc.committee)

    def evidence(self) -> list[dict[str, np.ndarray]]:
        """Disagreement and error that each iteration was calibrated on."""
        return [_read_npz(artifact) for artifact in self.doc.evidence]

    def export(self, folder: Path) -> dict[str, Path]:
        """
        Write the dataset and the models where other programs find them.

        Returns
        -------
        dict[str, Path]
            ``dataset`` (extxyz) and ``models`` (a folder).
        """
        folder.mkdir(parents=True, exist_ok=True)
        dataset = folder / "dataset.xyz"
        self.dataset().write(dataset)
        models = folder / "models"
        models.mkdir(exist_ok=True)
        for i, member in enumerate(self.committee().members):
            if member.model is not None:
                suffix = Path(member.model.name).suffix
                member.model.to_file(models / f"member_{i}{suffix}")
        return {"dataset": dataset, "models": models}


def _read_npz(artifact: Artifact) -> dict[str, Any]:
    with np.load(io.BytesIO(artifact.read_bytes())) as arrays:
        return dict(arrays)
