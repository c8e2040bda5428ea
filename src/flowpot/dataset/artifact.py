"""Files by content, that travel from job to job."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import fsspec
from fsspec.implementations.local import LocalFileSystem
from pydantic import BaseModel, Field, field_validator, model_validator

from flowpot.dataset.storage import replacing
from flowpot.settings import get_settings


class Artifact(BaseModel):
    """
    A file by its content: a dataset or a model.

    Its bytes are either inline, or at a URL under ``FLOWPOT_ARTIFACT_ROOT``, named by
    their hash, so that identical content is stored once. Reading checks the hash.

    Examples
    --------
    >>> note = Artifact.from_bytes("note.txt", b"frames")
    >>> note.size, note.read_bytes()
    (6, b'frames')
    """

    name: str = Field(description="file name")
    sha256: str = Field(description="SHA-256 of the content")
    size: int = Field(description="size of the content (bytes)")
    blob: str | None = Field(
        None, description="content in base64, kept in the JobStore's `data` store"
    )
    uri: str | None = Field(None, description="fsspec URL of the content")

    @field_validator("name")
    @classmethod
    def _is_a_file_name(cls, name: str) -> str:
        if not name or Path(name).name != name:
            raise ValueError(f"name is {name!r}: give a file name, without folders")
        return name

    @field_validator("blob", mode="before")
    @classmethod
    def _is_loaded(cls, blob: Any) -> Any:
        if isinstance(blob, Mapping):
            # pydantic reports a ValueError with its field, and lets a TypeError pass.
            raise ValueError(  # noqa: TRY004
                "blob is still in the JobStore's `data` store: read the document with "
                "load=True"
            )
        return blob

    @model_validator(mode="after")
    def _has_content(self) -> Self:
        if (self.blob is None) == (self.uri is None):
            raise ValueError(f"artifact {self.name!r}: give either blob or uri")
        return self

    @classmethod
    def from_bytes(cls, name: str, content: bytes) -> Self:
        """
        Keep bytes: under ``FLOWPOT_ARTIFACT_ROOT`` where that is set, else inline.

        Parameters
        ----------
        name
            File name, without folders.
        content
            The bytes.
        """
        digest = hashlib.sha256(content).hexdigest()
        root = get_settings().ARTIFACT_ROOT
        held: dict[str, Any] = {"name": name, "sha256": digest, "size": len(content)}
        if root is None:
            return cls(**held, blob=base64.b64encode(content).decode())
        return cls(**held, uri=_store(root, digest, name, content))

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Keep the content of a file, under its name."""
        path = Path(path)
        return cls.from_bytes(path.name, path.read_bytes())

    def read_bytes(self) -> bytes:
        """
        Give the content.

        Raises
        ------
        ValueError
            Where the content is not what the hash says.
        """
        content = self._content()
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise ValueError(
                f"artifact {self.name!r} ({self.uri or 'inline'}): its content has "
                f"SHA-256 {found}, not {self.sha256}: it was changed or truncated; "
                "restore it, or run the job that made it again"
            )
        return content

    def _content(self) -> bytes:
        if self.uri is None:
            return base64.b64decode(self.blob or "")
        try:
            with fsspec.open(self.uri, "rb") as file:
                return file.read()
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"artifact {self.name!r} is not at {self.uri}: FLOWPOT_ARTIFACT_ROOT "
                "must be a place that every worker sees; restore it there, or run the "
                "job that made it again"
            ) from error

    def to_file(self, path: str | Path) -> Path:
        """
        Write the content to a file.

        Parameters
        ----------
        path
            The file, or a folder in which it gets the artifact's name.
        """
        path = Path(path)
        target = path / self.name if path.is_dir() else path
        with replacing(target) as temporary:
            temporary.write_bytes(self.read_bytes())
        return target


def _store(root: str, digest: str, name: str, content: bytes) -> str:
    """Write content under a root, once, whole or not at all; give its URL."""
    fs, folder = fsspec.core.url_to_fs(root)
    path = f"{folder.rstrip('/')}/{digest[:2]}/{digest}{Path(name).suffix}"
    if not (fs.exists(path) and fs.size(path) == len(content)):
        fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        if isinstance(fs, LocalFileSystem):
            with replacing(Path(path)) as temporary:
                temporary.write_bytes(content)
        else:
            # Object stores show an object when its upload has ended.
            fs.pipe_file(path, content)
    return str(fs.unstrip_protocol(path))
