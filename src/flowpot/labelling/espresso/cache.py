"""Finished labels kept by what was asked, so that no calculation is done twice."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import ValidationError

from flowpot.dataset.storage import write_whole
from flowpot.labelling.espresso.document import EspressoTaskDoc
from flowpot.labelling.espresso.inputs import EspressoInput

_PLACE = re.compile(
    r"^\s*(?:pseudo_dir|outdir|max_seconds|disk_io|prefix)\s*=.*\n", re.MULTILINE
)


class DamagedEntryError(ValueError):
    """A file of the cache is not what was once written into it."""


class LabelCache:
    """
    A folder of labels, named by the hash of their calculation and pw.x's version.

    A run that was killed loses the frames in flight and no other: what it had finished
    is found here by the run that follows, whatever folders and jobs that one makes.
    Each file holds the hash of its own content.

    Parameters
    ----------
    folder
        Shared by all runs that are to profit. Several processes may use it at once.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).expanduser()

    def find(self, key: str, version: Callable[[], str]) -> EspressoTaskDoc | None:
        """
        Return the document of a finished calculation, or None.

        Parameters
        ----------
        key
            See `calculation_key`.
        version
            Tells the version of pw.x that is to run. It is only asked where some
            version has done the calculation.

        Raises
        ------
        DamagedEntryError
            Where the file was changed or cannot be read: label it again.
        """
        if not any(self._folder(key).glob(f"{key}-*.json")):
            return None
        path = self._path(key, version())
        if not path.is_file():
            return None
        document = _read(path)
        document.from_cache = True
        return document

    def keep(self, key: str, document: EspressoTaskDoc) -> None:
        """Keep the document of a successful calculation: whole, or not at all."""
        content = document.model_dump_json()
        entry = {"sha256": _hash(content), "document": content}
        version = document.versions["quantum-espresso"]
        write_whole(self._path(key, version), json.dumps(entry))

    def _folder(self, key: str) -> Path:
        return self.folder / key[:2]

    def _path(self, key: str, version: str) -> Path:
        """Return the file of a calculation by a version of pw.x."""
        name = re.sub(r"[^\w.+]", "_", version)
        return self._folder(key) / f"{key}-{name}.json"


def calculation_key(inputs: EspressoInput, md5: Mapping[str, str]) -> str:
    """
    Hash what decides a label: the input and the content of the pseudopotentials.

    Where files lie and how much time a run gets do not count. The version of pw.x is
    added by the cache.
    """
    text = _PLACE.sub("", inputs.text)
    sums = ",".join(f"{element}={md5[element]}" for element in sorted(md5))
    return _hash(f"{text}\n{sums}")


def _read(path: Path) -> EspressoTaskDoc:
    """Read an entry, and compare its content with its hash."""
    try:
        entry = json.loads(path.read_bytes())
        content = entry["document"]
        if entry["sha256"] == _hash(content):
            return EspressoTaskDoc.model_validate_json(content)
        reason = "its content is not what was written"
    except ValidationError:
        reason = "it is of another version of flowpot"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"it cannot be read ({error!r})"
    raise DamagedEntryError(
        f"the label was computed again, its entry in the cache was not used: {reason}, "
        f"{path}"
    )


def _hash(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
