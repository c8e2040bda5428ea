"""One frame, one folder, one label: the core that jobs and batches share."""

import re
import shutil
import time
import warnings
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Event

from ase import Atoms
from monty.shutil import compress_file
from pymatgen.core import Molecule, Structure

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
    edit_input,
    read_parameters,
)
from flowpot.labelling.espresso.outputs import read_report
from flowpot.labelling.espresso.preflight import ask_version, preflight
from flowpot.labelling.espresso.remedies import PwJob, run_with_remedies
from flowpot.labelling.frames import check_geometry, to_atoms
from flowpot.settings import get_settings

_CLEAN_STOP = 0.95  # of the walltime, as aiida-quantumespresso sets it


@dataclass
class EspressoEngine:
    """
    Labels frames with pw.x, each in a folder of its own.

    Neither the current folder nor any shared state takes part, so threads may use one
    engine at once.

    Parameters
    ----------
    generator
        What is asked of pw.x.
    walltime
        Seconds that one run of pw.x gets. It is told to stop cleanly at 95 % of them,
        and ended when they are over. None: no limit.
    min_distance_fraction
        Atoms closer than this fraction of their covalent radii's sum are refused;
        None is the common limit.
    keep_scratch
        Whether densities and wavefunctions are kept.
    gzip_files
        Whether input and output are compressed.
    cache
        Folder where finished labels are kept for later runs. None:
        ``FLOWPOT_LABEL_CACHE``, or else nowhere.
    """

    generator: EspressoInputGenerator = field(default_factory=EspressoInputGenerator)
    walltime: float | None = None
    min_distance_fraction: float | None = None
    keep_scratch: bool = False
    gzip_files: bool = True
    cache: str | None = None

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
            Made if it is not there. Files of an earlier run in it are removed.
        prev_dir
            Folder of an earlier calculation, whose density and wavefunctions this one
            starts from where they are there. Not `folder` itself.
        stop
            Set by another thread to end pw.x early.

        Returns
        -------
        EspressoTaskDoc
            With ``state`` ``"failed"``, ``errors`` and no labels where pw.x gave none.

        Raises
        ------
        ValueError
            Where no engine should start on the frame's geometry.
        PreflightError
            Where the machine cannot run pw.x at all, or its launcher is of another MPI.
        """
        start = time.perf_counter()
        folder = Path(folder).absolute()
        atoms = to_atoms(structure)
        check_geometry(atoms, min_distance_fraction=self.min_distance_fraction)
        elements = sorted(set(atoms.get_chemical_symbols()))
        sums = preflight(elements, self.generator.pseudo_family, folder)
        generator = self._timed_generator()
        if generator.hubbard:
            inputs = generator.get_input_set(atoms, ask_version(folder))
        else:
            inputs = generator.get_input_set(atoms)

        key = calculation_key(inputs, sums)
        cache = self._cache()
        known = damage = None
        if cache is not None and not self.keep_scratch:
            known, damage = _find(cache, key, folder)
        if known is not None:
            return known
        job = self._prepare(inputs, folder, prev_dir)
        job.stop = stop
        document = self._run(job, inputs, sums, folder)
        document.warnings = [*filter(None, [damage]), *document.warnings]
        document.seconds = time.perf_counter() - start
        if cache is not None and document.state == "successful":
            cache.keep(key, document)
        return document

    def _cache(self) -> LabelCache | None:
        """Return the cache of labels, where there is one."""
        folder = self.cache or get_settings().LABEL_CACHE
        return None if folder is None else LabelCache(folder)

    def _prepare(
        self, inputs: EspressoInput, folder: Path, prev_dir: Path | str | None
    ) -> PwJob:
        """Write what pw.x reads, and say how it is started."""
        command = get_settings().PW_CMD
        job = PwJob(command, inputs.n_kpoints, inputs.n_bands, self.walltime)
        _remove_files(folder, prefix=inputs.prefix, scratch_only=False)
        inputs.write(folder)
        if prev_dir is not None:
            start, job.warning = take_start(
                prev_dir, folder, prefix=inputs.prefix, n_atoms=len(inputs.atoms)
            )
            if start:
                edit_input(folder, {"electrons": start})
        return job

    def _run(
        self, job: PwJob, inputs: EspressoInput, md5: dict[str, str], folder: Path
    ) -> EspressoTaskDoc:
        """Run pw.x, with remedies where it fails, and read what it wrote."""
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
        document = assemble_document(self.generator, outcome)
        self._tidy(folder, inputs.prefix)
        return document

    def _timed_generator(self) -> EspressoInputGenerator:
        """Let pw.x stop by itself before its time is over."""
        if self.walltime is None:
            return self.generator
        user = {k.lower(): dict(v) for k, v in self.generator.user_settings.items()}
        stop = {"max_seconds": _CLEAN_STOP * self.walltime}
        user["control"] = {**stop, **user.get("control", {})}
        return replace(self.generator, user_settings=user)

    def _tidy(self, folder: Path, prefix: str) -> None:
        """Leave what people read, small."""
        if not self.keep_scratch:
            _remove_files(folder, prefix=prefix, scratch_only=True)
        if self.gzip_files:
            for path in [folder / INPUT_FILE, *folder.glob(f"{OUTPUT_FILE}*")]:
                compress_file(path)


def _find(
    cache: LabelCache, key: str, folder: Path
) -> tuple[EspressoTaskDoc | None, str | None]:
    """Look for a finished label; say so where there is one that is damaged."""
    try:
        return cache.find(key, partial(ask_version, folder)), None
    except DamagedEntryError as error:
        warnings.warn(str(error), stacklevel=2)
        return None, str(error)


def _remove_files(folder: Path, *, prefix: str, scratch_only: bool) -> None:
    """Remove pw.x's scratch, or everything that a run in this folder leaves."""
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


_ATOMS = re.compile(r'<atomic_structure nat="(\d+)"')


def take_start(
    prev_dir: Path | str, folder: Path, *, prefix: str, n_atoms: int
) -> tuple[dict[str, str], str | None]:
    """
    Copy what an earlier pw.x left, for the next one to start from.

    Parameters
    ----------
    prev_dir
        Folder of the earlier calculation, with or without ``host:`` before it.
    folder
        Of the next one.
    prefix
        The next one's prefix.
    n_atoms
        Atoms of the next one's frame. Cell, positions, cutoffs and functional may
        differ from the earlier one's: pw.x reads the density by its reciprocal
        vectors and renormalises it.

    Returns
    -------
    electrons
        Keys of the namelist ELECTRONS; none where there is nothing to start from.
    warning
        Why there is nothing; None where there is.
    """
    text = str(prev_dir)
    source = Path(re.sub(r"^[\w.-]+:(?=/)", "", text))
    density = next(iter(sorted(source.glob("*.save/charge-density.*"))), None)
    if density is None:
        return {}, (
            f"prev_dir {text} holds no charge density on this machine: started from "
            "superposed atoms (keep_scratch=True keeps the density of a calculation)"
        )
    schema = density.with_name("data-file-schema.xml")
    found = _ATOMS.search(schema.read_text()) if schema.is_file() else None
    if found is None or int(found.group(1)) != n_atoms:
        count = found.group(1) if found else "an unknown number of"
        return {}, (
            f"prev_dir {text} is of a frame of {count} atoms, this one has {n_atoms}: "
            "started from superposed atoms"
        )
    shutil.copytree(density.parent, folder / f"{prefix}.save", dirs_exist_ok=True)
    if any(density.parent.glob("wfc*")):
        return {"startingpot": "file", "startingwfc": "file"}, None
    return {"startingpot": "file"}, None
