"""Options that belong to one mode of a command: in another they would be ignored."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import typer


@dataclass(frozen=True)
class BelongsTo:
    """
    The modes of a command that use an option.

    Attributes
    ----------
    modes
        Names of the modes: the option that asks for it, or what it is in words.
    remedy
        What to do in another mode.
    """

    modes: tuple[str, ...]
    remedy: str


def chosen_mode(usual: str, **asked: bool) -> str:
    """
    Return the mode that a command runs in.

    Parameters
    ----------
    usual
        Name of the mode without any of the options.
    **asked
        Whether each option that asks for a mode is given, by the parameter's name.

    Raises
    ------
    ValueError
        If several are given.
    """
    given = [
        f"--{name.replace('_', '-')}" for name, is_given in asked.items() if is_given
    ]
    if len(given) > 1:
        raise ValueError(
            f"{' and '.join(given)} are {len(given)} things to do: give one"
        )
    return given[0] if given else usual


def refuse_ignored(
    context: typer.Context, mode: str, options: Mapping[str, BelongsTo]
) -> None:
    """
    Refuse options that are given and that a command does not use in this mode.

    Parameters
    ----------
    context
        The command's context.
    mode
        The mode that it runs in.
    options
        What belongs to some modes only, by the names of the command's parameters.

    Raises
    ------
    ValueError
        For the first of them, with the modes that use it and the remedy.
    """
    for name, label in _given(context):
        option = options.get(name)
        if option is not None and mode not in option.modes:
            raise ValueError(
                f"{label} goes with {' or '.join(option.modes)}, and would be ignored "
                f"by {mode}: {option.remedy}"
            )


def _given(context: typer.Context) -> Iterator[tuple[str, str]]:
    """Yield name and label, `--store` or `FILE`, of each parameter that is given."""
    for parameter in context.command.params:
        source: Any = context.get_parameter_source(parameter.name or "")
        # By its name: typer may bring an enumeration of its own.
        if source is not None and source.name == "COMMANDLINE":
            is_option = parameter.param_type_name == "option"
            yield (
                parameter.name or "",
                parameter.opts[0] if is_option else (parameter.name or "").upper(),
            )
