"""Values of ``mace_run_train``'s options that a training can use."""

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from flowpot.validation import at_least, fraction, positive, whole

_WITHOUT_DEFAULT = ("num_channels", "max_L", "mean", "std", "freeze", "start_swa")
"""Numbers that MACE has no default of: None says the same."""
_IRREPS = ("hidden_irreps", "MLP_irreps", "edge_irreps")
_IRREP = r"\s*(?:[1-9]\d*x)?\d+[eo]\s*"
_SUM_OF_IRREPS = re.compile(rf"{_IRREP}(?:\+{_IRREP})*")
_COUNTS = (
    *("max_num_epochs", "batch_size", "valid_batch_size", "patience", "eval_interval"),
    *("num_interactions", "num_channels", "correlation"),
    *("num_radial_basis", "num_cutoff_basis"),
)
_WHOLE = (
    *("max_ell", "max_L", "num_workers", "scheduler_patience"),
    *("start_swa", "start_stage_two"),
)
_POSITIVE = (
    *("r_max", "lr", "swa_lr", "stage_two_lr", "lr_factor"),
    *("lr_scheduler_gamma", "huber_delta"),
)
_STAGES = ("", "swa_", "stage_two_")
_WEIGHTS = tuple(
    f"{stage}{label}_weight"
    for stage in _STAGES
    for label in ("energy", "forces", "stress", "virials")
)
_CHECKS: dict[str, Callable[..., None]] = {
    **dict.fromkeys(_COUNTS, partial(whole, 1)),
    **dict.fromkeys(_WHOLE, partial(whole, 0)),
    **dict.fromkeys(_POSITIVE, positive),
    **dict.fromkeys((*_WEIGHTS, "weight_decay"), partial(at_least, 0)),
    **dict.fromkeys(("ema_decay", "beta", "valid_fraction"), fraction),
}


def check_given(name: str, kind: str | list[str], place: str) -> None:
    """
    Refuse None for an option that MACE has a default of.

    Raises
    ------
    ValueError
        Naming the option and the remedy.
    """
    if kind != "text" and name not in _WITHOUT_DEFAULT:
        raise ValueError(f"{place} is None: leave it out, or give a value")


def check_range(name: str, value: Any, place: str) -> None:
    """
    Refuse a number that no training can use, and irreps that are none.

    Parameters
    ----------
    name
        The option.
    value
        Its value, as MACE reads it.
    place
        The place of the option, for the message.

    Raises
    ------
    ValueError
        Naming the place, the value and the remedy.
    """
    if isinstance(value, float) and math.isnan(value):
        raise ValueError(f"{place} is nan: give a number")
    if name in _CHECKS:
        _CHECKS[name](**{place: value})
    if name in _IRREPS and not _SUM_OF_IRREPS.fullmatch(str(value)):
        raise ValueError(
            f"{place} is {value!r}: give irreps, such as '128x0e + 128x1o'"
        )
