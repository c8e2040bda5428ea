"""The committee of a run: how its members are described, and their calculators."""

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, Calculator

from flowpot.dataset import Artifact
from flowpot.potentials.device import keep_freed_memory
from flowpot.potentials.extensions import unpack_extensions
from flowpot.settings import given_path

MODEL = "model"
CALCULATOR = "calculator"
_ASE = "ase.calculators."
SKIN = 1.0
"""Skin of the neighbour lists (A): atoms of a crystal seldom move so far."""


def anchored(committee: Any) -> Any:
    """Return a committee with absolute paths: its job will run in another folder."""
    if isinstance(committee, str | Path):
        return str(Path(committee).expanduser().absolute())
    if isinstance(committee, list | tuple):
        return [anchored(member) for member in committee]
    return committee


def stage_member(member: Any, folder: Path) -> dict[str, Any]:
    """
    Write a member's model to a folder and describe the member in plain JSON.

    Parameters
    ----------
    member
        A PotentialDoc or its model Artifact, the dictionary form of these, the path of
        a model, the class or factory of an ASE calculator, or a mapping
        ``{"calculator": ..., "kwargs": {...}}`` of such a factory (or its dotted name)
        and its arguments.
    folder
        Folder of the model files, each in a folder that is named by its hash.

    Returns
    -------
    dict
        ``{"model": path}`` or ``{"calculator": dotted name, "kwargs": {...}}``.

    Raises
    ------
    ValueError
        If the calculator is given by name and is not ASE's, or is no ASE calculator.
    TypeError
        If the member is none of these.
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
        return {MODEL: str(given_path(member).absolute())}
    document = member
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
    own_folder = folder / artifact.sha256[:12]
    own_folder.mkdir(parents=True, exist_ok=True)
    unpack_extensions(document, own_folder)
    return {MODEL: str(artifact.to_file(own_folder).absolute())}


class Calculators:
    """Calculators by their description; each is loaded once, for all runs."""

    def __init__(self) -> None:
        self._loaded: dict[str, Calculator] = {}

    def __call__(self, description: Mapping[str, Any]) -> Calculator:
        """Return the calculator that :func:`stage_member` has described."""
        key = json.dumps(description, sort_keys=True)
        if key not in self._loaded and MODEL in description:
            # Imports torch, which a run with another calculator does without.
            from flowpot.potentials import load_potential  # noqa: PLC0415

            potential = load_potential(Path(description[MODEL]))
            self._loaded[key] = potential.calculator(SKIN)
        elif key not in self._loaded:
            module, _, name = description[CALCULATOR].rpartition(".")
            factory = getattr(import_module(module), name)
            check_factory(factory)
            keep_freed_memory()  # it may use torch
            self._loaded[key] = factory(**description["kwargs"])
        return self._loaded[key]


def check_factory(factory: Any) -> None:
    """
    Raise an error if a factory does not make ASE calculators, without calling it.

    Parameters
    ----------
    factory
        A calculator's class, or a function whose annotation says that it returns one.

    Raises
    ------
    ValueError
        For anything else: a document could name any function of this machine.
    """
    kind = factory
    if not isinstance(factory, type):
        kind = getattr(factory, "__annotations__", {}).get("return")
        if isinstance(kind, str):
            kind = get_type_hints(factory).get("return")
    if not (isinstance(kind, type) and issubclass(kind, BaseCalculator)):
        name = getattr(factory, "__qualname__", repr(factory))
        raise ValueError(  # noqa: TRY004 - one error for all wrong values
            f"calculator is {getattr(factory, '__module__', '')}.{name}: give the "
            "class of an ASE calculator, or a function that is annotated to return one"
        )


def properties_of(atoms: Atoms) -> list[str]:
    """Return what a calculator computes of a frame: stress if any axis is periodic."""
    return ["energy", "forces", *(["stress"] if atoms.pbc.any() else [])]


def stress_matrix(results: Mapping[str, Any]) -> np.ndarray:
    """Return the stress of a calculator's results, (3, 3) in eV/A^3; NaN without."""
    if "stress" not in results:
        return np.full((3, 3), np.nan)
    stress = np.asarray(results["stress"], dtype=float)
    if stress.shape == (3, 3):
        return stress
    xx, yy, zz, yz, xz, xy = stress.reshape(6)
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
