"""Read model files, and check that they are whole before their content is run."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowpot.dataset import Artifact
from flowpot.settings import given_path

_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)
"""Errors that zipfile raises for damaged archives."""
_LONGEST = 300  # characters of an error that a message quotes


class ModelError(ValueError):
    """
    A model file is damaged, or of another package than its name says.

    Parameters
    ----------
    name
        Name of the file.
    backend
        The package; empty where that does not matter.
    why
        The error, or its description.
    """

    def __init__(self, name: str, backend: str, why: object) -> None:
        kind = f"{type(why).__name__}: " if isinstance(why, Exception) else ""
        text = " ".join(f"{kind}{why}".split())
        if len(text) > _LONGEST:
            text = f"{text[:_LONGEST]} ..."
        owner = f" of {backend}" if backend else ""
        super().__init__(
            f"{name}: it cannot be read as a model{owner} ({text}): it was changed or "
            "truncated, or other versions of the packages made it; copy it again, or "
            "install those"
        )


def check_archive(name: str, content: bytes) -> None:
    """
    Compare each part of a model file with its checksum in the archive.

    torch, whose files are zip archives, writes these checksums but never reads them.

    Parameters
    ----------
    name
        Name of the file, for messages.
    content
        Content of the file. If it is no zip archive, it has no checksums.

    Raises
    ------
    ModelError
        If a part was changed, or the archive cannot be read.
    """
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            bad = archive.testzip()
    except _UNREADABLE as error:
        raise ModelError(name, "", error) from error
    if bad is not None:
        raise ModelError(name, "", f"the checksum of its part {bad} is wrong")


def model_file(source: Any) -> tuple[str, bytes]:
    """
    Return the name and the content of a model file.

    Parameters
    ----------
    source
        See `flowpot.potentials.load_potential`.
    """
    if isinstance(source, str | Path):
        path = given_path(source)
        if not path.is_file():
            raise FileNotFoundError(f"there is no model file {str(path)!r}")
        content = path.read_bytes()
        check_archive(str(path), content)
        return path.name, content
    if isinstance(source, Mapping):
        source = source.get("model") or source
    model = getattr(source, "model", source)
    if isinstance(model, Mapping):
        model = Artifact.from_document(model)
    if not isinstance(model, Artifact):
        raise TypeError(
            f"no model in a {type(source).__name__}: give a PotentialDoc, an Artifact "
            "or the path of a model file"
        )
    return model.name, model.read_bytes()
