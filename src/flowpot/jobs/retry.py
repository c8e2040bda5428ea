"""Send jobs again that were lost or ran out of time."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from jobflow import Job, Response
from monty.json import MontyDecoder, MontyEncoder, MSONable
from pydantic import BaseModel

from flowpot.jobs.replacement import try_again

_MAX_CHARACTERS = 4_000_000  # a job must fit in a document of MongoDB: 16 MB


@dataclass(frozen=True)
class RetrySpec(MSONable):
    """
    Copies of jobs and of the job that collects them, to be sent again.

    A job whose calculation fails has an output that says so. A job without an output
    was killed, or its disk was full: it is worth a retry. The output of a job whose
    time was up lets another job go on. The copies are text, in which jobflow does not
    look for references.

    Attributes
    ----------
    jobs, collector
        JSON of the jobs, and of the one that collects their outputs.
    resends
        Whether jobs without an output may be sent once more.
    reached
        Number of steps that all jobs together had done when some last went on.
    """

    jobs: list[str]
    collector: str
    resends: bool = True
    reached: int = 0

    @classmethod
    def give(
        cls,
        jobs: Sequence[Job],
        collector: Job,
        *,
        resends: bool = True,
        reached: int = 0,
    ) -> None:
        """
        Give copies of jobs to their collector, as its argument ``retry``.

        Jobs that carry too much for a document, such as models, are not retried. (Label
        jobs carry their frames, and are made anew of these: `LabelJobs.make_lost`.)

        Parameters
        ----------
        jobs, collector
            The jobs, and the one that collects their outputs.
        resends, reached
            See :class:`RetrySpec`.
        """
        texts = [json.dumps(job, cls=MontyEncoder) for job in jobs]
        retry = cls(texts, json.dumps(collector, cls=MontyEncoder), resends, reached)
        if sum(map(len, texts)) < _MAX_CHARACTERS:
            collector.update_kwargs({"retry": retry})

    def send(self, lost: Sequence[int], document: type[BaseModel]) -> Response:
        """
        Replace the running collector by the lost jobs and a new collector.

        The new collector has no copies of the jobs: there is no third attempt.

        Parameters
        ----------
        lost
            Indices of the lost jobs.
        document
            Class of what the collector returns.
        """
        jobs, collector = self._renewed(lost)
        return try_again([jobs[i] for i in lost], collector, document)

    def go_on(
        self,
        unfinished: Sequence[int],
        lost: Sequence[int],
        document: type[BaseModel],
        reached: int,
    ) -> Response:
        """
        Replace the running collector by jobs that go on, and a new collector.

        Parameters
        ----------
        unfinished
            Indices of jobs whose outputs let others go on: they are sent again, with a
            reference to that output as their argument ``resume``.
        lost
            Indices of jobs without an output, which are sent once more as they were.
        document
            Class of what the collector returns. Its argument ``earlier`` has, for each
            job, the reference to the output that the job went on from, or None.
        reached
            Number of steps that all jobs together have done.
        """
        jobs, collector = self._renewed([*unfinished, *lost])
        earlier = collector.function_kwargs.get("earlier") or [None] * len(jobs)
        for i in unfinished:
            earlier[i] = json.loads(self.jobs[i], cls=MontyDecoder).output
            jobs[i].update_kwargs({"resume": earlier[i]})
        collector.update_kwargs({"earlier": earlier})
        resends = self.resends and not lost
        RetrySpec.give(jobs, collector, resends=resends, reached=reached)
        return try_again([jobs[i] for i in (*unfinished, *lost)], collector, document)

    def _renewed(self, indices: Sequence[int]) -> tuple[list[Job], Job]:
        """Return the jobs, some with new uuids, and the collector that names these."""
        jobs: list[Job] = [json.loads(text, cls=MontyDecoder) for text in self.jobs]
        collector = self.collector
        for index in indices:
            new = str(uuid.uuid4())
            collector = collector.replace(jobs[index].uuid, new)
            jobs[index].set_uuid(new)
        return jobs, json.loads(collector, cls=MontyDecoder)
