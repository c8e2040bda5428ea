"""Models with the compiled extensions of torch that some of metatomic's need."""

import io
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flowpot.dataset import Artifact
from flowpot.documents import field_of
from flowpot.potentials.model_files import model_file
from flowpot.settings import given_path

FOLDER = "extensions"
"""Name of the folder, as metatrain gives it."""
_ARCHIVE = "extensions.zip"


def extensions_beside(model: str | Path) -> Path | None:
    """Return the folder of a model's extensions; None where there is none."""
    folder = given_path(model).parent / FOLDER
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
    files = extension_files(source)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / FOLDER if files else None


def extension_files(source: Any) -> dict[str, bytes]:
    """Return the files that `unpack_extensions` writes, by place beside the model."""
    if (extensions := _stored(source)) is None:
        return {}
    with zipfile.ZipFile(io.BytesIO(extensions.read_bytes())) as archive:
        return {f"{FOLDER}/{name}": archive.read(name) for name in archive.namelist()}


def _stored(source: Any) -> Artifact | None:
    extensions = field_of(source, FOLDER)
    if isinstance(extensions, dict):
        extensions = Artifact.from_document(extensions)
    return extensions if isinstance(extensions, Artifact) else None


@contextmanager
def extensions_of(source: Any) -> Iterator[Path | None]:
    """Provide the folder of a model's extensions: see `load_potential` for sources."""
    if isinstance(source, str | Path):
        yield extensions_beside(source)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield unpack_extensions(source, Path(folder))


def self_contained(source: Any) -> dict[str, Any]:
    """
    Return what it takes to load a potential elsewhere, and nothing else.

    Parameters
    ----------
    source
        See `load_potential`, which takes what is returned, too.

    Returns
    -------
    dict
        ``model`` and ``extensions``, Artifacts or None, and ``backend``.
    """
    name, content = model_file(source)
    beside = isinstance(source, str | Path)
    return {
        "model": Artifact.from_bytes(name, content),
        "backend": field_of(source, "backend"),
        FOLDER: pack_extensions(source) if beside else _stored(source),
    }


def write_models(sources: Mapping[int, Any], folder: Path) -> list[Path]:
    """Write models as ``member_0`` and so on, by rank, with their extensions."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for rank, source in sources.items():
        name, content = model_file(source)
        files.append(folder / f"member_{rank}{Path(name).suffix}")
        files[-1].write_bytes(content)
        unpack_extensions(source, folder)
    return files
