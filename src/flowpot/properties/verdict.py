"""What a validation has shown, in words."""

from flowpot.properties.document import CrystalDoc, Quantity, ValidationDoc

_DRIFT = 1.0  # meV/atom/ps: a ps of dynamics then loses less than usual label errors
_IMAGINARY = -0.1  # THz: acoustic branches near Gamma are numbers of few digits
_LARGE = 100.0


def in_words(document: ValidationDoc) -> str:
    """
    Say whether the properties can be relied on.

    Parameters
    ----------
    document
        The validation.

    Returns
    -------
    str
        Sentences: references inside and outside of the intervals, what the intervals
        are made of, unstable crystals, poor conservation of energy, and what failed.
    """
    several = len(document.crystals) > 1
    parts = []
    for crystal in document.crystals:
        sentences = [*_compared(crystal), *_warned(crystal), *_failed(crystal)]
        name = f"{crystal.name}: " if several else ""
        if sentences:
            parts.append(name + "; ".join(sentences))
    parts += [_intervals(document), *document.notes]
    return ". ".join(part for part in parts if part) + "."


def number(value: float) -> str:
    """
    Write a number with four digits, or as an integer from 1000 on.

    Examples
    --------
    >>> number(97.234), number(5.43123), number(-0.000012), number(123456.7)
    ('97.23', '5.431', '-1.2e-05', '123457')
    """
    return f"{value:.0f}" if abs(value) >= 10 * _LARGE else f"{value:.4g}"


def _compared(crystal: CrystalDoc) -> list[str]:
    """Say which references are inside of the intervals."""
    known = [each for each in crystal.quantities if each.reference is not None]
    if not known:
        return []
    having = [each for each in known if each.is_covered is not None]
    inside = [each for each in having if each.is_covered]
    said = []
    if having:
        said.append(
            f"{len(inside)} of {len(having)} reference values are inside the intervals"
        )
    outside = [each for each in having if not each.is_covered]
    said += [f"{_difference(each)}, outside" for each in outside]
    if not outside:
        said += [_difference(max(known, key=_relative))]
    if crystal.band_covers is not None:
        said.append(
            f"the energy's 95 % band covers {crystal.band_covers:.0%} of the reference "
            "calculations"
        )
    return said


def _difference(quantity: Quantity) -> str:
    assert quantity.reference is not None
    relative = ""
    if quantity.reference and quantity.name != "energy":
        relative = f", {quantity.mean / quantity.reference - 1:+.1%}"
    return (
        f"{quantity.name} {number(quantity.mean)} {quantity.unit} (reference "
        f"{number(quantity.reference)}{relative})"
    )


def _relative(quantity: Quantity) -> float:
    if not quantity.reference or quantity.deviation is None:
        return 0.0
    return abs(quantity.deviation / quantity.reference)


def _warned(crystal: CrystalDoc) -> list[str]:
    """Say what is wrong by itself, without a reference, by the worst member, too."""
    values = {each.name: each for each in crystal.quantities}
    said = []
    stiffness = values.get("lowest_stiffness")
    if stiffness is not None and stiffness.mean <= 0:
        said.append(
            f"it is mechanically unstable by this potential ({_stiffness(stiffness)})"
        )
    elif stiffness is not None and (unstable := _members(stiffness, below=0.0)):
        said.append(f"it is mechanically unstable by {unstable}")
    elif stiffness is not None and stiffness.interval and stiffness.interval[0] <= 0:
        said.append(f"it may be mechanically unstable ({_stiffness(stiffness)})")
    lowest = values.get("lowest_frequency")
    if lowest is not None and lowest.mean < _IMAGINARY:
        said.append(
            f"it has imaginary modes ({number(lowest.mean)} THz): the crystal is not "
            "stable by this potential, or the supercell is too small"
        )
    elif lowest is not None and (imaginary := _members(lowest, below=_IMAGINARY)):
        said.append(f"it has imaginary modes by {imaginary}")
    drift = values.get("energy_drift")
    # Those of two members may cancel in the mean.
    drifts = [] if drift is None else _known(drift)
    if drifts and abs(largest := max(drifts, key=abs)) > _DRIFT:
        said.append(
            f"energy is not conserved ({number(largest)} meV/atom/ps): shorten the "
            "time step, and see whether the model has too few digits"
        )
    return said


def _members(quantity: Quantity, below: float) -> str | None:
    """Name the members by which a quantity is at most so large, None without any."""
    found = {
        str(rank): value
        for rank, value in enumerate(quantity.members)
        if value is not None and value <= below
    }
    if not found:
        return None
    lowest = f"{number(min(found.values()))} {quantity.unit}"
    return f"member {', '.join(found)} of {len(quantity.members)} ({lowest})"


def _stiffness(quantity: Quantity) -> str:
    """Write the smallest eigenvalue of the elastic tensor, with its error."""
    width = quantity.half_width
    error = "" if width is None else f" +- {number(width)}"
    return (
        f"smallest eigenvalue of the elastic tensor {number(quantity.mean)}{error} GPa"
    )


def _failed(crystal: CrystalDoc) -> list[str]:
    """Say which members have failed, and why the first of them."""
    said = []
    for kind in dict.fromkeys(each.calculation for each in crystal.failures):
        failures = [each for each in crystal.failures if each.calculation == kind]
        ranks = ", ".join(str(each.member) for each in failures)
        said.append(f"{kind} failed for member {ranks} ({failures[0].reason})")
    return said


def _intervals(document: ValidationDoc) -> str:
    """Say what the intervals are made of; checks have none."""
    quantities = [each for crystal in document.crystals for each in crystal.quantities]
    of: dict[str, dict[str, str]] = {}
    for each in quantities:
        if each.interval_kind == "none" and len(_known(each)) > 1:
            continue
        reasons = of.setdefault(each.interval_kind, {})
        reasons.setdefault(each.calculation, each.reason or "")
    said = []
    if "calibrated" in of:
        why = _reasons(of["calibrated"])
        doubt = f", but not to be relied on ({why})" if why else ""
        said.append(f"intervals of {', '.join(of['calibrated'])} are calibrated{doubt}")
    if "members" in of:
        why = _reasons(of["members"])
        said.append(
            f"intervals of {', '.join(of['members'])} are of the members' spread, "
            f"which does not see what all of them miss{f' ({why})' if why else ''}"
        )
    if "none" in of:
        said.append(f"one member has no spread: {', '.join(of['none'])} without one")
    text = "; ".join(said)
    return text[:1].upper() + text[1:]


def _reasons(by_calculation: dict[str, str]) -> str:
    return "; ".join(dict.fromkeys(filter(None, by_calculation.values())))


def _known(quantity: Quantity) -> list[float]:
    return [value for value in quantity.members if value is not None]
