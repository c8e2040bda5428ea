"""The document of a calculation, from the files that pw.x has left."""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase.stress import voigt_6_to_full_3x3_stress
from ase.units import GPa

from flowpot.documents import package_versions
from flowpot.labelling.espresso.bands import HighestBand, needs_empty_bands
from flowpot.labelling.espresso.document import (
    Correction,
    EspressoCalculation,
    EspressoOutput,
    EspressoRun,
    EspressoTaskDoc,
)
from flowpot.labelling.espresso.inputs import EspressoInput, EspressoInputGenerator
from flowpot.labelling.espresso.outputs import PwLabel, PwReport, read_label
from flowpot.labelling.espresso.pseudos import get_family
from flowpot.labelling.espresso.remedies import PwJob
from flowpot.labelling.frames import to_structure

_KBAR_VASP = -10 / GPa  # from eV/A^3, positive under tension, to VASP's kbar

_METADATA = [
    "nsites",
    "elements",
    "nelements",
    "composition",
    "composition_reduced",
    "formula_pretty",
    "formula_anonymous",
    "chemsys",
    "volume",
    "density",
    "density_atomic",
]


@dataclass(frozen=True)
class Outcome:
    """
    Everything that is known of a calculation when its last run has ended.

    Parameters
    ----------
    inputs
        Input of the first run.
    parameters
        Namelists of the last run.
    md5
        Checksum of each element's pseudopotential.
    job
        How pw.x was started and how it ended.
    report
        Summary of the last output.
    corrections
        Remedies that the handlers applied, in order.
    unresolved
        Why the handlers gave up; None if they did not.
    highest
        Occupation of the highest band; None without smearing, or if pw.x does not say.
    folder
        Folder of the files.
    """

    inputs: EspressoInput
    parameters: dict[str, dict[str, Any]]
    md5: dict[str, str]
    job: PwJob
    report: PwReport
    corrections: list[Correction]
    unresolved: str | None
    highest: HighestBand | None
    folder: Path


def assemble_document(
    generator: EspressoInputGenerator, outcome: Outcome
) -> EspressoTaskDoc:
    """Return the document of a calculation that has ended, failed or not."""
    label, errors = _read_outcome(outcome)
    structure = to_structure(outcome.inputs.atoms)
    periodic = all(outcome.inputs.atoms.pbc)
    report, job = outcome.report, outcome.job
    return EspressoTaskDoc.from_structure(
        meta_structure=structure,
        fields=_METADATA + (["symmetry"] if periodic else []),
        state="failed" if errors else "successful",
        errors=errors,
        warnings=[
            *filter(None, [job.warning, outcome.inputs.isolated.note]),
            *_unchecked_bands(outcome, label),
            *generator.doubts(outcome.inputs.pseudos),
            *report.warnings,
        ],
        corrections=outcome.corrections,
        structure=structure,
        input=_calculation(generator, outcome),
        output=_output(outcome, label) if label else EspressoOutput(),
        run=EspressoRun(
            n_scf_steps=report.n_scf_steps,
            scf_accuracy=report.scf_accuracy,
            n_kpoints=report.n_kpoints,
            n_bands=report.n_bands,
            highest_occupation=outcome.highest and outcome.highest.occupation,
            n_electrons=report.n_electrons,
            n_mpi=report.n_mpi,
            n_starts=job.n_starts,
            wall_seconds=report.wall_seconds,
            core_seconds=job.seconds * (report.n_cores or 1),
        ),
        dir_name=f"{socket.gethostname()}:{outcome.folder}",
        versions={
            **package_versions("ase", "custodian"),
            "quantum-espresso": report.version or "unknown",
        },
    )


def _read_outcome(outcome: Outcome) -> tuple[PwLabel | None, list[str]]:
    """Return the label, or None and the reasons why there is none."""
    errors = _failures(outcome)
    if errors:
        return None, errors
    try:
        return read_label(outcome.folder, len(outcome.inputs.atoms)), []
    except (ValueError, IndexError, KeyError, AssertionError, StopIteration) as error:
        # ASE's reader asserts on tables that it does not understand.
        return None, [f"the output of pw.x could not be read: {error!r}"]


def _failures(outcome: Outcome) -> list[str]:
    """Return why the last run gave no label; empty if it gave one."""
    report, process = outcome.report, outcome.job.process
    reasons = list(report.errors)
    if report.converged and report.finished and not report.errors:
        if outcome.unresolved is None:
            return []
        if outcome.highest is not None and not outcome.highest.is_empty:
            reasons.append(
                f"{outcome.highest}, {outcome.highest.limit:.1g} does not matter: "
                f"raise nbnd in user_settings['SYSTEM'], it is {report.n_bands}"
            )
    elif process is not None and process.timed_out:
        reasons.append(f"pw.x was ended after its walltime of {outcome.job.walltime} s")
    elif report.stopped:
        reasons.append("pw.x stopped at max_seconds before the SCF had converged")
    elif report.finished and not report.converged:
        accuracy = report.scf_accuracy
        reached = "unknown" if accuracy is None else f"{accuracy:.1e} eV"
        reasons.append(
            f"SCF not converged in {report.n_scf_steps} steps (accuracy {reached})"
        )
    elif not reasons and process is not None:
        reasons.append(f"pw.x died without a message ({process.status})")
    return reasons + ([outcome.unresolved] if outcome.unresolved else [])


def _unchecked_bands(outcome: Outcome, label: PwLabel | None) -> list[str]:
    """Return a warning if nothing says whether the highest band is empty."""
    is_needed = label is not None and needs_empty_bands(outcome.parameters)
    if not is_needed or outcome.highest is not None:
        return []
    unknown = (
        "whether the highest band is empty could not be checked: pw.x wrote neither "
        "its XML file nor the bands. The label may be wrong, and is not cached. Remove "
        "disk_io from user_settings['CONTROL']"
    )
    return [unknown]


def _calculation(
    generator: EspressoInputGenerator, outcome: Outcome
) -> EspressoCalculation:
    """Record the parameters of the calculation."""
    system = outcome.parameters["system"]
    return EspressoCalculation(
        protocol=generator.protocol,
        pseudo_family=get_family(generator.pseudo_family).name,
        pseudopotentials={
            element: {**entry, "md5": outcome.md5[element]}
            for element, entry in outcome.inputs.pseudos.items()
        },
        kpoints=outcome.inputs.mesh,
        ecutwfc=system["ecutwfc"],
        ecutrho=system["ecutrho"],
        parameters=outcome.parameters,
        command=outcome.job.line,
    )


def _output(outcome: Outcome, label: PwLabel) -> EspressoOutput:
    """Return the label in the units and signs of atomate2's contract."""
    report, atoms = outcome.report, outcome.inputs.atoms
    isolated = outcome.inputs.isolated
    forces = isolated.forces_of_frame(label.forces)
    stress = None
    if label.stress is not None:
        full = voigt_6_to_full_3x3_stress(label.stress)
        stress = (isolated.stress_of_frame(full) * _KBAR_VASP).tolist()
    smearing = report.smearing_contribution or 0.0
    return EspressoOutput(
        structure=to_structure(atoms),
        energy=label.energy,
        energy_per_atom=label.energy / len(atoms),
        energy_without_smearing=label.energy - smearing,
        forces=forces.tolist(),
        forces_max=float(np.linalg.norm(forces, axis=1).max()),
        stress=stress,
        fermi_level=max(report.fermi_levels, default=None),
        total_magnetization=report.total_magnetization,
        absolute_magnetization=report.absolute_magnetization,
        magnetic_moments=label.moments,
    )
