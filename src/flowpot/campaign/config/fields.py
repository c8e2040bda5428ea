"""What a Maker's fields take, by their annotations."""

import dataclasses
import inspect
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Union, get_args, get_origin, get_type_hints

from jobflow import Maker
from pydantic import ConfigDict, TypeAdapter
from pydantic.errors import PydanticUserError

from flowpot.augmentation import AugmentationMaker, Generator, generators
from flowpot.evaluation import EvaluationMaker
from flowpot.exploration import ExplorationMaker
from flowpot.exploration.registry import engines
from flowpot.labelling import EspressoStaticMaker, LabellingMaker
from flowpot.training import (
    CommitteeTrainingMaker,
    MACETrainingMaker,
    MetatrainTrainingMaker,
)
from flowpot.validation import nearest

MAKERS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        AugmentationMaker,
        LabellingMaker,
        EspressoStaticMaker,
        CommitteeTrainingMaker,
        MACETrainingMaker,
        MetatrainTrainingMaker,
        ExplorationMaker,
        EvaluationMaker,
        *engines().values(),
    )
}
"""Those that a file may name without their module."""

GENERATORS = generators()
"""Kinds of frames that a file may name: flowpot's, and those of other packages."""

_PACKAGES = ("flowpot", "atomate2")
_ENTRY_POINTS = "flowpot.makers"
"""Entry points of other packages: each ``module:Class`` is a Maker for files."""

MAKER = "maker"
"""The key by which a file chooses among Makers."""


def annotations_of(kind: type) -> dict[str, Any]:
    """Return the type of each field of a dataclass that its constructor takes."""
    try:
        hints = get_type_hints(kind)
    except NameError:  # another package's, that it imports for type checkers only
        hints = {}
    return {
        field.name: hints.get(field.name, Any)
        for field in dataclasses.fields(kind)
        if field.init
    }


def alternatives(hint: Any) -> list[Any]:
    """Split a union."""
    if get_origin(hint) in (Union, types.UnionType):
        return [each for part in get_args(hint) for each in alternatives(part)]
    return [hint]


def dataclasses_in(hint: Any) -> list[type]:
    """List the dataclasses that a field takes; for a base class, those of its kind."""
    found: list[type] = []
    named = [*MAKERS.values(), *GENERATORS.values()]
    for each in alternatives(hint):
        if not isinstance(each, type):
            continue
        if dataclasses.is_dataclass(each) or each is Generator:
            known = [kind for kind in named if issubclass(kind, each)]
            found += known or [each]
    return list(dict.fromkeys(found))


def makers_in(hint: Any) -> list[type]:
    """List the classes that a field takes by name; none where it takes any text."""
    if str in alternatives(hint):
        return []
    return [
        kind for kind in dataclasses_in(hint) if issubclass(kind, Maker | Generator)
    ]


def adapter_of(hint: Any) -> TypeAdapter[Any]:
    """Return pydantic's validator of a plain type."""
    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # pydantic's models and typed dictionaries have their own
        return TypeAdapter(hint)


def list_item(hint: Any) -> Any:
    """Return what a list holds, if the field takes a list of dataclasses; else None."""
    for each in alternatives(hint):
        if get_origin(each) in (list, Sequence) and dataclasses_in(get_args(each)[0]):
            return get_args(each)[0]
    return None


def is_mergeable(hint: Any) -> bool:
    """Whether a field holds options by names that another package gives them."""
    return any(
        get_origin(each) in (dict, Mapping) and get_args(each)[1] is Any
        for each in alternatives(hint)
    )


def maker_named(name: str, allowed: Iterable[type]) -> type:
    """
    Find a Maker's class by its name, or by its module and name.

    Raises
    ------
    ValueError
        If there is none, naming the nearest.
    """
    by_name = {kind.__name__: kind for kind in allowed}
    if name in by_name:
        return by_name[name]
    module, _, last = name.rpartition(".")
    if module and not _is_registered(name):
        raise ValueError(
            f"{name!r} is of a package that flowpot does not know: a file may name "
            f"Makers of {', '.join(_PACKAGES)}, and those that an installed package "
            f"announces by the entry point {_ENTRY_POINTS!r}"
        )
    try:
        kind = getattr(import_module(module), last) if module else None
    except (ImportError, AttributeError) as error:
        raise ValueError(f"cannot import {name!r}: {error}") from error
    if not (isinstance(kind, type) and issubclass(kind, Maker)):
        raise ValueError(  # noqa: TRY004 - one error for all bad names
            f"there is no Maker {name!r}{nearest(name, by_name)}: use one of "
            f"{', '.join(by_name) or 'none'}, or a module's, as in "
            "atomate2.forcefields.jobs.ForceFieldStaticMaker"
        )
    return kind


def _is_registered(name: str) -> bool:
    """Whether a Maker may be imported because a file names it."""
    if name.partition(".")[0] in _PACKAGES:
        return True
    announced = entry_points(group=_ENTRY_POINTS)
    return name in {each.value.replace(":", ".") for each in announced}


def descriptions(kind: type) -> dict[str, str]:
    """Read what the docstring's section Parameters says of each field."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if dataclasses.is_dataclass(base):
            found |= dict(_parameters(inspect.cleandoc(base.__doc__ or "")))
    return found


def _parameters(docstring: str) -> Iterator[tuple[str, str]]:
    section = re.search(
        r"^(?:Parameters|Attributes)\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)",
        docstring,
        re.DOTALL | re.MULTILINE,
    )
    if section is None:
        return
    entries = re.findall(
        r"^(\S[^\n]*)\n((?:[ ]+[^\n]*\n?|\n)+)", section[1], re.MULTILINE
    )
    for names, text in entries:
        for name in names.split(","):
            yield name.strip(" *"), " ".join(text.split())
