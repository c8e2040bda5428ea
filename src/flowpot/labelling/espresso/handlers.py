"""
Remedies for pw.x runs that fail, as custodian handlers.

Each looks at the files of the run, changes the input (or how pw.x is started) by the
next remedy it knows, and gives up after as many as its ``max_num_corrections`` says.
"""

from pathlib import Path
from typing import Any

from custodian.custodian import ErrorHandler

from flowpot.labelling.espresso.namelists import edit_input, read_parameters
from flowpot.labelling.espresso.outputs import (
    PwReport,
    highest_occupation,
    read_report,
)
from flowpot.labelling.espresso.remedies import PwJob

_FROM_DENSITY = {"startingpot": "file", "startingwfc": "file"}
_FROM_ATOMS = {"startingpot": None, "startingwfc": None}
_EMPTY = 0.01  # occupation of the highest band that does not matter
_NO_START_FILE = ("read_wfc", "pw_restart", "read_rhog", "read_collected", ".save/")
_NO_MEMORY = ("out of memory", "cannot allocate", "bad_alloc", "oom-kill", "oom kill")


class UnconvergedScfHandler(ErrorHandler):
    """
    Help an SCF that did not reach its threshold, each time by the next means.

    First mixing_beta x 0.8 and a restart from the density reached; then local
    Thomas-Fermi mixing, which damps charge sloshing in slabs and clusters; then the
    same with half the mixing_beta; then twice the number of steps. A density further
    from self-consistency than the one it began with sloshes: it is given up, and
    local Thomas-Fermi mixing comes at once.
    """

    max_num_corrections = 4
    raise_on_max = True

    def check(self, directory: str = "./") -> bool:
        """Whether the SCF gave up."""
        report = read_report(Path(directory))
        return report.finished and not report.converged and not report.stopped

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Change the mixing."""
        folder = Path(directory)
        report = read_report(folder)
        electrons = read_parameters(folder).get("electrons", {})
        beta = float(electrons.get("mixing_beta", 0.7))
        steps = 2 * int(electrons.get("electron_maxstep", 100))
        first, last = report.first_accuracy, report.scf_accuracy
        sloshes = first is not None and last is not None and last > first
        remedies: list[dict[str, Any]] = [
            {"mixing_beta": 0.8 * beta},
            {"mixing_mode": "local-TF", "mixing_beta": 0.8 * beta},
            {"mixing_mode": "local-TF", "mixing_beta": 0.5 * beta},
            {"electron_maxstep": steps, "mixing_ndim": 16},
        ]
        remedy = remedies[max(self.n_applied_corrections, int(sloshes))]
        start = _FROM_ATOMS if sloshes else _FROM_DENSITY
        edit_input(folder, {"electrons": {**remedy, **start}})
        reached = "unknown" if last is None else f"{last:.1e} eV"
        found = f"SCF not converged in {report.n_scf_steps} steps ({reached})"
        return _done(found, remedy)


class StartFileHandler(ErrorHandler):
    """
    Start without files that do not serve: first wavefunctions, then density.

    Wavefunctions are of other k-points, spins or bands than the run's, or damaged.
    """

    max_num_corrections = 2
    raise_on_max = True

    def check(self, directory: str = "./") -> bool:
        """Whether pw.x could not read what it was to start from."""
        folder = Path(directory)
        return bool(self._files(folder)) and _no_start_file(read_report(folder))

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Leave out one kind of file."""
        folder = Path(directory)
        found = "; ".join(read_report(folder).errors)
        worse = self._files(folder)[-1]
        edit_input(folder, {"electrons": {worse: None}})
        return {"errors": [found], "actions": [f"{worse} = pw.x's own choice"]}

    def _files(self, folder: Path) -> list[str]:
        """Name what the run starts from, the more demanding last."""
        electrons = read_parameters(folder).get("electrons", {})
        keys = ("startingpot", "startingwfc")
        return [key for key in keys if electrons.get(key) == "file"]


class DiagonalisationHandler(ErrorHandler):
    """
    Change an eigensolver that failed: david, ppcg, paro, cg, each tried once.

    The last is slow and hardly ever fails.
    """

    max_num_corrections = 3
    raise_on_max = True

    solvers = ("david", "ppcg", "paro", "cg")
    symptoms = (
        "hegvd",
        "diaghg",
        "egterg",
        "c_bands",
        "cholesky",
        "positive definite",
        "too many bands are not converged",
        "eigenvector",
        "diagonalization",
    )

    def check(self, directory: str = "./") -> bool:
        """Whether an error names the eigensolver."""
        errors = " ".join(read_report(Path(directory)).errors).lower()
        return any(symptom in errors for symptom in self.symptoms)

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Take the next solver."""
        folder = Path(directory)
        electrons = read_parameters(folder).get("electrons", {})
        current = electrons.get("diagonalization", self.solvers[0])
        place = self.solvers.index(current) if current in self.solvers else 0
        found = "; ".join(read_report(folder).errors)
        if place + 1 == len(self.solvers):
            return {"errors": [found], "actions": None}
        remedy = {"diagonalization": self.solvers[place + 1]}
        edit_input(folder, {"electrons": remedy})
        return _done(found, remedy)


class TooFewBandsHandler(ErrorHandler):
    """
    Add bands where pw.x refuses their number, or the highest holds electrons.

    The latter run succeeds, with a label that is wrong: smearing needs empty bands.
    Each time max(5 %, 4) more, as PwBaseWorkChain of aiida-quantumespresso does.
    """

    max_num_corrections = 3
    raise_on_max = True

    def check(self, directory: str = "./") -> bool:
        """Whether bands are missing."""
        folder = Path(directory)
        report = read_report(folder)
        if any("too few bands" in error for error in report.errors):
            return True
        if not (report.finished and report.converged):
            return False
        occupations = read_parameters(folder)["system"].get("occupations")
        highest = highest_occupation(folder) if occupations == "smearing" else None
        return highest is not None and highest > _EMPTY

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Add bands; where pw.x refused the number, let it choose its own."""
        folder = Path(directory)
        report = read_report(folder)
        if report.errors or report.n_bands is None:
            edit_input(folder, {"system": {"nbnd": None}})
            return {"errors": report.errors, "actions": ["nbnd = pw.x's own choice"]}
        more = report.n_bands + max(report.n_bands // 20, 4)
        # The density serves another number of bands, the wavefunctions do not.
        start: dict[str, Any] = {"startingpot": "file", "startingwfc": None}
        changes = {"system": {"nbnd": more}, "electrons": start}
        edit_input(folder, {**changes, "control": {"restart_mode": "from_scratch"}})
        highest = highest_occupation(folder)
        return _done(f"the highest band has occupation {highest:.2g}", {"nbnd": more})


class WalltimeHandler(ErrorHandler):
    """Go on where a run stopped by itself because its time was nearly over."""

    max_num_corrections = 4
    raise_on_max = True

    def check(self, directory: str = "./") -> bool:
        """Whether pw.x stopped at ``max_seconds`` without a label."""
        report = read_report(Path(directory))
        return report.stopped and not report.converged

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Restart."""
        remedy = {"restart_mode": "restart"}
        edit_input(Path(directory), {"control": remedy})
        return _done("pw.x stopped at max_seconds", remedy)


class OutOfMemoryHandler(ErrorHandler):
    """
    Use less memory after pw.x was killed or could not allocate.

    First all processes in one pool (each pool holds its own wavefunctions), then
    a smaller workspace of solver and mixing.

    Parameters
    ----------
    job
        Knows how the process ended, and how the next one is started.
    """

    max_num_corrections = 2
    raise_on_max = True

    def __init__(self, job: PwJob) -> None:
        self.job = job

    def check(self, directory: str = "./") -> bool:
        """Whether memory ran out."""
        return _out_of_memory(self.job, read_report(Path(directory)))

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Take fewer pools or a smaller workspace."""
        found = "; ".join(read_report(Path(directory)).errors) or "pw.x was killed"
        if self.job.has_pools:
            self.job.without_pools()
            return {"errors": [found], "actions": ["one pool of k-points"]}
        remedy = {"diago_david_ndim": 2, "mixing_ndim": 4}
        edit_input(Path(directory), {"electrons": remedy})
        return _done(found, remedy)


class CrashHandler(ErrorHandler):
    """
    Try again, once, after pw.x died without saying why in its output.

    Parameters
    ----------
    job
        Knows how the process ended.
    """

    max_num_corrections = 1
    raise_on_max = True

    def __init__(self, job: PwJob) -> None:
        self.job = job

    def check(self, directory: str = "./") -> bool:
        """Whether pw.x ended without saying why."""
        report = read_report(Path(directory))
        if report.finished or report.explained or self.job.timed_out:
            return False
        others = _out_of_memory(self.job, report) or _no_start_file(report)
        return not others

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Change nothing."""
        found = read_report(Path(directory)).errors or ["pw.x died without a message"]
        return {"errors": found, "actions": ["run again"]}


def all_handlers(job: PwJob) -> list[ErrorHandler]:
    """Return fresh handlers, which count how often each was applied, for one label."""
    return [
        UnconvergedScfHandler(),
        StartFileHandler(),
        DiagonalisationHandler(),
        TooFewBandsHandler(),
        WalltimeHandler(),
        OutOfMemoryHandler(job),
        CrashHandler(job),
    ]


def _no_start_file(report: PwReport) -> bool:
    """Whether the run could not read what it was to start from."""
    errors = " ".join(report.errors)
    return any(symptom in errors for symptom in _NO_START_FILE)


def _out_of_memory(job: PwJob, report: PwReport) -> bool:
    """Whether the run ended for want of memory, as far as anyone can tell."""
    errors = " ".join(report.errors).lower()
    named = any(symptom in errors for symptom in _NO_MEMORY)
    return not report.finished and (job.was_killed or named)


def _done(found: str, remedy: dict[str, Any]) -> dict[str, Any]:
    """Say what was found and what was changed, as custodian wants it."""
    actions = [
        f"{key} = {value:.4g}" if isinstance(value, float) else f"{key} = {value}"
        for key, value in remedy.items()
    ]
    return {"errors": [found], "actions": actions}
