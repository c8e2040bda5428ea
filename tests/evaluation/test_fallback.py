"""What is done with a calibration that cannot be trusted: something, and told."""

import numpy as np
import pytest

from flowpot.evaluation import Criteria, Evidence
from flowpot.evaluation.fallback import calibrate_with_care

TOLERANCE = {"energy": 0.1, "forces": 0.1}
NAMES = ("energy", "forces", "stress")


def evidence(n, slope=0.5, origin="some frames", **changed):
    e = np.linspace(0.02, 0.3, n)
    d = dict.fromkeys(NAMES, slope * e) | changed
    return Evidence(d, dict.fromkeys(NAMES, e), np.ones(n), origin)


def decide(found, **options):
    fields = ("decide_by", "min_frames")
    chosen = {name: options.pop(name) for name in fields if name in options}
    criteria = Criteria(TOLERANCE, rule="least-squares", **chosen)
    judged = {name: np.linspace(0.01, 0.2, 50) for name in NAMES}
    return calibrate_with_care(found, criteria, judged=judged, **options)


def test_a_trusted_fit_stands_for_itself():
    fit = decide(evidence(40))["forces"]
    assert fit.trusted
    assert fit.fallback is None
    assert fit.threshold == pytest.approx(0.05)


def test_too_few_frames_take_the_previous_calibration():
    previous = decide(evidence(40, slope=0.3))
    fit = decide(evidence(8), previous=previous, pooled=evidence(60))["forces"]
    assert not fit.trusted
    assert "too few frames: 8.0 effective" in fit.reason
    assert fit.fallback.startswith("the previous iteration's calibration, lowered")
    assert fit.slope == pytest.approx(0.3)
    assert fit.threshold <= previous["forces"].threshold
    assert fit.n == 8  # what was counted stays what it is


def test_without_a_trusted_one_before_the_pooled_frames_serve():
    untrusted = decide(evidence(8, slope=0.3))
    pooled = evidence(60, slope=0.4, origin="everything held out")
    fit = decide(evidence(8), previous=untrusted, pooled=pooled)["forces"]
    assert fit.fallback.startswith("a fit to everything held out, lowered")
    assert fit.slope == pytest.approx(0.4)


def test_without_either_the_fit_itself_is_widened(rng):
    noise = rng.uniform(0.5, 1.5, 8)
    sample = evidence(8)
    spread = {name: 0.5 * noise * sample.error[name] for name in NAMES}
    fit = decide(evidence(8, **spread))["forces"]
    assert fit.fallback.startswith(
        "this fit's line, lowered to the slope's lower limit"
    )
    assert fit.threshold == pytest.approx(fit.slope_interval[0] * 0.1)
    over = spread["forces"] > fit.threshold
    assert fit.tpr == pytest.approx(over[sample.error["forces"] > 0.1].mean())


def test_disagreement_against_the_error_flags_everything():
    falling = evidence(40).disagreement["forces"][::-1] - 0.2
    fit = decide(evidence(40, forces=falling))["forces"]
    assert "not positive" in fit.reason
    assert fit.threshold == 0


def test_a_property_that_ranks_nothing_is_reported_and_left_out(rng):
    blind = rng.permutation(evidence(60).disagreement["energy"])
    fits = decide(evidence(60, energy=blind))
    assert "rank correlation is lost" in fits["energy"].reason
    assert [name for name, fit in fits.items() if fit.decides] == ["forces"]


def test_too_few_frames_to_tell_leave_nothing_out(rng):
    blind = rng.permutation(evidence(10).disagreement["energy"])
    fits = decide(evidence(10, energy=blind))
    assert all(fit.decides for fit in fits.values())


def test_the_user_says_what_decides(rng):
    fits = decide(evidence(60), decide_by=["energy"])
    assert [name for name, fit in fits.items() if fit.decides] == ["energy"]
    assert fits["forces"].trusted


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rule": "lsq"}, "rule is 'lsq'"),
        ({"target": 0.0}, "target is 0.0"),
        ({"evidence": "everything"}, "evidence is 'everything'"),
        ({"pilot_labels": -1}, "pilot_labels is -1"),
        ({"decide_by": ["stress"]}, "decide_by is"),
        ({"decide_by": []}, "decide_by is"),
    ],
)
def test_criteria_that_cannot_be_meant_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Criteria(TOLERANCE, **fields)
