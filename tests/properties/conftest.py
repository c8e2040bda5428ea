"""Calibrations that are known, and how a validation is run."""

import pytest
from jobflow import run_locally

from flowpot.evaluation import ErrorModel
from flowpot.evaluation.calibration import Calibration
from flowpot.properties import ValidationDoc


@pytest.fixture
def line():
    """Make a calibration by which errors are a multiple of the spread."""

    def make(scale: float, *, trusted: bool = True) -> Calibration:
        return Calibration(
            slope=1 / scale,
            slope_interval=(0.5 / scale, 2 / scale),
            r2=0.9,
            rank_correlation=0.9,
            tolerance=0.01,
            threshold=0.005,
            n=40,
            effective_n=40.0,
            trusted=trusted,
            reason=None if trusted else "it has 3 frames",
            error_model=ErrorModel.line({"spread": 1.0}, scale),
        )

    return make


@pytest.fixture
def validated(jobstore, clean_dir):
    """Run a validation, and return its document."""

    def run(maker, committee, structures, **given) -> ValidationDoc:
        flow = maker.make(committee, structures, **given)
        run_locally(flow, store=jobstore, create_folders=True, ensure_success=True)
        return ValidationDoc.model_validate(flow.output.resolve(jobstore))

    return run
