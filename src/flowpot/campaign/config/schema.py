"""The JSON schema of campaign files, from the annotations of the Makers' fields."""

from typing import Any

from jobflow import Maker
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

from flowpot.augmentation import AugmentationMaker
from flowpot.augmentation import presets as augmentation_presets
from flowpot.campaign.config.configuration import PRESET, STARTS
from flowpot.campaign.config.fields import (
    MAKER,
    adapter_of,
    alternatives,
    annotations_of,
    dataclasses_in,
    descriptions,
    list_item,
    makers_in,
)
from flowpot.campaign.config.presets import ALIASES, PRESETS
from flowpot.campaign.config.starting_files import KEYS, PBC
from flowpot.campaign.makers import ActiveLearningMaker
from flowpot.dataset import LabelKeys

Schema = dict[str, Any]

_FILES = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_KEYS = {
    "type": "object",
    "description": "Names of the labels in the files.",
    "properties": {
        name: {"type": "string", "description": text}
        for name, text in descriptions(LabelKeys).items()
    },
    "additionalProperties": False,
}
_PBC = {
    "description": "Periodic axes of the frames, if others than in the files.",
    "anyOf": [
        {"type": "boolean"},
        {"type": "string", "pattern": "^[TF]{3}$"},
        {"type": "array", "items": {"type": "boolean"}, "minItems": 3, "maxItems": 3},
    ],
}
_OTHER_MAKER = {  # of any other package, which alone can check its fields
    "type": "object",
    "properties": {MAKER: {"type": "string", "pattern": r"\."}},
    "required": [MAKER],
}


def campaign_schema() -> Schema:
    """
    Return the schema of files that :func:`read_configuration` accepts.

    Editors and other programs check files by it.

    Returns
    -------
    dict
        JSON schema, draft 2020-12.
    """
    definitions: dict[str, Schema] = {}
    root = _describe(ActiveLearningMaker, definitions)
    root["properties"] |= dict.fromkeys(STARTS, _FILES)
    root["properties"] |= {KEYS: _KEYS, PBC: _PBC}
    root["properties"][PRESET] = {"enum": [*PRESETS, *ALIASES]}
    root["properties"].pop(MAKER)
    root["anyOf"] = [{"required": [key]} for key in ("structures", "dataset")]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "flowpot campaign",
        **root,
        "$defs": definitions,
    }


def _describe(kind: type, definitions: dict[str, Schema]) -> Schema:
    """Describe a dataclass; those that its fields accept become definitions."""
    texts = descriptions(kind)
    properties: dict[str, Schema] = {MAKER: {"const": kind.__name__}}
    for name, hint in annotations_of(kind).items():
        described = _of_hint(hint, definitions)
        if name in texts:
            described = {"description": texts[name], **described}
        properties[name] = described
    if kind is AugmentationMaker:
        named = (*augmentation_presets.PRESETS, *augmentation_presets.ALIASES)
        properties[PRESET] = {"enum": list(named)}
    summary = (kind.__doc__ or "").strip().split("\n")[0]
    return {
        "type": "object",
        "description": summary,
        "properties": properties,
        "additionalProperties": False,
    }


def _of_hint(hint: Any, definitions: dict[str, Schema]) -> Schema:
    """Describe the values that one field accepts."""
    kinds = dataclasses_in(hint)
    for kind in kinds:
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}  # ends the recursion if it contains itself
            definitions[kind.__name__] = _describe(kind, definitions)
    options: list[Schema] = [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds]
    if item := list_item(hint):
        options.append({"type": "array", "items": _of_hint(item, definitions)})
    if any(issubclass(kind, Maker) for kind in kinds):
        options.append(_OTHER_MAKER)
    if makers_in(hint):
        options.append({"type": "string"})
    options += [
        _plain(option)
        for option in alternatives(hint)
        if not dataclasses_in(option) and list_item(option) is None
    ]
    return options[0] if len(options) == 1 else {"anyOf": options}


def _plain(hint: Any) -> Schema:
    if hint is type(None):
        return {"type": "null"}
    try:
        return adapter_of(hint).json_schema()
    except (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError):
        return {}  # a type that no file can hold: any value
