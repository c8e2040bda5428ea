"""What a campaign's documents state: its numbers, costs, errors and settings."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from jobflow import JobStore

from flowpot.campaign.document import CampaignDoc, IterationDoc
from flowpot.campaign.reading import results
from flowpot.campaign.reading.documents import CampaignDocuments, iteration_of
from flowpot.campaign.reading.find import namesakes
from flowpot.campaign.reading.status import CampaignStatus, status_of
from flowpot.evaluation.calibration import Calibration

if TYPE_CHECKING:
    import pandas as pd

    from flowpot.training.document import Metrics


class CampaignRecords:
    """
    The part of a Campaign that reads no frames and no models.

    Attributes
    ----------
    uuid
        Uuid of the campaign.
    """

    def __init__(self, store: JobStore, uuid: str, run: str | None = None) -> None:
        self.uuid = uuid
        self._documents = CampaignDocuments(store, uuid, run)

    def __repr__(self) -> str:
        # Its name would be asked of the store, which may be closed, or slow.
        return f"{type(self).__name__}(uuid={self.uuid!r})"

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
    def label_costs(self) -> results.LabelCosts:
        """Labels that were computed, and their core-seconds as the engine states."""
        return results.label_costs_in(self._documents)

    @cached_property
    def command(self) -> str | None:
        """The command that started the campaign, or continued it; None: from Python."""
        return self._documents.command

    @property
    def failure_records(self) -> list[dict[str, Any]]:
        """The rows of :attr:`failures` as dictionaries."""
        return results.failures_in(self._documents)

    @property
    def failures(self) -> "pd.DataFrame":
        """Frames, members and trajectories that failed: why, and in which folder."""
        import pandas as pd  # noqa: PLC0415 - slow

        return pd.DataFrame(self.failure_records, columns=list(results.COLUMNS))

    @property
    def remarks(self) -> "pd.DataFrame":
        """Warnings of the engine and remedies, on how many labels, by iteration."""
        import pandas as pd  # noqa: PLC0415 - slow

        rows = results.remarks_in(self._documents)
        return pd.DataFrame(rows, columns=list(results.REMARKS))

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

        return pd.DataFrame(
            results.errors_in(self._documents), columns=list(results.ERRORS)
        )

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
        return results.e0s_in(self._documents)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What a label, the last training and a trajectory were made with."""
        return results.settings_in(self._documents)

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
        return results.makers_in(self._documents)

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the packages that did the work, as the latest job has them."""
        versions: dict[str, str] = {}
        for document in self._documents.stages:
            versions |= document["output"].get("versions") or {}
        return versions
