"""Properties against their tolerances, as the report shows them."""

from collections.abc import Sequence

from flowpot.campaign.document import IterationDoc
from flowpot.properties.standing import PropertyStanding, with_error
from flowpot.properties.verdict import number
from flowpot.report.section import Section
from flowpot.report.wording import with_symbols

TITLE = "Properties"
_WORDS = {
    "within": "known well enough",
    "wide": "uncertain",
    "off": "off the reference",
    "unaudited": "no reference",
    "unknown": "not known",
}
_OF = {"calibrated": "by the error model", "members": "by the members' spread"}


def properties_section(iterations: Sequence[IterationDoc]) -> Section:
    """
    Tabulate the properties that decide about convergence, the latest first.

    Parameters
    ----------
    iterations
        The campaign's iterations.
    """
    return Section(
        "properties",
        TITLE,
        "Of the committee, where an iteration would otherwise have ended as converged. "
        "Mean and 95 % interval; the tolerance is of both, and of the difference from "
        "the reference calculation.",
        header=[
            "iteration",
            "property",
            "value",
            "reference",
            "tolerance",
            "standing",
            "interval",
        ],
        rows=[
            [str(iteration.iteration), *_row(standing)]
            for iteration in reversed(iterations)
            for standing in iteration.properties or ()
        ],
        empty="No validator was asked.",
    )


def _row(standing: PropertyStanding) -> list[str]:
    value = "-"
    if standing.mean is not None:
        value = f"{with_error(standing.mean, standing.half_width)} {standing.unit}"
        value = with_symbols(value).replace("+-", "±")
    reference = "-"
    if standing.calculated is not None:
        reference = number(standing.calculated)
    if standing.deviation is not None:
        reference += f" ({100 * standing.deviation:+.1f} %)"
    tolerance = f"{100 * standing.tolerance:.3g} %"
    doubt = standing.reason or _OF.get(standing.interval_kind, "")
    return [
        standing.title,
        value,
        reference,
        tolerance,
        _WORDS[standing.standing],
        doubt,
    ]
