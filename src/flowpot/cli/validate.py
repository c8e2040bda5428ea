"""`flowpot validate`: properties by a committee, with error bars, in a folder."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from flowpot.cli.errors import readable_errors
from flowpot.cli.source import NameArgument, ProjectOption, StoreOption, open_store
from flowpot.console import open_console, say


def validate(
    context: typer.Context,
    name: NameArgument = None,
    store: StoreOption = None,
    project: ProjectOption = None,
    committee: Annotated[
        Path | None,
        typer.Option(
            help="A committee's file, in place of a campaign: what "
            "CommitteeCalculator.save wrote."
        ),
    ] = None,
    structures: Annotated[
        list[Path] | None,
        typer.Option(help="File of crystals: CIF, POSCAR, extxyz. May be repeated."),
    ] = None,
    properties: Annotated[
        str | None,
        typer.Option(help="Which: eos,elastic,phonons,nve; else all of them."),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(help="YAML or JSON of reference values by name: bulk_modulus: 98"),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(help="YAML with the fields of ValidationMaker, and structures."),
    ] = None,
    folder: Annotated[
        Path, typer.Option(help="Where it runs and leaves its results.")
    ] = Path("flowpot-validation"),
) -> None:
    """
    Calculate properties of crystals by a committee, with error bars.

    Equation of state, elastic constants, phonons and conservation of energy by every
    member, here. Stopped (Ctrl-C) and started again it goes on where it was. Model
    files may hold code: for committees that you trust.
    """
    console = open_console()
    with readable_errors("validate the committee"):
        maker, crystals = _asked(structures, properties, references, settings)
        if committee is None:
            opened, _ = open_store(context, store, project)
            subject = _of_campaign(opened, name)
        elif any(option is not None for option in (name, store, project)):
            raise ValueError("--committee is a file: give no campaign with it")
        else:
            subject = _of_file(committee)
        document, folder = _run(maker, subject, crystals, folder, console)
        _show(document, folder, console)
    if not any(crystal.quantities for crystal in document.crystals):
        raise typer.Exit(1)


@dataclass
class _Subject:
    """What is validated: members, their calibration, and what that reads."""

    members: list[Any]
    calibration: dict[str, Any]
    uncertainties: list[Any]


def _asked(
    structures: list[Path] | None,
    properties: str | None,
    references: Path | None,
    settings: Path | None,
) -> tuple[Any, Any]:
    """Return the Maker and the crystals; options come before the file."""
    from flowpot import Dataset, ValidationMaker  # noqa: PLC0415
    from flowpot.campaign.config.validation_file import (  # noqa: PLC0415
        read_references,
        read_validation,
    )

    maker, crystals = ValidationMaker(), None
    if settings is not None:
        maker, crystals = read_validation(settings)
    changes: dict[str, Any] = {}
    if properties is not None:
        changes["properties"] = tuple(part.strip() for part in properties.split(","))
    if references is not None:
        changes["references"] = read_references(references)
    if structures:
        crystals = list(Dataset.read(structures, labels=False))
    if crystals is None:
        raise ValueError("--structures is missing: give a file of crystals")
    return replace(maker, **changes), crystals


def _of_campaign(store: Any, name: str | None) -> _Subject:
    from flowpot import Campaign  # noqa: PLC0415
    from flowpot.evaluation.uncertainty import StoredUncertainty  # noqa: PLC0415
    from flowpot.evaluation.uncertainty.registry import stored_with  # noqa: PLC0415

    campaign = Campaign.from_store(store, name)
    committee = campaign.committee()
    members = [member for member in committee.members if member.model is not None]
    kept = [StoredUncertainty.of(each) for each in stored_with(committee)]
    return _Subject(members, dict(campaign.calibration), kept)


def _of_file(path: Path) -> _Subject:
    from flowpot import CommitteeCalculator  # noqa: PLC0415
    from flowpot.evaluation.uncertainty import StoredUncertainty  # noqa: PLC0415

    if not path.exists():
        raise ValueError(f"--committee is {str(path)!r}: there is no such file")
    calculator = CommitteeCalculator.load(path)
    kept = [StoredUncertainty.of(each) for each in calculator.uncertainties]
    return _Subject(calculator.sources, calculator.calibration, kept)


def _run(
    maker: Any, subject: _Subject, crystals: Any, folder: Path, console: Console
) -> tuple[Any, Path]:
    """Run the validation, or take up the one that the folder holds."""
    from flowpot import ValidationDoc  # noqa: PLC0415
    from flowpot.campaign import embedded_store  # noqa: PLC0415
    from flowpot.campaign.local.identity import (  # noqa: PLC0415
        described,
        differences,
        read_description,
        write_description,
    )
    from flowpot.campaign.local.run import ResumableRun  # noqa: PLC0415
    from flowpot.potentials.extensions import write_models  # noqa: PLC0415
    from flowpot.report.progress import ProgressLog  # noqa: PLC0415

    folder = folder.absolute()
    store = embedded_store(folder / "store")
    run = ResumableRun(folder / "run", store, ProgressLog(console).watch)
    asked = described(maker, {"structures": crystals, "committee": _identity(subject)})
    flow = None
    if run.started:
        if changes := differences(read_description(run), asked):
            raise ValueError(
                f"{folder} holds another validation than the one asked for: "
                f"{changes}. Run in another folder (--folder)"
            )
    else:
        flow = maker.make(
            # As files, so that no job carries them.
            write_models(dict(enumerate(subject.members)), folder / "models"),
            crystals,
            calibration=subject.calibration or None,
            uncertainties=subject.uncertainties,
        )
        write_description(run, asked)
    verb = "Starting a" if flow is not None else "Taking up the"
    say(console, f"{verb} validation in {folder}")
    output = run.run(flow).output.resolve(store)
    return ValidationDoc.model_validate(output), folder


def _identity(subject: _Subject) -> dict[str, Any]:
    """Return what tells two committees apart."""
    from flowpot.documents import field_of  # noqa: PLC0415

    return {
        "models": [field_of(member, "model").sha256 for member in subject.members],
        "calibration": {
            name: fit.model_dump(mode="json")
            for name, fit in subject.calibration.items()
        },
        "uncertainties": {
            each.kind: each.state.sha256 for each in subject.uncertainties
        },
    }


def _show(document: Any, folder: Path, console: Console) -> None:
    """Print the tables and the verdict, and write the results."""
    from flowpot.report.validation import (  # noqa: PLC0415
        validation_table,
        write_validation,
    )
    from flowpot.report.wording import with_symbols  # noqa: PLC0415

    for crystal in document.crystals:
        if crystal.quantities:
            console.print(validation_table(crystal))
    say(console, with_symbols(document.verdict))
    for what, path in write_validation(document, folder / "results").items():
        say(console, f"  {what:12} {path}")
