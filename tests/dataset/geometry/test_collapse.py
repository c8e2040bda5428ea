"""Cells that have shrunk to nothing or are nearly flat: found, whatever their shape."""

from itertools import product

import numpy as np
import pytest
from ase.build import bulk, fcc111, graphene

from flowpot.dataset import Dataset
from flowpot.dataset.arrays import Arrays
from flowpot.dataset.geometry.collapse import (
    LEAST_IMAGE,
    CollapsedCellError,
    check_predictable,
    image_distances,
    is_collapsed,
    volumes_per_atom,
)


@pytest.mark.parametrize(
    "pbc", [(True,) * 3, (True, True, False), (False, False, True)]
)
def test_the_nearest_image_is_the_shortest_lattice_vector(pbc):
    rng = np.random.default_rng(1)
    cells = rng.normal(size=(200, 3, 3)) * rng.uniform(0.1, 2, (200, 1, 1))
    found = image_distances(cells, np.tile(pbc, (200, 1)).astype(bool), np.inf)
    steps = [range(-9, 10) if axis else [0] for axis in pbc]
    combinations = np.array([c for c in product(*steps) if any(c)])
    for cell, distance in zip(cells, found, strict=True):
        lengths = np.linalg.norm(combinations @ cell, axis=1)
        # Very skewed cells have still shorter vectors than these.
        assert distance <= lengths.min() + 1e-9
        if np.linalg.cond(cell) < 5:
            assert distance == pytest.approx(lengths.min())


def test_beyond_enough_a_bound_is_enough():
    skewed = np.array([[[3.0, 0, 0], [30.0, 3.0, 0], [0, 0, 3.0]]])
    everywhere = np.ones((1, 3), bool)
    assert 0.2 < image_distances(skewed, everywhere, 0.2)[0] < 3.0
    assert image_distances(skewed, everywhere, 4.0)[0] == pytest.approx(3.0)


def test_volumes():
    slab = fcc111("Cu", (1, 1, 3), vacuum=9.0)
    sheet = graphene(vacuum=9.0)
    frames = Dataset.from_atoms([bulk("Cu", a=3.6), slab, sheet, slab[:1]])
    volume = volumes_per_atom(frames)
    assert volume[0] == pytest.approx(3.6**3 / 4)
    area = np.linalg.norm(np.cross(*slab.cell[:2]))
    assert volume[1] == pytest.approx(area * (np.ptp(slab.positions[:, 2]) + 2) / 3)
    assert volume[2] == pytest.approx(2 * 2.46**2 * 3**0.5 / 2 / 2)
    assert not is_collapsed(frames).any()


def test_the_densest_that_there_is():
    """Metallic hydrogen at 500 GPa, and diamond compressed to a third."""
    hydrogen = bulk("H", "bcc", a=1.3)
    diamond = bulk("C", a=3.57 * 3 ** (-1 / 3))
    assert not is_collapsed(Dataset.from_atoms([hydrogen, diamond])).any()


@pytest.mark.parametrize(
    "cell",
    [
        0.6 * np.eye(3),  # small
        np.diag([9.0, 9.0, 0.1]),  # flat
        [[9.0, 0, 0], [0, 9.0, 0], [9.0, 9.0, 0.1]],  # flat, and skewed
        [[9.0, 0, 0], [9.2, 0.1, 0], [0, 0, 9.0]],  # thin
    ],
)
def test_what_is_not_predicted(cell):
    atoms = bulk("Si", cubic=True)
    atoms.set_cell(cell)
    frames = Dataset.from_atoms([bulk("Si"), atoms])
    assert is_collapsed(frames).tolist() == [False, True]
    with pytest.raises(
        CollapsedCellError, match=r"frame 1: .*LEAST_IMAGE.*LEAST_VOLUME.*remove the fr"
    ):
        check_predictable(frames)


@pytest.mark.parametrize(
    "cell",
    [1e-3 * np.eye(3), np.diag([9.0, 9.0, 1e-3]), [[9, 0, 0], [0, 9, 0], [9, 0, 1e-3]]],
)
def test_what_is_no_frame(cell, tmp_path):
    atoms = bulk("Si")
    atoms.set_cell(np.asarray(cell, float))
    with pytest.raises(ValueError, match=r"frame 0: its cell .*SMALLEST_IMAGE"):
        Dataset.from_atoms([atoms])
    text = " ".join(str(x) for x in np.ravel(cell))
    (tmp_path / "a.xyz").write_text(f'1\nLattice="{text}"\nSi 0 0 0\n')
    with pytest.raises(ValueError, match=r"a.xyz: frame 0: its cell .*SMALLEST_IMAGE"):
        Dataset.read(tmp_path / "a.xyz")


def test_open_directions_may_be_short():
    """Vectors of directions that are not periodic mean nothing."""
    wire = bulk("Cu", cubic=True)
    wire.set_cell([3.6, 0.01, 0.01])
    wire.pbc = [True, False, False]
    molecule = wire.copy()
    molecule.pbc = False
    frames = Dataset.from_atoms([wire, molecule])
    assert not is_collapsed(frames).any()
    assert LEAST_IMAGE == 0.5


def spoilt(pbc=True, positions=None, cell=None):
    """Frames 0 and 2 are good, and frame 1 is not."""
    atoms = bulk("Si", cubic=True)
    atoms.pbc = pbc
    if positions is not None:
        atoms.positions[3] = positions
    if cell is not None:
        atoms.set_cell(cell)
    parts = [Arrays.of_atoms(each) for each in (bulk("Cu"), atoms, bulk("Si"))]
    return Arrays.joined(parts)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (
            spoilt(positions=np.nan),
            r"the position of atom 3 is \[nan nan nan\]: remove",
        ),
        (spoilt(pbc=False, positions=np.inf), r"the position of atom 3 is \[inf"),
        (spoilt(cell=np.diag([np.nan, 9, 9])), "its cell is not finite: remove"),
        (spoilt(pbc=[1, 1, 0], cell=np.diag([np.inf, 9, 9])), "its cell is not finite"),
        (
            spoilt(cell=np.diag([9.0, 9.0, 0.0])),
            r"no volume .*pbc TTT.*: give it a cel",
        ),
        (spoilt(cell=np.zeros((3, 3))), r"no volume along the periodic axes"),
        (spoilt(pbc=[0, 0, 1], cell=np.diag([9.0, 9.0, 0])), r"no volume .*pbc FFT"),
    ],
)
def test_what_is_no_geometry_is_not_predicted(frames, message):
    """A search for neighbours in it would not end."""
    assert is_collapsed(frames).tolist() == [False, True, False]
    with pytest.raises(ValueError, match=f"frame 1: .*{message}"):
        check_predictable(frames)
