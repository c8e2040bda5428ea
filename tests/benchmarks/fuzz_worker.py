"""Read damaged files and say what came of each: `fuzz_worker.py FORMAT WHOLE ...`."""
# ruff: noqa: BLE001 - what it says goes through a pipe, and anything may come

import hashlib
import json
import os
import pickle
import sys
import traceback
import warnings
from pathlib import Path

from flowpot.dataset import Artifact, Dataset

FLOWPOT = str(Path(sys.modules["flowpot"].__file__).parent)


def dataset(path):
    """Every array and column, to the last bit."""
    fields = Dataset.read(path).fields
    info = {name: list(map(repr, column)) for name, column in fields["info"].items()}
    arrays = {name: fields[name].tobytes() for name in fields if name != "info"}
    return pickle.dumps([sorted(info.items()), sorted(arrays.items())])


def artifact(path):
    """The content."""
    return Artifact.from_document(path.read_bytes()).read_bytes()


def response(path):
    """What a run would take up; None: it runs the job again."""
    from monty.json import MontyEncoder

    from flowpot.campaign.local import run as local

    found = local._read_json(path)
    return None if found is None else json.dumps(found, cls=MontyEncoder).encode()


def cache(path):
    """The label that a run would take; None: it calculates it again."""
    from flowpot.labelling.espresso.cache import LabelCache

    key, _, version = path.stem.partition("-")
    found = LabelCache(path.parent.parent).find(key, lambda: version)
    return None if found is None else found.model_dump_json().encode()


def _prediction(calculator):
    from ase.build import bulk

    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=1)
    calculator.calculate(atoms)
    return pickle.dumps(sorted((k, repr(v)) for k, v in calculator.results.items()))


def model(path):
    """What it predicts."""
    from flowpot.potentials import load_potential

    return _prediction(load_potential(path, "cpu").calculator())


def committee(path):
    """What it predicts, with its errors."""
    from flowpot.evaluation import CommitteeCalculator

    return _prediction(CommitteeCalculator.load(path, "cpu"))


READERS = {
    "extxyz": dataset,
    "HDF5": dataset,
    "old HDF5": dataset,
    "artifact": artifact,
    "response": response,
    "label cache": cache,
    "model": model,
    "committee": committee,
}


def outcome(reader, path, whole):
    """Say whether a file was refused, or read as what it was."""
    try:
        found = reader(path)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1].filename
        own = type(error).__module__.startswith("flowpot") or (
            isinstance(error, ValueError | FileNotFoundError)
            and last.startswith(FLOWPOT)
        )
        text = f"{type(error).__module__}.{type(error).__name__}: {error}"[:300]
        return ("refused" if own else "raw"), text
    if found is None:
        return "refused", ""
    same = hashlib.sha256(found).hexdigest() == whole
    return ("same" if same else "different"), ""


def main():
    """Print a line for each file."""
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what packages print goes elsewhere
    name, whole, *paths = sys.argv[1:]
    reader = READERS[name]
    whole = hashlib.sha256(reader(Path(whole))).hexdigest()
    print("ready", file=answers)
    for path in paths:
        print(json.dumps(outcome(reader, Path(path), whole)), file=answers)


if __name__ == "__main__":
    main()
