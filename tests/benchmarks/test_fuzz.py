"""Damaged files of every format: none crashes or hangs, none is taken for whole."""

import json
import selectors
import subprocess
import sys
from collections import Counter
from itertools import cycle, islice

import h5py
import numpy as np
import pytest
from ase.build import bulk
from jobflow import Response

from flowpot.campaign.local import run as local
from flowpot.dataset import Artifact, Dataset
from flowpot.evaluation import CommitteeCalculator
from flowpot.labelling.espresso.cache import LabelCache
from flowpot.labelling.espresso.document import (
    EspressoCalculation,
    EspressoOutput,
    EspressoRun,
    EspressoTaskDoc,
)
from trivial_campaign import fit

from . import corruptions, fuzz_worker

SEED = 2026
SECONDS_A_FILE = 60
OUTCOMES = ("refused", "same", "different", "raw", "crash", "hang")
SEALED = (
    *("extxyz", "HDF5", "artifact", "response", "label cache", "model", "committee"),
)
"""Formats with checksums. HDF5 of earlier versions has none."""


@pytest.fixture(scope="module")
def frames():
    """A dozen labelled frames with metadata."""
    rng = np.random.default_rng(SEED)
    made = []
    for _ in range(12):
        atoms = bulk("Si", cubic=True)
        atoms.rattle(0.2, rng=rng)
        made.append(atoms)
    dataset = Dataset.from_atoms(made)
    stress = rng.normal(size=(12, 3, 3))
    return dataset.with_labels(
        rng.normal(size=12),
        rng.normal(size=(96, 3)),
        stress + stress.transpose(0, 2, 1),
    ).with_info(
        config_type=["md", "vacancy"] * 6, temperature=300.0, iteration=range(12)
    )


@pytest.fixture(scope="module")
def whole(frames, random_mace, tmp_path_factory):
    """A whole file of each format."""
    import torch

    folder = tmp_path_factory.mktemp("whole")
    files = {"extxyz": frames.write(folder / "a.xyz")}
    files["HDF5"] = frames.write(folder / "a.h5")
    files["old HDF5"] = folder / "old.h5"
    with h5py.File(files["HDF5"]) as new, h5py.File(files["old HDF5"], "w") as old:
        old.attrs.update(new.attrs)
        for name in new:
            new.copy(name, old)
    files["artifact"] = folder / "artifact.json"
    artifact = Artifact.from_bytes("a.h5", frames[:3].to_bytes())
    files["artifact"].write_text(artifact.model_dump_json())
    files["response"] = folder / "response.json"
    response = {"replace": None, "addition": frames[:2].to_artifact().model_dump()}
    local._write_json(files["response"], Response(**response).__dict__)
    files["label cache"] = label_in(folder / "cache", frames)
    files["model"] = folder / "a.model"
    torch.save(random_mace(1), files["model"])
    torch.save(random_mace(2), folder / "b.model")
    fits = {"energy": fit(), "forces": fit()}
    calculator = CommitteeCalculator([files["model"], folder / "b.model"], fits, "cpu")
    files["committee"] = calculator.save(folder / "a.committee")
    return files


def label_in(folder, frames):
    """Keep a label as pw.x's Maker does; return its file."""
    output = EspressoOutput(
        structure=frames.to_structures()[0],
        energy=-1.25,
        forces=frames.forces[:8].tolist(),
        stress=frames.stress[0].tolist(),
    )
    asked = EspressoCalculation(
        protocol="fast",
        pseudo_family="SSSP",
        pseudopotentials={"Si": {"filename": "Si.upf", "ecutwfc": 30.0}},
        kpoints=(2, 2, 2),
        ecutwfc=30.0,
        ecutrho=240.0,
        parameters={"SYSTEM": {"ecutwfc": 30.0, "occupations": "smearing"}},
        command="pw.x",
    )
    document = EspressoTaskDoc(
        state="successful",
        structure=output.structure,
        input=asked,
        output=output,
        run=EspressoRun(n_scf_steps=9),
        dir_name="here:/tmp",
        versions={"quantum-espresso": "6.7"},
    )
    LabelCache(folder).keep("ab" * 32, document)
    (path,) = folder.rglob("*.json")
    return path


def damage(path, n, folder):
    """Write n damaged copies of a file, each kind of damage in turn."""
    rng = np.random.default_rng(SEED)
    content = path.read_bytes()
    made = []
    for i, kind in enumerate(islice(cycle(corruptions.KINDS), n)):
        copy = folder / str(i) / path.parent.name / path.name
        copy.parent.mkdir(parents=True)
        copy.write_bytes(corruptions.corrupted(content, kind, rng))
        made.append(copy)
    return made


def outcomes(name, path, copies):
    """Read the copies in a process, or in several if it does not survive one."""
    found = []
    while len(found) < len(copies):  # the worker reads the whole file first
        command = [sys.executable, fuzz_worker.__file__, name, path]
        process = subprocess.Popen(
            [*command, *copies[len(found) :]],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with process, selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            assert process.stdout.readline() == "ready\n"
            while len(found) < len(copies):
                if not selector.select(SECONDS_A_FILE):
                    process.kill()
                    found.append(("hang", ""))
                    break
                line = process.stdout.readline()
                if not line:
                    found.append(("crash", f"status {process.wait()}"))
                    break
                found.append(json.loads(line))
    return found


def table(counts):
    """Return the outcomes of each format as text."""
    lines = [f"{'':12}" + "".join(f"{each:>10}" for each in OUTCOMES)]
    for name, found in counts.items():
        lines.append(f"{name:12}" + "".join(f"{found[each]:>10}" for each in OUTCOMES))
    return "\n".join(lines)


def run(whole, names, n, folder):
    counts, told = {}, []
    for name in names:
        copies = damage(whole[name], n, folder / name.replace(" ", "-"))
        found = outcomes(name, whole[name], copies)
        counts[name] = Counter(each for each, _ in found)
        told += [
            f"{name}, {kind}: {each} {why}"
            for (each, why), kind in zip(found, cycle(corruptions.KINDS))
            if each not in ("refused", "same")
        ]
    print("", table(counts), *told, sep="\n")  # noqa: T201, the benchmark's result
    return counts, told


@pytest.mark.parametrize("name", SEALED)
def test_some_damaged_files(name, whole, tmp_path):
    _, told = run(whole, [name], 14, tmp_path)
    assert not told


@pytest.mark.slow
def test_1400_damaged_files(whole, tmp_path, record_property):
    counts, told = run(whole, SEALED, 200, tmp_path)
    record_property("table", table(counts))
    assert sum(map(Counter.total, counts.values())) == 1400
    assert not told


@pytest.mark.slow
def test_hdf5_without_a_checksum(whole, tmp_path):
    """Numbers that were changed cannot be seen; but it ends, with a plain message."""
    counts, _ = run(whole, ["old HDF5"], 400, tmp_path)
    assert not any(counts["old HDF5"][each] for each in ("raw", "crash", "hang"))


def test_the_seven_kinds_of_damage():
    content = bytes(range(256)) * 20
    rng = np.random.default_rng(0)
    for kind in corruptions.KINDS:
        lengths = {len(corruptions.corrupted(content, kind, rng)) for _ in range(50)}
        same_length = kind in ("bit flip", "zeroed block", "swapped blocks")
        assert (lengths == {len(content)}) == same_length
