"""The Maker of Quantum ESPRESSO single points."""

from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from ase import Atoms
from jobflow import CURRENT_JOB, Job, OutputReference
from pymatgen.core import Molecule, Structure

from flowpot.documents import recorded
from flowpot.jobs import JobName, NamedMaker, stage_job
from flowpot.labelling.espresso.document import EspressoOutput, EspressoTaskDoc
from flowpot.labelling.espresso.engine import EspressoEngine
from flowpot.labelling.espresso.preflight import preflight
from flowpot.labelling.frames import check_geometry, to_structure

_DENSER = 0.7  # of the distance of k-points
_HIGHER = 1.3  # times the cutoffs


class LabelError(RuntimeError):
    """pw.x gave no label for this frame."""


@dataclass
class EspressoStaticMaker(EspressoEngine, NamedMaker):
    """
    Energy, forces and stress of a structure by Quantum ESPRESSO's pw.x.

    The command comes from ``FLOWPOT_PW_CMD``, pseudopotentials from
    ``FLOWPOT_PSEUDO_DIR``. The document honours atomate2's static contract, so the
    Maker drops into its elastic, equation-of-state and phonon flows.

    Parameters
    ----------
    name
        Name of the job.
    protocol
        ``"stringent"``, ``"balanced"`` or ``"fast"``: k-points, smearing, thresholds.
    pseudo_family
        Name of a family (``"sssp-1.3-pbe-precision"``, ``"sssp-1.3-pbe-efficiency"``,
        ``"sssp-1.3-pbesol-precision"``, ``"sssp-1.3-pbesol-efficiency"``,
        ``"debian-pbe"``) or a :class:`PseudoFamily`.
    user_settings
        Namelists whose keys override all others: ``{"SYSTEM": {"ecutwfc": 50}}``.
    kspacing
        Largest distance of neighbouring k-points (1/A, 2 pi included), instead of the
        protocol's.
    magnetic_moments
        Starting moment of each element (Bohr magnetons), for structures without
        moments of their own. Any that is not zero makes the calculation
        spin-polarised.
    spin
        Which frames are spin-polarised. The same rule holds for isolated atoms,
        molecules and crystals, as the energy of a frame must tend to the sum of its
        atoms' when it is pulled apart. ``"given"`` (the default, as in the AiiDA-
        TrainsPot paper, which has one setting for all): frames with moments of their
        own, a multiplicity, or elements in `magnetic_moments`. ``"polarised"``: all
        frames that may be magnetic, which start from the moments of free atoms unless
        others are given, at about twice the cost.
    assume_isolated
        How the interaction of frames that are not fully periodic with their images is
        removed: None (it is not), ``"auto"`` (molecules: Martyna-Tuckerman; slabs: 2D
        cutoff), or a method by name. These methods need boxes twice as long as the
        charge: with ``"auto"`` pw.x gets such a box, and the label is still that of the
        frame's own cell. Energy and forces do not depend on the box. Of the stress only
        the components along periodic axes mean something. A method by name is refused
        where the frame is not fit for it.
    correct_dipole
        Whether slabs get a dipole correction. pw.x gives no stress of frames that have
        it. The methods for slabs of `assume_isolated` remove the dipole's field, too:
        both together are refused.
    hubbard
        Hubbard U of each manifold (eV), for example ``{"Ni-3d": 6.0}``.
    cutoff_factor
        Factor on the cutoffs of wavefunctions and density, those of the family and of
        `user_settings` alike.
    walltime
        Time limit of one run of pw.x (s); None for no limit. pw.x is told to stop by
        itself after 95 % of it, and ended when it is over.
    min_distance_fraction
        Frames with atoms closer than this fraction of the sum of their covalent radii
        are refused. None is the labelling stage's limit, or else the one common to all
        stages, 0.5.
    keep_scratch
        Whether densities and wavefunctions are kept in the job's folder, for another
        calculation's `prev_dir`.
    gzip_files
        Whether input and output are compressed afterwards.
    cache
        Folder in which finished labels are kept, so that no later run repeats a
        calculation. None: ``FLOWPOT_LABEL_CACHE``, or else no cache.
    fail_softly
        Whether a frame without a label gives a document with ``state`` ``"failed"``
        instead of a failed job. LabellingMaker sets it, so that a campaign goes on.

    Examples
    --------
    >>> from ase.build import bulk
    >>> maker = EspressoStaticMaker(protocol="fast", pseudo_family="debian-pbe")
    >>> maker.make(bulk("Si", "diamond", a=5.47)).name
    'qe static'
    """

    name: str = JobName.QE_STATIC.value
    fail_softly: bool = False

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
            ``output.dir_name``. If it holds a charge density (with `keep_scratch`) of
            the same elements, spins and starting moments, the SCF starts from it, and
            from the wavefunctions if they fit. This changes the number of steps, not
            the label.

        Raises
        ------
        ValueError
            If no engine should start on the structure's geometry.
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
        """
        Label a structure in the job's folder; this is what the job runs.

        Raises
        ------
        LabelError
            If pw.x gives no label, unless the Maker is to `fail_softly`.
        """
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
        Label a structure in a folder, without a job: see `EspressoEngine.label_in`.

        Threads may do so at once.
        """
        document = super().label_in(structure, folder, prev_dir=prev_dir, stop=stop)
        document.task_label = self.name
        return document

    def refined(self) -> "EspressoStaticMaker":
        """
        Return a copy that is converged further: see `LabellingMaker.noise_frames`.

        The distance of k-points is 0.7 times, and the cutoffs of wavefunctions and
        density are 1.3 times those of this Maker, whether they are the protocol's and
        the family's or set by the user. Smearing and thresholds stay, and so do meshes
        of a single point along axes that are so long that one point is enough.
        """
        return replace(
            self,
            kspacing=_DENSER * self.kpoints_distance,
            cutoff_factor=_HIGHER * self.cutoff_factor,
        )

    def preflight(
        self, elements: list[str], folder: Path | str = "."
    ) -> dict[str, str]:
        """
        Check that this machine can label frames of some elements.

        Each job does so itself. See
        :func:`flowpot.labelling.espresso.preflight.preflight`.
        """
        return preflight(elements, self.pseudo_family, folder)
