"""Remedies for pw.x runs that fail, as custodian handlers."""

from pathlib import Path
from typing import Any

from custodian.custodian import ErrorHandler

from flowpot.labelling.espresso.inputs import edit_input, read_parameters
from flowpot.labelling.espresso.outputs import read_report


class UnconvergedScfHandler(ErrorHandler):
    """
    Help an SCF that did not reach its threshold, each time by the next means.

    First mixing_beta x 0.8 and a restart from the density reached, twice; then
    local Thomas-Fermi mixing, which damps charge sloshing in slabs and clusters; then
    twice the number of steps.
    """

    max_num_corrections = 4
    raise_on_max = True

    def check(self, directory: str = "./") -> bool:
        """Whether the SCF gave up."""
        report = read_report(Path(directory))
        return report.finished and not report.converged and not report.stopped

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Change the input by the next remedy."""
        folder = Path(directory)
        electrons = read_parameters(folder).get("electrons", {})
        beta = 0.8 * float(electrons.get("mixing_beta", 0.7))
        steps = 2 * int(electrons.get("electron_maxstep", 100))
        remedies: list[dict[str, Any]] = [
            {"mixing_beta": beta},
            {"mixing_beta": beta},
            {"mixing_mode": "local-TF", "mixing_beta": beta},
            {"electron_maxstep": steps, "mixing_ndim": 16},
        ]
        remedy = remedies[min(self.n_applied_corrections, len(remedies) - 1)]
        restart = {"startingpot": "file", "startingwfc": "file"}
        edit_input(folder, {"electrons": {**remedy, **restart}})
        report = read_report(folder)
        accuracy = report.scf_accuracy
        reached = "unknown" if accuracy is None else f"{accuracy:.1e} eV"
        return {
            "errors": [f"SCF not converged in {report.n_scf_steps} steps ({reached})"],
            "actions": [_written(key, value) for key, value in remedy.items()],
        }


def _written(key: str, value: float | str) -> str:
    """Write a changed key as people read it."""
    return f"{key} = {value:.4g}" if isinstance(value, float) else f"{key} = {value}"
