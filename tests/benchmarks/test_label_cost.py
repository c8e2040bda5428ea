"""
What a label costs, by pw.x's libraries and by its SCF; figures with ``-s``.

CPU time of serial runs, one after the other. Found: a label of 64 atoms of silicon with
two SCF iterations takes 53 s with Netlib's reference BLAS and 11 s with OpenBLAS; the
demo's threshold and mixing make 3.5 of 5.5 s for two atoms, and 7.8 of 10.2 s for four.
"""

import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from flowpot.demo import silicon_labels, silicon_structures
from flowpot.labelling.espresso.blas import reference_blas

# ruff: noqa: T201 - the figures are to be seen

pytestmark = [pytest.mark.slow, pytest.mark.qe]


def labelled(maker, atoms, folder):
    """Return a label, and the seconds of CPU time that pw.x took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = maker.label_in(atoms, folder).output
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return output, spent


def test_the_reference_blas_is_slow(tmp_path, monkeypatch):
    atoms = bulk("Si", "diamond", a=5.47, cubic=True) * (2, 2, 2)
    atoms.rattle(0.05, seed=0)
    loose = {"ELECTRONS": {"conv_thr": 1.0}}  # two iterations
    maker = replace(silicon_labels(), kspacing=9.0, user_settings=loose)
    seconds, energies = {}, []
    for name in ("blas", "openblas-serial"):
        folders = Path("/usr/lib").glob(f"*-linux-gnu/{name}")
        if (folder := next(folders, None)) is None:
            pytest.skip(f"no {name} here")
        monkeypatch.setenv("LD_LIBRARY_PATH", str(folder))
        assert (reference_blas("pw.x") is not None) == (name == "blas")
        output, seconds[name] = labelled(maker, atoms, tmp_path / name)
        energies.append(output.energy)
    print(seconds)
    assert energies[0] == pytest.approx(energies[1], abs=1e-4)
    assert seconds["blas"] > 2.5 * seconds["openblas-serial"]


def test_the_demo_ends_its_scf_early(tmp_path):
    ours = silicon_labels()
    strict = replace(ours, user_settings={"SYSTEM": ours.user_settings["SYSTEM"]})
    seconds = np.zeros(2)
    for number, atoms in enumerate(silicon_structures()):
        atoms.rattle(0.08, seed=number)
        atoms.set_cell(atoms.cell * (1.02, 0.99, 1.0), scale_atoms=True)
        (quick, a), (known, b) = (
            labelled(maker, atoms, tmp_path / f"{name}-{number}")
            for name, maker in (("ours", ours), ("strict", strict))
        )
        off = np.abs(np.subtract(quick.forces, known.forces)).max()
        print(f"{len(atoms)} atoms: {a:.1f}, {b:.1f} s, {1000 * off:.2f} meV/A")
        assert off < 0.001
        seconds += a, b
    assert seconds[0] < 0.9 * seconds[1]
