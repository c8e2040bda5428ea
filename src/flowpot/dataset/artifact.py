"""Files by content, that travel from job to job."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from flowpot.dataset import artifact_root
from flowpot.dataset.signing import is_signed, signature
from flowpot.dataset.storage import replacing
from flowpot.settings import get_settings


class ArtifactError(ValueError):
    """
    The content of an artifact cannot be had: it is damaged, gone, or out of reach.

    That says nothing about the work of the job that needs it: the artifact is to be
    restored, or made again.
    """


class MissingArtifactError(ArtifactError, FileNotFoundError):
    """An artifact is not where its document says."""


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
    signature: str | None = Field(
        None, description="of the content, by the setting SIGNING_KEY of who made it"
    )

    @field_validator("name")
    @classmethod
    def _is_a_file_name(cls, name: str) -> str:
        if not name or Path(name).name != name or not name.isprintable():
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
        held["signature"] = signature(digest)
        if not root:
            return cls(**held, blob=base64.b64encode(content).decode())
        return cls(**held, uri=artifact_root.store(root, name, content))

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Keep the content of a file, under its name."""
        path = Path(path)
        return cls.from_bytes(path.name, path.read_bytes())

    @classmethod
    def from_document(cls, document: Any) -> Self:
        """
        Take an artifact from what a job's output or a file holds of it.

        Parameters
        ----------
        document
            An Artifact, its dictionary, or its JSON as text.

        Raises
        ------
        ArtifactError
            Where the document is damaged.
        """
        if isinstance(document, cls):
            return document
        try:
            if isinstance(document, str | bytes):
                document = json.loads(document)
            return cls.model_validate(document)
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}"
                for each in error.errors(include_url=False, include_input=False)
            )
        except (ValueError, RecursionError) as error:
            wrong = f"it is no JSON ({error})"
        raise ArtifactError(
            f"the document of an artifact is damaged: {wrong}. Restore it, or run the "
            "job that made it again"
        )

    def read_bytes(self) -> bytes:
        """
        Return the content.

        Raises
        ------
        ArtifactError
            Where the content is not what the hash says, or cannot be read.
        """
        content = self._content()
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256 or len(content) != self.size:
            raise ArtifactError(
                f"{self._label}: its content has SHA-256 {found} and {len(content)} "
                f"bytes, not {self.sha256} and {self.size}: it was changed or "
                "truncated; restore it, or run the job that made it again"
            )
        if not is_signed(self.sha256, self.signature):
            raise ArtifactError(
                f"{self._label}: it has no signature by FLOWPOT_SIGNING_KEY, so it is "
                "not read: set the key of those who made it, or, if you trust it, "
                "read it without a key and sign it by `Artifact.signed`"
            )
        return content

    def signed(self) -> Self:
        """
        Return the same artifact, signed by the present ``FLOWPOT_SIGNING_KEY``.

        Only for what you trust: a model file can run code as it is loaded.
        """
        return self.model_copy(update={"signature": signature(self.sha256)})

    @property
    def _label(self) -> str:
        return f"artifact {self.name!r} ({self.uri or 'inline'})"

    def _content(self) -> bytes:
        if self.uri is None:
            try:
                return base64.b64decode(self.blob or "", validate=True)
            except (binascii.Error, ValueError) as error:
                raise ArtifactError(
                    f"{self._label}: its blob is damaged ({error}): restore it, or run "
                    "the job that made it again"
                ) from error
        try:
            return artifact_root.read(self.uri)
        except FileNotFoundError as error:
            raise MissingArtifactError(
                f"artifact {self.name!r} is not at {self.uri}: FLOWPOT_ARTIFACT_ROOT "
                "must be a place that every worker sees; restore it there, or run the "
                "job that made it again"
            ) from error
        except Exception as error:  # of any of fsspec's file systems
            raise ArtifactError(
                f"{self._label} cannot be read "
                f"({artifact_root.describe(error)}): see that this machine reaches it"
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
