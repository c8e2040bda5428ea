"""Conservation of energy by molecular dynamics."""

from pathlib import Path

import numpy as np
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from ase.units import kB
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from flowpot.properties.calculations.base import Calculated, ForceField, run_flow
from flowpot.properties.options import ValidationOptions

_SAMPLES = 200


def nve(
    structure: Structure, field: ForceField, options: ValidationOptions, folder: Path
) -> Calculated:
    """
    Calculate how well energy is conserved at constant volume, without a thermostat.

    atomate2's ``ForceFieldMDMaker`` runs velocity Verlet in a supercell. Velocities are
    drawn at twice the temperature: half of the kinetic energy goes into the potential
    energy. ``energy_drift`` is the slope of a line through the total energy,
    ``energy_fluctuation`` the root mean square about that line, which grows with the
    square of the time step (Hairer, Lubich and Wanner, Acta Numerica 12, 399, 2003). A
    drift that does not fall with the time step shows forces that are no gradient of
    the energy, or numbers of too few digits.
    """
    from atomate2.ase.md import MDEnsemble  # noqa: PLC0415, torch
    from atomate2.forcefields.md import ForceFieldMDMaker  # noqa: PLC0415, torch

    interval = max(1, options.nve_steps // _SAMPLES)
    maker = ForceFieldMDMaker(
        **field.fields,
        ensemble=MDEnsemble.nve,
        time_step=options.nve_time_step,
        n_steps=options.nve_steps,
        traj_interval=interval,
    )
    moving = _moving(structure, options)
    _, [document] = run_flow(maker.make(moving), folder)
    frames = next(iter(document.objects.values())).frame_properties
    potential = np.array([frame["energy"] for frame in frames], dtype=float)
    temperature = np.array([frame["temperature"] for frame in frames], dtype=float)
    energy = potential / len(moving) + 1.5 * kB * temperature
    times = np.arange(len(energy)) * interval * options.nve_time_step / 1000  # ps
    if not np.isfinite(energy).all():
        raise ValueError("the total energy is not finite: the dynamics has broken")
    slope, start = np.polyfit(times, energy, 1)
    return Calculated(
        values={
            "energy_drift": float(1000 * slope),
            "energy_fluctuation": float(1000 * np.std(energy - start - slope * times)),
        },
        arrays={"times": times, "energies": energy, "temperatures": temperature},
    )


def _moving(structure: Structure, options: ValidationOptions) -> Structure:
    """Return a supercell with velocities, in ASE's unit, as atomate2 wants them."""
    repeats = [
        int(np.ceil(options.nve_length / edge)) if periodic else 1
        for edge, periodic in zip(
            structure.lattice.abc, structure.lattice.pbc, strict=True
        )
    ]
    supercell = structure.copy()
    supercell.make_supercell(repeats)
    atoms = AseAtomsAdaptor.get_atoms(supercell)
    rng = np.random.default_rng(options.seed)
    MaxwellBoltzmannDistribution(
        atoms, temperature_K=2 * options.nve_temperature, rng=rng
    )
    Stationary(atoms)
    supercell.add_site_property("velocities", atoms.get_velocities().tolist())
    return supercell
