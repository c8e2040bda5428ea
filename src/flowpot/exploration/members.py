"""The potentials of a run, between the job that has them and the driver."""

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, Calculator

from flowpot.dataset import Artifact

MODEL = "model"
CALCULATOR = "calculator"
_ASE = "ase.calculators."
SKIN = 1.0
"""Of the neighbours that are searched for (A): a crystal's atoms seldom leave it."""


def members_of(committee: Any) -> list[Any]:
    """
    List the members of whatever stands for a committee.

    Parameters
    ----------
    committee
        A CommitteeDoc, a PotentialDoc or its model Artifact, the dictionary form of
        these, the path of a model, the class or factory of an ASE calculator, a
        mapping ``{"calculator": ..., "kwargs": {...}}`` of such a factory (or its
        dotted name) and its arguments, or a list of any of these.
    """
    if isinstance(committee, Mapping):
        committee = committee.get("members", [committee])
    committee = getattr(committee, "members", committee)
    return list(committee) if isinstance(committee, list | tuple) else [committee]


def anchored(committee: Any) -> Any:
    """Make the paths of models absolute, before a job runs in a folder of its own."""
    if isinstance(committee, str | Path):
        return str(Path(committee).expanduser().absolute())
    if isinstance(committee, list | tuple):
        return [anchored(member) for member in committee]
    return committee


def stage_member(member: Any, folder: Path) -> dict[str, Any]:
    """
    Write a member's model to a folder and say how the driver gets it.

    Parameters
    ----------
    member
        See :func:`members_of`.
    folder
        Where the model file goes, named by its content.

    Returns
    -------
    dict
        ``{"model": path}`` or ``{"calculator": dotted name, "kwargs": {...}}``, in
        plain JSON.
    """
    if callable(member):
        member = {CALCULATOR: member}
    if isinstance(member, Mapping) and CALCULATOR in member:
        factory = member[CALCULATOR]
        if callable(factory):
            check_factory(factory)
            factory = f"{factory.__module__}.{factory.__qualname__}"
        elif not str(factory).startswith(_ASE):
            raise ValueError(
                f"calculator is {factory!r}: by name there are ASE's, such as "
                f"{_ASE}emt.EMT; give the class of another itself, from Python"
            )
        return {CALCULATOR: factory, "kwargs": dict(member.get("kwargs", {}))}
    if isinstance(member, str | Path):
        return {MODEL: str(Path(member).absolute())}
    artifact = _artifact(member)
    place = folder / artifact.sha256[:12]
    place.mkdir(parents=True, exist_ok=True)
    return {MODEL: str(artifact.to_file(place).absolute())}


def _artifact(member: Any) -> Artifact:
    if isinstance(member, Mapping):
        member = member.get(MODEL) or member
    artifact = getattr(member, MODEL, member)
    if isinstance(artifact, Mapping):
        artifact = Artifact.from_document(artifact)
    if not isinstance(artifact, Artifact):
        raise TypeError(
            f"committee member is a {type(member).__name__}: use a PotentialDoc, its "
            "model Artifact, the path of a model, or an ASE calculator's class"
        )
    return artifact


class Calculators:
    """Calculators by their description; what several runs share is loaded once."""

    def __init__(self) -> None:
        self._loaded: dict[str, Calculator] = {}

    def __call__(self, description: Mapping[str, Any]) -> Calculator:
        """Load, or give what was loaded."""
        key = json.dumps(description, sort_keys=True)
        if key not in self._loaded:
            self._loaded[key] = _load(description)
        return self._loaded[key]


def _load(description: Mapping[str, Any]) -> Calculator:
    if MODEL in description:
        # Imports torch, which a run with another calculator does without.
        from flowpot.potentials import load_potential  # noqa: PLC0415

        return load_potential(Path(description[MODEL])).calculator(SKIN)
    module, _, name = description[CALCULATOR].rpartition(".")
    factory = getattr(import_module(module), name)
    check_factory(factory)
    return factory(**description["kwargs"])


def check_factory(factory: Any) -> None:
    """
    Refuse what does not make an ASE calculator, before it is called.

    Parameters
    ----------
    factory
        A calculator's class, or a function whose annotation says that it returns one.

    Raises
    ------
    ValueError
        For anything else: a document could name any function of this machine.
    """
    made = factory
    if not isinstance(factory, type):
        made = getattr(factory, "__annotations__", {}).get("return")
        if isinstance(made, str):
            made = get_type_hints(factory).get("return")
    if not (isinstance(made, type) and issubclass(made, BaseCalculator)):
        name = getattr(factory, "__qualname__", repr(factory))
        raise ValueError(  # noqa: TRY004 - one error for all wrong values
            f"calculator is {getattr(factory, '__module__', '')}.{name}: give the "
            "class of an ASE calculator, or a function that is annotated to return one"
        )


def properties_of(atoms: Atoms) -> list[str]:
    """Name what is asked of a calculator: stress only where an axis is periodic."""
    return ["energy", "forces", *(["stress"] if atoms.pbc.any() else [])]


def stress_matrix(results: Mapping[str, Any]) -> np.ndarray:
    """(3, 3) stress (eV/A^3) of a calculator's results; NaN where it has none."""
    if "stress" not in results:
        return np.full((3, 3), np.nan)
    stress = np.asarray(results["stress"], dtype=float)
    if stress.shape == (3, 3):
        return stress
    xx, yy, zz, yz, xz, xy = stress.reshape(6)
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
