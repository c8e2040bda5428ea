"""Values that do not fit their fields, in the words of files, with what would fit."""

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import ValidationError

_LONGEST = 80  # characters of an example
_KINDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "dict": "keys and values",
}
"""What a field takes, by the beginnings of pydantic's names for what it is not."""
_OF_PYTHON = ("value_error", "is_instance_of", "model_type", "dataclass_type")
"""Errors of alternatives that only Python can give: objects."""


def misfit(value: Any, error: ValidationError, usual: Any) -> str:
    """
    Say why a value does not fit its field, and what does.

    Parameters
    ----------
    value
        The value in the file.
    error
        What pydantic says of it.
    usual
        Value that the field has without the file: an example, if it is of the kind that
        is wanted.

    Examples
    --------
    >>> from pydantic import TypeAdapter
    >>> try:
    ...     TypeAdapter(list[str]).validate_python("eos")
    ... except ValidationError as error:
    ...     misfit("eos", error, ("eos", "nve"))
    "'eos' does not fit: give a list, such as [eos, nve]"
    """
    errors = error.errors(include_url=False)
    plain = [each for each in errors if not _is_of_python(each)] or errors
    inside = [each for each in plain if _is_inside(each, value)]
    whole = [each for each in plain if each not in inside]
    wanted = [_wanted(each, value, usual, alone=len(plain) == 1) for each in whole]
    if inside:  # the first of them: there may be as many as the value has parts
        wanted.append(f"{_kind(inside[0])} in place of {inside[0]['input']!r}")
    return f"{value!r} does not fit: give {', or '.join(dict.fromkeys(wanted))}"


def _is_of_python(details: Mapping[str, Any]) -> bool:
    is_field = details["type"] == "missing" and not isinstance(details["loc"][-1], int)
    return is_field or details["type"] in _OF_PYTHON


def _is_inside(details: Mapping[str, Any], value: Any) -> bool:
    """Tell whether a part of the value is wrong, not the whole."""
    if details["type"] in ("missing", "too_long"):
        return False
    if isinstance(value, Mapping):
        return any(part in value for part in details["loc"])
    return isinstance(value, list) and any(
        isinstance(part, int) for part in details["loc"]
    )


def _kind(details: Mapping[str, Any]) -> str:
    """Return what is wanted, in a few words."""
    if details["type"] == "literal_error":
        return str(details["ctx"]["expected"])
    said = details["msg"].removeprefix("Input should be ")
    return _KINDS.get(details["type"].partition("_")[0], said)


def _wanted(details: Mapping[str, Any], value: Any, usual: Any, *, alone: bool) -> str:
    """Return what is wanted in place of the value, with an example."""
    if details["type"] == "missing":
        return f"more values{_such_as(_dumped(usual, list | tuple))}"
    if details["type"] == "too_long":
        most = details["ctx"]["max_length"]
        return f"{most} values at most{_such_as(_dumped(usual, list | tuple))}"
    wanted = _kind(details)
    return wanted + _such_as(_example(wanted, value, usual, alone=alone))


def _such_as(example: str) -> str:
    return f", such as {example}" if 0 < len(example) <= _LONGEST else ""


def _example(wanted: str, value: Any, usual: Any, *, alone: bool) -> str:
    """Return an example of what is wanted, as a file has it; "" for none."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if wanted == "a list":
        item = _dumped([value], list) if alone and isinstance(value, str) else ""
        return _dumped(usual, list | tuple) or item
    if wanted == "keys and values":
        by_name = _dumped({"name": value if number else "value"}, dict)
        return _dumped(usual, dict) or by_name
    if wanted == "a whole number":
        return _dumped(usual, int) or "3"
    if wanted == "a number":
        return _dumped(usual, int | float) or "0.5"
    return repr(str(value)) if wanted == "text" and number else ""


def _dumped(value: Any, kind: Any) -> str:
    """Write a value of a kind as YAML in one line; "" for another, or an empty one."""
    if isinstance(value, bool) or not isinstance(value, kind):
        return ""
    if isinstance(value, list | tuple | dict) and not value:
        return ""
    plain = list(value) if isinstance(value, tuple) else value
    try:
        text = yaml.safe_dump(plain, default_flow_style=True, width=10_000)
    except yaml.YAMLError:  # it holds objects, which have no short form
        return ""
    return text.removesuffix("...\n").strip()
