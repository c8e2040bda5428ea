"""Whether a model file is whole, before what it holds is run."""

import io
import struct
import zipfile
import zlib

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
"""What zipfile raises where an archive is damaged."""
_LONGEST = 300  # characters of an error that a message repeats


class ModelError(ValueError):
    """
    A model file is damaged, or none of the package that its name says.

    Parameters
    ----------
    name
        The file.
    backend
        The package; empty where that does not matter.
    why
        What is wrong.
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
    Compare each part of a model file with the checksum that the archive has of it.

    torch, whose files are zip archives, writes these checksums and does not read them.

    Parameters
    ----------
    name
        The file's name, for messages.
    content
        The file. What is no zip archive has no checksums.

    Raises
    ------
    ModelError
        Where a part was changed, or the archive cannot be read.
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
