"""The validation of a committee as a Flow: plan, calculate, collect, compare."""

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobflow import Flow, Maker, OutputReference, Response
from pymatgen.core import Structure

from flowpot.dataset import Dataset
from flowpot.dataset.portable import portable
from flowpot.documents import recorded
from flowpot.exploration.members import anchored
from flowpot.jobs import (
    JobName,
    Pointer,
    continue_with,
    deciding_job,
    fan_out_job,
    stage_job,
)
from flowpot.labelling.static_makers import doubts_of
from flowpot.potentials import members_of
from flowpot.properties.assembly import assemble
from flowpot.properties.crystals import crystals_of
from flowpot.properties.document import MemberDoc, ValidationDoc
from flowpot.properties.error_ratios import calculator_of
from flowpot.properties.given import (
    GivenCommittee,
    for_calculation,
    for_calibration,
    structures_of,
)
from flowpot.properties.member import calculate_member, lost_member, used_versions
from flowpot.properties.options import (
    ValidationOptions,
    check_auditable,
    check_referenced,
)
from flowpot.properties.reference import Reference, labelling_by, reference_cells
from flowpot.properties.verdict import in_words
from flowpot.validation import instance


@dataclass
class ValidationMaker(ValidationOptions, Maker):
    """
    Calculate properties of crystals by every member of a committee, with error bars.

    All calculations are atomate2's flows of force fields. The mean over the members has
    a 95 % interval: by the error model of the campaign where there is one, else by the
    spread of the members; the document says which, and whether it can be relied on. A
    member that fails is recorded with its reason, and the others go on.

    Parameters
    ----------
    name
        Name of the Flow.
    properties
        What is calculated: ``eos`` (equation of state: volume, energy, lattice
        constants, bulk modulus), ``elastic`` (elastic constants), ``phonons``
        (frequencies at points of high symmetry, bands, density of states) and ``nve``
        (conservation of energy by a short molecular dynamics).
    references
        Reference values by the names of quantities, ``{"bulk_modulus": 98.0}`` (GPa);
        of several crystals, by the crystals' names: ``{"Si Fd-3m": {"C44": 80.0}}``.
    eos_strain, eos_points
        Largest linear strain of the equation of state, and number of strained cells.
    supercell_length, displacement
        Shortest edge of the supercell of the phonons, and displacement of an atom (A).
    nve_temperature, nve_steps, nve_time_step, nve_length
        Temperature (K), steps, time step (fs), and shortest edge of the supercell (A)
        of the dynamics, which begins with the structure as it is given.
    fmax, max_steps
        Largest force that a relaxation leaves on an atom (eV/A), and its largest number
        of steps.
    seed
        Seed of the velocities.
    reference_maker
        A Maker that honours atomate2's static contract, such as the campaign's
        EspressoStaticMaker, or a LabellingMaker with one: it labels the distorted cells
        of `reference_properties`, and what these labels give is the reference of what
        `references` does not have. Cells and atoms are as the first member has relaxed
        them: where symmetry does not fix the atoms, energies are wrong by an amount of
        second order in their forces, elastic constants by one of first order; these and
        phonons are those of its volume.
    structures
        Crystals that are validated where `make` is given none, in anything that
        ``Dataset.load`` takes.
    reference_properties
        What these are made of: ``eos``, ``elastic`` and ``phonons``, whose supercells
        may cost a lot. None: the equation of state; in a campaign all that decide.

    Examples
    --------
    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> maker = ValidationMaker(properties=("eos",), references={"bulk_modulus": 134})
    >>> [job.name for job in maker.make([EMT], bulk("Cu")).jobs]
    ['plan validation']
    """

    name: str = "validation"
    reference_maker: Maker | None = None
    structures: Any = None
    reference_properties: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.structures = structures_of(self.structures)
        instance(Maker, reference_maker=self.reference_maker)
        if self.reference_properties is not None:
            check_auditable(reference_properties=self.reference_properties)
            self.reference_properties = tuple(self.reference_properties)
        if self.reference_maker is not None:
            check_referenced(self.referenced, self.properties)
        if self.structures is not None:
            self.crystals(self.structures)

    @property
    def referenced(self) -> tuple[str, ...]:
        """What a `reference_maker` calculates."""
        named = self.reference_properties
        return ("eos",) if named is None else named

    def make(
        self,
        committee: Any,
        structures: Any = None,
        *,
        calibration: Any = None,
        uncertainties: Sequence[Any] | None = None,
    ) -> Flow:
        """
        Validate a committee on crystals.

        Parameters
        ----------
        committee
            CommitteeDoc, a reference to one, a CommitteeCalculator or its file (which
            bring their calibration), or a list of PotentialDocs, models, their files,
            or classes of ASE calculators.
        structures
            Crystals, in anything that ``Dataset.load`` takes, or a reference. They are
            relaxed by each member, but for the dynamics. None: the Maker's own.
        calibration
            Calibration by property, as an EvaluationDoc has it. None: intervals are of
            the members' spread.
        uncertainties
            What the calibration reads beside the spread, as an EvaluationDoc has it;
            None: what the members' documents hold.

        Returns
        -------
        Flow
            Its output is a :class:`ValidationDoc`.

        Raises
        ------
        ValueError
            Without a member, for structures that a property makes no sense of, and for
            references of unknown crystals.
        """
        given = GivenCommittee.of(committee, calibration, uncertainties)
        committee = given.committee
        referred = isinstance(committee, OutputReference)
        if not referred and not members_of(committee):
            raise ValueError("committee has no member: give at least one potential")
        structures = self.structures if structures is None else structures
        if structures is None:
            raise ValueError("structures is missing: give at least one crystal")
        if not isinstance(structures, OutputReference):
            self.crystals(structures)
            structures = Dataset.load(structures)
            for doubt in doubts_of(self.reference_maker, structures):
                warnings.warn(f"reference_maker: {doubt}", stacklevel=2)
        plan = self.plan(
            # A reference would be resolved here, and the models copied into all jobs.
            Pointer.to(committee) if referred else members_of(anchored(committee)),
            committee.member_metrics if referred else [],
            portable(structures, "crystals.h5"),
            calibration=given.calibration,
            uncertainties=given.uncertainties,
        )
        plan.name = JobName.PLAN_VALIDATION.value
        return Flow([plan], output=plan.output, name=self.name)

    def crystals(self, structures: Any) -> dict[str, Structure]:
        """
        Name the crystals that are validated, in anything that ``Dataset.load`` takes.

        Raises
        ------
        ValueError
            For structures that a property makes no sense of, and for references of
            unknown crystals.
        """
        crystals = crystals_of(structures, self.properties)
        self._references(list(crystals))
        return crystals

    def _references(self, crystals: list[str]) -> dict[str, dict[str, float]]:
        return {name: self.references_of(name, crystals) for name in crystals}

    @fan_out_job
    @recorded(ValidationDoc)
    def plan(
        self,
        committee: Any,
        counted: Sequence[Any],
        structures: Any,
        *,
        calibration: Any,
        uncertainties: Any,
    ) -> Response:
        """
        Add a job for each member and crystal.

        Parameters
        ----------
        committee
            A Pointer to the committee, or the list of its members.
        counted
            Any list that is as long as the committee of a Pointer.
        structures, calibration, uncertainties
            See :meth:`make`.
        """
        crystals = self.crystals(structures)
        members: Any
        if isinstance(committee, Pointer):
            members = committee.reference.members
            models = [members[rank] for rank in range(len(counted))]
        else:
            models = [for_calculation(member) for member in committee]
            members = [for_calibration(member) for member in committee]
        jobs = []
        for name, structure in crystals.items():
            for rank, model in enumerate(models):
                job = self.calculate(model, structure, member=rank, crystal=name)
                job.name = JobName.VALIDATE.value
                jobs.append(job)
        collect = self.collect(
            [job.output for job in jobs],
            jobs=[job.uuid for job in jobs],
            crystals=crystals,
            committee=members if calibration else None,
            calibration=calibration,
            uncertainties=uncertainties,
        )
        collect.name = JobName.COLLECT_VALIDATION.value
        return continue_with(jobs, collect, ValidationDoc)

    @stage_job(MemberDoc)
    def calculate(
        self, model: Any, structure: Structure, *, member: int, crystal: str
    ) -> MemberDoc:
        """
        Calculate the properties of one crystal by one member.

        Parameters
        ----------
        model
            The member.
        structure
            The crystal.
        member, crystal
            Rank of the member and name of the crystal, which are recorded.
        """
        return calculate_member(model, structure, self, member, crystal)

    @deciding_job
    @recorded(ValidationDoc)
    def collect(
        self,
        members: Sequence[MemberDoc | None],
        *,
        jobs: Sequence[str],
        crystals: Mapping[str, Structure],
        committee: Any,
        calibration: Any,
        uncertainties: Any,
    ) -> ValidationDoc | Response:
        """
        Join what the members have calculated, and let the reference be calculated.

        Parameters
        ----------
        members
            A document of each member for each crystal; None where the job has failed.
        jobs
            Uuids of their jobs.
        crystals
            The crystals by name.
        committee
            The members' documents, for the calibration.
        calibration, uncertainties
            See :meth:`make`.
        """
        started = time.perf_counter()
        n_members, names = len(members) // len(crystals), list(crystals)
        places = [(rank, name) for name in names for rank in range(n_members)]
        found = [
            member or lost_member(*place, job, self.properties)
            for member, place, job in zip(members, places, jobs, strict=True)
        ]
        document, distorted = assemble(
            {
                name: found[number * n_members : (number + 1) * n_members]
                for number, name in enumerate(names)
            },
            self.properties,
            self._references(names),
            calculator_of(committee, calibration, uncertainties),
        )
        document.versions = used_versions()
        document.seconds = sum(member.seconds for member in found)
        document.seconds += time.perf_counter() - started
        document.verdict = in_words(document)
        if self.reference_maker is None or distorted is None:
            return document
        return self._with_reference(self.reference_maker, document, distorted)

    def _with_reference(
        self, static_maker: Maker, document: ValidationDoc, frames: Dataset
    ) -> Response:
        """Label the distorted cells, and compare."""
        labelling = labelling_by(static_maker)
        cells = reference_cells(frames, self.referenced)
        labels = labelling.make(cells, seed=self.seed)
        compare = self.compare(document, labels.output)
        compare.name = JobName.COLLECT_VALIDATION.value
        return continue_with([labels], compare, ValidationDoc)

    @deciding_job
    @recorded(ValidationDoc)
    def compare(self, document: ValidationDoc, labels: Any) -> ValidationDoc:
        """
        Add the reference calculations to a validation.

        Parameters
        ----------
        document
            The validation.
        labels
            LabellingDoc of the cells; None if that stage has failed.
        """
        document = ValidationDoc.model_validate(document)
        reference = Reference.by(self.reference_maker, self.referenced, self)
        reference.add_to(document, labels)
        document.verdict = in_words(document)
        return document
