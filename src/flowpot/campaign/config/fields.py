"""The classes and values that the fields of a Maker accept, by their annotations."""

import dataclasses
import inspect
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, Union, get_args, get_origin, get_type_hints

from jobflow import Maker
from pydantic import ConfigDict, TypeAdapter
from pydantic.errors import PydanticUserError

from flowpot.augmentation import Generator, generators
from flowpot.exploration.registry import engines
from flowpot.plugins import registered
from flowpot.validation import nearest

ENTRY_POINTS = "flowpot.makers"
"""The group of entry points by which other packages' Makers are found."""

MAKER = "maker"
"""The key by which a file chooses among Makers."""

_PACKAGES = ("flowpot", "atomate2")
_MAKERS = {
    "AugmentationMaker": "flowpot.augmentation",
    "LabellingMaker": "flowpot.labelling",
    "EspressoStaticMaker": "flowpot.labelling",
    "CommitteeTrainingMaker": "flowpot.training",
    "MACETrainingMaker": "flowpot.training",
    "MetatrainTrainingMaker": "flowpot.training",
    "ExplorationMaker": "flowpot.exploration",
    "EvaluationMaker": "flowpot.evaluation",
    "ValidationMaker": "flowpot.properties",
}


@cache
def named_classes() -> tuple[type, ...]:
    """
    List the classes that a file may name without their module.

    They are Makers, MD engines and kinds of frames: flowpot's own, and those of other
    packages, which the groups ``flowpot.makers``, ``flowpot.md_engines`` and
    ``flowpot.generators`` of their entry points announce.

    Raises
    ------
    TypeError
        If an entry point is a class of another kind.
    """
    makers = registered(ENTRY_POINTS, _MAKERS, Maker)
    return (*makers.values(), *engines().values(), *generators().values())


def annotations_of(kind: type) -> dict[str, Any]:
    """Return the type of each field of a dataclass that its constructor takes."""
    try:
        hints = get_type_hints(kind)
    except NameError:  # another package's, that it imports for type checkers only
        hints = _resolvable_hints(kind)
    return {
        field.name: hints.get(field.name, Any)
        for field in dataclasses.fields(kind)
        if field.init
    }


def _resolvable_hints(kind: type) -> dict[str, Any]:
    """Return those type hints of a class whose names are there when it runs."""
    hints: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        for name, annotation in inspect.get_annotations(base).items():
            single = type(
                base.__name__,
                (),
                {"__module__": base.__module__, "__annotations__": {name: annotation}},
            )
            try:
                hints |= get_type_hints(single)
            except NameError:
                hints[name] = Any
    return hints


def alternatives(hint: Any) -> list[Any]:
    """List the members of a union; of any other annotation, itself."""
    if get_origin(hint) in (Union, types.UnionType):
        return [inner for part in get_args(hint) for inner in alternatives(part)]
    return [hint]


def dataclasses_in(hint: Any) -> list[type]:
    """List the dataclasses that a field accepts, known subclasses in place of bases."""
    kinds: list[type] = []
    for base in alternatives(hint):
        if not isinstance(base, type):
            continue
        if dataclasses.is_dataclass(base) or base is Generator:
            subclasses = [kind for kind in named_classes() if issubclass(kind, base)]
            kinds += subclasses or [base]
    return list(dict.fromkeys(kinds))


def makers_in(hint: Any) -> list[type]:
    """List the classes that a field accepts by name; none where it takes any text."""
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
    """Return the type of a list's items if they are dataclasses, None otherwise."""
    for option in alternatives(hint):
        if get_origin(option) in (list, Sequence):
            item = get_args(option)[0]
            if dataclasses_in(item):
                return item
    return None


def is_mergeable(hint: Any) -> bool:
    """Return whether a field holds options of another package by their names."""
    return any(
        get_origin(option) in (dict, Mapping) and get_args(option)[1] is Any
        for option in alternatives(hint)
    )


def maker_named(name: str, allowed: Iterable[type]) -> type:
    """
    Return a Maker's class by its name, or by its module and name.

    Parameters
    ----------
    name
        Name of the class, or of its module and class joined by a dot.
    allowed
        Classes that need no module.

    Raises
    ------
    ValueError
        If there is none, with the nearest name.
    """
    by_name = {kind.__name__: kind for kind in allowed}
    if name in by_name:
        return by_name[name]
    module, _, last = name.rpartition(".")
    announced = {f"{kind.__module__}.{kind.__name__}" for kind in named_classes()}
    is_known = name.partition(".")[0] in _PACKAGES or name in announced
    if module and not is_known:
        raise ValueError(
            f"{name!r} is of a package that flowpot does not know: a file may name "
            f"Makers of {', '.join(_PACKAGES)}, and those that an installed package "
            f"announces by the entry point {ENTRY_POINTS!r}"
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


def descriptions(kind: type) -> dict[str, str]:
    """Return the description of each field in a dataclass's docstring."""
    texts: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if dataclasses.is_dataclass(base):
            texts |= dict(_parameters(inspect.cleandoc(base.__doc__ or "")))
    return texts


def _parameters(docstring: str) -> Iterator[tuple[str, str]]:
    """Yield name and description of each entry of the section Parameters."""
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
