"""
Checksums of files, inside the files themselves.

Files that flowpot writes contain their own SHA-256, so that one that was damaged, on a
disk or in transfer, is refused. Files of other programs, and of earlier versions, have
no checksum and are read as they are.

extxyz
    The comment of the first frame begins with ``flowpot_checksum=sha256:DIGEST:SIZE``,
    that of the last frame ends with ``flowpot_checksum_end=sha256:DIGEST:SIZE``. The
    digest is that of SIZE bytes, from the start of the first frame, in which zeros
    stand for DIGEST and SIZE: so files that were joined by ``cat`` are checked one by
    one. Other programs that read a frame and write it again may keep these words as
    metadata, but elsewhere in the comment, where they do not count.
HDF5
    The user block, which the format leaves to applications, holds the digest of all
    bytes that follow it.
text
    The last line holds the digest of all lines before it.
zip
    The archive's comment holds the digest of all bytes before it.
"""

import hashlib
import mmap
import re
from pathlib import Path
from typing import BinaryIO

from flowpot.dataset.where import Where

NAME, END_NAME = "flowpot_checksum", "flowpot_checksum_end"
_DIGEST, _SIZE = 64, 15
_BLANK = b"sha256:" + b"0" * _DIGEST + b":" + b"0" * _SIZE
_VALUE = rb"=(sha256:([0-9a-f]{64}):([0-9]{15}))"
_HEAD = re.compile(NAME.encode() + _VALUE + b" ")
_TAIL = re.compile(END_NAME.encode() + _VALUE + rb"\r?\n")
_REMEDY = "it was changed or damaged since flowpot wrote it: copy or write it again"
_BYTES_AT_ONCE = 2**24

USER_BLOCK = 512
"""Length of an HDF5 file's user block (bytes): the least that the format allows."""
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_BLOCK = re.compile(rb"flowpot sha256:([0-9a-f]{64})\n\0*")
_ZIP_COMMENT = re.compile(rb"sha256:([0-9a-f]{64})")
_ZIP_LENGTH = len("sha256:") + _DIGEST


class DamagedFileError(ValueError):
    """A file is no longer what flowpot has written."""


HEAD = f"{NAME}={_BLANK.decode()} "
"""Beginning of the first comment of an extxyz file, until `seal_extxyz` fills it."""
TAIL = f" {END_NAME}={_BLANK.decode()}"
"""End of the last comment, until `seal_extxyz` fills it."""


def seal_extxyz(path: Path, head: int, tail: int) -> None:
    """
    Fill in the checksum of an extxyz file, in its `HEAD` and `TAIL`.

    Parameters
    ----------
    path
        The file.
    head, tail
        Where these begin in the file (bytes).
    """
    with path.open("r+b") as file:
        digest = hashlib.sha256()
        while chunk := file.read(_BYTES_AT_ONCE):
            digest.update(chunk)
        value = b"sha256:%s:%015d" % (digest.hexdigest().encode(), file.tell())
        for place in (head + len(NAME) + 1, tail + len(END_NAME) + 2):
            file.seek(place)
            file.write(value)


def check_extxyz(path: Path) -> None:
    """
    Compare an extxyz file with the checksums in it, if there are any.

    Raises
    ------
    DamagedFileError
        Where the content does not have its checksum.
    """
    if path.stat().st_size == 0:
        return
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text,
    ):
        at = text.find(NAME.encode())
        while at >= 0:
            after = at + 1
            if (head := _HEAD.match(text, at)) and _begins_comment(text, at):
                start = text.rfind(b"\n", 0, at - 1) + 1
                after = start + int(head[3])
                if not _is_whole(text, start, after, head):
                    raise _changed(path)
            elif _TAIL.match(text, at):
                raise _changed(path)
            at = text.find(NAME.encode(), after)


def _begins_comment(text: mmap.mmap, at: int) -> bool:
    """Return whether a place is the beginning of a frame's second line."""
    line = text[text.rfind(b"\n", 0, max(at - 1, 0)) + 1 : at]
    return line.endswith(b"\n") and line.strip().isdigit()


def _is_whole(text: mmap.mmap, start: int, end: int, head: re.Match[bytes]) -> bool:
    """Return whether the part of a file that a checksum covers has this checksum."""
    tail_at = text.rfind(f" {END_NAME}=".encode(), start, end)
    tail = _TAIL.match(text, tail_at + 1) if tail_at >= 0 else None
    if end > len(text) or tail is None or tail[1] != head[1]:
        return False
    digest = hashlib.sha256()
    here = start
    for token in (head, tail):
        _update(digest, text, here, token.start(1))
        digest.update(_BLANK)
        here = token.end(1)
    _update(digest, text, here, end)
    return digest.hexdigest().encode() == head[2]


def _update(digest: "hashlib._Hash", text: mmap.mmap, start: int, end: int) -> None:
    """Add a part of a large file to a digest."""
    for here in range(start, end, _BYTES_AT_ONCE):
        digest.update(text[here : min(here + _BYTES_AT_ONCE, end)])


def _changed(path: Path) -> DamagedFileError:
    return DamagedFileError(
        f"{path}: its checksum is not that of its content: {_REMEDY}. If you changed "
        f"it yourself, remove {NAME}=... and {END_NAME}=... from its first and last "
        "comment"
    )


def seal_hdf5(file: BinaryIO) -> None:
    """Write the checksum into the user block of a complete HDF5 file."""
    file.seek(USER_BLOCK)
    digest = _digest_of(file)
    file.seek(0)
    file.write(f"flowpot sha256:{digest}\n".encode().ljust(USER_BLOCK, b"\0"))


def check_hdf5(file: BinaryIO, where: Where) -> bool:
    """
    Compare an HDF5 file with its checksum.

    Parameters
    ----------
    file
        The file, open for reading.
    where
        Its name, for messages.

    Returns
    -------
    bool
        Whether it has a checksum.

    Raises
    ------
    DamagedFileError
        Where the content does not have its checksum.
    """
    file.seek(0)
    block = file.read(USER_BLOCK)
    known = _BLOCK.fullmatch(block)
    follows = file.read(len(_HDF5_MAGIC)) == _HDF5_MAGIC
    if known is None and (not follows or not block.strip(b"\0")):
        return False
    file.seek(USER_BLOCK)
    if known is None or _digest_of(file).encode() != known[1]:
        raise DamagedFileError(
            str(
                where.error(
                    "it is not a whole HDF5 dataset of flowpot (its checksum is not "
                    f"that of its content): {_REMEDY}. If you changed it yourself, "
                    f"write zeros over its first {USER_BLOCK} bytes"
                )
            )
        )
    return True


def seal_zip(path: Path) -> None:
    """Fill in the checksum of a zip archive, in the comment of `zip_comment`."""
    with path.open("r+b") as file:
        content = file.read()[:-_DIGEST]
        file.seek(-_DIGEST, 2)
        file.write(hashlib.sha256(content).hexdigest().encode())


def zip_comment() -> bytes:
    """Return the comment to write a zip archive with, until `seal_zip` fills it."""
    return b"sha256:" + b"0" * _DIGEST


def check_zip(path: Path) -> None:
    """
    Compare a zip archive with its checksum, if it has one.

    Raises
    ------
    DamagedFileError
        Where the content does not have its checksum.
    """
    content = path.read_bytes()
    known = _ZIP_COMMENT.fullmatch(content[-_ZIP_LENGTH:])
    digest = hashlib.sha256(content[:-_DIGEST]).hexdigest().encode()
    if known is not None and digest != known[1]:
        raise DamagedFileError(
            f"{path}: its checksum is not that of its content: {_REMEDY}"
        )


def sealed_text(text: str) -> str:
    """Return a text with one more line, its checksum."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{text}\nsha256:{digest}\n"


def checked_text(text: str, where: Where) -> str:
    """
    Return a text without the last line, its checksum, if it has one.

    Raises
    ------
    DamagedFileError
        Where the text does not have its checksum.
    """
    content, _, last = text.removesuffix("\n").rpartition("\n")
    if not last.startswith("sha256:"):
        return text
    if sealed_text(content) != text:
        raise DamagedFileError(
            str(where.error(f"its checksum is not that of its content: {_REMEDY}"))
        )
    return content


def _digest_of(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_BYTES_AT_ONCE):
        digest.update(chunk)
    return digest.hexdigest()
