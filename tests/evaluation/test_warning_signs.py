"""Warnings name the cause and the remedy."""

import pytest

from flowpot.evaluation.warning_signs import noise_signs


@pytest.mark.parametrize(
    ("noise", "warns"), [(0.0999, False), (0.3 / 3, False), (0.1001, True)]
)
def test_labels_may_move_by_a_third_of_the_tolerance(noise, warns):
    signs = noise_signs({"forces": noise, "stress": 9.0}, {"forces": 0.3, "energy": 1})
    assert len(signs) == warns


def test_the_warning_has_both_numbers_and_the_remedy():
    noise = {"energy": 0.0123, "forces": 0.5}
    energy, forces = noise_signs(noise, {"energy": 0.01, "forces": 0.3})
    assert "noise of the energy labels is 0.0123 eV/atom" in energy
    assert "third of the tolerance 0.01: " in energy
    assert "denser mesh of k-points and higher cutoffs" in energy
    assert "forces labels is 0.5 eV/A, over a third of the tolerance 0.3" in forces


def test_what_could_not_be_measured_is_told():
    (sign,) = noise_signs(None, {"energy": 0.01})
    assert "could not be measured" in sign
