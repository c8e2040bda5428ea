"""A campaign as it is read back."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from jobflow import JobStore

from flowpot.campaign.local.stores import store_at
from flowpot.campaign.reading.find import ensure_indexes, find_campaign
from flowpot.campaign.reading.labels import Label, find_labels
from flowpot.campaign.reading.provenance import Provenance, trace
from flowpot.campaign.reading.records import CampaignRecords
from flowpot.dataset import Artifact, Dataset
from flowpot.potentials.extensions import write_models

if TYPE_CHECKING:
    from flowpot.training.document import CommitteeDoc


class Campaign(CampaignRecords):
    """
    A campaign, finished or running: what its jobs have left in the store so far.

    Each property is read when it is first used, and kept: make a new Campaign to see
    what has come since.

    Attributes
    ----------
    uuid
        Uuid of the campaign.

    Examples
    --------
    >>> campaign = Campaign.from_store(store, "silicon")  # doctest: +SKIP
    >>> campaign.iterations[["n_labelled", "n_over"]]  # doctest: +SKIP
    >>> campaign.labels(
    ...     {"config_type": "md", "forces_max": {"$gt": 5}}
    ... )  # doctest: +SKIP
    >>> campaign.dataset().write("silicon.xyz")  # doctest: +SKIP
    """

    @classmethod
    def from_store(
        cls, store: JobStore | str | Path, name_or_uuid: str | None = None
    ) -> Self:
        """
        Find a campaign by its name (the latest of that name), its uuid or its job's.

        In MongoDB it also creates missing indexes: see :func:`ensure_indexes`.

        Parameters
        ----------
        store
            The JobStore that it runs on, or its path: the folder of an embedded store
            (``flowpot-demo/store``), or the file of a JobStore's specification.
        name_or_uuid
            Name or uuid; None: the latest campaign.

        Raises
        ------
        ValueError
            If it is neither.
        LookupError
            If the store has no such campaign; with what it has.
        """
        store = store_at(store)
        store.connect()
        ensure_indexes(store)
        return cls(store, *find_campaign(store, name_or_uuid))

    def labels(self, query: Mapping[str, Any] | None = None) -> list[Label]:
        """
        Find labels that this campaign's engine computed.

        Parameters
        ----------
        query
            In MongoDB's syntax. Some keys describe the frame: ``fingerprint``,
            ``formula``, ``n_atoms``, ``config_type``, ``parent``, ``iteration`` (that
            explored the frame), ``temperature`` (K), ``pressure`` (kbar),
            ``trajectory`` and the other columns of the dataset. The others describe
            its label: ``energy`` (eV), ``energy_per_atom`` (eV/atom), ``forces_max``
            (eV/A), ``labelled_in`` (iteration), ``folder``, ``job``. None: all.

        Returns
        -------
        list of dict
            One for each labelled frame, with these keys.

        Examples
        --------
        >>> campaign.labels(
        ...     {"temperature": {"$gt": 800}, "labelled_in": 2}
        ... )  # doctest: +SKIP
        """
        return find_labels(self._documents, query or {})

    def provenance(self, frame: Any) -> Provenance:
        """
        Trace a labelled frame back to its parents, its trajectory and its model.

        Parameters
        ----------
        frame
            Fingerprint of the frame, or the frame itself (Atoms, Structure).

        Raises
        ------
        LookupError
            If the campaign has labelled no such frame.
        """
        if not isinstance(frame, str):
            frame = str(Dataset.load(frame).fingerprints[0])
        return trace(self._documents, frame)

    def dataset(self) -> Dataset:
        """Return all labelled frames."""
        end = self._documents.end
        if end is not None:
            shards = self._documents.resolve(end["output"]["dataset"])
        else:
            shards = [
                self._documents.read(document, "dataset")
                for stage in ("inputs", "labelling")
                for document in self._documents.of_stage(stage)
            ]
        return Dataset.load([shard for shard in shards if shard is not None])

    def unlabelled(self) -> Dataset:
        """
        Return the frames that were chosen and wait for labels.

        Raises
        ------
        LookupError
            If there are none, or the campaign has not ended.
        """
        end = self._documents.end
        waiting = None if end is None else self._documents.read(end, "unlabelled")
        if waiting is None:
            why = "still runs" if end is None else "has ended with none"
            raise LookupError(
                f"no frames wait for labels: campaign {self.name!r} {why}"
            )
        return Dataset.load(waiting)

    def committee(self) -> "CommitteeDoc":
        """
        Return the committee of the last training, or the one that was given.

        Raises
        ------
        LookupError
            If none is trained yet.
        """
        from flowpot.training.document import CommitteeDoc  # noqa: PLC0415 - slow

        for document in reversed(self._documents.of_stage("training")):
            if document["output"].get("members"):  # else the stage has failed
                return CommitteeDoc.model_validate(self._documents.read(document))
        for document in self._documents.of_stage("inputs"):
            if document["output"]["committee"]:
                given = self._documents.read(document, "committee")
                return CommitteeDoc.model_validate(given)
        raise LookupError(f"campaign {self.name!r} has no trained committee yet")

    def evidence(self, *, last: int | None = None) -> list[dict[str, np.ndarray]]:
        """
        Return the disagreement and error that each iteration was calibrated on.

        Parameters
        ----------
        last
            Number of evaluations, the last ones; None: all.
        """
        evidence = []
        for artifact in self._evaluated("evidence", last):
            with np.load(io.BytesIO(artifact.read_bytes())) as arrays:
                evidence.append(dict(arrays))
        return evidence

    def predictions(self, *, last: int | None = None) -> list[Dataset]:
        """
        Return the frames that each iteration chose, with its predictions for them.

        With `last`, those of so many evaluations only, the last ones.

        Their labels are the committee's mean; columns are ``disagreement_*``,
        ``selection`` and ``selection_probability``.
        """
        return [Dataset.load(chosen) for chosen in self._evaluated("predictions", last)]

    def _evaluated(self, field: str, last: int | None) -> list[Artifact]:
        """Read one of the files that each evaluation leaves."""
        documents = self._documents.of_stage("evaluation")[-(last or 0) :]
        files = [self._documents.read(document, field) for document in documents]
        return [Artifact.from_document(file) for file in files if file is not None]

    def export(self, folder: Path) -> dict[str, Path]:
        """
        Write the dataset and the models where other programs find them.

        Returns
        -------
        dict of Path
            ``dataset``, an extxyz file, and ``models``, a folder.
        """
        folder.mkdir(parents=True, exist_ok=True)
        dataset, models = folder / "dataset.xyz", folder / "models"
        self.dataset().write(dataset)
        self.export_models(models)
        return {"dataset": dataset, "models": models}

    def export_models(self, folder: Path) -> list[Path]:
        """Write the committee's models as ``member_0``, ``member_1`` and so on."""
        members = enumerate(self.committee().members)
        trained = {rank: member for rank, member in members if member.model is not None}
        return write_models(trained, folder)
