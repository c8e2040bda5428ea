"""Compiled extensions of torch that some metatomic models need, beside the model."""

import io
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flowpot.dataset import Artifact
from flowpot.documents import field_of

FOLDER = "extensions"
"""Name of the folder, as metatrain gives it."""
_ARCHIVE = "extensions.zip"


def extensions_beside(model: str | Path) -> Path | None:
    """Return the folder of a model's extensions; None where there is none."""
    folder = Path(model).parent / FOLDER
    return folder if folder.is_dir() and any(folder.iterdir()) else None


def pack_extensions(model: str | Path) -> Artifact | None:
    """Return the extensions that lie beside a model as one file; None: no extension."""
    if (folder := extensions_beside(model)) is None:
        return None
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():  # ZipInfo has no time: equal files, equal archives
                name = zipfile.ZipInfo(str(path.relative_to(folder)))
                archive.writestr(name, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return Artifact.from_bytes(_ARCHIVE, content.getvalue())


def unpack_extensions(source: Any, folder: Path) -> Path | None:
    """
    Write the extensions of a model to where `extensions_beside` finds them.

    Parameters
    ----------
    source
        A PotentialDoc, as a dict too. Anything else has none.
    folder
        Folder of the model.
    """
    extensions = field_of(source, FOLDER)
    if isinstance(extensions, dict):
        extensions = Artifact.from_document(extensions)
    if not isinstance(extensions, Artifact):
        return None
    with zipfile.ZipFile(io.BytesIO(extensions.read_bytes())) as archive:
        archive.extractall(folder / FOLDER)
    return folder / FOLDER


@contextmanager
def extensions_of(source: Any) -> Iterator[Path | None]:
    """Provide the folder of a model's extensions: see `load_potential` for sources."""
    if isinstance(source, str | Path):
        yield extensions_beside(source)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield unpack_extensions(source, Path(folder))
