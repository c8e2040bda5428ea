"""What a validation says in words, without a reference."""

import numpy as np
import pytest

from flowpot.properties.document import CrystalDoc, Quantity, ValidationDoc
from flowpot.properties.options import calculation_of, unit_of
from flowpot.properties.verdict import in_words


def test_the_verdict_names_what_is_wrong_by_itself():
    def quantity(name, mean, calculation, **more):
        return Quantity(
            name=name,
            calculation=calculation,
            unit="",
            members=[mean],
            mean=mean,
            **more,
        )

    crystal = CrystalDoc(
        name="Si",
        quantities=[
            quantity("lowest_frequency", -2.0, "phonons"),
            quantity("energy_drift", 5.0, "nve"),
            quantity(
                *("C44", 50.0, "elastic"),
                interval=(49.0, 51.0),
                interval_kind="calibrated",
                reference=60.0,
            ),
        ],
    )
    document = ValidationDoc(n_members=1, properties=[], crystals=[crystal])
    said = in_words(document)
    assert "imaginary modes (-2 THz)" in said
    assert "energy is not conserved (5 meV/atom/ps)" in said
    assert "0 of 1 reference values are inside" in said
    assert "C44 50" in said
    assert "-16.7%" in said
    assert "ntervals of elastic are calibrated" in said


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("energy_drift", [50.0, -60.0], "energy is not conserved (-60 meV/atom/ps)"),
        ("lowest_stiffness", [100.0, -40.0], "unstable by member 1 of 2 (-40 GPa)"),
        ("lowest_frequency", [0.0, -0.15, None], "imaginary modes by member 1 of 3"),
        ("energy_drift", [0.5, -0.6], None),
        ("lowest_frequency", [-0.01, 0.0], None),
    ],
)
def test_members_do_not_cancel_in_the_verdict(name, values, words):
    known = [value for value in values if value is not None]
    quantity = Quantity(
        name=name,
        calculation=calculation_of(name),
        unit=unit_of(name),
        members=values,
        mean=np.mean(known),
    )
    crystal = CrystalDoc(name="Si", quantities=[quantity])
    document = ValidationDoc(n_members=len(values), properties=[], crystals=[crystal])
    said = in_words(document)
    assert (words in said) if words else said == "."


@pytest.mark.parametrize(
    ("mean", "interval", "words"),
    [
        (-21.0, (-24.0, -18.0), "it is mechanically unstable by this potential"),
        (-21.0, None, "smallest eigenvalue of the elastic tensor -21 GPa"),
        (2.0, (-1.0, 5.0), "it may be mechanically unstable (smallest eigenvalue of"),
        (2.0, (1.0, 3.0), None),
        (2.0, None, None),
    ],
)
def test_the_verdict_says_whether_a_crystal_is_mechanically_stable(
    mean, interval, words
):
    quantity = Quantity(
        name="lowest_stiffness",
        calculation="elastic",
        unit="GPa",
        members=[mean],
        mean=mean,
        interval=interval,
    )
    crystal = CrystalDoc(name="NiAl Pm-3m", quantities=[quantity])
    said = in_words(ValidationDoc(n_members=1, properties=[], crystals=[crystal]))
    assert (words in said) if words else "unstable" not in said
