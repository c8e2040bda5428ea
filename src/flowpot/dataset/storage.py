"""Files that appear whole or not at all, on a disk or in an object store."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """
    Give a temporary path beside `path` that takes its place at the end.

    Where the body raises, `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        yield Path(name)
        # mkstemp gives 0600, which collaborators could not read.
        Path(name).chmod(0o666 & ~umask())
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def umask() -> int:
    """Return the permissions that new files of this process lack."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
