"""Parse the comment line of an extxyz frame: names and values, as ASE reads them."""

import json
import re
from itertools import product
from string import ascii_letters
from typing import Any

from flowpot.dataset.metadata import JSON_PREFIX

_PAIR = re.compile(
    r"""([^\s="'\[\]{},\\]+)=(?:"([^"\\]*)"|([^\s="'\[\]{}\\]+))(?:\s+|$)"""
)
_TOKEN = re.compile(r"[^\s,]+")
_TRUTH = {
    **dict.fromkeys(("T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("F", "false", "False", "FALSE"), False),
}
_PERIODIC = {
    " ".join("FT"[axis] for axis in axes): axes
    for axes in product((False, True), repeat=3)
}
_STARTS_TEXT = frozenset(ascii_letters) - frozenset("tTfFnNiI")
"""Letters that no number (or inf, nan), truth value or JSON text starts with."""
_LARGEST_INT = 2**63 - 1
_AS_TEXT = ("Lattice", "Properties")


def _int(token: str) -> int:
    number = int(token)
    if abs(number) > _LARGEST_INT:
        raise ValueError(f"{token} is too large for an integer column")
    return number


_CONVERSIONS = (_int, float, _TRUTH.__getitem__)


def parse_comment(line: str) -> dict[str, Any]:
    """
    Parse a comment line.

    Nearly all lines are plain ``name=value`` and ``name="value"`` pairs, which are
    parsed many times faster than by ASE; any other line is left to ASE.

    Parameters
    ----------
    line
        The line.

    Returns
    -------
    dict
        Values by name: str, bool, int or float, lists of these, and decoded JSON;
        `Lattice` (vector after vector) and `Properties` as text.

    Raises
    ------
    ValueError
        Where the line is malformed.
    """
    line = line.strip()
    values: dict[str, Any] = {}
    end = 0
    for match in _PAIR.finditer(line):
        if match.start() != end:
            break
        end = match.end()
        name, quoted, bare = match.groups()
        text = bare if quoted is None else quoted
        values[name] = text if name in _AS_TEXT else value_of(text)
    if end == len(line):
        return values
    from ase.io.extxyz import key_val_str_to_dict  # noqa: PLC0415 - slow

    values = key_val_str_to_dict(line)
    if "Lattice" in values:
        # ASE returns the vectors as columns.
        values["Lattice"] = " ".join(map(repr, values["Lattice"].T.ravel().tolist()))
    return values


def value_of(text: str) -> Any:
    """Return the numbers, truth values or JSON that a text stands for, or the text."""
    if text in _PERIODIC:
        return list(_PERIODIC[text])
    tokens = _TOKEN.findall(text)
    if not tokens or text[0] in _STARTS_TEXT:
        return text
    values: Any
    # A text with a point is no integer: skipping that attempt saves most of the time.
    for convert in (float, _TRUTH.__getitem__) if "." in text else _CONVERSIONS:
        try:
            values = [convert(token) for token in tokens]
        except (ValueError, KeyError):
            # The tokens are of another type, which is tried next.
            continue
        return values[0] if len(values) == 1 else values
    if text.startswith(JSON_PREFIX):
        return json.loads(text.removeprefix(JSON_PREFIX))
    return text
