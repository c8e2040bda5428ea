"""Arrays of frames, by name: refused where they do not go together."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from flowpot.dataset.labels import DECIDING
from flowpot.evaluation.covariates import covariates_of
from flowpot.evaluation.known import Uncertainties
from flowpot.validation import mapping, one_of


def check_frames(
    disagreement: Uncertainties, error: Mapping[str, Any], **others: Any
) -> None:
    """
    Refuse what does not have one value of each labelled frame.

    Parameters
    ----------
    disagreement, error
        Arrays by name.
    **others
        Further arrays, or arrays by property; None: there are none.

    Raises
    ------
    ValueError
        Naming two arrays of different lengths, or a property that does not exist.
    """
    mapping(disagreement=disagreement, error=error)
    for name in error:
        one_of(DECIDING, **{"a property of error": name})
    _check_lengths(disagreement=disagreement, error=error, **others)


def check_judged(judged: Uncertainties | None, known: Mapping[str, Any] | None) -> None:
    """
    Refuse what does not have one value of each frame that is judged.

    Raises
    ------
    ValueError
        Naming two arrays of different lengths; and for known errors without the frames
        that they are of.
    """
    if judged is None and known:
        raise ValueError(
            "known has errors of frames to be judged, and judged is None: give the "
            "uncertainties of these frames"
        )
    mapping(judged=judged, known=known)
    _check_lengths(judged=judged, known=known)


def check_covariates(
    disagreement: Uncertainties, judged: Uncertainties | None, name: str
) -> None:
    """
    Refuse frames to be judged by an uncertainty that was not measured of them.

    Raises
    ------
    ValueError
        Naming the uncertainties.
    """
    if judged is None:
        return
    measured = covariates_of(judged, name)
    if missing := [k for k in covariates_of(disagreement, name) if k not in measured]:
        raise ValueError(
            f"judged has no {', '.join(missing)}, by which errors of {name} are to be "
            "predicted: measure it of the frames judged, or leave it out of "
            "disagreement"
        )


def _check_lengths(**fields: Any) -> None:
    lengths = {}
    for field, values in fields.items():
        columns = values if isinstance(values, Mapping) else {None: values}
        for key, column in columns.items():
            if column is not None:
                name = field if key is None else f"{field}[{key!r}]"
                lengths[name] = len(np.atleast_1d(column))
    first = next(iter(lengths), "")
    for name, length in lengths.items():
        if length != lengths[first]:
            raise ValueError(
                f"{name} has {length} frames, and {first} has {lengths[first]}: give "
                "one value for each frame"
            )
