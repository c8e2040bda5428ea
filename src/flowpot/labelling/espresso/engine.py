"""Labelling one frame in one folder: what single jobs and batches have in common."""

import time
import warnings
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Self

from ase import Atoms
from monty.shutil import compress_file
from pymatgen.core import Molecule, Structure

from flowpot.dataset.geometry.closeness import check_distance
from flowpot.labelling.espresso.assembly import Outcome, assemble_document
from flowpot.labelling.espresso.bands import needs_empty_bands, read_highest_band
from flowpot.labelling.espresso.cache import (
    DamagedEntryError,
    LabelCache,
    calculation_key,
)
from flowpot.labelling.espresso.command import CRASH_FILE, ERROR_FILE, OUTPUT_FILE
from flowpot.labelling.espresso.document import EspressoTaskDoc
from flowpot.labelling.espresso.handlers import all_handlers
from flowpot.labelling.espresso.inputs import EspressoInput, EspressoInputGenerator
from flowpot.labelling.espresso.namelists import (
    INPUT_FILE,
    checked_number,
    checked_settings,
    edit_input,
    read_parameters,
)
from flowpot.labelling.espresso.outputs import read_report
from flowpot.labelling.espresso.preflight import (
    PreflightError,
    ask_version,
    check_writable,
    preflight,
)
from flowpot.labelling.espresso.remedies import PwJob, run_with_remedies
from flowpot.labelling.espresso.scratch import (
    own_places,
    remove,
    remove_scratch,
    scratch_folder,
    scratch_places,
)
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
            If the machine cannot run pw.x at all, or its launcher is of another MPI;
            or if a pseudopotential has no forces with a hybrid functional.
        """
        start = time.perf_counter()
        folder = Path(folder).absolute()
        atoms = to_atoms(structure)
        check_geometry(atoms, min_distance_fraction=self.min_distance_fraction)
        elements = sorted(set(atoms.get_chemical_symbols()))
        md5 = preflight(elements, self.pseudo_family, folder)
        version = (ask_version(folder),) if self.needs_version else ()
        inputs = self._for_folder(folder).get_input_set(atoms, *version)

        key = calculation_key(inputs, md5)
        cache = self._open_cache()
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
            try:
                cache.keep(key, document)
            except OSError as error:
                loss = (
                    f"the label could not be written into the cache {cache.folder} "
                    f"({error}): its document is complete, but another run computes "
                    "it again. Free space there, or correct the permissions"
                )
                document.warnings = [loss, *document.warnings]
                warnings.warn(loss, stacklevel=2)
        return document

    def _open_cache(self) -> LabelCache | None:
        """Return the cache; refuse a place that can never be a folder."""
        name = "cache" if self.cache else "FLOWPOT_LABEL_CACHE"
        place = self.cache or get_settings().LABEL_CACHE
        if place is None:
            return None
        cache = LabelCache(place)
        obstacle = cache.obstacle()
        if obstacle is not None:
            raise PreflightError(
                f"{name} is {str(place)!r}, but {obstacle} is a file: name a folder"
            )
        return cache

    def _prepare(
        self, inputs: EspressoInput, folder: Path, prev_dir: Path | str | None
    ) -> PwJob:
        """Write the files that pw.x reads, and return the job that runs it."""
        command = get_settings().PW_CMD
        job = PwJob(command, inputs.n_kpoints, inputs.n_bands, self.walltime)
        control = inputs.parameters["control"]
        _remove_results(folder)
        remove_scratch(control, folder)
        for place in scratch_places(control, folder):
            check_writable(place)
        inputs.write(folder)
        if prev_dir is not None:
            place = scratch_folder(control, folder)
            start, job.warning = take_start(prev_dir, place, inputs)
            if start:
                edit_input(folder, {"electrons": start})
        return job

    def _run(
        self, job: PwJob, inputs: EspressoInput, md5: dict[str, str], folder: Path
    ) -> EspressoTaskDoc:
        """Run pw.x, with remedies if it fails, and return its document."""
        corrections, unresolved = run_with_remedies(job, all_handlers(job), folder)
        parameters = read_parameters(folder)
        report = read_report(folder)
        is_smeared = report.converged and needs_empty_bands(parameters)
        outcome = Outcome(
            inputs=inputs,
            parameters=parameters,
            md5=md5,
            job=job,
            report=report,
            corrections=corrections,
            unresolved=unresolved,
            highest=read_highest_band(folder) if is_smeared else None,
            folder=folder,
        )
        document = assemble_document(self, outcome)
        if not self.keep_scratch:
            remove_scratch(inputs.parameters["control"], folder)
            error = folder / ERROR_FILE
            if error.is_file() and error.stat().st_size == 0:
                error.unlink()
        if self.gzip_files:
            for path in [folder / INPUT_FILE, *folder.glob(f"{OUTPUT_FILE}*")]:
                compress_file(path)
        return document

    def _for_folder(self, folder: Path) -> Self:
        """
        Return an engine whose pw.x runs in one folder.

        It stops by itself in time, and its scratch files are its own wherever they are.
        """
        user = checked_settings(self.user_settings)
        control = user.get("control", {})
        changes: dict[str, Any] = own_places(control, folder)
        if self.walltime is not None and "max_seconds" not in control:
            changes["max_seconds"] = _CLEAN_STOP * self.walltime
        if not changes:
            return self
        return replace(self, user_settings={**user, "control": control | changes})


def _remove_results(folder: Path) -> None:
    """Remove input and output of an earlier run in a folder."""
    for name in (f"{INPUT_FILE}*", f"{OUTPUT_FILE}*", ERROR_FILE, CRASH_FILE):
        remove(folder.glob(name))
