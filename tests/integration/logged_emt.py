"""A labeller that notes what it begins and finishes. Workers import it too."""

import hashlib
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ase.calculators.emt import EMT
from ase.units import GPa
from jobflow import Maker, job
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor


@dataclass
class LoggedEMTMaker(Maker):
    """
    Label by ASE's EMT, after atomate2's static contract.

    Parameters
    ----------
    name
        Of the jobs.
    log
        File in which each label is noted as it begins and when it is finished.
    seconds
        What a label takes.
    """

    name: str = "qe static"
    log: str = "labels.log"
    seconds: float = 0.0

    @job
    def make(self, structure: Structure, prev_dir: str | None = None) -> dict:  # noqa: ARG002
        """Label a frame; `prev_dir` is the contract's."""
        atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
        atoms.calc = EMT()
        digest = hashlib.sha256(atoms.positions.tobytes() + atoms.cell.tobytes())
        frame = digest.hexdigest()
        self._note("begun", frame)
        time.sleep(self.seconds)
        Path("scratch").write_bytes(bytes(200_000))  # as engines leave it
        output = {
            "energy": atoms.get_potential_energy(),
            "forces": atoms.get_forces().tolist(),
            "stress": (atoms.get_stress(voigt=False) * -10 / GPa).tolist(),
        }
        self._note("finished", frame)
        return {"output": output, "dir_name": str(Path.cwd())}

    def _note(self, event: str, frame: str) -> None:
        with Path(self.log).open("a") as file:
            file.write(f"{event} {frame} {time.time()}\n")


def label_events(log: Path) -> list[tuple[str, str]]:
    """What the labellers noted so far: ("begun" | "finished", frame)."""
    lines = Path(log).read_text().splitlines() if Path(log).exists() else []
    return [tuple(line.split()[:2]) for line in lines]


def is_labelling(log: Path, n_finished: int) -> bool:
    """Whether so many labels are finished, and handed in, and another has begun."""
    events = label_events(log)
    done = {frame for event, frame in events if event == "finished"}
    return len(done) >= n_finished and events[-1][0] == "begun"


def label_intervals(log: Path) -> list[tuple[float, float]]:
    """When each label began and ended (s since the epoch)."""
    begun, intervals = {}, []
    for line in Path(log).read_text().splitlines():
        event, frame, at = line.split()
        if event == "begun":
            begun[frame] = float(at)
        else:
            intervals.append((begun[frame], float(at)))
    return intervals


def n_recomputed(log: Path) -> int:
    """How many labels were begun again after they had been finished."""
    finished, again = set(), Counter()
    for event, frame in label_events(log):
        if event == "finished":
            finished.add(frame)
        elif frame in finished:
            again[frame] += 1
    return again.total()
