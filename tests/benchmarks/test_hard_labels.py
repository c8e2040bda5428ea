"""
Frames whose SCF is known to be hard: how many get a label, and by which remedy.

30 frames as augmentation and broken trajectories make them: metals with a vacancy,
slabs that end in dangling bonds, molecules torn apart, clusters squeezed together.
Spins are left unpolarised where nature would polarise them, as in a campaign that says
nothing of magnetism. Cutoffs are low: it is the convergence that is asked for. `pytest
-s` prints the table.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, diamond100, diamond111, fcc100, fcc111, hcp0001

from flowpot.labelling.espresso import EspressoStaticMaker, PseudoFamily

pytestmark = [pytest.mark.slow, pytest.mark.qe, pytest.mark.timeout(3600)]

N_FRAMES = 30


def with_vacancy(cell: Atoms, seed: int) -> Atoms:
    """Take the first atom out and shake the others."""
    atoms = cell[1:]
    atoms.rattle(0.15, seed=seed)
    return atoms


def slab(atoms: Atoms, seed: int) -> Atoms:
    """Open the third axis, 10 A of vacuum, and shake the atoms."""
    atoms.center(vacuum=5.0, axis=2)
    atoms.pbc = (True, True, False)
    atoms.rattle(0.1, seed=seed)
    return atoms


def dimer(symbols: str) -> Atoms:
    """Two atoms, 4 A apart."""
    atoms = Atoms(symbols, [[0, 0, 0], [0, 0, 4.0]], pbc=False)
    atoms.center(vacuum=3.5)
    return atoms


def cluster(crystal: Atoms, n_atoms: int, shortest: float, seed: int) -> Atoms:
    """Cut atoms out around a site, squeeze their bonds, and shake them."""
    block = crystal * (3, 3, 3)
    middle = block.positions.mean(axis=0)
    order = np.argsort(np.linalg.norm(block.positions - middle, axis=1))
    atoms = Atoms(block.numbers[order[:n_atoms]], block.positions[order[:n_atoms]])
    distances = atoms.get_all_distances()
    atoms.positions *= shortest / distances[distances > 0].min()
    atoms.rattle(0.1, seed=seed)
    atoms.center(vacuum=3.5)
    return atoms


def hard_frames() -> Iterator[tuple[str, Atoms]]:
    """Return the frames, each with its kind."""
    aluminium, magnesium = bulk("Al", a=4.0, cubic=True), bulk("Mg", a=3.2, c=5.2)
    copper, nickel = bulk("Cu", a=3.6, cubic=True), bulk("Ni", a=3.5, cubic=True)
    for seed in range(3):
        yield "metal with a vacancy", with_vacancy(aluminium * (2, 1, 1), seed)
    yield "metal with a vacancy", with_vacancy(aluminium * (1, 1, 6), 3)
    for seed in range(2):
        yield "metal with a vacancy", with_vacancy(magnesium * (2, 2, 1), seed)
    yield "metal with a vacancy", with_vacancy(copper, 4)
    magnetic = with_vacancy(nickel, 5)
    magnetic.set_initial_magnetic_moments([1.0] * len(magnetic))
    yield "metal with a vacancy", magnetic

    yield "slab", slab(fcc100("Al", (1, 1, 24), a=4.0), 1)
    yield "slab", slab(fcc111("Al", (1, 1, 12), a=4.0), 0)
    yield "slab", slab(hcp0001("Mg", (1, 1, 16), a=3.2, c=5.2), 2)
    yield "slab", slab(fcc100("Cu", (1, 1, 4), a=3.6), 3)
    yield "slab", slab(diamond100("Si", (1, 1, 6), a=5.4), 4)
    yield "slab", slab(diamond100("Si", (1, 2, 8), a=5.4), 5)
    yield "slab", slab(diamond111("Si", (1, 1, 5), a=5.4), 6)
    yield "slab", slab(diamond100("C", (1, 1, 6), a=3.55), 7)

    for symbols in ("Si2", "C2", "O2", "B2", "As2", "Al2", "CO", "SiO"):
        yield "dimer of 4 A", dimer(symbols)

    silicon = bulk("Si", cubic=True)
    yield "cluster", cluster(silicon, 6, 1.8, 0)
    yield "cluster", cluster(silicon, 9, 2.0, 1)
    yield "cluster", cluster(bulk("C", cubic=True), 7, 1.3, 2)
    yield "cluster", cluster(aluminium, 7, 2.0, 3)
    yield "cluster", cluster(aluminium, 13, 2.5, 4)
    yield "cluster", cluster(bulk("B", "fcc", a=2.9, cubic=True), 7, 1.4, 5)


@pytest.fixture
def maker() -> EspressoStaticMaker:
    """The cheapest potentials that there are, of the local density approximation."""
    files = {
        **{symbol: (f"{symbol}.pz-vbc.UPF", 12.0, 48.0) for symbol in ("Al", "Si")},
        "As": ("As.pz-bhs.UPF", 12.0, 48.0),
        "B": ("B.pz-vbc.UPF", 20.0, 80.0),
        "C": ("C.pz-rrkjus.UPF", 22.0, 160.0),
        "Cu": ("Cu.pz-d-rrkjus.UPF", 22.0, 160.0),
        "Mg": ("Mg.pz-n-vbc.UPF", 12.0, 48.0),
        "Ni": ("Ni.pz-nd-rrkjus.UPF", 22.0, 160.0),
        "O": ("O.pz-rrkjus.UPF", 22.0, 160.0),
    }
    keys = ("filename", "ecutwfc", "ecutrho")
    family = PseudoFamily(
        "lda",
        "/usr/share/espresso/pseudo",
        {symbol: dict(zip(keys, row, strict=True)) for symbol, row in files.items()},
    )
    return EspressoStaticMaker(protocol="fast", pseudo_family=family)


def test_30_hard_frames(maker, tmp_path):
    found: dict[str, Counter[str]] = {}
    print()  # noqa: T201
    for index, (kind, atoms) in enumerate(hard_frames()):
        start = perf_counter()
        # Few k-points: what makes a slab hard is its length.
        sampled = replace(maker, kspacing=2.3 if kind == "slab" else 1.2)
        document = sampled.label_in(atoms, tmp_path / str(index))
        seconds = perf_counter() - start
        remedies = [action for each in document.corrections for action in each.actions]
        row = found.setdefault(kind, Counter())
        row["frames"] += 1
        row["labelled"] += document.state == "successful"
        row["at once"] += document.state == "successful" and not remedies
        row.update({each.handler for each in document.corrections})
        print(  # noqa: T201
            f"{kind:22}{atoms.get_chemical_formula():6}{document.state:12}"
            f"{document.run.n_scf_steps or 0:4} steps {seconds:6.1f} s  "
            f"{'; '.join(remedies)} {' '.join(document.errors)}",
            flush=True,
        )
    columns = list(dict.fromkeys(name for row in found.values() for name in row))
    print("\n" + " " * 22 + "".join(f"{name:>24}" for name in columns))  # noqa: T201
    for kind, row in found.items():
        counts = "".join(f"{row[name]:24}" for name in columns)
        print(f"{kind:22}{counts}")  # noqa: T201
    total = sum(found.values(), Counter())
    assert total["frames"] == N_FRAMES
    assert total["labelled"] >= N_FRAMES - 1
