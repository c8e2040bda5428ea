"""Refuse parameters that make no sense: the field, its value and the remedy."""

from collections.abc import Sequence
from typing import Any

from ase.data import atomic_numbers


def at_least(least: float, **fields: float | None) -> None:
    """Refuse fields under a lowest value; None is what the field's absence is."""
    for name, value in fields.items():
        if value is not None and not value >= least:
            raise ValueError(f"{name} is {value}: it must be {least} or more")


def positive(**fields: float | None) -> None:
    """Refuse fields that are not above zero; None is what the field's absence is."""
    for name, value in fields.items():
        if value is not None and not value > 0:
            raise ValueError(f"{name} is {value}: it must be positive")


def fraction(**fields: float) -> None:
    """Refuse fields outside [0, 1]."""
    for name, value in fields.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}: it must lie between 0 and 1")


def elements(**fields: Sequence[str]) -> None:
    """Refuse what is not the symbol of an element, and symbols given twice."""
    for name, symbols in fields.items():
        unknown = [s for s in symbols if atomic_numbers.get(s, 0) == 0]
        if isinstance(symbols, str) or unknown:
            raise ValueError(
                f"{name} is {symbols!r}: give a list of element symbols, such as "
                '["Mo", "W"]'
            )
        if len(set(symbols)) < len(symbols):
            raise ValueError(f"{name} is {symbols!r}: name each element once")


def one_of(choices: Sequence[Any], **fields: Any) -> None:
    """Refuse fields that are none of the choices."""
    for name, value in fields.items():
        if value not in choices:
            raise ValueError(f"{name} is {value!r}: use one of {tuple(choices)}")
