"""How the labels of a campaign were computed, in words."""

from collections.abc import Mapping
from typing import Any

from flowpot.campaign.reading import Campaign
from flowpot.report.phrases import Fields, class_named, listed
from flowpot.report.references import References, codes_named

_HOW = (
    *("name", "fail_softly", "cache", "walltime", "keep_scratch", "gzip_files"),
    *("command", "pseudo_dir", "outdir", "disk_io", "prefix", "run_vasp_kwargs"),
)
"""Fields that say how a computer does the work, and not what comes out."""

_TOLD = ("ecutwfc", "ecutrho", "smearing", "degauss", "occupations", "nspin", "nbnd")
"""Keys of pw.x's SYSTEM namelist that have a sentence of their own, or vary."""

_MISSING = (
    "code, version, functional, pseudopotentials, cutoffs, k-points, smearing, spin"
)


def labels_in_words(
    maker: Fields | None, campaign: Campaign, references: References
) -> str:
    """
    Describe the calculations behind the labels.

    Parameters
    ----------
    maker
        Fields of the labelling stage's Maker; None: not known, or there is no stage.
    campaign
        The campaign, whose label jobs state their own settings.
    references
        Gets what is to be cited.
    """
    settings = campaign.settings
    stated = {
        name.removeprefix("labelling."): value
        for name, value in settings.items()
        if name.startswith("labelling.")
    }
    static = dict((maker or {}).get("static_maker") or {})
    if not stated and not static:
        if campaign.makers and maker is None:
            return "No labels were computed: they were given."
        version = campaign.versions.get("quantum-espresso")
        cited = references.cite("quantum-espresso") if version else ""
        code = f"Quantum ESPRESSO {version}{cited} " if version else ""
        return f"Labels: {code}[not known to flowpot; please add: {_MISSING}]."
    if "pseudo_family" in stated or "pseudo_family" in static:
        return _espresso(static, stated, campaign, references)
    return _other(static, stated, references)


def _espresso(
    static: dict[str, Any],
    stated: dict[str, Any],
    campaign: Campaign,
    references: References,
) -> str:
    """Describe single points of pw.x; a label's own statement comes first."""
    parameters = stated.get("parameters") or {}
    system, electrons = (
        {**(_user(static, name)), **(parameters.get(name) or {})}
        for name in ("system", "electrons")
    )
    family = stated.get("pseudo_family") or static.get("pseudo_family")
    if isinstance(family, Mapping):
        family = family.get("name", "?")
    family = str(family)
    functional = system.get("input_dft")
    is_pbe = functional is None and "pbe" in family.lower()
    name = functional or ("PBE" if is_pbe else "[functional?]")
    protocol = str(stated.get("protocol") or static.get("protocol", "?"))
    version = campaign.versions.get("quantum-espresso", "[version?]")
    cited = references.cite("quantum-espresso")
    text = [
        (
            "Energies, forces and stresses were computed by density-functional theory "
            f"with pw.x of Quantum ESPRESSO {version}{cited} (protocol {protocol!r})"
        ),
        f"The functional was {name}{references.cite('pbe') if is_pbe else ''}",
        _pseudopotentials(family, stated, references),
        _cutoffs(static, stated, system),
        _kpoints(static, protocol),
        _smearing(system, protocol, references),
        _spin(static, system),
    ]
    rest = {n: v for n, v in system.items() if n not in _TOLD}
    extra = {"system": rest, "electrons": electrons}
    if said := listed({name: keys for name, keys in extra.items() if keys}, _HOW):
        text.append(f"Further parameters, of one frame: {said}")
    others = ("assume_isolated", "correct_dipole", "hubbard", "magnetic_moments")
    asked = {name: static[name] for name in others if static.get(name)}
    if asked:
        text.append(f"Also: {listed(asked)}")
    return ". ".join(text) + "."


def _pseudopotentials(
    family: str, stated: Mapping[str, Any], references: References
) -> str:
    cited = references.cite("sssp") if "sssp" in family.lower() else ""
    pseudos = stated.get("pseudopotentials") or {}
    files = [
        f"{element}: {entry.get('filename', '?')}, md5 {entry.get('md5', '?')}"
        for element, entry in pseudos.items()
    ]
    example = f" (for example {'; '.join(files)})" if files else ""
    return f"Pseudopotentials were of the family {family}{cited}{example}"


def _cutoffs(
    static: Mapping[str, Any], stated: Mapping[str, Any], system: Mapping[str, Any]
) -> str:
    wave = system.get("ecutwfc", stated.get("ecutwfc"))
    density = system.get("ecutrho", stated.get("ecutrho"))
    if wave is None:
        return "Cutoffs were the family's recommended ones for the elements of a frame"
    fixed = "ecutwfc" in _user(static, "system")
    which = "" if fixed else " (of the frame that states them)"
    return (
        f"The plane-wave cutoffs{which} were {_number(wave)} Ry for wavefunctions and "
        f"{_number(density)} Ry for the density"
    )


def _kpoints(static: Mapping[str, Any], protocol: str) -> str:
    spacing = static.get("kspacing") or _of_protocol(protocol, "kpoints_distance")
    if spacing is None:
        return "The Brillouin zone was sampled on meshes with [k spacing?]"
    return (
        "The Brillouin zone was sampled on Gamma-centred meshes whose points are at "
        f"most {_number(spacing)} \u00c5\u207b\u00b9 apart (2\u03c0 included)"
    )


def _smearing(system: Mapping[str, Any], protocol: str, references: References) -> str:
    kind = str(system.get("smearing", "cold"))
    width = system.get("degauss") or _of_protocol(protocol, "degauss")
    if system.get("occupations", "smearing") != "smearing":
        return f"Occupations were {system['occupations']}"
    cold = references.cite("cold") if kind in ("cold", "mv", "m-v") else ""
    return f"Occupations were smeared ({kind}{cold}, {_number(width)} Ry)"


def _spin(static: Mapping[str, Any], system: Mapping[str, Any]) -> str:
    policy = static.get("spin")
    one = "spin-polarised" if system.get("nspin") == 2 else "not spin-polarised"  # noqa: PLR2004
    if policy == "polarised":
        return "All calculations of frames that may be magnetic were spin-polarised"
    if policy == "given":
        return (
            "Calculations were spin-polarised for frames with initial moments or a "
            f"multiplicity; the frame that states its settings was {one}"
        )
    return f"The calculation of the frame that states its settings was {one}"


def _other(
    static: dict[str, Any],
    stated: dict[str, Any],
    references: References,
) -> str:
    """Describe another package's Maker by all that it says of itself."""
    name = class_named(static) or "a Maker that the store does not name"
    named = codes_named(str(static.get("maker", "")), ["vasp", "lammps", "mace"])
    text = (
        f"Energies, forces and stresses were computed by {name}"
        f"{references.cite(*named)}"
    )
    said = listed(static, _HOW)
    text += f", with {said}. " if said else ". "
    if stated:
        text += f"One label states: {listed(stated, _HOW)}. "
    return (
        f"{text}[flowpot does not know this code's settings otherwise; please add what "
        f"is missing of: {_MISSING}]."
    )


def _user(static: Mapping[str, Any], namelist: str) -> dict[str, Any]:
    """Return the user's own keys of a namelist, in lower case."""
    for name, values in (static.get("user_settings") or {}).items():
        if str(name).lower() == namelist and isinstance(values, Mapping):
            return {str(key).lower(): value for key, value in values.items()}
    return {}


def _of_protocol(name: str, number: str) -> float | None:
    """Return a number of one of pw.x's protocols; None for an unknown protocol."""
    from flowpot.labelling.espresso.protocols import get_protocol  # noqa: PLC0415

    try:
        value: float = getattr(get_protocol(name), number)
    except ValueError:
        return None
    return value


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else "[?]"
