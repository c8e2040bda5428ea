"""Run a flow of atomate2 for one potential, and collect what it has calculated."""

import warnings
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from jobflow import CURRENT_JOB, Flow, Job, JobStore, run_locally
from jobflow.core.reference import find_and_resolve_references
from maggma.stores import MemoryStore
from numpy.typing import NDArray
from pymatgen.core import Structure

from flowpot.exploration.members import CALCULATOR, MODEL, stage_member
from flowpot.properties.options import ValidationOptions

if TYPE_CHECKING:
    from atomate2.forcefields.jobs import ForceFieldRelaxMaker

_HARMLESS = ("Only FixAtoms and FixCartesian", "Initial magnetic moments")
"""Beginnings of warnings: of the constraint that keeps the symmetry, and of spins."""


class RelaxationError(RuntimeError):
    """Raised where a relaxation has not ended within its steps."""


class BrokenError(ValueError):
    """Raised where a calculation gives numbers that are not finite."""


@dataclass
class Calculated:
    """
    What was calculated of one property.

    Attributes
    ----------
    values
        Numbers by the names of quantities, in the units of
        :data:`flowpot.properties.options.UNITS`.
    arrays
        Curves, by name.
    cells
        Distorted cells that the property was calculated from.
    """

    values: dict[str, float]
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    cells: list[Structure] = field(default_factory=list)

    def __post_init__(self) -> None:
        broken = [name for name, value in self.values.items() if not isfinite(value)]
        if broken:
            raise BrokenError(
                f"{', '.join(broken)} came out without a finite value: see the folder "
                "of the job"
            )


@dataclass(frozen=True)
class ForceField:
    """
    A potential, as atomate2's flows of force fields take it.

    Attributes
    ----------
    force_field_name
        Module and name of the function that returns an ASE calculator.
    calculator_kwargs
        Its arguments.
    """

    force_field_name: dict[str, str]
    calculator_kwargs: dict[str, Any]

    @classmethod
    def of(cls, member: Any, folder: Path) -> Self:
        """
        Describe a member of a committee; its model is written to a folder.

        Parameters
        ----------
        member
            A PotentialDoc, its model or the path of one, or the class of an ASE
            calculator: see :func:`flowpot.exploration.members.stage_member`.
        folder
            Folder of the model file.
        """
        described = stage_member(member, folder)
        if MODEL in described:
            name = {"@module": "flowpot.potentials", "@callable": CALCULATOR}
            return cls(name, {MODEL: described[MODEL]})
        module, _, function = described[CALCULATOR].rpartition(".")
        return cls({"@module": module, "@callable": function}, described["kwargs"])

    @property
    def fields(self) -> dict[str, Any]:
        """Fields of atomate2's Makers; these change what they are given."""
        return {
            "force_field_name": dict(self.force_field_name),
            "calculator_kwargs": dict(self.calculator_kwargs),
        }

    def relax_maker(
        self,
        options: ValidationOptions,
        *,
        relax_cell: bool,
        fix_symmetry: bool = True,
    ) -> "ForceFieldRelaxMaker":
        """
        Return atomate2's Maker of a relaxation.

        Parameters
        ----------
        options
            Its limits.
        relax_cell
            Whether the cell is relaxed, too.
        fix_symmetry
            Whether the symmetry that spglib finds is kept.
        """
        from atomate2.forcefields.jobs import ForceFieldRelaxMaker  # noqa: PLC0415, torch

        return ForceFieldRelaxMaker(
            **self.fields,
            relax_cell=relax_cell,
            fix_symmetry=fix_symmetry,
            steps=options.max_steps,
            relax_kwargs={"fmax": options.fmax},
        )


def run_flow(flow: Flow | Job, folder: Path) -> tuple[Any, list[Any]]:
    """
    Run a flow of atomate2 inside the running job.

    Its dozens of jobs of less than a second each would all carry the model, and an
    error in one of them would leave no word in any document.

    Parameters
    ----------
    flow
        The flow.
    folder
        Folder in which its jobs have their own.

    Returns
    -------
    tuple
        The output of the flow, and the documents of its single calculations.

    Raises
    ------
    RelaxationError
        If a relaxation needed more steps than it was allowed.
    Exception
        The first that one of the jobs has raised.
    """
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    running = CURRENT_JOB.job, CURRENT_JOB.store  # which every job of the flow resets
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with warnings.catch_warnings():
            for harmless in _HARMLESS:
                warnings.filterwarnings("ignore", message=harmless)
            responses = run_locally(
                flow,
                store=store,
                root_dir=folder,
                create_folders=True,
                raise_immediately=True,
                log=False,
            )
    finally:
        CURRENT_JOB.job, CURRENT_JOB.store = running
    outputs = [last.output for each in responses.values() for last in each.values()]
    documents = [output for output in outputs if hasattr(output, "is_force_converged")]
    for document in documents:
        _check_relaxed(document)
    return find_and_resolve_references(flow.output, store), documents


def _check_relaxed(document: Any) -> None:
    """Refuse a relaxation that was cut off; statics and dynamics have one step each."""
    allowed, done = document.input.steps, document.output.n_steps
    is_relaxation = (document.input.relax_kwargs or {}).get("fmax") is not None
    if is_relaxation and done is not None and done > allowed:
        raise RelaxationError(
            f"a relaxation of {document.structure.formula} did not reach the forces "
            f"asked for within {allowed} steps: raise max_steps or fmax"
        )


def as_structure(found: Any) -> Structure:
    """Return a structure that a store may have kept as a dictionary."""
    return found if isinstance(found, Structure) else Structure.from_dict(found)
