"""A validation from a YAML file whose keys are the fields of ValidationMaker."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowpot.campaign.config.configuration import STRUCTURES, build, structures_in
from flowpot.campaign.config.starting_files import PBC
from flowpot.properties import ValidationMaker
from flowpot.yaml_file import ConfigurationError, read_yaml


def read_validation(path: Path) -> tuple[ValidationMaker, Any]:
    """
    Read a validation.

    Parameters
    ----------
    path
        YAML file with the fields of :class:`flowpot.ValidationMaker`, as a campaign's
        file has those of its stages, and ``structures`` (files, relative to its folder)
        with, if need be, ``pbc``.

    Returns
    -------
    tuple
        The Maker, and the structures; None where the file names none.

    Raises
    ------
    ConfigurationError
        As of a campaign's file.
    """
    content = read_yaml(path, "properties: [eos, elastic]")
    given, pbc = content.pop(STRUCTURES, None), content.pop(PBC, None)
    structures = None if given is None else structures_in(given, path.parent, pbc)
    return build(ValidationMaker, content, "", None), structures


def read_references(path: Path) -> dict[str, Any]:
    """
    Read reference values from a YAML or JSON file.

    Parameters
    ----------
    path
        The file: numbers by the names of quantities or, for several crystals, such by
        the names of the crystals.

    Raises
    ------
    ConfigurationError
        For names that are no quantities, and values that are no numbers, with the file.
    FileNotFoundError
        If there is no such file.
    """
    references = {
        str(name): dict(value) if isinstance(value, Mapping) else value
        for name, value in read_yaml(path, "bulk_modulus: 98").items()
    }
    try:
        ValidationMaker(references=references)
    except ValueError as error:
        raise ConfigurationError(str(path), str(error)) from error
    return references
