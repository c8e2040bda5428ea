"""Read the YAML files that users write: campaigns, validations, settings."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


class ConfigurationError(ValueError):
    """Raised for content of a file that nothing can be made of, with its place."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}" if place else problem)


def read_yaml(
    path: Path, example: str = "name: silicon", *, may_be_empty: bool = False
) -> dict[str, Any]:
    """
    Read the keys and values of a YAML file.

    Parameters
    ----------
    path
        The file.
    example
        A line that such a file may have, for the message of the error.
    may_be_empty
        Whether a file without any content has no keys; otherwise it is an error.

    Raises
    ------
    ConfigurationError
        For a file that has none.
    FileNotFoundError
        If there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except UnicodeDecodeError as error:
        problem = f"this is not text ({error}): give a YAML file, in UTF-8"
        raise ConfigurationError(str(path), problem) from error
    except yaml.YAMLError as error:
        raise ConfigurationError(str(path), f"this is not YAML: {error}") from error
    if content is None and may_be_empty:
        return {}
    if not isinstance(content, Mapping):
        raise ConfigurationError(str(path), f"give keys and values, as in `{example}`")
    return dict(content)


class _Loader(yaml.SafeLoader):
    """
    A loader to which 1e-3 is a number.

    Keys that are given twice, values that contain themselves, and binary ones are
    errors.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        """Refuse a key that is given twice: PyYAML would take the last value."""
        keys = [str(key.value) for key, _ in node.value if key.value != "<<"]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(
                problem=f"the key {twice!r} is given twice in what begins in line "
                f"{_line(node)}: keep one of them"
            )
        return super().construct_mapping(node, deep=deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Refuse a value that contains itself by an alias."""
        del deep  # what is inside has to be constructed at once for this to be noticed
        if node in self.recursive_objects:
            raise yaml.constructor.ConstructorError(
                problem=f"what begins in line {_line(node)} contains itself, by an "
                "alias (`*name`): write the value out"
            )
        return super().construct_object(node, deep=True)

    def refuse_binary(self, node: yaml.Node) -> Any:
        """Refuse bytes, which no field takes."""
        raise yaml.constructor.ConstructorError(
            problem=f"the value in line {_line(node)} is `!!binary`: write it as text"
        )


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
_Loader.add_constructor("tag:yaml.org,2002:binary", _Loader.refuse_binary)
