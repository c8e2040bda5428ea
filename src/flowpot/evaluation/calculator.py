"""A committee as an ASE calculator with error bars."""

import json
import tempfile
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from flowpot.dataset import Artifact, Dataset
from flowpot.dataset.arrays import Arrays
from flowpot.dataset.geometry.collapse import check_predictable
from flowpot.dataset.io.checksum import check_zip, seal_zip, zip_comment
from flowpot.dataset.labels import DECIDING
from flowpot.dataset.storage import replacing
from flowpot.evaluation.atoms import uncertainty_of_atoms
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.predicted import of_frames
from flowpot.evaluation.prediction import (
    CommitteePrediction,
    evaluate_committee,
    load_committee,
)
from flowpot.evaluation.uncertainty import FeatureDistance
from flowpot.evaluation.uncertainty.registry import (
    kind_of,
    loaded,
    restored,
    stored_with,
)
from flowpot.potentials import Potential, members_of
from flowpot.potentials.extensions import FOLDER, extension_files, self_contained
from flowpot.potentials.features import FeatureStatistics
from flowpot.potentials.model_files import ModelError, check_archive
from flowpot.potentials.prediction import warn_of_nan
from flowpot.settings import given_path

_CONTENTS = "committee.json"


class CommitteeCalculator(Calculator):
    """
    Mean prediction of a committee, with calibrated error bars.

    Parameters
    ----------
    committee
        See :func:`flowpot.evaluation.load_committee`.
    calibration
        Per property, as an EvaluationDoc has it; None leaves the errors out.
    device
        torch device of the members.
    uncertainties
        What the calibration reads beside the spread of the members: uncertainties, or
        the field ``uncertainties`` of an EvaluationDoc. None: those that the documents
        of the members hold.

    Notes
    -----
    Beside ASE's ``energy``, ``forces`` and ``stress``, ``results`` holds error bars,
    which true errors stay under with a chance of 68 %: ``energy_error`` (eV/atom),
    ``forces_error`` ((N,) per atom, component RMS, eV/A), ``stress_error`` (component
    RMS, eV/A^3) and ``forces_max_error`` (of the worst atom's force, eV/A); and the
    same with ``_95`` for 95 %. Those of atoms are of an error model of single atoms,
    fitted to the same labelled frames. The calculator warns, when it is made, of
    calibrations that are not trusted; its ``untrusted`` names them. Where
    ``extrapolation`` is well over 1, the atoms are unlike those that the error bars
    were fitted to, and these may be too small; it is there where more than the members'
    spread was measured: see :meth:`Calibration.extrapolation`.

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
        *(f"{name}_error" for name in DECIDING),
        *(f"{name}_error_95" for name in DECIDING),
        "extrapolation",
    ]

    def __init__(
        self,
        committee: Any,
        calibration: Mapping[str, Calibration | Mapping[str, Any]] | None = None,
        device: str = "auto",
        uncertainties: Sequence[Any] | None = None,
    ) -> None:
        super().__init__()
        self._of_frame: dict[str, Any] = {}
        self._of_atoms: dict[str, Any] = {}
        self.members = load_committee(committee, device=device)
        self.uncertainties = (
            stored_with(committee) if uncertainties is None else loaded(uncertainties)
        )
        self.calibration = {
            name: Calibration.model_validate(fit)
            for name, fit in (calibration or {}).items()
        }
        self._check()
        self._sources = [
            None if isinstance(source, Potential) else self_contained(source)
            for source in members_of(committee)
        ]

    @property
    def untrusted(self) -> dict[str, str]:
        """Properties whose error bars are not to be relied on, and why."""
        return {
            name: fit.reason or "its calibration is not trusted"
            for name, fit in self.calibration.items()
            if not fit.trusted
        }

    def _check(self) -> None:
        """Warn of error bars that are not to be relied on."""
        if self.untrusted:
            said = "; ".join(f"{name}: {why}" for name, why in self.untrusted.items())
            warnings.warn(
                f"error bars of this committee are not to be relied on ({said}): label "
                "more explored frames, and calibrate again",
                stacklevel=3,
            )
        forces = self.calibration.get("forces")
        if forces is not None and forces.atom_model is None:
            warnings.warn(
                "the calibration has no error model of single atoms, as an earlier "
                "version made it: forces_error is that of whole frames, too small for "
                "an atom; evaluate the committee again",
                stacklevel=3,
            )

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> Self:
        """
        Read a file that :meth:`save` wrote.

        Models of MACE are pickles, which can run any code as they are read: read only
        files whose source you trust.

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
        path = given_path(path)
        if not zipfile.is_zipfile(path):
            raise ValueError(
                f"{str(path)!r} is not a committee, or not a whole one: give a file "
                "that CommitteeCalculator.save wrote"
            )
        check_zip(path)
        check_archive(str(path), path.read_bytes())
        with tempfile.TemporaryDirectory() as folder:
            try:
                with zipfile.ZipFile(path) as archive:
                    contents = json.loads(archive.read(_CONTENTS))
                    members = contents["members"]
                    models = [archive.extract(name, folder) for name in members]
                    for name in archive.namelist():
                        if FOLDER in Path(name).parts:
                            archive.extract(name, folder)
                    measured = [
                        restored(kind, archive.read(name))
                        for name, kind in contents.get("uncertainties", {}).items()
                    ]
                    measured += [  # as earlier versions wrote them
                        FeatureDistance(
                            FeatureStatistics.from_bytes(archive.read(name)), member
                        )
                        for name, member in contents.get("features", {}).items()
                    ]
            except (KeyError, ValueError) as error:
                raise ModelError(str(path), "a committee", error) from error
            return cls(
                models, contents["calibration"], device=device, uncertainties=measured
            )

    def save(self, path: str | Path) -> Path:
        """
        Write the models and the calibration to one file.

        Parameters
        ----------
        path
            The file, a zip archive of ``committee.json`` and the model files, with the
            extensions that models of metatomic may need.

        Raises
        ------
        ValueError
            Where a member was given as a loaded potential: its file is not known.
        """
        sources = self.sources
        names = [f"{i}/{source['model'].name}" for i, source in enumerate(sources)]
        fits = {name: fit.model_dump() for name, fit in self.calibration.items()}
        kinds = {
            f"uncertainty-{i}": kind_of(each)
            for i, each in enumerate(self.uncertainties)
        }
        contents = {"members": names, "calibration": fits, "uncertainties": kinds}
        path = given_path(path)
        with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr(_CONTENTS, json.dumps(contents))
            for i, source in enumerate(sources):
                archive.writestr(names[i], source["model"].read_bytes())
                for name, content in extension_files(source).items():
                    archive.writestr(f"{i}/{name}", content)
            for name, uncertainty in zip(kinds, self.uncertainties, strict=True):
                archive.writestr(name, uncertainty.to_bytes())
            archive.comment = zip_comment()
            archive.close()
            seal_zip(temporary)
        return path

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Evaluate all members on ``atoms``, as ASE asks for it."""
        super().calculate(atoms, properties, system_changes)
        # Potentials read nothing else: metadata of users may be of any kind.
        geometry = Arrays.of_atoms(self.atoms)
        check_predictable(geometry)
        frame = Dataset(**vars(geometry))
        prediction = evaluate_committee(self.members, frame)
        mean = prediction.mean
        energy = float(mean["energy"][0])
        warn_of_nan(geometry, energy, mean["forces"])
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": mean["forces"],
        }
        if np.isfinite(mean["stress"]).all():
            self.results["stress"] = full_3x3_to_voigt_6_stress(mean["stress"][0])
        self._measure(prediction, frame)
        for name in self.calibration:
            if name == "stress" and "stress" not in self.results:
                continue
            for suffix, q in (("", 0.68), ("_95", 0.95)):
                self.results[f"{name}_error{suffix}"] = self.error_bar(name, q)
        fits = self.calibration.items()
        beyond = [fit.extrapolation(self._of_frame, name)[0] for name, fit in fits]
        if not np.isnan(beyond).all():
            self.results["extrapolation"] = float(np.nanmax(beyond))

    def error_bar(self, name: str, q: float) -> Any:
        """
        Return the error bar of the atoms that were evaluated last.

        Parameters
        ----------
        name
            A property that has a calibration.
        q
            Chance that the true error is smaller, between 0 and 1.

        Returns
        -------
        float or numpy.ndarray
            As ``results`` holds those of 0.68 and 0.95: of the forces (N,), in eV/A.
            Infinite where the atoms have no such property, as a molecule no stress.

        Raises
        ------
        ValueError
            Where the property has no calibration, or before anything was evaluated.
        """
        if name not in self.calibration:
            known = ", ".join(self.calibration) or "none"
            raise ValueError(f"{name} has no calibration: these have one: {known}")
        if not self._of_frame:
            raise ValueError("nothing was evaluated: ask for the energy of atoms first")
        fit = self.calibration[name]
        if name == "forces":
            return fit.atom_bar(self._of_atoms, q)
        return float(fit.error_bar(self._of_frame, name, q)[0])

    def _measure(self, prediction: CommitteePrediction, frame: Dataset) -> None:
        """Keep the uncertainties of one frame, and those of its atoms."""
        self._of_frame = dict(of_frames(prediction, frame))
        measured = []
        for uncertainty in self.uncertainties:
            of_frame, of_atoms = uncertainty.measure_both(self.members, frame)
            self._of_frame |= of_frame
            measured.append(of_atoms)
        self._of_atoms = dict(uncertainty_of_atoms(prediction, measured))

    @property
    def models(self) -> list[Artifact]:
        """The models of the `sources`."""
        return [source["model"] for source in self.sources]

    @property
    def sources(self) -> list[dict[str, Any]]:
        """
        What the members are loaded from, as jobs can carry it: see `self_contained`.

        Raises
        ------
        ValueError
            Where a member was given as a loaded potential: its file is not known.
        """
        sources = [source for source in self._sources if source is not None]
        if len(sources) < len(self.members):
            raise ValueError(
                f"member {self._sources.index(None)} was given as a loaded potential, "
                "whose file is not known: make the calculator of a CommitteeDoc, of "
                "Artifacts or of paths"
            )
        return sources
