"""A committee as an ASE calculator that knows how wrong it is."""

import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from flowpot.dataset import Dataset
from flowpot.dataset.storage import replacing
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.disagreement import disagreement
from flowpot.evaluation.prediction import (
    evaluate_committee,
    load_committee,
    members_of,
)
from flowpot.potentials import Potential, model_file

_CONTENTS = "committee.json"


class CommitteeCalculator(Calculator):
    """
    Mean prediction of a committee, with calibrated errors.

    Parameters
    ----------
    committee
        See :func:`flowpot.evaluation.load_committee`.
    calibration
        Per property, as an EvaluationDoc has it; None leaves the errors out.
    device
        torch device of the members.

    Notes
    -----
    ``results`` holds, beside ASE's ``energy``, ``forces`` and ``stress``, the errors
    that the committee's disagreement stands for: ``energy_error`` (eV/atom),
    ``forces_error`` ((N,) per atom, component RMS, eV/A) and ``stress_error``
    (component RMS, eV/A^3).

    Examples
    --------
    A campaign's last committee, as one file for those who use it:

    >>> calculator = CommitteeCalculator(
    ...     campaign.committee(), evaluation.calibration
    ... )  # doctest: +SKIP
    >>> calculator.save("silicon.committee")  # doctest: +SKIP

    Energies and forces with error bars:

    >>> atoms.calc = CommitteeCalculator.load("silicon.committee")  # doctest: +SKIP
    >>> atoms.get_forces(), atoms.calc.results["forces_error"]  # doctest: +SKIP
    """

    implemented_properties = [  # noqa: RUF012 - as ASE declares it
        "energy",
        "free_energy",
        "forces",
        "stress",
        "energy_error",
        "forces_error",
        "stress_error",
    ]

    def __init__(
        self,
        committee: Any,
        calibration: Mapping[str, Calibration | Mapping[str, Any]] | None = None,
        device: str = "auto",
    ) -> None:
        super().__init__()
        self.members = load_committee(committee, device=device)
        self.calibration = {
            name: Calibration.model_validate(fit)
            for name, fit in (calibration or {}).items()
        }
        self._files = [
            None if isinstance(source, Potential) else model_file(source)
            for source in members_of(committee)
        ]

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> Self:
        """
        Read what :meth:`save` wrote.

        MACE's models are pickles, which may do anything as they are read: trust the
        file's source.

        Parameters
        ----------
        path
            The file.
        device
            torch device of the members.

        Raises
        ------
        ValueError
            Where the file is not a committee's.
        """
        if not zipfile.is_zipfile(path):
            raise ValueError(
                f"{str(path)!r} is not a committee: give a file that "
                "CommitteeCalculator.save wrote"
            )
        with (
            zipfile.ZipFile(path) as archive,
            tempfile.TemporaryDirectory() as folder,
        ):
            contents = json.loads(archive.read(_CONTENTS))
            models = [archive.extract(name, folder) for name in contents["members"]]
            return cls(models, contents["calibration"], device=device)

    def save(self, path: str | Path) -> Path:
        """
        Write the models and the calibration to one file.

        Parameters
        ----------
        path
            The file, a zip archive of ``committee.json`` and the model files.

        Raises
        ------
        ValueError
            Where a member was given as a loaded potential: its file is not known.
        """
        files = [file for file in self._files if file is not None]
        if len(files) < len(self.members):
            raise ValueError(
                f"member {self._files.index(None)} was given as a loaded potential, "
                "whose file is not known: make the calculator of a CommitteeDoc, of "
                "Artifacts or of paths"
            )
        names = [f"{i}/{name}" for i, (name, _) in enumerate(files)]
        fits = {name: fit.model_dump() for name, fit in self.calibration.items()}
        path = Path(path)
        with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            contents = {"members": names, "calibration": fits}
            archive.writestr(_CONTENTS, json.dumps(contents))
            for name, (_, content) in zip(names, files, strict=True):
                archive.writestr(name, content)
        return path

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Evaluate all members on ``atoms``."""
        super().calculate(atoms, properties, system_changes)
        frame = Dataset.from_atoms([self.atoms], labels=False)
        prediction = evaluate_committee(self.members, frame)
        mean = prediction.mean
        energy = float(mean["energy"][0])
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": mean["forces"],
        }
        if np.isfinite(mean["stress"]).all():
            self.results["stress"] = full_3x3_to_voigt_6_stress(mean["stress"][0])
        spread = disagreement(prediction, frame)
        per_atom = np.sqrt(prediction.forces.var(axis=0).mean(axis=1))
        for name, fit in self.calibration.items():
            seen = per_atom if name == "forces" else fit.measure(spread, name)
            error = fit.predicted_error(seen)
            if np.isfinite(error).all():  # without a periodic axis there is no stress
                self.results[f"{name}_error"] = (
                    error if name == "forces" else float(error[0])
                )
