"""The Maker of Quantum ESPRESSO single points."""

from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from ase import Atoms
from jobflow import CURRENT_JOB, Job, Maker, OutputReference
from pymatgen.core import Molecule, Structure

from flowpot.dataset.geometry.closeness import check_distance
from flowpot.documents import recorded
from flowpot.jobs import stage_job
from flowpot.labelling.espresso.document import EspressoOutput, EspressoTaskDoc
from flowpot.labelling.espresso.engine import EspressoEngine
from flowpot.labelling.espresso.inputs import EspressoInputGenerator
from flowpot.labelling.espresso.magnetism import SpinPolicy
from flowpot.labelling.espresso.namelists import checked_number
from flowpot.labelling.espresso.preflight import preflight
from flowpot.labelling.espresso.pseudos import PseudoFamily
from flowpot.labelling.frames import check_geometry, to_structure
from flowpot.settings import fixed_path


class LabelError(RuntimeError):
    """pw.x gave no label for this frame."""


@dataclass
class EspressoStaticMaker(Maker):
    """
    Energy, forces and stress of a structure by Quantum ESPRESSO's pw.x.

    The command comes from ``FLOWPOT_PW_CMD``, pseudopotentials from
    ``FLOWPOT_PSEUDO_DIR``. The document honours atomate2's static contract, so the
    Maker drops into its elastic, equation-of-state and phonon flows.

    Parameters
    ----------
    name
        The job's name.
    protocol
        ``"stringent"``, ``"balanced"`` or ``"fast"``: k-points, smearing, thresholds.
    pseudo_family
        Name of a family (``"sssp-1.3-pbe-precision"``, ``"sssp-1.3-pbe-efficiency"``,
        ``"debian-pbe"``) or a :class:`PseudoFamily`.
    user_settings
        Namelists whose keys override all else: ``{"SYSTEM": {"ecutwfc": 50}}``.
    kspacing
        Distance of k-points (1/A, 2 pi included) instead of the protocol's.
    magnetic_moments
        Starting moment per element (Bohr magnetons), where the structure has none of
        its own; any that is not zero makes the calculation spin-polarised.
    spin
        Which frames are spin-polarised; one rule for isolated atoms, molecules,
        fragments and crystals alike, as the energy of a frame must tend to the sum of
        its atoms' when it is pulled apart. ``"given"`` (the default, as in the AiiDA-
        TrainsPot paper, which has one setting for all): those with moments of their
        own, a multiplicity, or elements in `magnetic_moments`. ``"polarised"``: all
        that may be magnetic, which start from the free atoms' moments where nothing
        else is said, at about twice the cost.
    assume_isolated
        How periodic images of frames that are not fully periodic are removed: None
        (they are not), ``"auto"`` (molecules: Martyna-Tuckerman; slabs: 2D cutoff), or
        a method by name. These methods need boxes twice as long as the charge: with
        ``"auto"`` pw.x gets such a box, and the label is still that of the frame's own
        cell. Energy and forces do not depend on the box; the stress is that of the
        periodic axes, its components along open ones mean nothing. A method by name is
        refused where the frame is not fit for it.
    correct_dipole
        Whether slabs get a dipole correction.
    hubbard
        U of each manifold (eV), for example ``{"Ni-3d": 6.0}``.
    walltime
        Seconds that one run of pw.x gets; None for no limit.
    min_distance_fraction
        Atoms closer than this fraction of their covalent radii's sum are refused.
        None is the labelling stage's limit, or else the one common to all stages, 0.5.
    keep_scratch
        Whether densities and wavefunctions are kept in the job's folder, for another
        calculation's `prev_dir`.
    gzip_files
        Whether input and output are compressed afterwards.
    cache
        Folder where finished labels are kept by what was asked of pw.x: a run that
        follows a killed one does none of them again. None: ``FLOWPOT_LABEL_CACHE``,
        or else nowhere.
    fail_softly
        Whether a frame without a label gives a document with ``state`` ``"failed"``
        instead of a failed job. LabellingMaker sets it: a campaign outlives a frame.

    Examples
    --------
    >>> from ase.build import bulk
    >>> maker = EspressoStaticMaker(protocol="fast", pseudo_family="debian-pbe")
    >>> maker.make(bulk("Si", "diamond", a=5.47)).name
    'qe static'
    """

    name: str = "qe static"
    protocol: str = "stringent"
    pseudo_family: str | PseudoFamily = "sssp-1.3-pbe-precision"
    user_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    kspacing: float | None = None
    magnetic_moments: dict[str, float] = field(default_factory=dict)
    spin: SpinPolicy = "given"
    assume_isolated: str | None = None
    correct_dipole: bool = False
    hubbard: dict[str, float] = field(default_factory=dict)
    walltime: float | None = None
    min_distance_fraction: float | None = None
    keep_scratch: bool = False
    gzip_files: bool = True
    cache: str | None = None
    fail_softly: bool = False

    def __post_init__(self) -> None:
        self.cache = fixed_path(self.cache)
        check_distance(min_distance_fraction=self.min_distance_fraction)
        if self.walltime is not None:
            self.walltime = checked_number("walltime", self.walltime, "s")
        self.generator()  # which checks every field that pw.x is going to read

    def make(
        self,
        structure: Structure | Molecule | Atoms | OutputReference,
        prev_dir: str | None = None,
    ) -> Job:
        """
        Make the job that labels one structure.

        Parameters
        ----------
        structure
            The structure, or a reference to one. Its periodic axes are kept.
        prev_dir
            Folder of an earlier calculation, such as another job's
            ``output.dir_name``. Where it holds a charge density (its maker's
            `keep_scratch`) of as many atoms the SCF starts from that, and from the
            wavefunctions if they fit. It changes the steps, not the label.

        Raises
        ------
        ValueError
            Where the geometry is one that no engine should start on.
        """
        if not isinstance(structure, OutputReference):
            check_geometry(structure, min_distance_fraction=self.min_distance_fraction)
            structure = to_structure(structure)
        return self.label(structure, prev_dir)

    @stage_job(EspressoTaskDoc)
    @recorded(EspressoTaskDoc, output=EspressoOutput)
    def label(
        self, structure: Structure | Molecule, prev_dir: str | None = None
    ) -> EspressoTaskDoc:
        """Label a structure in the job's folder: the body of the job."""
        document = self.label_in(structure, Path.cwd(), prev_dir=prev_dir)
        document.uuid = CURRENT_JOB.job.uuid if CURRENT_JOB.job else None
        if document.state == "failed" and not self.fail_softly:
            raise LabelError(
                f"{'; '.join(document.errors)}. The files are in {document.dir_name}"
            )
        return document

    def label_in(
        self,
        structure: Structure | Molecule | Atoms,
        folder: Path | str,
        *,
        prev_dir: Path | str | None = None,
        stop: Event | None = None,
    ) -> EspressoTaskDoc:
        """
        Label a structure in a folder, here and now: threads may do so at once.

        See :meth:`flowpot.labelling.espresso.engine.EspressoEngine.label_in`.
        """
        document = self.engine().label_in(
            structure, folder, prev_dir=prev_dir, stop=stop
        )
        document.task_label = self.name
        return document

    def preflight(
        self, elements: list[str], folder: Path | str = "."
    ) -> dict[str, str]:
        """
        Check that this machine can label such elements; each job does so itself.

        See :func:`flowpot.labelling.espresso.preflight.preflight`.
        """
        return preflight(elements, self.pseudo_family, folder)

    def generator(self) -> EspressoInputGenerator:
        """Return what chooses pw.x's parameters."""
        return EspressoInputGenerator(
            protocol=self.protocol,
            pseudo_family=self.pseudo_family,
            user_settings=self.user_settings,
            kspacing=self.kspacing,
            magnetic_moments=self.magnetic_moments,
            spin=self.spin,
            assume_isolated=self.assume_isolated,
            correct_dipole=self.correct_dipole,
            hubbard=self.hubbard,
        )

    def engine(self) -> EspressoEngine:
        """Return what runs pw.x."""
        return EspressoEngine(
            generator=self.generator(),
            walltime=self.walltime,
            min_distance_fraction=self.min_distance_fraction,
            keep_scratch=self.keep_scratch,
            gzip_files=self.gzip_files,
            cache=self.cache,
        )
