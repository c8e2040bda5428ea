"""From what each member has calculated to properties with error bars."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.documents import keep_traceback, reason_for
from flowpot.evaluation import CommitteeCalculator
from flowpot.properties.curves import read_arrays, to_artifact
from flowpot.properties.document import (
    CrystalDoc,
    MemberDoc,
    MemberFailure,
    Quantity,
    ValidationDoc,
)
from flowpot.properties.equation_of_state import CommitteeCurve, committee_curve
from flowpot.properties.error_ratios import doubt_of, error_ratio
from flowpot.properties.options import UNITS, unit_of
from flowpot.properties.statistics import half_widths, interval, moderated

GIVEN = "given"
"""Source of a reference that the user has given."""

_CHECKS = ("acoustic_at_gamma",)
_NO_TRUTH = "it is a check of the potential: its true value is zero"
_PATH = "points"
_SAME_PATH = 0.05  # of reciprocal vectors: some points depend on the cell's shape
_ZERO = 0.01  # THz
_BANDS = "phonons/bands"
_OTHER_PATH = (
    "its crystal has another symmetry than that of member {first}, and so another path "
    "in reciprocal space: look at the imaginary modes, and at the relaxed cell"
)
Arrays = dict[str, NDArray[Any]]
Calibrated = tuple[CommitteeCalculator | None, str | None]


def assemble(
    members: Mapping[str, Sequence[MemberDoc]],
    properties: Sequence[str],
    references: Mapping[str, Mapping[str, float]],
    calculator: Calibrated,
) -> tuple[ValidationDoc, Dataset | None]:
    """
    Join what all members have calculated.

    Parameters
    ----------
    members
        By crystal, a document of each member, in their order.
    properties
        What was calculated.
    references
        By crystal, reference values by the names of quantities.
    calculator
        The committee with its calibration, or None and why there is none.

    Returns
    -------
    tuple
        The document, without a verdict; and the distorted cells, None without any.
    """
    committee, reason = calculator
    document = ValidationDoc(
        n_members=max(map(len, members.values())), properties=list(properties)
    )
    arrays: Arrays = {}
    distorted: list[Dataset] = []
    for name, own in members.items():
        curves = [read_arrays(member.curves) for member in own]
        failures = [
            MemberFailure(member=member.member, calculation=kind, reason=reason)
            for member in own
            for kind, reason in member.failures.items()
        ]
        failures += _drop_other_paths(own, curves)
        crystal = CrystalDoc(name=name, failures=failures)
        document.crystals.append(crystal)
        for kind in properties:
            cells = _cells(own, kind)
            ratio = _ratio(committee, reason, kind, len(own))
            band, lost = _band(committee, cells) if kind == "eos" else (None, None)
            energy = _energy_error(committee, band)
            document.notes += _band_notes(name, lost, energy)
            crystal.quantities += _quantities(
                kind, own, references[name], ratio, energy
            )
            found = _joined(kind, curves)
            if band is not None:
                found["eos/band_volumes"] = band.volumes
                found["eos/band_members"] = band.members
                found["eos/band_errors"] = band.band
            if _BANDS in found:
                width = _band_widths(found[_BANDS], ratio[0])
                found |= {} if width is None else {f"{_BANDS}_half_width": width}
            arrays |= {f"{name}/{key}": array for key, array in found.items()}
            if cells is not None:
                labels = {"config_type": "validation", "crystal": name}
                columns = {key: [value] * len(cells) for key, value in labels.items()}
                distorted.append(cells.with_info(**columns))
        document.notes += _unlike(name, committee, _first_cell(own, properties))
        document.notes += _unused(crystal, references[name])
    document.curves = to_artifact(arrays, "curves.npz")
    if not distorted:
        return document, None
    frames = Dataset.concatenate(distorted)
    document.dataset = frames.to_artifact("validation.h5")
    return document, frames


def _band_widths(
    bands: NDArray[np.float64], ratio: float | None
) -> NDArray[np.float64] | None:
    """Return half-widths of 95 % intervals of branches, (M, branches, points)."""
    if ratio is None or len(bands) < 2:  # noqa: PLR2004 - one has no spread
        return half_widths(bands)[0]
    return ratio * np.where(_is_zero(bands), bands.std(axis=0), moderated(bands))


def _frequency_widths(
    members: Sequence[MemberDoc], ratio: float | None
) -> dict[str, float]:
    """Return half-widths by the error model of all frequencies, by their names."""
    values = [each.values["phonons"] for each in members if "phonons" in each.values]
    names = [
        name
        for name in (values[0] if values else ())
        if name not in _CHECKS and all(name in own for own in values)
    ]
    if ratio is None or not names:
        return {}
    table = np.array([[own[name] for name in names] for own in values])
    widths = _band_widths(table, ratio)
    return {} if widths is None else dict(zip(names, widths.tolist(), strict=True))


def _is_zero(frequencies: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which frequencies are those of translations, by all members."""
    return np.abs(frequencies).max(axis=0) < _ZERO


def _ratio(
    committee: CommitteeCalculator | None, reason: str | None, kind: str, n_members: int
) -> tuple[float | None, str | None]:
    """Return the error ratio of a property, and why there is none."""
    if committee is None:
        return None, reason
    if n_members < 2:  # noqa: PLR2004 - one has no spread
        return None, reason
    freedom = n_members - 1
    if kind == "phonons":  # whose spreads are moderated
        freedom *= 2
    return error_ratio(committee.calibration, kind, freedom)


def _band(
    committee: CommitteeCalculator | None, cells: Dataset | None
) -> tuple[CommitteeCurve | None, str | None]:
    """Return the committee's energies of the same cells with errors; or why not."""
    if committee is None or cells is None or "energy" not in committee.calibration:
        return None, None  # which the intervals of the quantities say
    try:
        return committee_curve(committee, list(cells)), None
    except Exception as error:  # noqa: BLE001 - the properties are there all the same
        keep_traceback(error)
        return None, reason_for(error)


def _band_notes(
    crystal: str, lost: str | None, energy: tuple[float, str | None] | None
) -> list[str]:
    """Say why the energies of a crystal have no band, or one to be doubted."""
    if lost is not None:
        return [f"The energies of {crystal} have no 95 % band: {lost}"]
    doubt = None if energy is None else energy[1]
    if doubt is None:
        return []
    band = f"The 95 % band of the energies of {crystal}"
    return [f"{band} is not to be relied on: {doubt}"]


def _first_cell(
    members: Sequence[MemberDoc], properties: Sequence[str]
) -> Dataset | None:
    """Return the first cell of a crystal: relaxed, or one that hardly differs."""
    for kind in properties:
        if (cells := _cells(members, kind)) is not None:
            return cells[:1]
    return None


def _unlike(
    crystal: str, committee: CommitteeCalculator | None, cell: Dataset | None
) -> list[str]:
    """Say whether a crystal is unlike what the error bars were fitted to."""
    if committee is None or cell is None:
        return []
    try:
        committee.get_property("energy", cell[0])
    except Exception as error:  # noqa: BLE001 - the properties are there all the same
        keep_traceback(error)
        why = reason_for(error)
        return [f"How far {crystal} is from what was learned is not known: {why}"]
    beyond = committee.results.get("extrapolation", 0.0)
    if beyond <= 1:
        return []
    said = (
        f"{crystal} is unlike what the error bars were fitted to ({beyond:.1f} times "
        "as far from what was learned as 95 % of these frames): they may be too small"
    )
    return [said]


def _unused(crystal: CrystalDoc, references: Mapping[str, float]) -> list[str]:
    """Say which reference values are of nothing that was calculated."""
    known = {quantity.name for quantity in crystal.quantities}
    left = sorted(references.keys() - known)
    if not left:
        return []
    said = (
        f"Reference values of {', '.join(left)} were not used: {crystal.name} has "
        "none of these by the properties that were calculated"
    )
    return [said]


def _energy_error(
    committee: CommitteeCalculator | None, band: CommitteeCurve | None
) -> tuple[float, str | None] | None:
    """Return the 95 % error of the relaxed cell's energy, and why to doubt it."""
    if committee is None or band is None:
        return None
    return float(band.error[0]), doubt_of(committee.calibration, "energy")


def _cells(members: Sequence[MemberDoc], kind: str) -> Dataset | None:
    """Return the cells of a property by the first member that has them."""
    for member in members:
        if member.cells is None or kind not in member.values:
            continue
        cells = Dataset.load(member.cells)
        chosen = cells[cells.column("property") == kind]
        if len(chosen):
            return chosen
    return None


def _quantities(
    kind: str,
    members: Sequence[MemberDoc],
    references: Mapping[str, float],
    ratio: tuple[float | None, str | None],
    energy: tuple[float, str | None] | None,
) -> list[Quantity]:
    """Summarise the quantities of a property, in the order of the first member."""
    names = dict.fromkeys(
        name for member in members for name in member.values.get(kind, {})
    )
    quantities = []
    frequencies = _frequency_widths(members, ratio[0]) if kind == "phonons" else {}
    for name in names:
        by_member = [member.values.get(kind, {}).get(name) for member in members]
        values = [value for value in by_member if value is not None]
        half_width, (factor, reason) = frequencies.get(name), ratio
        if name == "energy" and energy is not None:
            half_width, reason = energy
        if kind == "nve" or name in _CHECKS:
            limits, of, reason = None, "none", _NO_TRUTH
        else:
            limits, of = interval(values, ratio=factor, half_width=half_width)
        reference = references.get(name)
        quantities.append(
            Quantity(
                name=name,
                calculation=kind,
                unit=unit_of(name) or "",
                members=by_member,
                mean=float(np.mean(values)),
                interval=limits,
                interval_kind=of,
                reason=reason,
                reference=reference,
                reference_source=None if reference is None else GIVEN,
            )
        )
    return sorted(quantities, key=_place)


def _place(quantity: Quantity) -> int:
    """Order quantities with a fixed name as they are declared, after all others."""
    known = list(UNITS)
    return known.index(quantity.name) + 1 if quantity.name in known else 0


def _drop_other_paths(
    members: Sequence[MemberDoc], curves: Sequence[Arrays]
) -> list[MemberFailure]:
    """
    Leave out phonons along another path than the first member's.

    Points of the same names may lie a little apart, as those of a body-centred
    tetragonal crystal, which depend on c/a: the path is then the first member's.
    """
    key, named = f"phonons/{_PATH}", "phonons/labels"
    having = [rank for rank, arrays in enumerate(curves) if key in arrays]
    failures = []
    for rank in having[1:]:
        path, first = curves[rank][key], curves[having[0]][key]
        same_names = np.array_equal(curves[rank][named], curves[having[0]][named])
        if same_names and np.allclose(path, first, rtol=0, atol=_SAME_PATH):
            curves[rank][key] = first
            continue
        member = members[rank]
        reason = _OTHER_PATH.format(first=members[having[0]].member)
        failures.append(
            MemberFailure(member=member.member, calculation="phonons", reason=reason)
        )
        member.values.pop("phonons", None)
        for name in [name for name in curves[rank] if name.startswith("phonons/")]:
            del curves[rank][name]
    return failures


def _joined(kind: str, curves: Sequence[Arrays]) -> Arrays:
    """Stack the arrays of the members; those that are the same are kept once."""
    joined = {}
    having = [
        arrays for arrays in curves if any(k.startswith(f"{kind}/") for k in arrays)
    ]
    for name in having[0] if having else ():
        if not name.startswith(f"{kind}/"):
            continue
        parts = [arrays[name] for arrays in having]
        if all(part.shape == parts[0].shape for part in parts):
            same = all(np.array_equal(part, parts[0]) for part in parts)
            is_common = same and name.endswith(("/labels", f"/{_PATH}", "/times"))
            joined[name] = parts[0] if is_common else np.stack(parts)
    return joined
