"""Unfinished runs kept by what they were given, to go on in another job."""

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
    that takes its place, wherever that is, finds them and goes on. In the job's own
    folder there is a link to each, and the run itself once it has ended.

    Parameters
    ----------
    folder
        Seen by all workers that may run the job. Several processes may use it at once:
        a run that another process is at work on is left alone.

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
        """Let others go on with what has not been released."""
        for lock in self._locks.values():
            lock.close()

    def adopt(self, run: Path) -> bool:
        """
        Put what an earlier job left of a run in the place of its folder.

        Parameters
        ----------
        run
            Holds the input of a run, and nothing else.

        Returns
        -------
        bool
            Whether there was an earlier job.
        """
        kept = self._kept(run)
        try:
            self._locks[run] = _lock(kept)
        except BlockingIOError:
            return False
        found = (kept / "run").exists()
        if found:
            shutil.rmtree(run)
        else:
            shutil.move(run, kept / "run")
        run.symlink_to(kept / "run")
        return found

    @property
    def runs(self) -> list[Path]:
        """The folders of the runs that are here, as the job knows them."""
        return list(self._locks)

    def release(self, run: Path) -> None:
        """Return the job a run that has ended."""
        lock = self._locks.pop(run)
        kept = run.resolve()
        run.unlink()
        shutil.move(kept, run)
        # Its name is free at once: another job may use it while this is removed.
        aside = kept.parent.rename(kept.parent.with_name(f"released-{uuid4().hex}"))
        shutil.rmtree(aside)
        lock.close()

    def keep(self, name: str, content: bytes) -> Artifact:
        """Keep what the job that goes on is to be given, for as long as the folder."""
        digest = hashlib.sha256(content).hexdigest()
        path = self.folder / "inputs" / f"{digest}{Path(name).suffix}"
        if not path.exists():
            with replacing(path) as temporary:
                temporary.write_bytes(content)
        size, uri = len(content), f"file://{path}"  # fsspec takes %20 as it is
        return Artifact(name=name, sha256=digest, size=size, blob=None, uri=uri)

    def _kept(self, run: Path) -> Path:
        """Return the place of a run, by the names and the content of its files."""
        digest = hashlib.sha256()
        for path in sorted(run.iterdir()):
            digest.update(path.name.encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        key = digest.hexdigest()
        return self.folder / key[:2] / key


def _lock(folder: Path) -> TextIO:
    """
    Lock a folder, which another process may be releasing meanwhile.

    Raises
    ------
    BlockingIOError
        Where another process holds it.
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
        lock.close()  # of a folder that was released since it was opened


def _is(path: Path, file: TextIO) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
