"""
Remedies for pw.x runs that fail, as custodian handlers.

Each handler reads the files of the run, changes the input (or how pw.x is started) by
the next remedy that it knows, and gives up after ``max_num_corrections`` of them.
"""

from pathlib import Path
from typing import Any

from custodian.custodian import ErrorHandler

from flowpot.labelling.espresso.bands import needs_empty_bands, read_highest_band
from flowpot.labelling.espresso.namelists import edit_input, read_parameters
from flowpot.labelling.espresso.outputs import PwReport, read_report
from flowpot.labelling.espresso.remedies import PwJob

_FROM_DENSITY = {"startingpot": "file", "startingwfc": "file"}
_FROM_ATOMS = {"startingpot": None, "startingwfc": None}
_NO_START_FILE = (
    "read_wfc",
    "pw_restart",
    "read_rhog",
    "read_scf",
    "read_collected",
    ".save/",
)
_NO_MEMORY = ("out of memory", "cannot allocate", "bad_alloc", "oom-kill", "oom kill")
_NO_POOLS = "not available with pools"


class UnconvergedScfHandler(ErrorHandler):
    """
    Change the mixing of an SCF that did not reach its threshold.

    The remedies are: mixing_beta x 0.8 and a restart from the last density; local
    Thomas-Fermi mixing, which damps charge sloshing in slabs and clusters; the same
    with half the mixing_beta; twice the number of steps. If the last density is
    further from self-consistency than the first, the charge sloshes: the density is
    discarded, and local Thomas-Fermi mixing is the first remedy.
    """

    max_num_corrections = 4
    raise_on_max = True

    def check(self, directory: str = "./") -> bool:
        """Whether the SCF ended without convergence."""
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
        error = f"SCF not converged in {report.n_scf_steps} steps ({reached})"
        return _done(error, remedy)


class StartFileHandler(ErrorHandler):
    """
    Start without files that pw.x cannot use: first wavefunctions, then density.

    Wavefunctions may be damaged, or of other k-points, spins or bands than the run.
    """

    max_num_corrections = 2
    raise_on_max = True

    def check(self, directory: str = "./") -> bool:
        """Whether pw.x could not read the files that it was to start from."""
        folder = Path(directory)
        return bool(self._files(folder)) and _no_start_file(read_report(folder))

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Start without one kind of file."""
        folder = Path(directory)
        error = "; ".join(read_report(folder).errors)
        key = self._files(folder)[-1]
        edit_input(folder, {"electrons": {key: None}})
        return {"errors": [error], "actions": [f"{key} = pw.x's own choice"]}

    def _files(self, folder: Path) -> list[str]:
        """Return the keys of files that the run starts from, wavefunctions last."""
        electrons = read_parameters(folder).get("electrons", {})
        keys = ("startingpot", "startingwfc")
        return [key for key in keys if electrons.get(key) == "file"]


class DiagonalisationHandler(ErrorHandler):
    """
    Replace an eigensolver that failed by the next of david, ppcg, paro and cg.

    The last one is slow and hardly ever fails.
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
        """Choose the next eigensolver."""
        folder = Path(directory)
        electrons = read_parameters(folder).get("electrons", {})
        current = electrons.get("diagonalization", self.solvers[0])
        place = self.solvers.index(current) if current in self.solvers else 0
        error = "; ".join(read_report(folder).errors)
        if place + 1 == len(self.solvers):
            return {"errors": [error], "actions": None}
        remedy = {"diagonalization": self.solvers[place + 1]}
        edit_input(folder, {"electrons": remedy})
        return _done(error, remedy)


class TooFewBandsHandler(ErrorHandler):
    """
    Add bands if pw.x refuses their number, or the highest one holds electrons.

    In the latter case the run succeeds with a wrong label, as smearing needs empty
    bands: see :class:`flowpot.labelling.espresso.bands.HighestBand`.
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
        if not needs_empty_bands(read_parameters(folder)):
            return False
        highest = read_highest_band(folder)
        return highest is not None and not highest.is_empty

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Add bands; if pw.x refused their number, let it choose."""
        folder = Path(directory)
        report = read_report(folder)
        highest = None if report.errors else read_highest_band(folder)
        if highest is None:
            edit_input(folder, {"system": {"nbnd": None}})
            return {"errors": report.errors, "actions": ["nbnd = pw.x's own choice"]}
        # The density fits any number of bands, the wavefunctions do not.
        start: dict[str, Any] = {"startingpot": "file", "startingwfc": None}
        changes = {"system": {"nbnd": highest.bands_needed}, "electrons": start}
        edit_input(folder, {**changes, "control": {"restart_mode": "from_scratch"}})
        return _done(str(highest), {"nbnd": highest.bands_needed})


class WalltimeHandler(ErrorHandler):
    """Continue a run that stopped by itself because its time was nearly over."""

    max_num_corrections = 4
    raise_on_max = True

    def check(self, directory: str = "./") -> bool:
        """Whether pw.x stopped at ``max_seconds`` without a label."""
        report = read_report(Path(directory))
        return report.stopped and not report.converged

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Restart from the files of the run."""
        remedy = {"restart_mode": "restart"}
        edit_input(Path(directory), {"control": remedy})
        return _done("pw.x stopped at max_seconds", remedy)


class OutOfMemoryHandler(ErrorHandler):
    """
    Use less memory after pw.x was killed or could not allocate.

    The remedies are: all processes in one pool of k-points, as each pool holds its own
    wavefunctions; a smaller workspace of solver and mixing.

    Parameters
    ----------
    job
        Job that started pw.x, and will start it again.
    """

    max_num_corrections = 2
    raise_on_max = True

    def __init__(self, job: PwJob) -> None:
        self.job = job

    def check(self, directory: str = "./") -> bool:
        """Whether memory ran out."""
        return _out_of_memory(self.job, read_report(Path(directory)))

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Choose one pool or a smaller workspace."""
        error = "; ".join(read_report(Path(directory)).errors) or "pw.x was killed"
        if self.job.has_pools:
            return _in_one_pool(self.job, [error])
        remedy = {"diago_david_ndim": 2, "mixing_ndim": 4}
        edit_input(Path(directory), {"electrons": remedy})
        return _done(error, remedy)


class PoolsHandler(ErrorHandler):
    """
    Give up pools of k-points where pw.x cannot calculate something in them.

    It has no stress of hybrid functionals with pools.

    Parameters
    ----------
    job
        Job that started pw.x, and will start it again.
    """

    max_num_corrections = 1
    raise_on_max = True

    def __init__(self, job: PwJob) -> None:
        self.job = job

    def check(self, directory: str = "./") -> bool:
        """Whether pw.x refused the pools."""
        errors = " ".join(read_report(Path(directory)).errors)
        return _NO_POOLS in errors and self.job.has_pools

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Put all processes in one pool."""
        return _in_one_pool(self.job, read_report(Path(directory)).errors)


class CrashHandler(ErrorHandler):
    """
    Run pw.x once more if it died without a reason in its output.

    Parameters
    ----------
    job
        Job that started pw.x.
    """

    max_num_corrections = 1
    raise_on_max = True

    def __init__(self, job: PwJob) -> None:
        self.job = job

    def check(self, directory: str = "./") -> bool:
        """Whether pw.x ended early without a reason in its output."""
        report = read_report(Path(directory))
        if report.finished or report.explained or self.job.timed_out:
            return False
        others = _out_of_memory(self.job, report) or _no_start_file(report)
        return not others

    def correct(self, directory: str = "./") -> dict[str, Any]:
        """Change nothing, so that the same run is repeated."""
        errors = read_report(Path(directory)).errors or ["pw.x died without a message"]
        return {"errors": errors, "actions": ["run again"]}


def all_handlers(job: PwJob) -> list[ErrorHandler]:
    """Return new handlers for one label: they count how often each was applied."""
    return [
        UnconvergedScfHandler(),
        StartFileHandler(),
        DiagonalisationHandler(),
        TooFewBandsHandler(),
        WalltimeHandler(),
        OutOfMemoryHandler(job),
        PoolsHandler(job),
        CrashHandler(job),
    ]


def _no_start_file(report: PwReport) -> bool:
    """Whether the run could not read the files that it was to start from."""
    errors = " ".join(report.errors)
    return any(symptom in errors for symptom in _NO_START_FILE)


def _out_of_memory(job: PwJob, report: PwReport) -> bool:
    """Whether memory probably ran out: pw.x was killed, or an error says so."""
    errors = " ".join(report.errors).lower()
    named = any(symptom in errors for symptom in _NO_MEMORY)
    return not report.finished and (job.was_killed or named)


def _in_one_pool(job: PwJob, errors: list[str]) -> dict[str, Any]:
    """Put all processes of the next run in one pool of k-points."""
    job.without_pools()
    return {"errors": errors, "actions": ["one pool of k-points"]}


def _done(error: str, remedy: dict[str, Any]) -> dict[str, Any]:
    """Return the error and the changes in custodian's form."""
    actions = [
        f"{key} = {value:.4g}" if isinstance(value, float) else f"{key} = {value}"
        for key, value in remedy.items()
    ]
    return {"errors": [error], "actions": actions}
