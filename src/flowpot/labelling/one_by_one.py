"""Batches for Makers that label in the process's own folder, one frame at a time."""

import time
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from jobflow import Maker, Response
from numpy.typing import NDArray

from flowpot.dataset.io.emmet import free_energy, is_vasp
from flowpot.documents import field_of, reason_for
from flowpot.labelling.collection import label_in_order
from flowpot.labelling.frames import periodic_structure
from flowpot.labelling.remarks import NO_FREE_ENERGY, texts_of


def is_callable_at_once(maker: Any) -> bool:
    """
    Return whether a Maker's ``make`` is a single job, whose function can be called.

    Those of atomate2's force fields are; a Flow's jobs have to be run by a manager.
    """
    return hasattr(type(maker).make, "original")


@dataclass(frozen=True)
class Label:
    """Energy (eV), forces (eV/A) and stress (eV/A^3, ASE's sign) of a frame."""

    stress_convention: ClassVar[str] = "ase"

    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64] | None


@dataclass(frozen=True)
class FrameDocument:
    """What :func:`flowpot.labelling.batches.label_batch` reads of a labelled frame."""

    output: Label
    dir_name: str
    seconds: float
    state: str = "successful"
    errors: list[str] = field(default_factory=list)
    corrections: list[Any] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    run: Any = field(default_factory=lambda: SimpleNamespace(n_scf_steps=None))


@dataclass
class OneByOne:
    """
    Lets a Maker label in a given folder: its job is called there, in this process.

    What the Maker loads, such as a calculator's model, it may keep for the next frame.

    Parameters
    ----------
    maker
        A static Maker whose ``make`` is a single job.
    convention
        What the stress of its documents means, where their class does not say it.
    """

    maker: Maker
    convention: str | None = None

    def label_in(
        self,
        structure: Atoms,
        folder: Path | str,
        *,
        stop: Event | None = None,  # noqa: ARG002 - it cannot be interrupted
    ) -> FrameDocument:
        """
        Label a frame: see :class:`flowpot.labelling.static_makers.LabelsInFolder`.

        Raises
        ------
        ValueError
            If the Maker fails, in its own words. A missing package and a disk that
            cannot be written end the batch.
        """
        begun = time.perf_counter()
        make: Any = type(self.maker).make
        sent, order = periodic_structure(structure)
        Path(folder).mkdir(parents=True, exist_ok=True)
        try:
            with chdir(folder):
                document = make.original(self.maker, sent)
        except (ImportError, OSError, MemoryError):
            raise
        except Exception as error:
            raise ValueError(reason_for(error)) from error
        if isinstance(document, Response):
            document = document.output
        output = field_of(document, "output")
        energy = free_energy(document)
        label = label_in_order(
            structure, output, order, self.convention, free_energy=energy
        )
        warnings = texts_of(field_of(document, "warnings"))
        if energy is None and is_vasp(output):
            warnings.append(NO_FREE_ENERGY)
        stress = None if np.isnan(label.stress).any() else label.stress
        return FrameDocument(
            output=Label(label.energy, label.forces, stress),
            dir_name=str(field_of(document, "dir_name") or folder),
            seconds=time.perf_counter() - begun,
            warnings=warnings,
        )
