"""Frames that were labelled to check a committee, and the errors that they showed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.dataset.labels import DECIDING, PROPERTIES
from flowpot.dataset.sets import audit_rounds, is_audit
from flowpot.evaluation.audit import Audit, audit
from flowpot.evaluation.choice import CLOSING, PILOT, Judged
from flowpot.evaluation.disagreement import label_error
from flowpot.evaluation.evidence import weighable
from flowpot.evaluation.fresh import Sample
from flowpot.evaluation.streaming import spread_over
from flowpot.potentials import Potential

Array = NDArray[np.float64]

_SAME = 1e-4  # eV/atom: predictions of one committee differ by less, on any machine


@dataclass(frozen=True)
class Checked:
    """
    Frames of this iteration that were to be labelled before anything is selected.

    Attributes
    ----------
    fingerprints, kind
        (n,) fingerprints, and why the frames were chosen: ``pilot`` or ``closing``.
    error
        (n,) errors of this committee by property; NaN without a label.
    failed
        (n,) mask of frames whose label failed.

    Notes
    -----
    The explored frames that they are a sample of, in :meth:`audit` and in
    :meth:`sample`, are those that may be selected or audited: physical, with a finite
    prediction, not beyond the upper bound, not labelled before, each copy once. So are
    those of :func:`earlier_sample`.
    """

    fingerprints: NDArray[np.str_]
    kind: NDArray[np.object_]
    error: Mapping[str, Array]
    failed: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        members: Sequence[Potential],
        labelled: Dataset,
        explored: Dataset,
        predictions: Sequence[Dataset],
        number: int,
    ) -> Self:
        """
        Find these frames by the number of their audit.

        Parameters
        ----------
        members
            The members of the committee.
        labelled
            All labelled frames.
        explored
            The frames that are judged.
        predictions
            Of earlier evaluations, in which frames are found whose label failed.
        number
            Of this iteration's audit frames.
        """
        rows = labelled[
            is_audit(labelled)
            & (audit_rounds(labelled) == number)
            & np.isin(labelled.fingerprints, explored.fingerprints)
        ]
        rows = rows[_is_early(rows)]
        tried = [
            chosen[(audit_rounds(chosen) == number) & _is_early(chosen)]
            for chosen in predictions
        ]
        lost = Dataset.concatenate(tried)
        lost = lost[
            np.isin(lost.fingerprints, explored.fingerprints)
            & ~np.isin(lost.fingerprints, labelled.fingerprints)
        ]
        nothing = {name: np.empty(0) for name in DECIDING}
        error = spread_over(members, rows).error if len(rows) else nothing
        none = np.full(len(lost), np.nan)
        return cls(
            np.concatenate([rows.fingerprints, lost.fingerprints]),
            np.concatenate([_kinds(rows), _kinds(lost)]),
            {name: np.concatenate([e, none]) for name, e in error.items()},
            np.repeat([False, True], [len(rows), len(lost)]),
        )

    def n_tried(self, kind: str | None = None) -> int:
        """Return the number of frames, of one kind or of all."""
        return len(self.kind) if kind is None else int((self.kind == kind).sum())

    def tried(self, frames: Dataset) -> NDArray[np.bool_]:
        """Return the mask (m,) of frames that are among these."""
        return np.isin(frames.fingerprints, self.fingerprints)

    def error_among(self, frames: Dataset) -> dict[str, Array]:
        """Return the errors (m,) of those of some frames that are among these."""
        place = {f: i for i, f in enumerate(frames.fingerprints)}
        rows = np.array([place[f] for f in self.fingerprints], dtype=int)
        found = {name: np.full(len(frames), np.nan) for name in self.error}
        for name, values in self.error.items():
            found[name][rows] = values
        return found

    def audit(self, tolerance: Mapping[str, float], judged: Judged) -> Audit:
        """
        Audit this committee.

        If there is a closing audit, it alone says how good the accepted frames are: the
        calibration was fitted before its frames were drawn, but to those of the pilot,
        which look a little better than others like them (see :class:`Audit`).

        Parameters
        ----------
        tolerance
            Acceptable error, per property.
        judged
            The explored frames.
        """
        found = self.sample(judged)
        closing = self.kind == CLOSING
        n_closing = int(closing.sum())
        if found is None:
            return Audit(n_closing=n_closing)
        everything = audit(
            found.error,
            tolerance,
            accepted=~found.flagged,
            weights=found.weights,
            failed=found.failed,
        ).model_copy(update={"n_closing": n_closing})
        if not n_closing:
            return everything
        alone = audit(
            {name: e[closing] for name, e in self.error.items()},
            tolerance,
            failed=self.failed[closing],
        )
        names = ("n", "n_bad", "bad_share", "upper_limit", "accepted_error")
        return everything.model_copy(update={n: getattr(alone, n) for n in names})

    def sample(self, judged: Judged) -> Sample | None:
        """
        Return these frames as a sample of the explored ones; None without any.

        Their weights sum to the number of frames that they were drawn from, themselves
        among them. Flagged and accepted frames weigh separately; where none of the one
        kind was drawn, the others stand for their own kind, and `of` says so.
        """
        rows = self._rows(judged)
        is_closing = self.kind == CLOSING  # accepted, whatever a later fit says
        within = is_closing | ~judged.wrecked[rows]
        if not within.any():
            return None
        flagged = (~judged.accepted[rows] & ~is_closing)[within]
        others = judged.candidates[~judged.wrecked[judged.candidates]]
        n_others = {True: (~judged.accepted[others]).sum()}
        n_others[False] = len(others) - n_others[True]
        weights, kinds = np.empty(len(flagged)), []
        for is_flagged, name in ((True, "flagged"), (False, "accepted")):
            stratum = flagged == is_flagged
            weights[stratum] = 1 + n_others[is_flagged] / max(stratum.sum(), 1)
            kinds += [name] if stratum.any() or not n_others[is_flagged] else []
        which = "explored" if len(kinds) > 1 else kinds[0]
        n, size = len(judged.frames), round(weights.sum())
        aside = f"; they stand for {size} of {n} explored frames" if size < n else ""
        return Sample(
            {name: e[within] for name, e in self.error.items()},
            flagged,
            weights,
            self.failed[within],
            f"{len(flagged)} {which} frames of this iteration, before they were "
            f"learned{aside}",
        )

    def _rows(self, judged: Judged) -> NDArray[np.int_]:
        """Return the places (n,) of these frames among the explored ones."""
        position = {f: i for i, f in enumerate(judged.frames.fingerprints)}
        return np.array([position[f] for f in self.fingerprints], dtype=int)


def earlier_sample(predictions: Sequence[Dataset], labelled: Dataset) -> Sample | None:
    """
    Return the frames that the last evaluation chose, as its committee predicted them.

    They are a sample of the explored frames that it could select or audit: see
    :class:`Checked`. Frames whose chance of being chosen is not known are left out, as
    are its pilot and its closing audit, which were drawn from others.

    Parameters
    ----------
    predictions
        Of each earlier evaluation, oldest first.
    labelled
        All labelled frames. The label of a chosen frame that is not among them failed.

    Returns
    -------
    Sample or None
        None where no chosen frame has been labelled.
    """
    position = {f: i for i, f in enumerate(labelled.fingerprints)}
    for chosen in reversed(predictions):
        then = chosen[weighable(chosen) & ~_is_early(chosen)]
        there = np.isin(then.fingerprints, labelled.fingerprints)
        if not there.any():
            continue
        now = labelled[np.array([position[f] for f in then[there].fingerprints])]
        predicted = {name: getattr(then[there], name) for name in PROPERTIES}
        error = {name: np.full(len(then), np.nan) for name in DECIDING}
        for name, values in label_error(predicted, now).items():
            error[name][there] = values
        return Sample(
            error,
            ~np.asarray(then.info["accepted"], dtype=bool),
            1 / np.asarray(then.info["selection_probability"], float),
            ~there,
            f"{len(then)} frames that the evaluation before had chosen, as its "
            "committee predicted them",
        )
    return None


def next_round(
    members: Sequence[Potential],
    labelled: Dataset,
    explored: Dataset,
    predictions: Sequence[Dataset],
) -> int:
    """
    Return the number of the audit, for an evaluation without an iteration's number.

    It is that of the last audit if that was of this committee and of these frames,
    else the next.
    """
    audits = labelled[is_audit(labelled)]
    rounds = audit_rounds(audits)
    last = int(rounds.max(initial=0))
    present = audits[
        (rounds == last) & np.isin(audits.fingerprints, explored.fingerprints)
    ]
    goes_on = len(present) > 0 and _same_committee(members, present, predictions)
    return last if goes_on else last + 1


def _same_committee(
    members: Sequence[Potential], frames: Dataset, predictions: Sequence[Dataset]
) -> bool:
    """
    Tell whether the committee is the one that predicted some frames before.

    True where there is no prediction of these frames.
    """
    past = Dataset.concatenate(predictions)
    past = past[np.isin(past.fingerprints, frames.fingerprints)]
    if not len(past):
        return True
    energies = [member.evaluate(past).energy for member in members]
    change = np.abs(np.mean(energies, axis=0) - past.energy) / past.n_atoms
    return bool(np.median(change) < _SAME)


def _is_early(frames: Dataset) -> NDArray[np.bool_]:
    """Return the mask (n,) of frames to be labelled before anything was selected."""
    return np.isin(_kinds(frames).astype(str), (PILOT, CLOSING))


def _kinds(frames: Dataset) -> NDArray[np.object_]:
    column = frames.column("selection", "")
    return np.asarray(column, dtype=object)
