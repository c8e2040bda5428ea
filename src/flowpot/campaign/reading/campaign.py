"""A campaign as it is read back."""

import io
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from jobflow import JobStore

from flowpot.campaign.document import CampaignDoc, IterationDoc
from flowpot.campaign.reading.documents import CampaignDocuments, iteration_of
from flowpot.campaign.reading.errors import ERRORS, errors_in
from flowpot.campaign.reading.failures import COLUMNS, failures_in
from flowpot.campaign.reading.find import find_campaign, namesakes
from flowpot.campaign.reading.indexes import ensure_indexes
from flowpot.campaign.reading.label_costs import LabelCosts, label_costs_in
from flowpot.campaign.reading.labels import Label, find_labels
from flowpot.campaign.reading.provenance import Provenance, trace
from flowpot.campaign.reading.settings import e0s_in, makers_in, settings_in
from flowpot.campaign.reading.status import CampaignStatus, status_of
from flowpot.dataset import Artifact, Dataset
from flowpot.evaluation.calibration import Calibration

if TYPE_CHECKING:
    import pandas as pd

    from flowpot.training.document import CommitteeDoc, Metrics


class Campaign:
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

    def __init__(self, store: JobStore, uuid: str, run: str | None = None) -> None:
        self.uuid = uuid
        self._documents = CampaignDocuments(store, uuid, run)

    @classmethod
    def from_store(cls, store: JobStore, name_or_uuid: str | None = None) -> Self:
        """
        Find a campaign by its name (the latest of that name), its uuid or its job's.

        In MongoDB it also creates missing indexes: see :func:`ensure_indexes`.

        Parameters
        ----------
        store
            The JobStore that it runs on.
        name_or_uuid
            Name or uuid; None: the latest campaign.

        Raises
        ------
        LookupError
            If the store has no such campaign; with what it has.
        """
        store.connect()
        ensure_indexes(store)
        return cls(store, *find_campaign(store, name_or_uuid))

    @property
    def others(self) -> list[str]:
        """
        What this campaign may be mistaken for, a sentence each.

        These are campaigns of the same name in the store, and other continuations of
        the campaign that this one continues. The uuids that are named lead to them.
        """
        documents = self._documents
        notes = [
            f"another campaign is named {self.name!r}, too: {other}"
            for other in namesakes(documents.store, self.name, self.uuid)
        ]
        return notes + [
            f"the same campaign was also continued as {run}"
            for run in documents.other_runs
        ]

    @property
    def finished(self) -> bool:
        """Whether the campaign has ended."""
        return self._documents.end is not None

    @cached_property
    def doc(self) -> CampaignDoc:
        """
        The CampaignDoc, with all that it refers to.

        Raises
        ------
        RuntimeError
            If the campaign still runs.
        """
        end = self._documents.end
        if end is None:
            raise RuntimeError(
                f"campaign {self.name!r} has no CampaignDoc yet: it is still running; "
                "iterations, labels, dataset(), committee() and status are there"
            )
        return CampaignDoc.model_validate(self._documents.read(end))

    @cached_property
    def name(self) -> str:
        """Name of the campaign."""
        return self._documents.name

    @property
    def stop_reason(self) -> str | None:
        """Why the campaign ended; None while it runs."""
        return self._documents.stop_reason

    @property
    def iteration_docs(self) -> list[IterationDoc]:
        """Numbers of each iteration; of the present one, those that there are."""
        return self._documents.iterations

    @property
    def iterations(self) -> "pd.DataFrame":
        """The same as a table: a row each iteration, nested names joined by dots."""
        import pandas as pd  # noqa: PLC0415 - slow

        rows = [doc.model_dump() for doc in self.iteration_docs]
        if not rows:
            return pd.DataFrame(index=pd.Index([], name="iteration"))
        return pd.json_normalize(rows).set_index("iteration")

    @property
    def calibration(self) -> dict[str, Calibration]:
        """The last calibration, by property; empty before the first."""
        fits = [doc.calibration for doc in self.iteration_docs if doc.calibration]
        return fits[-1] if fits else {}

    @property
    def cost(self) -> "pd.DataFrame":
        """
        Wall time of the engines (s): a row each iteration, a column each stage.

        Times of jobs that ran side by side are added up.
        """
        import pandas as pd  # noqa: PLC0415 - slow

        rows = {doc.iteration: doc.seconds for doc in self.iteration_docs}
        for document in self._documents.of_stage("augmentation"):
            rows[0] = {"augmentation": document["output"]["seconds"]}
        cost = pd.DataFrame.from_dict(rows, orient="index").sort_index()
        return cost.rename_axis("iteration").fillna(0.0)

    @cached_property
    def label_costs(self) -> LabelCosts:
        """Labels that were computed, and their core-seconds as the engine states."""
        return label_costs_in(self._documents)

    @cached_property
    def command(self) -> str | None:
        """The command that started the campaign, or continued it; None: from Python."""
        return self._documents.command

    @property
    def failure_records(self) -> list[dict[str, Any]]:
        """The rows of :attr:`failures` as dictionaries."""
        return failures_in(self._documents)

    @property
    def failures(self) -> "pd.DataFrame":
        """Frames, members and trajectories that failed: why, and in which folder."""
        import pandas as pd  # noqa: PLC0415 - slow

        return pd.DataFrame(self.failure_records, columns=list(COLUMNS))

    @property
    def status(self) -> CampaignStatus:
        """How far the campaign is, by the outputs that are in the store."""
        return status_of(self._documents)

    @property
    def member_metrics(self) -> "dict[int, list[Metrics]]":
        """RMSE of each member of the committees, by iteration."""
        return {
            iteration_of(document): document["output"]["member_metrics"]
            for document in self._documents.of_stage("training")
            if document["output"].get("member_metrics")
        }

    @property
    def errors_by_origin(self) -> "pd.DataFrame":
        """
        RMSE of the committee's mean: a row for each iteration, origin and set.

        Origins are ``augmented`` (what the campaign began with) and ``explored N`` (in
        iteration N). In eV/atom, eV/A and eV/A^3; NaN where there are no labels.
        """
        import pandas as pd  # noqa: PLC0415 - slow

        return pd.DataFrame(errors_in(self._documents), columns=list(ERRORS))

    @property
    def n_runs(self) -> dict[int, int]:
        """Trajectories that were started, by iteration."""
        return {
            iteration_of(document): document["output"]["n_runs"]
            for document in self._documents.of_stage("exploration")
            if document["output"].get("n_runs")
        }

    @property
    def set_sizes(self) -> dict[str, int]:
        """Number of frames in each set that the last committee was trained with."""
        trained = self._documents.of_stage("training")
        sizes = [document["output"].get("n_frames") for document in trained]
        return next((known for known in sizes[::-1] if known), {})

    @property
    def e0s(self) -> dict[str, float]:
        """Energies of isolated atoms (eV) that the last committee was trained with."""
        return e0s_in(self._documents)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What a label, the last training and a trajectory were made with."""
        return settings_in(self._documents)

    @property
    def seed(self) -> int | None:
        """The campaign's seed; None: not known before the first iteration."""
        end = self._documents.end
        return self.makers.get("seed") if end is None else end["output"]["seed"]

    @cached_property
    def makers(self) -> dict[str, Any]:
        """
        Fields of the campaign's Makers, nested as they are; ``maker`` is the class.

        Empty where they are not known: an older version has stored none.
        """
        return makers_in(self._documents)

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the packages that did the work, as the latest job has them."""
        versions: dict[str, str] = {}
        for document in self._documents.stages:
            versions |= document["output"].get("versions") or {}
        return versions

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
        folder.mkdir(parents=True, exist_ok=True)
        return [
            member.model.to_file(folder / f"member_{i}{Path(member.model.name).suffix}")
            for i, member in enumerate(self.committee().members)
            if member.model is not None
        ]
