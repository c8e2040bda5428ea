"""
Refuse parameters that make no sense: the field, its value and the remedy.

Each function takes fields by their names and raises a ValueError for the first that is
amiss. None is a field's absence, which all of them let pass.
"""

import dataclasses
import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from ase.data import atomic_numbers

_LARGEST = 2**63 - 1
"""Largest whole number of 8 bytes, which is what MongoDB keeps."""
_DEVICES = ("cpu", "cuda", "hip", "hpu", "ipu", "mps", "mtia", "npu", "xla", "xpu")
"""Kinds of devices that torch, or an extension of it, calculates on."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest of the known names, if one is near."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def one_of(choices: Sequence[Any], /, **fields: Any) -> None:
    """Refuse fields that are none of the choices."""
    for name, value in fields.items():
        if value not in choices:
            hint = nearest(str(value), map(str, choices))
            raise ValueError(f"{name} is {value!r}{hint}: use one of {tuple(choices)}")


def number(**fields: Any) -> None:
    """Refuse what is not a finite number."""
    for name, value in fields.items():
        if value is not None and not _is_number(value):
            raise ValueError(f"{name} is {value!r}: it must be a number")


def at_least(least: float, /, **fields: Any) -> None:
    """Refuse fields under a lowest value."""
    number(**fields)
    for name, value in fields.items():
        if value is not None and not value >= least:
            raise ValueError(f"{name} is {value}: it must be {least} or more")


def positive(**fields: Any) -> None:
    """Refuse fields that are not above zero."""
    number(**fields)
    for name, value in fields.items():
        if value is not None and not value > 0:
            raise ValueError(f"{name} is {value}: it must be positive")


def fraction(**fields: Any) -> None:
    """Refuse fields outside [0, 1]."""
    number(**fields)
    for name, value in fields.items():
        if value is not None and not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}: it must lie between 0 and 1")


def whole(least: int, /, **fields: Any) -> None:
    """Refuse what is not a whole number, or under a lowest value."""
    for name, value in fields.items():
        if value is not None:
            _check_whole(name, value, least)


def seed(**fields: Any) -> None:
    """Refuse what is not a seed: a whole number that is not negative."""
    whole(0, **fields)


def numbers(least: float = -math.inf, /, **fields: Any) -> None:
    """Refuse what is not a sequence of at least one finite number, each in bounds."""
    for name, values in fields.items():
        if values is None:
            continue
        items = _items(values)
        if not items or not all(map(_is_number, items)):
            raise ValueError(
                f"{name} is {values!r}: it must be a list of numbers, such as "
                "[300, 600]"
            )
        if min(items) < least:
            raise ValueError(f"{name} is {values!r}: each must be {least} or more")


def interval(**fields: Any) -> None:
    """Refuse what is not two numbers, the smaller one first."""
    for name, values in fields.items():
        if values is None:
            continue
        items = _items(values) or []
        if len(items) != 2 or not all(isinstance(each, Real) for each in items):  # noqa: PLR2004
            raise ValueError(f"{name} is {values!r}: it must be two numbers")
        if not items[0] < items[1]:
            raise ValueError(f"{name} is {values!r}: use a smaller and a larger number")


def bounds(above: float = -math.inf, /, **fields: Any) -> None:
    """Refuse what is not two finite numbers above a limit, the lowest first."""
    for name, values in fields.items():
        if values is None:
            continue
        items = _items(values) or []
        if len(items) != 2 or not all(map(_is_number, items)):  # noqa: PLR2004
            raise ValueError(
                f"{name} is {values!r}: give two numbers, the lowest and the highest, "
                "such as [0.8, 1.2]"
            )
        if not above < items[0] <= items[1]:
            limit = f" above {above}" if math.isfinite(above) else ""
            raise ValueError(
                f"{name} is {values!r}: give the lowest number{limit}, then the highest"
            )


def several(**fields: Any) -> None:
    """Refuse what is not a list of at least one value: a number, a text."""
    for name, values in fields.items():
        if values is None:
            continue
        items = _items(values)
        if items is None:
            raise ValueError(
                f"{name} is {values!r}: give a list, of one value at least"
            )
        if not items:
            raise ValueError(f"{name} is empty: give one value at least")


def some_of(choices: Sequence[Any], /, **fields: Any) -> None:
    """Refuse what is not a list of at least one of the choices."""
    several(**fields)
    for name, values in fields.items():
        for value in _items(values) or []:
            one_of(choices, **{name: value})


def whole_numbers(least: int, /, **fields: Any) -> None:
    """Refuse what is not a list of at least one whole number, each in bounds."""
    several(**fields)
    for name, values in fields.items():
        for value in _items(values) or []:
            _check_whole(name, value, least)


def amounts(**fields: Any) -> None:
    """Refuse what is not a dictionary of at least one finite number by name."""
    mapping(**fields)
    for name, given in fields.items():
        if given is None:
            continue
        if not given or not all(map(_is_number, given.values())):
            raise ValueError(
                f"{name} is {given!r}: give a number for each name, such as "
                '{"Mo": 0.25, "W": 0.75}'
            )


def elements(**fields: Any) -> None:
    """Refuse what is not a list of elements' symbols, and symbols given twice."""
    for name, symbols in fields.items():
        if symbols is None:
            continue
        items = _items(symbols)
        if items is None or not all(map(_is_element, items)):
            raise ValueError(
                f"{name} is {symbols!r}: give a list of element symbols, such as "
                '["Mo", "W"]'
            )
        if len(set(items)) < len(items):
            raise ValueError(f"{name} is {symbols!r}: name each element once")


def text(**fields: Any) -> None:
    """Refuse what is not a text of at least one character."""
    for name, value in fields.items():
        if value is not None and not (isinstance(value, str) and value.strip()):
            raise ValueError(f"{name} is {value!r}: it must be a text")


def names(**fields: Any) -> None:
    """Refuse what is not a list of texts: a single text is a list of letters else."""
    for name, values in fields.items():
        if values is None:
            continue
        items = _items(values)
        if items is None or not all(isinstance(each, str) for each in items):
            raise ValueError(f"{name} is {values!r}: it must be a list of names")


def path(**fields: Any) -> None:
    """Refuse what is not the name of a file or folder."""
    for name, value in fields.items():
        if value is not None and not isinstance(value, Path):
            text(**{name: value})


def boolean(**fields: Any) -> None:
    """Refuse what is neither True nor False: the text "no" counts as true else."""
    for name, value in fields.items():
        if not isinstance(value, bool) and value is not None:
            raise ValueError(f"{name} is {value!r}: it must be True or False")


def device(**fields: Any) -> None:
    """
    Refuse what is no torch device on any machine, and is not ``auto``.

    By its name, since torch takes seconds to import. Whether this machine has the
    device is not asked: it may be composed here, and run elsewhere.
    """
    text(**fields)
    known = rf"auto|({'|'.join(_DEVICES)})(:(0|[1-9]\d*))?"
    for name, value in fields.items():
        if value is not None and not re.fullmatch(known, value):
            raise ValueError(
                f"{name} is {value!r}: use 'auto', 'cpu', 'cuda' or 'cuda:1'"
            )


def mapping(**fields: Any) -> None:
    """Refuse what is not a dictionary with texts as keys."""
    for name, value in fields.items():
        if value is None:
            continue
        if not isinstance(value, Mapping) or not all(isinstance(k, str) for k in value):
            raise ValueError(f"{name} is {value!r}: it must be a dictionary by name")


def instance(kinds: type | tuple[type, ...], /, **fields: Any) -> None:
    """Refuse what is of another class, such as the Maker of another stage."""
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    for name, value in fields.items():
        if value is not None and not isinstance(value, kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            if isinstance(value, type):
                found = f"the class {value.__name__}"
            elif isinstance(value, str | bool | Real | list | tuple):
                found = repr(value)
            else:
                found = f"a {type(value).__name__}"
            raise ValueError(f"{name} is {found}: it must be a {wanted}")


def complete(made: Any, /) -> None:
    """Refuse None in those fields of a dataclass whose type does not have it."""
    for field in dataclasses.fields(made):
        if getattr(made, field.name) is None and NoneType not in get_args(field.type):
            raise ValueError(f"{field.name} is None: leave it out, or give a value")


def keep_tuples(made: Any, /, *names: str) -> None:
    """
    Put tuples of plain values in place of lists and arrays in fields of a dataclass.

    It is then equal to itself after JSON, which has lists alone.
    """
    for name in names:
        object.__setattr__(made, name, _as_tuple(getattr(made, name)))


def _as_tuple(value: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list | tuple):
        return tuple(map(_as_tuple, value))
    return value


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    return is_real and math.isfinite(value)


def _check_whole(name: str, value: Any, least: int) -> None:
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not (is_whole and value >= least):
        raise ValueError(f"{name} is {value!r}: use {least} or more, a whole number")
    if value > _LARGEST:
        raise ValueError(
            f"{name} is {value!r}: use {_LARGEST} or less, which a database can hold"
        )


def _is_element(symbol: Any) -> bool:
    return isinstance(symbol, str) and atomic_numbers.get(symbol, 0) > 0


def _items(values: Any) -> list[Any] | None:
    """Return the items of a list; None for one value, a text, a dictionary."""
    if isinstance(values, str | bytes | Mapping):
        return None
    try:
        return list(values)
    except TypeError:
        return None
