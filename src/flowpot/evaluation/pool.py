"""
The evidence that there is, and which of it a calibration is fitted to.

Each property is filled up by itself: of the explored frames some may have no stress,
and what an earlier committee predicted may lack an uncertainty that is measured now.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flowpot.evaluation.covariates import Evidence, Used, covariates_of
from flowpot.evaluation.known import Uncertainties, has, is_known, lacks

_MORE = 4 / 3  # of what is enough: predictions of earlier committees fill up to it


@dataclass(frozen=True)
class CalibrationPool:
    """
    The evidence that there is, by how well it represents the frames to be judged.

    Attributes
    ----------
    unseen
        Explored frames that the present committee has not learned.
    remembered
        Explored frames that it has learned, with the predictions of an earlier
        committee that had not.
    augmented
        Frames of augmentation that are held out from training.
    """

    unseen: Evidence | None
    remembered: Evidence | None = None
    augmented: Evidence | None = None

    def n_like(
        self, judged: Uncertainties, properties: Iterable[str], *, n_drawn: int
    ) -> float:
        """
        Return how many explored frames there are, of the property that has fewest.

        Parameters
        ----------
        judged
            (m,) uncertainties of the frames to be judged, by name.
        properties
            Those that count.
        n_drawn
            Number of the frames judged that may be drawn and labelled. Properties that
            none of these is expected to have do not count.

        Returns
        -------
        float
            Where a share of the frames judged have the property, the number of frames
            that have it, and all uncertainties that predict it, over this share;
            infinite where no property counts.
        """
        explored = [part for part in (self.unseen, self.remembered) if part is not None]
        known = [part.measured(self._names(judged)).disagreement for part in explored]
        n_known = max(is_known(judged).sum(), 1)
        fewest = np.inf
        for name in properties:
            share = has(judged, name).sum() / n_known
            if share * n_drawn >= 1:
                n = sum(_predictable(each, name).sum() for each in known)
                fewest = min(fewest, n / share)
        return float(fewest)

    def best(self, enough: float, measured: Collection[str] | None = None) -> Evidence:
        """
        Return the evidence, each kind filling up what the kinds before it lack.

        They fill up for each property by itself: what counts are the frames that have
        this property, and all uncertainties that predict it.

        Parameters
        ----------
        enough
            Effective number of frames from which on augmented frames are left out.
        measured
            Names of the uncertainties of the frames to be judged. Those that only
            earlier committees measured predict nothing. None: all.

        Raises
        ------
        ValueError
            Without any evidence.
        """
        kinds = (
            (self.unseen, np.inf),
            (self.remembered, _MORE * enough),
            (self.augmented, enough),
        )
        names = self._names(measured)
        parts = [
            (part.measured(names), limit) for part, limit in kinds if part is not None
        ]
        if not parts:
            raise ValueError(
                "no labelled frame is in the audit, validation or test set: the "
                "committee cannot be calibrated; label more frames or raise the "
                "split's fractions"
            )
        properties = dict.fromkeys(name for part, _ in parts for name in part.error)
        filled = {name: _filled(parts, name) for name in properties}
        return _joined(filled) or parts[0][0]

    def _names(self, measured: Collection[str] | None) -> list[str]:
        """
        Return the uncertainties that errors are predicted from.

        They are those of the most representative frames. Others may lack some.
        """
        kinds = (self.unseen, self.remembered, self.augmented)
        first = next((part for part in kinds if part is not None), None)
        names = [] if first is None else first.disagreement
        return [name for name in names if measured is None or name in measured]


def _predictable(uncertainty: Uncertainties, name: str) -> NDArray[np.bool_]:
    """Return the mask (n,) of frames whose error in a property can be predicted."""
    known = np.isfinite(list(covariates_of(uncertainty, name).values())).all(axis=0)
    return np.asarray(known & ~lacks(uncertainty, name))


def _filled(parts: Sequence[tuple[Evidence, float]], name: str) -> list[Evidence]:
    """
    Return the parts with what each frame counts for in the fit of one property.

    Parameters
    ----------
    parts
        Each with the number of frames that it fills up to.
    name
        The property.
    """
    filled, total = [], 0.0
    for part, limit in parts:
        usable = replace(part, worth=part.usable(name) * part.worth)
        filled.append(usable.worth_at_most(max(limit - total, 0.0)))
        total += filled[-1].effective_n
    return filled


def _joined(filled: Mapping[str, Sequence[Evidence]]) -> Evidence | None:
    """
    Put together what is used for any property; None where nothing is.

    Parameters
    ----------
    filled
        By property, the same parts as :func:`_filled` returns them.
    """
    of_parts = list(zip(*filled.values(), strict=True))
    is_used = [any(part.effective_n for part in parts) for parts in of_parts]
    if not any(is_used):
        return None
    kept = {
        name: [part for part, used in zip(parts, is_used, strict=True) if used]
        for name, parts in filled.items()
    }
    used = {
        name: Used(
            np.concatenate([part.worth for part in parts]),
            " and ".join(_used_of(part) for part in parts if part.effective_n),
        )
        for name, parts in kept.items()
    }
    return replace(
        Evidence.join(next(iter(kept.values()))),
        worth=np.max([each.worth for each in used.values()], axis=0),
        used=used,
    )


def _used_of(part: Evidence) -> str:
    """Say where the frames that count came from, and how many of these they are."""
    n = int((part.worth > 0).sum())
    return part.origin if n == len(part) else f"{n} of {part.origin}"
