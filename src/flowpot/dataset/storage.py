"""Write files so that they appear whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """
    Yield a temporary path beside `path`, which replaces `path` at the end.

    Where the body of the `with` block raises, `path` stays as it was. After the block
    the content is on the disk: a power cut leaves the old file or the new one, never
    half of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        yield Path(name)
        # mkstemp gives 0600, which collaborators could not read.
        Path(name).chmod(0o666 & ~umask())
        sync(Path(name))
        Path(name).replace(path)
        with suppress(OSError):  # some network file systems cannot sync a folder
            sync(path.parent)
    finally:
        Path(name).unlink(missing_ok=True)


def umask() -> int:
    """Return this process's umask: the permissions that its new files lack."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, and wait until it is on the disk."""
    with replacing(path) as temporary:
        if isinstance(content, str):
            temporary.write_text(content, encoding="utf-8")
        else:
            temporary.write_bytes(content)


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of files, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_files(folder: Path) -> None:
    """Wait until all files in a folder, in any depth, are on the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            sync(path)
