"""How the report, the status and the tables write units, numbers, times and states."""

import re

from flowpot.campaign.reading.status import CampaignStatus
from flowpot.dataset.labels import FORCES_MAX
from flowpot.evaluation import FreshError

UNITS = {
    "energy": ("meV/atom", 1e3),
    "forces": ("meV/Å", 1e3),
    "stress": ("meV/Å³", 1e3),
    FORCES_MAX: ("meV/Å", 1e3),
}
"""Units that people read, and the factors to them from eV."""

STATES: dict[str | None, str] = {
    None: "running",
    "converged": "converged",
    "none_over": "not audited",
    "completed": "completed",
    "max_iterations": "not converged",
    "max_labels": "not converged",
    "nothing_left": "not converged",
    "not_converged": "not converged",
    "failed": "failed",
}
"""What a campaign is called, by the kind of its end; None: it runs."""

_FOUR_DIGITS = 999.5
_ANGSTROM = re.compile(r"((?:\beV/|(?<=\d )|(?<=\())A(?:\^3)?(?:/atom)?)(?![\w^])")


def state_of(status: CampaignStatus) -> str:
    """Return what a campaign is called: one of the values of :data:`STATES`."""
    if status.stop_reason is None:
        return STATES[None]
    return STATES.get(status.stop_kind, "ended")


def duration(seconds: float) -> str:
    """
    Write a time as people say it.

    Examples
    --------
    >>> duration(42.3), duration(400), duration(10_000)
    ('42 s', '7 min', '2.8 h')
    """
    minute, hour = 60, 3600
    if seconds < 2 * minute:
        return f"{seconds:.0f} s"
    if seconds < 2 * hour:
        return f"{seconds / minute:.0f} min"
    return f"{seconds / hour:.1f} h"


def number(value: float | None, factor: float = 1.0) -> str:
    """Write three digits, all of them before the point of a large number."""
    if value is None:
        return "-"
    scaled = factor * value
    large = _FOUR_DIGITS <= abs(scaled) < 1e6  # noqa: PLR2004
    return f"{scaled:.0f}" if large else f"{scaled:.3g}"


def error_with_interval(fresh: FreshError | None, factor: float) -> str:
    """
    Write a fresh error and its interval, or a dash where there is none.

    Parameters
    ----------
    fresh
        Error, in eV.
    factor
        Factor to the unit that is written.
    """
    if fresh is None or fresh.value is None:
        return "-"
    low, high = fresh.interval
    ends = f"{number(low, factor)}, "
    ends += "∞)" if high is None else f"{number(high, factor)}]"
    return f"{number(fresh.value, factor)} [{ends}"


def with_symbols(text: str) -> str:
    """
    Put proper symbols in place of the ASCII units of stored sentences.

    Examples
    --------
    >>> with_symbols("0.1 eV/A, 0.2 eV/A^3; a is 3.61 A, volume (A^3/atom)")
    '0.1 eV/Å, 0.2 eV/Å³; a is 3.61 Å, volume (Å³/atom)'
    """
    symbols = str.maketrans({"A": "Å", "^": None, "3": "³"})
    return _ANGSTROM.sub(lambda found: found[1].translate(symbols), text)
