"""A campaign from a YAML file whose keys are the fields of its Makers."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from inspect import isabstract
from pathlib import Path
from types import NoneType
from typing import Any

from jobflow import Maker
from pydantic import ValidationError

from flowpot.augmentation import AugmentationMaker
from flowpot.campaign.config.fields import (
    MAKER,
    adapter_of,
    alternatives,
    annotations_of,
    dataclasses_in,
    is_mergeable,
    list_item,
    maker_named,
    makers_in,
)
from flowpot.campaign.config.misfits import misfit
from flowpot.campaign.config.starting_files import KEYS, PBC, Reading
from flowpot.campaign.makers import ActiveLearningMaker
from flowpot.validation import nearest
from flowpot.yaml_file import ConfigurationError, read_yaml

STRUCTURES = "structures"
"""The key for files of crystals among the fields of a ValidationMaker."""

PRESET = "preset"
"""The key for the preset that the other keys of a Maker change."""

STARTS = ("structures", "dataset", "committee", "explored")
"""The keys for files to start from: arguments of :meth:`ActiveLearningMaker.make`."""

_OF_FILES = (KEYS, PBC)


@dataclass
class Configuration:
    """
    A campaign as a file describes it.

    Attributes
    ----------
    maker
        The campaign.
    inputs
        What it starts from: arguments of its ``make``.
    notes
        Notes on the files for the user, such as on vacuum along periodic axes.
    """

    maker: ActiveLearningMaker
    inputs: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_configuration(path: Path) -> Configuration:
    """
    Read a campaign from a YAML file.

    Keys are the fields of `ActiveLearningMaker`; a stage's value holds the fields of
    its Maker, and so on. A field that is not named keeps its default, or the value of
    the ``preset``. ``maker`` chooses another class, for example for
    ``labelling.static_maker``. ``structures``, ``dataset``, ``committee`` and
    ``explored`` are (lists of) files, relative to the folder of the YAML file; ``keys``
    names their labels (`LabelKeys`), and ``pbc`` the periodic axes, where these are
    others than in the files.

    Parameters
    ----------
    path
        The YAML file.

    Raises
    ------
    ConfigurationError
        For unknown keys, wrong types and values that a Maker refuses, with the place
        and the nearest valid name.
    FileNotFoundError
        If the file, or one to start from, is missing.
    """
    path = Path(path)
    if path.is_dir() or not path.exists():
        raise FileNotFoundError(
            f"there is no file {path}: `flowpot init STRUCTURE` writes one"
        )
    content = read_yaml(path)
    starts = {key: content[key] for key in STARTS if content.get(key) is not None}
    fields = {k: v for k, v in content.items() if k not in (*STARTS, *_OF_FILES)}
    validator = fields.get("validator")
    if isinstance(validator, Mapping) and (given := validator.get(STRUCTURES)):
        crystals = structures_in(given, path.parent, place="validator")
        fields["validator"] = {**validator, STRUCTURES: crystals}
    maker = build(ActiveLearningMaker, fields, "", None)
    try:
        maker.check_options()
    except ValueError as error:
        raise ConfigurationError("training.trainer", str(error)) from error
    if not starts.keys() & {"structures", "dataset"}:
        raise ConfigurationError("structures, dataset", "give at least one of them")
    configuration = Configuration(maker)
    try:
        reading = Reading.of(
            path.parent,
            content.get(KEYS),
            content.get(PBC),
            labelled=maker.augmentation is None,
        )
    except ValueError as error:
        raise ConfigurationError("", str(error)) from error
    for key, value in starts.items():
        try:
            inputs = reading.read(key, value)
        except ValueError as error:
            raise ConfigurationError(key, str(error)) from error
        configuration.inputs[key] = inputs
        if note := reading.note(key, inputs):
            configuration.notes.append(note)
    return configuration


def structures_in(given: Any, folder: Path, pbc: Any = None, place: str = "") -> Any:
    """
    Read the structures of a validation.

    Parameters
    ----------
    given
        Names of files.
    folder
        Folder that they are relative to.
    pbc
        Periodic axes, where these are others than in the files.
    place
        Place of the Maker in the file.

    Raises
    ------
    ConfigurationError
        If they cannot be read.
    FileNotFoundError
        If there is no such file.
    """
    place = _join(place, STRUCTURES)
    try:
        return Reading.of(folder, None, pbc, labelled=False).read(place, given)
    except ValueError as error:
        raise ConfigurationError(place, str(error)) from error


def build(kind: type, given: Mapping[str, Any], place: str, base: Any) -> Any:
    """
    Make an instance of a dataclass from the fields in a file.

    Parameters
    ----------
    kind
        The dataclass.
    given
        Fields by their names.
    place
        Place of these in the file.
    base
        Instance that has the other fields; None: they have their defaults.
    """
    given = dict(given)
    if (preset := given.pop(PRESET, None)) is not None:
        if kind not in (ActiveLearningMaker, AugmentationMaker):
            raise ConfigurationError(
                _join(place, PRESET), f"{kind.__name__} has no presets"
            )
        try:
            base = kind.preset(preset)
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigurationError(_join(place, PRESET), str(error)) from error
    hints = annotations_of(kind)
    names = [
        *hints,
        *((*STARTS, *_OF_FILES, PRESET) if kind is ActiveLearningMaker else ()),
    ]
    fields = {}
    for name, value in given.items():
        if name not in hints:
            raise ConfigurationError(
                _join(place, name),
                f"{kind.__name__} has no such field{nearest(str(name), names)}; it has "
                f"{', '.join(names)}",
            )
        before = getattr(base, name) if base is not None else _default(kind, name)
        try:
            fields[name] = _value(hints[name], value, _join(place, name), before)
        except ValidationError as error:
            problem = misfit(value, error, _usual(kind, name, before))
            raise ConfigurationError(_join(place, name), problem) from error
    try:
        return kind(**fields) if base is None else replace(base, **fields)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(place or kind.__name__, str(error)) from error


def _value(hint: Any, value: Any, place: str, before: Any) -> Any:
    """Make the value of a field; `before` is the one that it has without the file."""
    if _is_none_as_text(hint, value):
        raise ConfigurationError(place, f"{value!r} is text: write null for none")
    if isinstance(value, str) and makers_in(hint):
        value = {MAKER: value}  # all its fields have their defaults
    if isinstance(value, Mapping):
        kinds = dataclasses_in(hint)
        if dataclasses.is_dataclass(before) and not isinstance(before, type):
            kinds = list(dict.fromkeys([type(before), *kinds]))
        if before is None and MAKER not in value and _is_any_of_several(hint):
            named = ", ".join(kind.__name__ for kind in kinds)
            if Maker in alternatives(hint):
                named = "such as atomate2.forcefields.jobs.ForceFieldStaticMaker"
            raise ConfigurationError(place, f"say by `{MAKER}` which it is: {named}")
        if kinds:
            return _nested(kinds, value, place, before)
        if is_mergeable(hint) and isinstance(before, Mapping):
            value = {**before, **value}
    elif isinstance(value, list) and (item := list_item(hint)) is not None:
        return [
            _value(item, entry, f"{place}[{i}]", None) for i, entry in enumerate(value)
        ]
    else:
        _refuse_in_place_of_fields(hint, value, place)
    return _checked(hint, value)


def _refuse_in_place_of_fields(hint: Any, value: Any, place: str) -> None:
    """Refuse a plain value where a field takes the fields of a class alone."""
    options, kinds = alternatives(hint), dataclasses_in(hint)
    if not kinds or str in options or (value is None and NoneType in options):
        return
    named = "a Maker" if Maker in options else " or ".join(k.__name__ for k in kinds)
    none = ", or null for none" if NoneType in options else ""
    problem = f"give the fields of {named} as keys and values{none}"
    raise ConfigurationError(place, f"{value!r} does not fit: {problem}")


def _is_none_as_text(hint: Any, value: Any) -> bool:
    """Tell whether a text was meant as null: Python's None, or where no text fits."""
    if not isinstance(value, str) or NoneType not in alternatives(hint):
        return False
    takes_text = str in alternatives(hint)
    return value == "None" or (value.lower() == "none" and not takes_text)


def _is_any_of_several(hint: Any) -> bool:
    """Tell whether a field takes several classes, none of which is the usual one."""
    return any(
        base is Maker or isabstract(base)
        for base in alternatives(hint)
        if isinstance(base, type)
    )


def _nested(
    kinds: list[type], value: Mapping[str, Any], place: str, before: Any
) -> Any:
    fields = dict(value)
    kind = kinds[0]
    if (name := fields.pop(MAKER, None)) is not None:
        try:
            kind = maker_named(str(name), kinds)
        except ValueError as error:
            raise ConfigurationError(_join(place, MAKER), str(error)) from error
    return build(kind, fields, place, before if type(before) is kind else None)


def _checked(hint: Any, value: Any) -> Any:
    """Check a plain value against its annotation, strictly, as JSON is checked."""
    if hint is Any:
        return value
    return adapter_of(hint).validate_json(json.dumps(value, default=str), strict=True)


def _usual(kind: type, name: str, before: Any) -> Any:
    """Return the value that a field gets without the file, where it is None, too."""
    if before is not None:
        return before
    try:
        return getattr(kind(), name)  # which some classes choose themselves
    except (ValueError, TypeError):  # other fields have no defaults
        return None


def _default(kind: type, name: str) -> Any:
    """Return the default of a field, None where it has none."""
    declared = next(f for f in dataclasses.fields(kind) if f.name == name)
    if declared.default_factory is not dataclasses.MISSING:
        return declared.default_factory()
    return None if declared.default is dataclasses.MISSING else declared.default


def _join(place: str, name: Any) -> str:
    return f"{place}.{name}" if place else str(name)
