"""Finished labels kept by what was asked, so that no calculation is done twice."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from flowpot.dataset.storage import replacing
from flowpot.labelling.espresso.document import EspressoTaskDoc
from flowpot.labelling.espresso.inputs import EspressoInput

_PLACE = re.compile(
    r"^\s*(?:pseudo_dir|outdir|max_seconds|disk_io|prefix)\s*=.*\n", re.MULTILINE
)


class LabelCache:
    """
    A folder of labels, named by the hash of their calculation.

    A run that was killed loses the frames in flight and no other: what it had finished
    is found here by the run that follows, whatever folders and jobs that one makes.

    Parameters
    ----------
    folder
        Shared by all runs that are to profit. Several processes may use it at once.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).expanduser()

    def find(self, key: str) -> EspressoTaskDoc | None:
        """Give the document of a finished calculation, or None."""
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            document = EspressoTaskDoc.model_validate_json(path.read_text())
        except ValidationError:
            return None  # of another version of flowpot: label it again
        document.from_cache = True
        return document

    def keep(self, key: str, document: EspressoTaskDoc) -> None:
        """Keep the document of a successful calculation: whole, or not at all."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(document.model_dump_json())

    def _path(self, key: str) -> Path:
        """Give the file of a calculation."""
        return self.folder / key[:2] / f"{key}.json"


def calculation_key(inputs: EspressoInput, md5: Mapping[str, str]) -> str:
    """
    Hash what decides a label: the input and the content of the pseudopotentials.

    Where files lie and how much time a run gets do not count.
    """
    text = _PLACE.sub("", inputs.text)
    sums = ",".join(f"{element}={md5[element]}" for element in sorted(md5))
    return hashlib.sha256(f"{text}\n{sums}".encode()).hexdigest()
