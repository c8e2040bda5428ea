"""What a campaign was asked to be, to be compared with what is asked now."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monty.json import MontyDecoder, MontyEncoder

from flowpot.campaign.makers import ActiveLearningMaker
from flowpot.dataset import Dataset
from flowpot.redaction import redact

_MOST_NAMED = 5
_LONGEST = 60  # characters of a value
_MISSING = "nothing"


def described(maker: ActiveLearningMaker, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """
    Describe a campaign: all fields of its Makers, and what it starts from, by content.

    Parameters
    ----------
    maker
        The campaign.
    inputs
        Arguments of its ``make``.

    Returns
    -------
    dict
        ``maker`` and ``inputs``, as JSON has them.
    """
    plain = json.loads(json.dumps(maker, cls=MontyEncoder))
    return {
        "maker": plain,
        "inputs": {
            name: _digest(each) for name, each in inputs.items() if each is not None
        },
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """
    Name what differs between two descriptions.

    Fields that a newer flowpot has added count with their defaults.

    Parameters
    ----------
    before, now
        As :func:`described` returns them; without ``inputs`` those are not compared.

    Returns
    -------
    list of str
        ``tolerance.forces was 0.2, now 0.1`` and so on, in the Makers' order.
    """
    old, new = (_complete(each["maker"]) for each in (before, now))
    found = list(_changes(old, new, ""))
    if "inputs" in before and "inputs" in now:
        had, has = before["inputs"], now["inputs"]
        names = [name for name in {**had, **has} if had.get(name) != has.get(name)]
        found += [f"{name} has another content" for name in names]
    return found


def summarised(changes: list[str]) -> str:
    """Join the first few differences."""
    more = len(changes) - _MOST_NAMED
    named = changes[:_MOST_NAMED] + ([f"and {more} more"] if more > 0 else [])
    return "; ".join(named)


def _complete(maker: Any) -> Any:
    """Add the defaults of fields that were not known when it was written."""
    whole = MontyDecoder().process_decoded(maker)
    return json.loads(json.dumps(whole, cls=MontyEncoder))


def _changes(old: Any, new: Any, place: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in {**old, **new}:
            if not name.startswith("@version"):
                at = f"{place}.{name}" if place else name
                yield from _changes(
                    old.get(name, _MISSING), new.get(name, _MISSING), at
                )
    elif old != new:
        yield f"{place} was {_short(old)}, now {_short(new)}"


def _short(value: Any) -> str:
    text = redact(repr(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def _digest(given: Any) -> str:
    """Hash what a campaign starts from: frames by what they are, files by content."""
    whole = hashlib.sha256()
    for part in given if isinstance(given, list | tuple) else [given]:
        whole.update(_content(part))
    return whole.hexdigest()


def _content(part: Any) -> bytes:
    if isinstance(part, str | Path) and Path(part).is_file():
        return hashlib.sha256(Path(part).read_bytes()).digest()
    try:
        frames = Dataset.load(part)
    except TypeError:  # a document, a model
        return json.dumps(part, cls=MontyEncoder, sort_keys=True).encode()
    labels = (frames.energy.tobytes(), frames.forces.tobytes(), frames.stress.tobytes())
    return b"".join([*map(str.encode, frames.fingerprints.tolist()), *labels])
