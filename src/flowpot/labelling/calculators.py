"""Calculators of atomate2's Makers: whether they can be made here, what they need."""

from importlib.util import find_spec
from typing import Any

from flowpot.documents import reason_for

_WITH_CALCULATOR = ("atomate2.ase.jobs", "AseMaker")
"""Class, by its module, of Makers whose `calculator` makes one of ASE's."""
_PACKAGES = {
    "calorine": "calorine",
    "chgnet": "chgnet",
    "deepmd": "deepmd-kit",
    "fairchem": "fairchem-core",
    "mace": "'flowpot[mace]'",
    "matgl": "matgl",
    "mattersim": "mattersim",
    "nequip": "nequip",
    "quippy": "quippy-ase",
    "sevenn": "sevenn",
    "upet": "upet",
}
"""What pip calls packages with calculators, by the names of their modules."""
_MODULES = {
    "Allegro": ("nequip",),
    "CHGNet": ("chgnet", "matgl"),
    "DeepMD": ("deepmd",),
    "FAIRChem": ("fairchem",),
    "GAP": ("quippy",),
    "M3GNet": ("matgl",),
    "MACE": ("mace",),
    "MACE_MP_0": ("mace",),
    "MACE_MP_0B3": ("mace",),
    "MACE_MPA_0": ("mace",),
    "MATPES_PBE": ("matgl",),
    "MATPES_R2SCAN": ("matgl",),
    "MatterSim": ("mattersim",),
    "NEP": ("calorine",),
    "Nequip": ("nequip",),
    "SevenNet": ("sevenn",),
    "UPET": ("upet",),
}
"""Modules of which atomate2 takes the first that is here, by names of its `MLFF`."""


def check_calculator(**makers: Any) -> None:
    """
    Make the calculators of atomate2's Makers with one: a second, or a few for a model.

    Parameters
    ----------
    **makers
        Static Makers by their places; None and other Makers are left alone.

    Raises
    ------
    ValueError
        Naming the place, the Maker, why it has no calculator, and the remedy.
    """
    for place, maker in makers.items():
        if not _has_calculator(maker):
            continue
        try:
            _ = maker.calculator
        except Exception as error:  # of any calculator's package
            raise ValueError(
                f"{place}, {maker.name!r}, has no calculator: {reason_for(error)}; "
                f"{_remedy(maker, error)}"
            ) from error


def missing_here(maker: Any) -> list[str]:
    """
    Return what a Maker's calculator needs and this machine lacks, with the remedy.

    By names alone: no calculator's package is imported. Where jobs run elsewhere, it
    may be there.
    """
    modules = _modules_of(maker) if _has_calculator(maker) else ()
    if not modules or any(map(find_spec, modules)):
        return []
    return [f"its calculator is not here: {_install(modules[0])}"]


def _has_calculator(maker: Any) -> bool:
    kinds = type(maker).__mro__
    return any((kind.__module__, kind.__name__) == _WITH_CALCULATOR for kind in kinds)


def _modules_of(maker: Any) -> tuple[str, ...]:
    """Return the modules one of which a calculator comes from; none if not known."""
    name = getattr(maker, "calculator_meta", None)
    if isinstance(name, str) and "." in name:
        return (name.partition(".")[0],)
    return _MODULES.get(getattr(name, "name", ""), ())


def _remedy(maker: Any, error: Exception) -> str:
    """Return what to do about a calculator that cannot be made."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return "correct its fields, or install what it needs"
    module, usual = error.name.partition(".")[0], _modules_of(maker)
    return _install(usual[0] if module in usual else module)


def _install(module: str) -> str:
    package = _PACKAGES.get(module)
    if package is None:
        return f"install the package with the module {module!r}, or correct its fields"
    return f"`pip install {package}` where the jobs run"
