"""A committee as an ASE calculator that knows how wrong it is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from flowpot.dataset import Dataset
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.disagreement import disagreement
from flowpot.evaluation.prediction import CommitteePrediction, load_committee
from flowpot.potentials import evaluate_members


class CommitteeCalculator(Calculator):
    """
    Mean prediction of a committee, with calibrated errors.

    Parameters
    ----------
    committee
        See :func:`flowpot.evaluation.load_committee`.
    calibration
        Per property; None leaves the errors out.

    Notes
    -----
    ``results`` holds, beside ASE's ``energy``, ``forces`` and ``stress``, the errors
    that the committee's disagreement stands for: ``energy_error`` (eV/atom),
    ``forces_error`` ((N,) per atom, component RMS, eV/A) and ``stress_error``
    (eV/A^3).

    Examples
    --------
    >>> atoms.calc = CommitteeCalculator(doc, evaluation.calibration)  # doctest: +SKIP
    >>> atoms.get_potential_energy(), atoms.calc.results["energy_error"]
    ... # doctest: +SKIP
    """

    implemented_properties = [  # noqa: RUF012 - as ASE declares it
        "energy",
        "forces",
        "stress",
    ]

    def __init__(
        self,
        committee: Any,
        calibration: Mapping[str, Calibration] | None = None,
        device: str = "auto",
    ) -> None:
        super().__init__()
        self.members = load_committee(committee, device=device)
        self.calibration = calibration or {}

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Evaluate all members on ``atoms``."""
        super().calculate(atoms, properties, system_changes)
        frame = Dataset.from_atoms([self.atoms], labels=False)
        raw = evaluate_members(self.members, frame)
        prediction = CommitteePrediction(raw.energy, raw.forces, raw.stress)
        mean = prediction.mean
        self.results = {"energy": float(mean["energy"][0]), "forces": mean["forces"]}
        if np.isfinite(mean["stress"]).all():
            self.results["stress"] = full_3x3_to_voigt_6_stress(mean["stress"][0])
        spread = disagreement(prediction, frame)
        spread["forces"] = np.sqrt(prediction.forces.var(axis=0).mean(axis=1))
        for name, fit in self.calibration.items():
            error = fit.predicted_error(spread[name])
            self.results[f"{name}_error"] = (
                error if name == "forces" else float(error[0])
            )
