"""From what each member has calculated to properties with error bars."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.evaluation import CommitteeCalculator
from flowpot.properties.curves import read_arrays, to_artifact
from flowpot.properties.document import (
    CrystalDoc,
    MemberDoc,
    MemberFailure,
    Quantity,
    ValidationDoc,
)
from flowpot.properties.error_ratios import ErrorRatio, error_ratio
from flowpot.properties.options import UNITS, unit_of
from flowpot.properties.statistics import half_widths, interval

GIVEN = "given"
"""Source of a reference that the user has given."""

_CHECKS = ("acoustic_at_gamma",)
_NO_TRUTH = "it is a check of the potential: its true value is zero"
_PATH = "points"
_BANDS = "phonons/bands"
_OTHER_PATH = (
    "its crystal has another symmetry than that of member {first}, and so another path "
    "in reciprocal space: look at the imaginary modes, and at the relaxed cell"
)
_STRAINED = ("eos", "elastic")
"""Properties of cells that are worth a label: strained ones of a few atoms."""
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
        The document, without a verdict; and the strained cells, None without any.
    """
    document = ValidationDoc(
        n_members=max(map(len, members.values())), properties=list(properties)
    )
    arrays: Arrays = {}
    strained: list[Dataset] = []
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
            ratio = _ratio(kind, cells, *calculator)
            crystal.quantities += _quantities(kind, own, references[name], ratio)
            found = _joined(kind, curves) | _band(kind, cells, ratio)
            if _BANDS in found:
                width, _ = half_widths(found[_BANDS], ratio.ratio)
                found |= {} if width is None else {f"{_BANDS}_half_width": width}
            arrays |= {f"{name}/{key}": array for key, array in found.items()}
            if cells is not None and kind in _STRAINED:
                labels = {"config_type": "validation", "crystal": name}
                columns = {key: [value] * len(cells) for key, value in labels.items()}
                strained.append(cells.with_info(**columns))
    document.curves = to_artifact(arrays, "curves.npz")
    if not strained:
        return document, None
    frames = Dataset.concatenate(strained)
    document.dataset = frames.to_artifact("validation.h5")
    return document, frames


def _band(kind: str, cells: Dataset | None, ratio: ErrorRatio) -> Arrays:
    """Return the committee's energies of the same cells, and their errors."""
    if cells is None or ratio.energy_errors is None or ratio.energy_members is None:
        return {}
    volumes = np.abs(np.linalg.det(cells.cell)) / cells.n_atoms
    return {
        f"{kind}/band_volumes": volumes,
        f"{kind}/band_members": ratio.energy_members,
        f"{kind}/band_errors": ratio.energy_errors,
    }


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


def _ratio(
    kind: str,
    cells: Dataset | None,
    calculator: CommitteeCalculator | None,
    reason: str | None,
) -> ErrorRatio:
    if calculator is None:
        return ErrorRatio(reason=reason)
    if cells is None:
        return ErrorRatio(reason="its errors are of no error model")
    try:
        return error_ratio(calculator, cells, kind)
    except Exception as error:  # noqa: BLE001 - properties are there all the same
        return ErrorRatio(reason=f"the error model cannot be used: {error}")


def _quantities(
    kind: str,
    members: Sequence[MemberDoc],
    references: Mapping[str, float],
    ratio: ErrorRatio,
) -> list[Quantity]:
    """Summarise the quantities of a property, in the order of the first member."""
    names = dict.fromkeys(
        name for member in members for name in member.values.get(kind, {})
    )
    quantities = []
    for name in names:
        by_member = [member.values.get(kind, {}).get(name) for member in members]
        values = [value for value in by_member if value is not None]
        half_width = None
        if name == "energy" and ratio.energy_errors is not None:
            half_width = float(ratio.energy_errors[0])  # of the relaxed cell
        reason = ratio.reason
        if kind == "nve" or name in _CHECKS:
            limits, of, reason = None, "none", _NO_TRUTH
        else:
            limits, of = interval(values, ratio=ratio.ratio, half_width=half_width)
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
    """Leave out phonons along another path than the first member's."""
    key = f"phonons/{_PATH}"
    having = [rank for rank, arrays in enumerate(curves) if key in arrays]
    failures = []
    for rank in having[1:]:
        path, first = curves[rank][key], curves[having[0]][key]
        if path.shape == first.shape and np.allclose(path, first, atol=1e-3):
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
