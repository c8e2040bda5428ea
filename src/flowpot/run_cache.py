"""Keep unfinished runs by the hash of their input, to continue in another job."""

import fcntl
import hashlib
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO
from uuid import uuid4

from flowpot.dataset import Artifact
from flowpot.dataset.storage import replacing


class RunCache:
    """
    A folder where trainings or trajectories run, each named by the hash of its input.

    A job whose worker was killed, or whose time was up, leaves its runs here; the job
    that replaces it finds them from any folder, and continues them. The job's own
    folder has a link to each, and the run itself once it has ended.

    Parameters
    ----------
    folder
        Folder that all workers see which may run the job. Several processes may use
        it at once: a run that another process has locked is left alone.

    Examples
    --------
    >>> with RunCache("~/trainings") as cache:  # doctest: +SKIP
    ...     cache.adopt(Path("member-0"))
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self._locks: dict[Path, TextIO] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Unlock the runs that have not been released, so that others continue them."""
        for lock in self._locks.values():
            lock.close()

    def adopt(self, run: Path) -> bool:
        """
        Replace the folder of a run by the one that an earlier job left.

        Parameters
        ----------
        run
            Folder with the input of a run, and nothing else.

        Returns
        -------
        bool
            Whether an earlier job left one. If not, the folder itself moves into the
            cache, unless another process has locked its place.
        """
        # It is named by the files' names and content.
        digest = hashlib.sha256()
        for path in sorted(run.iterdir()):
            digest.update(path.name.encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        key = digest.hexdigest()
        kept = self.folder / key[:2] / key
        try:
            self._locks[run] = _lock(kept)
        except BlockingIOError:
            return False
        is_left = (kept / "run").exists()
        if is_left:
            shutil.rmtree(run)
        else:
            shutil.move(run, kept / "run")
        run.symlink_to(kept / "run")
        return is_left

    @property
    def runs(self) -> list[Path]:
        """Folders in the job of the runs that this object has locked."""
        return list(self._locks)

    def release(self, run: Path) -> None:
        """Move a run that has ended back into the folder of its job."""
        lock = self._locks.pop(run)
        kept = run.resolve()
        run.unlink()
        shutil.move(kept, run)
        # Its name is free at once: another job may use it while this is removed.
        aside = kept.parent.rename(kept.parent.with_name(f"released-{uuid4().hex}"))
        shutil.rmtree(aside)
        lock.close()

    def keep(self, name: str, content: bytes) -> Artifact:
        """Store an input of the job that continues, while the folder exists."""
        digest = hashlib.sha256(content).hexdigest()
        path = self.folder / "inputs" / f"{digest}{Path(name).suffix}"
        if not path.exists():
            with replacing(path) as temporary:
                temporary.write_bytes(content)
        size, uri = len(content), f"file://{path}"  # fsspec takes %20 as it is
        return Artifact(name=name, sha256=digest, size=size, blob=None, uri=uri)


def _lock(folder: Path) -> TextIO:
    """
    Lock a folder, which another process may be releasing at the same time.

    Raises
    ------
    BlockingIOError
        If another process has locked it.
    """
    path = folder / "lock"
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = path.open("w")
        except (FileNotFoundError, FileExistsError):
            if folder.is_file():
                raise
            continue  # the folder was released in between
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(path, lock):
                return lock
        except BaseException:
            lock.close()
            raise
        lock.close()  # the folder was released after it was opened


def _is(path: Path, file: TextIO) -> bool:
    """Say whether a path still leads to an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
