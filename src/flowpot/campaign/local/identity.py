"""What a campaign in a folder was asked to be, compared with what is asked now."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monty.json import MontyDecoder, MontyEncoder, MSONable

from flowpot.campaign.local.run import ResumableRun
from flowpot.campaign.loop import LoopMaker
from flowpot.dataset import Dataset
from flowpot.dataset.storage import write_whole
from flowpot.jobs import jobs_of
from flowpot.redaction import redact

DESCRIPTION_FILE = "campaign.json"
"""File in the folder of a run with the description of its campaign."""

_MOST_NAMED = 5
_LONGEST = 60  # characters of a value
_MISSING = "nothing"
_CONTENT, _COLUMNS = "content", "columns"
"""Keys of an input's hashes: of its frames with their labels, and of each column."""


def described(campaign: MSONable, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """
    Describe a campaign: all fields of its Makers, and the content of its inputs.

    Parameters
    ----------
    campaign
        The campaign: an ActiveLearningMaker. It may be another Maker, too.
    inputs
        Arguments of its ``make``.

    Returns
    -------
    dict
        ``maker``, and ``inputs``: of each a hash of its frames and labels, and one of
        each column of metadata, such as ``split``. JSON can hold both.
    """
    return {
        "maker": json.loads(json.dumps(campaign, cls=MontyEncoder)),
        "inputs": {
            name: _digest(value) for name, value in inputs.items() if value is not None
        },
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """
    Name what differs between two descriptions; "" if nothing does.

    Fields that did not exist when the first was written count with their defaults.

    Parameters
    ----------
    before, now
        As :func:`described` returns them; inputs are compared where both have them.

    Returns
    -------
    str
        ``tolerance.forces was 0.2, now 0.1; ...``: the first few, in the Makers' order.
    """
    # Decoding adds the defaults of fields that did not exist when a Maker was written.
    makers = (MontyDecoder().process_decoded(d["maker"]) for d in (before, now))
    old, new = (json.loads(json.dumps(maker, cls=MontyEncoder)) for maker in makers)
    changes = list(_changes(old, new, ""))
    if "inputs" in before and "inputs" in now:
        had, has = before["inputs"], now["inputs"]
        for name in {**had, **has}:
            changes += _input_changes(had.get(name), has.get(name), name)
    more = len(changes) - _MOST_NAMED
    named = changes[:_MOST_NAMED] + ([f"and {more} more"] if more > 0 else [])
    return "; ".join(named)


def write_description(run: ResumableRun, description: Mapping[str, Any]) -> None:
    """Write down what a run is asked for, unless it has started."""
    if not run.started:
        path = run.folder / DESCRIPTION_FILE
        write_whole(path, json.dumps(description, indent=1))


def read_description(run: ResumableRun) -> dict[str, Any]:
    """
    Read what a run was asked for.

    Without its file, the Makers are those of the loop's job; the inputs are not known.
    """
    try:
        description: dict[str, Any] = json.loads(
            (run.folder / DESCRIPTION_FILE).read_bytes()
        )
    except (FileNotFoundError, ValueError):
        makers = [job.maker for job in jobs_of(run.flow)]
        [campaign] = [m.campaign for m in makers if isinstance(m, LoopMaker)]
        return {"maker": described(campaign, {})["maker"]}
    return description


def _changes(old: Any, new: Any, place: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in {**old, **new}:
            if not name.startswith("@version"):
                inner = f"{place}.{name}" if place else name
                yield from _changes(
                    old.get(name, _MISSING), new.get(name, _MISSING), inner
                )
    elif old != new:
        yield f"{place} was {_short(old)}, now {_short(new)}"


def _short(value: Any) -> str:
    text = redact(repr(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def _input_changes(had: Any, has: Any, name: str) -> Iterator[str]:
    """Say what of an input differs; earlier versions wrote its content's hash alone."""
    before, now = (
        each if isinstance(each, Mapping) else {_CONTENT: each} for each in (had, has)
    )
    if before[_CONTENT] != now[_CONTENT]:
        yield f"{name} has another content"
    elif _COLUMNS in before and _COLUMNS in now:
        old, new = before[_COLUMNS], now[_COLUMNS]
        others = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        if others:
            yield f"{name} has other values of {', '.join(map(repr, others))}"


def _digest(given: Any) -> dict[str, Any]:
    """Hash an input: frames by what they are, files by their content."""
    content = hashlib.sha256()
    columns: dict[str, Any] = {}
    parts = given if isinstance(given, list | tuple) else [given]
    for number, part in enumerate(parts):
        if isinstance(part, str | Path) and Path(part).is_file():
            content.update(hashlib.sha256(Path(part).read_bytes()).digest())
            continue
        try:
            frames = Dataset.load(part)
        except TypeError:  # a document, a model
            text = json.dumps(part, cls=MontyEncoder, sort_keys=True)
            content.update(text.encode())
        else:
            content.update("".join(frames.fingerprints.tolist()).encode())
            for labels in (frames.energy, frames.forces, frames.stress):
                content.update(labels.tobytes())
            for name, values in frames.info.items():
                column = columns.setdefault(name, hashlib.sha256())
                column.update(json.dumps([number, values.tolist()]).encode())
    return {
        _CONTENT: content.hexdigest(),
        _COLUMNS: {name: column.hexdigest() for name, column in columns.items()},
    }
