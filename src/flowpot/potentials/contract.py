"""Whether a potential backend does what flowpot relies on."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from flowpot.dataset import Artifact, Dataset
from flowpot.plugins import promised
from flowpot.potentials.base import Potential
from flowpot.potentials.prediction import MissingOutputError, Prediction
from flowpot.potentials.registry import backend_class, load_potential
from flowpot.potentials.verlet import VerletList

_hold = partial(promised, "the potential")

_SKIN = 1.0  # A
_HEAD = 2  # atoms whose forces are compared with finite differences
_LARGE = 10_000  # atoms: all frames are one batch


def check_potential(
    potential: Potential,
    frame: Atoms,
    tolerance: float = 1e-4,
    file: Path | None = None,
) -> None:
    """
    Test a potential: for the tests of whoever writes a backend.

    Forces and stress are compared with slopes of the energy, whose own unit (eV) no
    test can tell.

    Parameters
    ----------
    potential
        A potential of the backend, in double precision if it has that.
    frame
        A fully periodic frame of at least two atoms, not at rest in a minimum.
    tolerance
        Largest error of energies (eV), forces (eV/A) and stress (eV/A^3). For a model
        in single precision about 0.01.
    file
        Model file of the potential, where the backend has files.

    Raises
    ------
    AssertionError
        Naming the promise that is not kept.
    """
    checks = _Checks(potential, tolerance)
    checks.declarations()
    variants = [frame]  # each number of periodic axes, an atom and a supercell
    for pbc in ((True, True, False), (True, False, False), (False, False, False)):
        variants.append(frame.copy())
        variants[-1].pbc = pbc
    variants += [Atoms(frame.symbols[:1]), frame * (2, 1, 1)]
    frames = Dataset.from_atoms(variants)
    checks.outputs(frames)
    checks.forces(frames)
    checks.stress(frames)
    checks.symmetries(frame)
    checks.graphs(frames)
    checks.features(frame, frames)
    checks.calculator(frame)
    checks.refusals(frame)
    if file is not None:
        checks.loading(file, frame)


class _Checks:
    """The checks of one potential, and the comparisons that they share."""

    def __init__(self, potential: Potential, tolerance: float) -> None:
        self.potential, self.tolerance = potential, tolerance
        self.step = 0.1 * tolerance**0.5  # keeps truncation and rounding below it

    def equal(self, one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
        alike = one.shape == other.shape
        return alike and np.allclose(one, other, 0, self.tolerance, equal_nan=True)

    def same(self, one: Prediction, other: Prediction) -> bool:
        return (
            self.equal(one.energy, other.energy)
            and self.equal(one.forces, other.forces)
            and self.equal(one.stress, other.stress)
        )

    def evaluate(self, *frames: Atoms) -> Prediction:
        return self.potential.evaluate(Dataset.from_atoms(frames), _LARGE)

    def declarations(self) -> None:
        potential = self.potential
        _hold(bool(potential.backend), "its backend has a name")
        endings = [suffix.startswith(".") for suffix in potential.suffixes]
        _hold(all(endings), "its suffixes begin with a dot")
        known = set(potential.species) <= set(chemical_symbols[1:])
        _hold(bool(potential.species) and known, "its species are chemical symbols")
        _hold(potential.cutoff > 0, "its cutoff is positive")
        key = hash(potential.graph_key)
        _hold(key == hash(potential.graph_key), "its graph_key stays the same")
        unknown = set(potential.reference_energies) - set(potential.species)
        _hold(not unknown, "its reference energies are those of its species")

    def outputs(self, frames: Dataset) -> None:
        potential, n = self.potential, len(frames)
        batch = potential.evaluate_graph(potential.build_graph(frames))
        shapes = [a.shape for a in (batch.energy, batch.forces, batch.stress)]
        wanted = [(n,), (len(frames.numbers), 3), (n, 3, 3)]
        _hold(shapes == wanted, f"arrays have the shapes {wanted}, not {shapes}")
        kinds = {a.dtype for a in (batch.energy, batch.forces, batch.stress)}
        _hold(kinds == {np.dtype(np.float64)}, "arrays are of the type float64")
        _hold(bool(np.isfinite(batch.energy).all()), "energies are finite")
        _hold(bool(np.isfinite(batch.forces).all()), "forces are finite")
        volumes = np.array([atoms.cell.volume for atoms in frames])
        has_stress = frames.pbc.any(axis=1) & (volumes > 0)
        stress, nothing = batch.stress[has_stress], batch.stress[~has_stress]
        _hold(bool(np.isfinite(stress).all()), "periodic frames have a stress")
        _hold(bool(np.isnan(nothing).all()), "stress is NaN without periodic axes")
        turned = batch.stress.transpose(0, 2, 1)
        _hold(self.equal(batch.stress, turned), "stress is symmetric")
        single = potential.evaluate(frames, 1)
        _hold(self.same(single, batch), "a batch gives what single frames give")
        none = potential.evaluate(frames[:0])
        shapes = [a.shape for a in (none.energy, none.forces, none.stress)]
        _hold(shapes == [(0,), (0, 3), (0, 3, 3)], "no frames have no predictions")

    def forces(self, frames: Dataset) -> None:
        """Compare with finite differences of the energy."""
        forces = self.potential.evaluate(frames).forces
        moving = np.abs(forces).max() > self.tolerance
        _hold(bool(moving), "the frame has forces")
        for atoms, rows in zip(frames, frames.rows, strict=True):
            for atom in range(min(_HEAD, len(atoms))):
                places = [(atom, axis) for axis in range(3)]
                slopes = self._slopes(atoms, places, _displace)
                kept = self.equal(forces[rows][atom], -slopes)
                _hold(kept, "forces are the negative slope of the energy (eV/A)")

    def stress(self, frames: Dataset) -> None:
        """Compare with finite differences of the energy in strained cells."""
        stress = self.potential.evaluate(frames).stress
        components = [(a, b) for a in range(3) for b in range(a, 3)]
        for atoms, tensor in zip(frames, stress, strict=True):
            if not np.isfinite(tensor).all():
                continue
            slopes = self._slopes(atoms, components, _strain)
            upper = np.array([tensor[where] for where in components])
            kept = self.equal(upper, slopes / atoms.cell.volume)
            _hold(kept, "stress is dE/dstrain over the cell's volume (eV/A^3)")

    def _slopes(
        self,
        atoms: Atoms,
        places: list[tuple[int, int]],
        change: Callable[[Atoms, tuple[int, int], float], None],
    ) -> NDArray[np.float64]:
        """Return central differences of the energy by some changes of a frame."""
        changed = []
        for place in places:
            for step in (self.step, -self.step):
                changed.append(atoms.copy())
                change(changed[-1], place, step)
        energies = self.evaluate(*changed).energy.reshape(-1, 2)
        return (energies[:, 0] - energies[:, 1]) / (2 * self.step)

    def symmetries(self, frame: Atoms) -> None:
        whole = self.evaluate(frame)
        back = self.evaluate(frame[::-1])
        order = Prediction(back.energy, back.forces[::-1], back.stress)
        _hold(self.same(order, whole), "the order of the atoms does not matter")
        moved, wrapped = frame.copy(), frame.copy()
        moved.positions += [0.3, -1.2, 0.7]
        _hold(self.same(self.evaluate(moved), whole), "translations do not matter")
        wrapped.positions[0] += frame.cell.array.T @ [2, -1, 1]
        kept = self.same(self.evaluate(wrapped), whole)
        _hold(kept, "atoms may lie outside their cell")
        twice = self.evaluate(frame * (2, 1, 1))
        half = Prediction(twice.energy / 2, twice.forces[: len(frame)], twice.stress)
        _hold(self.same(half, whole), "a supercell has twice the energy")

    def graphs(self, frames: Dataset) -> None:
        """Follow a frame with a Verlet list, and join graphs of single frames."""
        potential = self.potential
        neighbours = VerletList(potential.build_graph, potential.cutoff, _SKIN)
        singles = []
        for i in range(len(frames)):
            parts = frames.frame(i)
            singles.append(potential.build_graph(parts, _SKIN))
            for shift in (0.0, 0.1):
                moved = parts.copied()
                moved.positions[0] += shift
                followed = potential.evaluate_graph(neighbours.graph(moved))
                searched = potential.evaluate_graph(potential.build_graph(moved))
                kept = self.same(followed, searched)
                _hold(kept, "a graph that moves gives what a new one gives")
        graph = type(singles[0]).joined(singles).moved(frames)
        joined = potential.evaluate_graph(graph)
        again = potential.evaluate_graph(graph)
        _hold(self.same(joined, again), "a graph may be evaluated twice")
        batch = potential.evaluate(frames)
        _hold(self.same(joined, batch), "joined graphs give what a batch gives")

    def features(self, frame: Atoms, frames: Dataset) -> None:
        """Check the features of a model that has them."""
        try:
            means = self.potential.descriptors(frames, _LARGE)
        except MissingOutputError:
            return
        _hold(len(means) == len(frames), "each frame has a descriptor")
        _hold(bool(np.isfinite(means).all()), "features are finite")
        rows = sum(len(part) for _, part in self.potential.atom_features(frames, 1))
        _hold(rows == len(frames.numbers), "each atom has features")
        single = self.potential.descriptors(frames, 1)
        _hold(self.equal(single, means), "features do not depend on the batch")
        alike = [frame, frame[::-1], frame * (1, 2, 1)]
        means = self.potential.descriptors(Dataset.from_atoms(alike))
        kept = self.equal(means[1:], means[[0, 0]])
        _hold(kept, "descriptors do not depend on order and repetition")

    def calculator(self, frame: Atoms) -> None:
        """Compare the ASE calculator with the potential."""
        atoms = frame.copy()
        atoms.calc = self.potential.calculator()
        results = Prediction(
            np.array([atoms.get_potential_energy()]),
            atoms.get_forces(),
            atoms.get_stress(voigt=False)[None],
        )
        _hold(self.same(results, self.evaluate(frame)), "ASE gets the same results")

    def refusals(self, frame: Atoms) -> None:
        unknown = [s for s in chemical_symbols[1:] if s not in self.potential.species]
        if not unknown:
            return
        foreign = frame.copy()
        foreign.symbols[0] = unknown[0]
        try:
            self.evaluate(foreign)
        except ValueError as error:
            _hold(unknown[0] in str(error), "the refusal names the unknown element")
        else:
            _hold(kept=False, promise="elements that it does not know are refused")

    def loading(self, file: Path, frame: Atoms) -> None:
        """Load the file by its suffix, and by the document of a potential."""
        potential, kind = self.potential, type(self.potential)
        kept = backend_class(file.name, potential.backend) is kind
        _hold(kept, f"the entry point of {potential.backend!r} is its class")
        document = {"model": Artifact.from_file(file), "backend": potential.backend}
        loaded = load_potential(document, potential.device)
        again = loaded.evaluate(Dataset.from_atoms([frame]))
        kept = self.same(again, self.evaluate(frame))
        _hold(kept, "a loaded model predicts the same")
        _hold(file.suffix in potential.suffixes, "its files have one of its suffixes")
        _hold(isinstance(load_potential(file), kind), "its suffix is its own")


def _displace(atoms: Atoms, place: tuple[int, int], step: float) -> None:
    atoms.positions[place] += step


def _strain(atoms: Atoms, component: tuple[int, int], step: float) -> None:
    """Strain a frame symmetrically."""
    a, b = component
    strain = np.eye(3)
    strain[a, b] += step / 2
    strain[b, a] += step / 2
    atoms.set_cell(atoms.cell.array @ strain)
    atoms.positions = atoms.positions @ strain
