"""Labelling one frame in one folder: what single jobs and batches have in common."""

import shutil
import time
import warnings
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Self

from ase import Atoms
from monty.shutil import compress_file
from pymatgen.core import Molecule, Structure

from flowpot.dataset.geometry.closeness import check_distance
from flowpot.labelling.espresso.assembly import Outcome, assemble_document
from flowpot.labelling.espresso.cache import (
    DamagedEntryError,
    LabelCache,
    calculation_key,
)
from flowpot.labelling.espresso.command import ERROR_FILE, OUTPUT_FILE
from flowpot.labelling.espresso.document import EspressoTaskDoc
from flowpot.labelling.espresso.handlers import all_handlers
from flowpot.labelling.espresso.inputs import EspressoInput, EspressoInputGenerator
from flowpot.labelling.espresso.namelists import (
    INPUT_FILE,
    checked_number,
    edit_input,
    read_parameters,
)
from flowpot.labelling.espresso.outputs import read_report
from flowpot.labelling.espresso.preflight import ask_version, preflight
from flowpot.labelling.espresso.remedies import PwJob, run_with_remedies
from flowpot.labelling.espresso.starting_density import take_start
from flowpot.labelling.frames import check_geometry, to_atoms
from flowpot.settings import fixed_path, get_settings

_CLEAN_STOP = 0.95  # of the walltime, as aiida-quantumespresso sets it


@dataclass
class EspressoEngine(EspressoInputGenerator):
    """
    Labels frames with pw.x, each in a folder of its own.

    It uses neither the process's current folder nor any shared state, so several
    threads may use one engine at once. The parameters are those of the same names of
    :class:`flowpot.EspressoStaticMaker`, which is one.
    """

    walltime: float | None = None
    min_distance_fraction: float | None = None
    keep_scratch: bool = False
    gzip_files: bool = True
    cache: str | None = None

    def __post_init__(self) -> None:
        """Refuse values of fields that cannot be meant, before any job runs."""
        self.cache = fixed_path(self.cache)
        check_distance(min_distance_fraction=self.min_distance_fraction)
        if self.walltime is not None:
            self.walltime = checked_number("walltime", self.walltime, "s")
        super().__post_init__()

    def label_in(
        self,
        structure: Structure | Molecule | Atoms,
        folder: Path | str,
        *,
        prev_dir: Path | str | None = None,
        stop: Event | None = None,
    ) -> EspressoTaskDoc:
        """
        Label one frame in a folder.

        Parameters
        ----------
        structure
            The frame.
        folder
            It is made if need be. Files of an earlier run in it are removed.
        prev_dir
            Folder of an earlier calculation. This one starts from the density and the
            wavefunctions that are kept there, if any, and if they are of the same
            elements, spins and starting moments. Not `folder` itself.
        stop
            Set by another thread to end pw.x early.

        Returns
        -------
        EspressoTaskDoc
            If pw.x gave no label, ``state`` is ``"failed"`` and ``errors`` says why.

        Raises
        ------
        ValueError
            If no engine should start on the frame's geometry.
        PreflightError
            If the machine cannot run pw.x at all, or its launcher is of another MPI.
        """
        start = time.perf_counter()
        folder = Path(folder).absolute()
        atoms = to_atoms(structure)
        check_geometry(atoms, min_distance_fraction=self.min_distance_fraction)
        elements = sorted(set(atoms.get_chemical_symbols()))
        md5 = preflight(elements, self.pseudo_family, folder)
        version = (ask_version(folder),) if self.hubbard else ()
        inputs = self._stopping_cleanly().get_input_set(atoms, *version)

        key = calculation_key(inputs, md5)
        cache_folder = self.cache or get_settings().LABEL_CACHE
        cache = None if cache_folder is None else LabelCache(cache_folder)
        known = damage = None
        if cache is not None and not self.keep_scratch:
            try:
                known = cache.find(key, partial(ask_version, folder))
            except DamagedEntryError as error:
                damage = str(error)
                warnings.warn(damage, stacklevel=2)
        if known is not None:
            return known
        job = self._prepare(inputs, folder, prev_dir)
        job.stop = stop
        document = self._run(job, inputs, md5, folder)
        document.warnings = [*filter(None, [damage]), *document.warnings]
        document.seconds = time.perf_counter() - start
        if cache is not None and document.state == "successful":
            cache.keep(key, document)
        return document

    def _prepare(
        self, inputs: EspressoInput, folder: Path, prev_dir: Path | str | None
    ) -> PwJob:
        """Write the files that pw.x reads, and return the job that runs it."""
        command = get_settings().PW_CMD
        job = PwJob(command, inputs.n_kpoints, inputs.n_bands, self.walltime)
        _remove_files(folder, prefix=inputs.prefix, scratch_only=False)
        inputs.write(folder)
        if prev_dir is not None:
            start, job.warning = take_start(prev_dir, folder, inputs)
            if start:
                edit_input(folder, {"electrons": start})
        return job

    def _run(
        self, job: PwJob, inputs: EspressoInput, md5: dict[str, str], folder: Path
    ) -> EspressoTaskDoc:
        """Run pw.x, with remedies if it fails, and return its document."""
        corrections, unresolved = run_with_remedies(job, all_handlers(job), folder)
        outcome = Outcome(
            inputs=inputs,
            parameters=read_parameters(folder),
            md5=md5,
            job=job,
            report=read_report(folder),
            corrections=corrections,
            unresolved=unresolved,
            folder=folder,
        )
        document = assemble_document(self, outcome)
        if not self.keep_scratch:
            _remove_files(folder, prefix=inputs.prefix, scratch_only=True)
        if self.gzip_files:
            for path in [folder / INPUT_FILE, *folder.glob(f"{OUTPUT_FILE}*")]:
                compress_file(path)
        return document

    def _stopping_cleanly(self) -> Self:
        """Return an engine that tells pw.x to stop by itself in time."""
        if self.walltime is None:
            return self
        user = {k.lower(): dict(v) for k, v in self.user_settings.items()}
        stop = {"max_seconds": _CLEAN_STOP * self.walltime}
        user["control"] = {**stop, **user.get("control", {})}
        return replace(self, user_settings=user)


def _remove_files(folder: Path, *, prefix: str, scratch_only: bool) -> None:
    """Remove pw.x's scratch files, or all files that it leaves in a folder."""
    names = [f"{prefix}.*"]
    if not scratch_only:
        names += [f"{INPUT_FILE}*", f"{OUTPUT_FILE}*", ERROR_FILE, "CRASH"]
    for path in [path for name in names for path in folder.glob(name)]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    error = folder / ERROR_FILE
    if scratch_only and error.is_file() and error.stat().st_size == 0:
        error.unlink()
