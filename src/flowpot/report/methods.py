"""The methods section of a campaign, to be pasted into a paper."""

from collections.abc import Iterator, Mapping
from typing import Any

from flowpot.campaign.fields import MAKER
from flowpot.campaign.reading import Campaign
from flowpot.redaction import redact
from flowpot.report.dft_methods import labels_in_words
from flowpot.report.phrases import (
    Fields,
    class_named,
    listed,
    of_stage,
    without_campaigns_own,
)
from flowpot.report.references import References, codes_named
from flowpot.report.section import Section
from flowpot.report.wording import UNITS, number

_UNKNOWN = "[not known to flowpot; please add: {what}]"
_NOT_SETTINGS = (
    *("cache", "walltime", "raise_on_failure", "batch_size", "parallel", "fail_softly"),
    *("members_per_job", "runs_per_job", "processes", "lammps_command", "keep_scratch"),
    *("gzip_files", "name", "folder", "device", "restarts"),
)
"""Fields that say how a computer does the work, and not what comes out."""

_DRAWN = (*_NOT_SETTINGS, "temperature", "pressure", "seed")
"""What the exploration sets in place of the engine's own, too."""

_OF_MEMBERS = (
    *("train_file", "valid_file", "name", "plot", "error_table", "save_cpu"),
    *("device", "seed", "E0s"),
)
"""Options that differ between members, or say where files go."""


def methods_of(campaign: Campaign) -> Section:
    """
    Describe what a campaign did, with the settings of every stage and what to cite.

    It is written from what the store holds: the Makers' fields, and what labels,
    trainings and trajectories state. Where it holds nothing the text says what to add.

    Parameters
    ----------
    campaign
        Finished or running.
    """
    references = References()
    makers, settings = campaign.makers, campaign.settings
    if not settings and not makers:
        return Section("methods", "Methods", empty="Known once a first job is done.")
    paragraphs = [
        _overview(campaign, references),
        _augmentation(makers),
        labels_in_words(of_stage(makers, "labelling"), campaign, references),
        _pretraining(campaign),
        _training(campaign, references),
        _exploration(campaign, references),
        _selection(campaign),
        _randomness(campaign),
    ]
    return Section(
        "methods",
        "Methods",
        "To be pasted, and edited. Values are those that the campaign's store holds; "
        "words in square brackets are to be filled in.",
        paragraphs=[redact(text) for text in paragraphs if text],
        references=references.texts,
    )


def flat(fields: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested fields, with their names joined by dots."""
    for name, value in fields.items():
        inner = f"{place}.{name}" if place else str(name)
        if isinstance(value, Mapping) and value:
            yield from flat(value, inner)
        else:
            yield inner, value


def _overview(campaign: Campaign, references: References) -> str:
    version = campaign.versions.get("flowpot", "?")
    n = len(campaign.iteration_docs)
    labels = campaign.label_costs.n_computed
    end = campaign.status.stop_kind
    ended = f"It ended as {end}" if end else "It still runs"
    return (
        "The interatomic potential was trained by active learning with flowpot "
        f"{version} [doi or URL of the version?], after the scheme of AiiDA-TrainsPot"
        f"{references.cite('aiida-trainspot')}, on jobflow and atomate2"
        f"{references.cite('jobflow', 'atomate2')}, ASE{references.cite('ase')} and "
        f"pymatgen{references.cite('pymatgen')}. In each iteration a committee of "
        "potentials explores configurations by molecular dynamics, its error is "
        "predicted from its uncertainty, and frames whose error is likely to be over "
        f"tolerance are labelled and learned. The campaign {campaign.name!r} (uuid "
        f"{campaign.uuid}) had {n} iteration{'s' * (n != 1)} and computed {labels} "
        f"labels. {ended}."
    )


def _augmentation(makers: Fields) -> str:
    if not makers:
        return f"Initial frames: {_UNKNOWN.format(what='how they were made')}."
    maker = of_stage(makers, "augmentation")
    if maker is None:
        return "Initial frames were given; none were made by augmentation."
    kinds = {
        name: value
        for name, value in maker.items()
        if isinstance(value, Mapping) and MAKER in value
    }
    others = {name: value for name, value in maker.items() if name not in kinds}
    made = "; ".join(
        f"{name} ({listed(value, _NOT_SETTINGS)})" for name, value in kinds.items()
    )
    return (
        "Initial frames were made from the input structures by augmentation: "
        f"{made or 'no kind'}. Further settings: "
        f"{listed(others, _NOT_SETTINGS)}. "
        "Lengths are in \u00c5; strains, and displacements relative to the "
        "nearest-neighbour distance, are fractions."
    )


def _pretraining(campaign: Campaign) -> str:
    maker = of_stage(campaign.makers, "pretrain_with")
    made = [each for each in campaign.iteration_docs if each.n_free is not None]
    if maker is None or not made:
        return ""
    inner = of_stage(maker, "static_maker") or maker
    labels = made[0]
    error = ", ".join(
        f"{name} {number(value, UNITS[name][1])} {UNITS[name][0]}"
        for name, value in (labels.free_error or {}).items()
    )
    return (
        f"Before the first training a committee was pretrained on {labels.n_free} "
        f"frames labelled by {class_named(inner)} ({listed(inner, _NOT_SETTINGS)}), "
        "which are no part of the dataset; their energies were shifted by one constant "
        "for each element, fitted to the frames that the labelling stage labelled, too "
        f"(root mean square difference: {error or '?'}). {labels.n_free_failed or 0} "
        f"frames could not be labelled so, {labels.n_free_dropped or 0} were left out. "
        "Members start from the weights of their pretrained counterparts wherever they "
        "would start from random ones."
    )


def _training(campaign: Campaign, references: References) -> str:
    maker = of_stage(campaign.makers, "training")
    stated = _of(campaign.settings, "training")
    if maker is None and not stated:
        return "No potential was trained." if campaign.makers else ""
    backend = str(stated.get("backend") or class_named(maker))
    code = "metatomic" if "meta" in backend.lower() else "mace"
    codes = [code] if code in backend.lower() or code == "metatomic" else []
    version = _versions_of(campaign, "mace-torch", "metatrain", "torch")
    members = campaign.member_metrics
    size = (maker or {}).get("size") or (len(members[max(members)]) if members else "?")
    sizes = ", ".join(f"{n} {name}" for name, n in campaign.set_sizes.items())
    options = {name: value for name, value in stated.items() if name != "backend"}
    if not options:
        options = dict((maker or {}).get("trainer") or {})
    about = {n: v for n, v in (maker or {}).items() if n != "trainer"}
    text = (
        f"Committees of {size} potentials ({backend}{references.cite(*codes)}"
        f"{version}) were trained, which differ in their seeds"
    )
    text += f", on {sizes} frames in the last iteration. " if sizes else ". "
    text += f"Committee: {listed(about, _NOT_SETTINGS)}. " if about else ""
    return (
        f"{text}Options of the training (of the last committee's first member): "
        f"{listed(options, _OF_MEMBERS)}."
    )


def _exploration(campaign: Campaign, references: References) -> str:
    maker = of_stage(campaign.makers, "exploration")
    stated = _of(campaign.settings, "exploration")
    if maker is None and not stated:
        return "Nothing was explored." if campaign.makers else ""
    engine = (maker or {}).get("md_maker") or {}
    codes = codes_named(f"{class_named(engine)} {stated.get('engine', '')}", ["lammps"])
    version = _versions_of(campaign, "lammps")
    about = {n: v for n, v in (maker or {}).items() if n != "md_maker"}
    text = (
        "Configurations were explored by molecular dynamics driven by members of the "
        f"committee ({class_named(engine) or 'engine not stated'}"
        f"{references.cite(*codes)}{version}). "
    )
    if stated:
        text += f"One trajectory states: {listed(stated)}. "
    if maker is None:
        return (
            text + _UNKNOWN.format(what="temperatures, pressures, steps, starts") + "."
        )
    return (
        f"{text}Settings of the engine: {listed(engine, _DRAWN)}. "
        f"Settings of the exploration: {listed(about, _NOT_SETTINGS)}. "
        "Temperatures are in K, pressures in kbar, time steps in fs."
    )


def _selection(campaign: Campaign) -> str:
    makers = campaign.makers
    maker = of_stage(makers, "evaluation")
    fits = campaign.calibration
    stated = {name: fit.tolerance for name, fit in fits.items()}
    tolerance = dict(makers.get("tolerance") or stated)
    if maker is None and not tolerance:
        return "No frames were selected." if makers else ""
    limits = ", ".join(
        f"{name} {number(value, UNITS[name][1])} {UNITS[name][0]}"
        for name, value in tolerance.items()
        if name in UNITS
    )
    text = f"Tolerances on the error of a frame were {limits or '?'}. "
    first = next(iter(fits.values()), None)
    if first is not None and first.rule == "chance":
        text += (
            "The logarithm of the error was modelled as linear in the logarithms of "
            "the uncertainties (Bayesian regression), and frames were flagged whose "
            f"chance of being over tolerance exceeded {first.chance:g}. "
        )
        if lower := [n for d in campaign.iteration_docs if (n := d.flagged_from)]:
            text += (
                "Where more bad frames were to be expected among the others than an "
                f"audit allows, a lower chance was taken ({min(lower):.2g} at least). "
            )
    elif first is not None:
        text += f"Frames were flagged by the rule {first.rule}. "
    if about := without_campaigns_own(maker or {}):
        text += f"Settings of the evaluation: {listed(about, _NOT_SETTINGS)}. "
    ends = {n: v for n, v in makers.items() if n.startswith(("max_", "stop_"))}
    if ends:
        text += f"Limits of the campaign: {listed(ends, without=())}. "
    return text + _audit_in_words(campaign)


def _audit_in_words(campaign: Campaign) -> str:
    last = campaign.iteration_docs[-1] if campaign.iteration_docs else None
    if last is None or last.audit is None or not last.audit.n:
        return ""
    audit = last.audit
    is_pilot = audit.n_closing == 0
    aside = " The flags were fitted to these frames, too." if is_pilot else ""
    return (
        f"In the last {'pilot' if is_pilot else 'audit'} {audit.n_bad} of {audit.n} "
        f"accepted frames were over tolerance (95 % upper limit of their share: "
        f"{audit.upper_limit:.1%}; Clopper and Pearson).{aside}"
    )


def _randomness(campaign: Campaign) -> str:
    seed = "?" if campaign.seed is None else campaign.seed
    versions = ", ".join(f"{n} {v}" for n, v in sorted(campaign.versions.items()))
    return (
        f"All random numbers derive from the campaign's seed, {seed}, with numpy's "
        f"SeedSequence. Versions: {versions or '?'}."
    )


def _of(settings: Mapping[str, Any], stage: str) -> dict[str, Any]:
    """Return the settings of a stage, by their names without it."""
    begin = f"{stage}."
    return {
        n.removeprefix(begin): v for n, v in settings.items() if n.startswith(begin)
    }


def _versions_of(campaign: Campaign, *names: str) -> str:
    known = [f"{n} {campaign.versions[n]}" for n in names if n in campaign.versions]
    return f"; {', '.join(known)}" if known else ""
