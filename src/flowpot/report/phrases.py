"""Settings as parts of sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from flowpot.campaign.fields import MAKER

Fields = Mapping[str, Any]

_CAMPAIGNS_OWN = ("tolerance", "max_bad_share", "max_over_share")
"""What an evaluation is given by its campaign, see CampaignStages: it uses no other."""


def of_stage(makers: Fields, stage: str) -> Fields | None:
    """Return the fields of a stage's Maker; None where there is none."""
    fields = makers.get(stage)
    return fields if isinstance(fields, Mapping) else None


def without_campaigns_own(evaluation: Fields) -> dict[str, Any]:
    """Return an evaluation's fields but for those that its campaign replaces."""
    return {n: value for n, value in evaluation.items() if n not in _CAMPAIGNS_OWN}


def class_named(fields: Fields | None) -> str:
    """Return the class of a Maker, and the package that it is from."""
    address = str((fields or {}).get(MAKER, ""))
    package, _, name = address.partition(".")
    return f"{name.rpartition('.')[2]} of {package}" if name else ""


def listed(fields: Fields, without: Sequence[str] = ()) -> str:
    """
    Write fields as ``name = value, ...``; those that are None are left out.

    Parameters
    ----------
    fields
        Values by name, nested ones in brackets.
    without
        Names to leave out, wherever they are.

    Examples
    --------
    >>> listed({"n": 3, "limits": [0.1, 2.0], "rules": {"method": "top", "x": None}})
    'n = 3, limits = 0.1 to 2, rules (method = top)'
    """
    parts = []
    for name, value in fields.items():
        if name in (*without, MAKER) or value is None or value in ({}, []):
            continue
        if isinstance(value, Mapping):
            inner = listed(value, without)
            parts.append(f"{name} ({inner})" if inner else str(name))
        else:
            parts.append(f"{name} = {written(value, without)}")
    return ", ".join(parts)


def written(value: Any, without: Sequence[str] = ()) -> str:
    """Write one value."""
    if isinstance(value, Mapping):
        return f"({listed(value, without)})"
    if isinstance(value, list | tuple):
        numbers = [
            v for v in value if isinstance(v, int | float) and type(v) is not bool
        ]
        if len(value) == len(numbers) == 2:  # noqa: PLR2004
            return f"{value[0]:g} to {value[1]:g}"
        return f"[{'; '.join(written(each, without) for each in value)}]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
