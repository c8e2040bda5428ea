"""
Does a trained committee have its teacher's phonons?

Phonons of diamond silicon through atomate2's PhononMaker, which ``ValidationMaker``
runs for every member of a committee, beside those of the teacher (Stillinger and
Weber's potential), as in Fig. 8 of the AiiDA-TrainsPot paper. The committee has learned
frames of the teacher's dynamics; it is calibrated on others.

    python tests/benchmarks/science/silicon_phonons.py --folder study

The table and the figure are written to ``--results``.
"""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ase import Atoms
from ase.build import bulk
from jobflow import JobStore, run_locally
from maggma.stores import MemoryStore
from matplotlib.figure import Figure

sys.path.append(str(Path(__file__).parents[1]))

from committees import mace_committee
from outcome import RESULTS, keep
from teachers import BY_NAME, as_member

from flowpot import ValidationDoc, ValidationMaker
from flowpot.properties.curves import read_arrays
from flowpot.report.validation import validation_figures

# ruff: noqa: T201 - the verdict

MAKER = ValidationMaker(properties=("phonons",), supercell_length=10.0)
_ZERO = 1e-3  # THz


def validated(
    maker: ValidationMaker,
    members: Sequence[Any],
    crystal: Atoms,
    folder: Path,
    **options: Any,
) -> ValidationDoc:
    """Run a validation in a folder."""
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder):
        flow = maker.make(list(members), crystal, **options)
        run_locally(flow, store=store, create_folders=True, ensure_success=True)
    output = flow.output.resolve(store)
    return ValidationDoc.model_validate(output)


def compared(
    members: Sequence[Any],
    teacher: Any,
    crystal: Atoms,
    folder: Path,
    maker: ValidationMaker = MAKER,
    **options: Any,
) -> tuple[ValidationDoc, ValidationDoc]:
    """Return the validations of the teacher, and of a committee beside it."""
    true = validated(maker, [teacher], crystal, folder / "teacher")
    (found,) = true.crystals
    if found.failures:
        raise RuntimeError(found.failures[0].reason)
    references = {each.name: each.mean for each in found.quantities}
    told = ValidationMaker(**{**vars(maker), "references": references})
    return true, validated(told, members, crystal, folder / "committee", **options)


def table_of(document: ValidationDoc) -> dict[str, Any]:
    """Return mean, 95 % interval and the teacher's value of each quantity."""
    (crystal,) = document.crystals
    rows = {
        each.name: {
            "mean": each.mean,
            "95 %": each.interval,
            "of": each.interval_kind,
            "teacher": each.reference,
            "covered": each.is_covered,
        }
        for each in crystal.quantities
    }
    # Of acoustic branches at the origin there is nothing to know.
    modes = [
        row
        for name, row in rows.items()
        if name.startswith("phonon_") and row["teacher"] > _ZERO
    ]
    known = [row["covered"] for row in modes if row["covered"] is not None]
    deviations = [abs(row["mean"] - row["teacher"]) for row in modes]
    return {
        "verdict": document.verdict,
        "covered": f"{sum(known)} of {len(known)}",
        "mean deviation": sum(deviations) / len(deviations),
        "largest deviation": max(deviations),
        "quantities": rows,
    }


def bands_figure(true: ValidationDoc, document: ValidationDoc) -> Figure:
    """Plot the committee's branches with their band, and the teacher's over them."""
    (figure,) = validation_figures(document).values()
    axis = figure.axes[0]
    arrays = read_arrays(true.curves)
    (name,) = [crystal.name for crystal in true.crystals]
    bands = arrays[f"{name}/phonons/bands"]
    bands = bands.reshape(-1, *bands.shape[-2:])[0]
    along = arrays[f"{name}/phonons/distances"].reshape(-1, bands.shape[-1])[0]
    # paths of slightly different lattice constants have slightly different lengths
    along = along / along[-1] * axis.get_xlim()[1]
    for branch in bands:
        axis.plot(along, branch, "k--", lw=0.8)
    axis.plot([], [], "k--", lw=0.8, label="teacher")
    axis.plot([], [], c="tab:blue", label="committee, 95 %")
    axis.legend(frameon=False, loc="lower right")
    return figure


def main() -> None:
    """Train or take the committee, calculate, and keep the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[1])
    parser.add_argument("--folder", type=Path, default=Path("study"))
    parser.add_argument("--frames", type=int, default=120, help="to learn")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = given.folder.absolute()
    teacher = BY_NAME["silicon"]
    trained = mace_committee(teacher, folder / "committees", n_frames=given.frames)
    true, document = compared(
        trained.documents,
        as_member("silicon", folder / "phonons" / "lammps"),
        bulk("Si", "diamond", a=teacher.constant),
        folder / "phonons",
        calibration=trained.calibration(),
    )
    print(document.verdict)
    what = (
        "phonon frequencies (THz) of diamond silicon: committee of "
        f"{len(trained.documents)} trained on {len(trained.dataset)} labels, and the "
        "teacher's"
    )
    keep(
        "silicon_phonons",
        what,
        table_of(document),
        bands_figure(true, document),
        given.results,
    )


if __name__ == "__main__":
    main()
