"""
Files by content, that travel from job to job.

A hash lies beside the content that it protects: whoever can change a model in a store
can change its hash, too. A signature needs a key, which is not in the store.
"""

import base64
import binascii
import hashlib
import hmac
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
from flowpot.dataset.storage import replacing
from flowpot.settings import get_settings, given_path


class ArtifactError(ValueError):
    """
    The content of an artifact is damaged, gone, or out of reach.

    The job that needs it has not failed by its own doing: the artifact must be
    restored, or made again.
    """


class MissingArtifactError(ArtifactError, FileNotFoundError):
    """The content of an artifact is not where its document says."""


def signature(sha256: str) -> str | None:
    """
    Sign a content.

    Parameters
    ----------
    sha256
        The hash of the content, in hexadecimal digits.

    Returns
    -------
    str or None
        HMAC-SHA256 (RFC 2104) of the hash with the setting ``SIGNING_KEY``; None
        without a key.
    """
    key = get_settings().SIGNING_KEY
    if key is None:
        return None
    secret = key.get_secret_value().encode()
    return hmac.new(secret, sha256.encode(), hashlib.sha256).hexdigest()


def is_signed(sha256: str, given: str | None) -> bool:
    """Return whether a signature is that of the key; True where there is no key."""
    expected = signature(sha256)
    return expected is None or hmac.compare_digest(expected, given or "")


class Artifact(BaseModel):
    """
    A file by its content: a dataset or a model.

    Its bytes are either inline, or at a URL under ``FLOWPOT_ARTIFACT_ROOT`` that is
    named by their hash, so that identical content is stored once. Reading checks the
    hash.

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
        None,
        description="content in base64, kept in the JobStore's `data` store",
        repr=False,  # megabytes
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
        Make an artifact of bytes.

        They are kept under ``FLOWPOT_ARTIFACT_ROOT`` where that is set, else inline.

        Parameters
        ----------
        name
            File name, without folders.
        content
            The bytes.
        """
        digest = hashlib.sha256(content).hexdigest()
        root = get_settings().ARTIFACT_ROOT
        known: dict[str, Any] = {"name": name, "sha256": digest, "size": len(content)}
        known["signature"] = signature(digest)
        if not root:
            return cls(**known, blob=base64.b64encode(content).decode())
        return cls(**known, uri=artifact_root.store(root, name, content))

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Make an artifact of a file, with its name."""
        path = given_path(path)
        return cls.from_bytes(path.name, path.read_bytes())

    @classmethod
    def from_document(cls, document: Any) -> Self:
        """
        Read an artifact from a job's output or a file.

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
                f"{'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg']}"
                for fault in error.errors(include_url=False, include_input=False)
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
            Where the content does not have the hash, has no signature though a key is
            set, or cannot be read.
        """
        content = self._content()
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.sha256 or len(content) != self.size:
            raise ArtifactError(
                f"{self._label}: its content has SHA-256 {digest} and {len(content)} "
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
        Return the same artifact, signed with the present ``FLOWPOT_SIGNING_KEY``.

        Sign only what you trust: a model file can run code as it is loaded.
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

        Returns
        -------
        Path
            The file.
        """
        path = given_path(path)
        target = path / self.name if path.is_dir() else path
        with replacing(target) as temporary:
            temporary.write_bytes(self.read_bytes())
        return target
