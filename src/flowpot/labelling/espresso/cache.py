"""A cache of finished labels, so that no calculation is done twice."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pydantic import ValidationError

from flowpot.dataset.storage import write_whole
from flowpot.labelling.espresso.bands import (
    has_tetrahedra,
    is_fermi_dirac,
    needs_empty_bands,
)
from flowpot.labelling.espresso.document import EspressoTaskDoc
from flowpot.labelling.espresso.inputs import EspressoInput

_PLACE = re.compile(
    r"^\s*(?:pseudo_dir|outdir|wfcdir|max_seconds|disk_io|prefix)\s*=.*\n", re.MULTILINE
)
_DIGITS = 8  # of coordinates (A)
_READER = 2  # raised when outputs are read in another way than before
_GIVEN_UP = 3  # remedies of TooFewBandsHandler


class DamagedEntryError(ValueError):
    """A file of the cache cannot be read, or its content has changed."""


class LabelCache:
    """
    A folder of labels, named by the hash of their calculation and pw.x's version.

    After a run was killed, the next run finds the labels that had been finished, in
    whatever folders and jobs it computes; only calculations that were running are lost.
    Each file holds a hash of its content.

    Parameters
    ----------
    folder
        Folder that several runs may share. Several processes may use it at once.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).expanduser()

    def find(self, key: str, version: Callable[[], str]) -> EspressoTaskDoc | None:
        """
        Return the document of a finished calculation, or None.

        Parameters
        ----------
        key
            Hash of the calculation: see `calculation_key`.
        version
            Returns the version of pw.x that would run. It is called only if some
            version has done the calculation.

        Raises
        ------
        DamagedEntryError
            If the file was changed or cannot be read: label the frame again.
        """
        if not any(self._folder(key).glob(f"{key}-*.json")):
            return None
        path = self._path(key, version())
        try:
            if not path.is_file():
                return None
            return _document(json.loads(path.read_bytes()))
        except DamagedEntryError as error:
            reason = str(error)
        except ValidationError:
            reason = "it is of another version of flowpot"
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"it cannot be read ({error!r})"
        raise DamagedEntryError(
            "the label was computed again, its entry in the cache was not used: "
            f"{reason}, {path}"
        )

    def keep(self, key: str, document: EspressoTaskDoc) -> None:
        """
        Write the document of a successful calculation, completely or not at all.

        A label of which nobody knows whether it had bands enough is left out, as the
        key is also that of settings with which pw.x tells.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        parameters = document.input.parameters
        if needs_empty_bands(parameters) and document.run.highest_occupation is None:
            return
        content = document.model_dump_json()
        entry = {"sha256": _hash(content), "reader": _READER, "document": content}
        version = document.versions["quantum-espresso"]
        write_whole(self._path(key, version), json.dumps(entry))

    def obstacle(self) -> Path | None:
        """Return a file where a folder of the cache would have to be, or None."""
        places = (self.folder, *self.folder.parents)
        with suppress(OSError):  # a place that nobody may look at is no such file
            nearest = next(place for place in places if place.exists())
            return None if nearest.is_dir() else nearest
        return None

    def _folder(self, key: str) -> Path:
        return self.folder / key[:2]

    def _path(self, key: str, version: str) -> Path:
        """Return the path of a calculation done by a version of pw.x."""
        name = re.sub(r"[^\w.+]", "_", version)
        return self._folder(key) / f"{key}-{name}.json"


def calculation_key(inputs: EspressoInput, md5: Mapping[str, str]) -> str:
    """
    Return a hash of what determines a label: input, pseudopotentials and frame.

    Folders and time limits are left out. The cache adds the version of pw.x. The input
    tells fully periodic frames apart. Others may have the same input, if pw.x gets them
    rotated or with more vacuum, and yet have other forces and stresses.

    Parameters
    ----------
    inputs
        Input of the calculation.
    md5
        Checksum of each element's pseudopotential.
    """
    text = _PLACE.sub("", inputs.text)
    sums = ",".join(f"{element}={md5[element]}" for element in sorted(md5))
    own = "" if all(inputs.atoms.pbc) else f"\n{_geometry(inputs.atoms)}"
    return _hash(f"{text}\n{sums}{own}")


def _document(entry: dict[str, Any]) -> EspressoTaskDoc:
    """Return the document of an entry, if it can be believed."""
    content = entry["document"]
    if entry["sha256"] != _hash(content):
        raise DamagedEntryError("its content is not what was written")
    document = EspressoTaskDoc.model_validate_json(content)
    if entry.get("reader") != _READER:
        if _may_be_misread(document):
            raise DamagedEntryError(
                "an earlier version of flowpot read the energies of hybrid functionals "
                "wrongly, and did not see all bands that are missing"
            )
        document.output.magnetic_moments = None  # it read another column
    document.from_cache = True
    return document


def _may_be_misread(document: EspressoTaskDoc) -> bool:
    """Whether the label is of a kind that earlier versions read wrongly."""
    parameters = document.input.parameters
    system, control = parameters["system"], parameters.get("control", {})
    if "input_dft" in system:
        return True
    handlers = [correction.handler for correction in document.corrections]
    return needs_empty_bands(parameters) and (
        has_tetrahedra(system)
        or is_fermi_dirac(system)
        or control.get("outdir", "./") != "./"
        or control.get("disk_io") in ("none", "nowf", "minimal")
        or handlers.count("TooFewBandsHandler") >= _GIVEN_UP
    )


def _geometry(atoms: Atoms) -> str:
    """Return the species, periodic axes, cell and positions of a frame as text."""
    axes = "".join("FT"[int(axis)] for axis in atoms.pbc)
    species = ",".join(map(str, atoms.numbers))
    return f"{species}\n{axes}\n{_digits(atoms.cell[:])}\n{_digits(atoms.positions)}"


def _digits(vectors: NDArray[np.float64]) -> str:
    """Return vectors (A) with a fixed number of digits, zero without its sign."""
    rounded = np.round(vectors, _DIGITS) + 0.0
    return ",".join(f"{value:.{_DIGITS}f}" for value in rounded.ravel())


def _hash(text: str) -> str:
    """Return the SHA-256 of a text, as hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
