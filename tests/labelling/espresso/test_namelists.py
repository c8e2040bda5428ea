"""Misspelt keys and values of the wrong kind are found when the Maker is made."""

import numpy as np
import pytest
import yaml
from ase.build import bulk

from flowpot.labelling import EspressoStaticMaker
from flowpot.labelling.espresso import EspressoInputGenerator
from flowpot.labelling.espresso.namelists import checked_settings, known_keys

REFUSED = [
    ("SYSTEM: {ecutwcf: 40}", "no key ecutwcf in SYSTEM: did you mean ecutwfc"),
    ("SYSTEM: {ecutwfc: forty}", r"\['ecutwfc'\] is 'forty': use a number"),
    ("CONTROL: {ecutwfc: 40}", "ecutwfc is a key of namelist SYSTEM: move it there"),
    ("SYSTEM: {mixing_bta: 0.3}", "did you mean mixing_beta"),
    ("ELECTRONS: {xyz: 1}", "see pw.x's INPUT_PW"),
    ("ELECTRONS: {conv_thr: 1e-8x}", "'1e-8x': use a number"),
    ("ELECTRONS: {conv_thr: -1.0e-8}", "use a number larger than 0"),
    ("ELECTRONS: {electron_maxstep: 80.5}", "80.5: use a whole number"),
    ("ELECTRONS: {electron_maxstep: true}", "True: use a whole number"),
    ("ELECTRONS: {diagonalization: 3}", "3: use text"),
    ("SYSTEM: {nosym: 1}", "1: use true or false"),
    ("SYSTEM: {nosym: 'yes please'}", "'yes please': use true or false"),
    ("SYSTEM: {ecutwfc: [30, 40]}", r"\[30, 40\]: use a number"),
    ("SYSTEM: {ecutwfc: .nan}", "nan: use a number"),
    ("SYSTEM: {degauss: null}", "None: use a number"),
    ("SYSTEM: {nat: 3}", "nat'] is 3: the frame decides it"),
    ("SYSTEM: {'celldm(1)': 10}", "the frame decides it"),
    ("CONTROL: {calculation: relax}", "a label is a single point"),
    ("CONTROL: {tprnfor: false}", "a label has forces"),
    ("SYSTEM: 40", "give namelists"),
    ("[1, 2]", "user_settings is .*give namelists"),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_what_pw_would_not_read_is_refused(text, expected):
    settings = yaml.safe_load(text)
    with pytest.raises(ValueError, match=expected.replace("'] is 3", r"'\] is 3")):
        EspressoStaticMaker(user_settings=settings)


def test_values_become_fortrans_kind():
    """YAML reads 1e-8 as text; quoted, pw.x would not read it as a number."""
    settings = yaml.safe_load(
        "{electrons: {CONV_THR: 1e-8, electron_maxstep: '200', tqr: .true.}, "
        "SYSTEM: {ecutwfc: 4.0d1, input_dft: pbesol, london_c6(1): 2, nosym: yes}}"
    )
    checked = checked_settings(settings)
    assert checked["electrons"] == {
        "conv_thr": 1e-8,
        "electron_maxstep": 200,
        "tqr": True,
    }
    assert isinstance(checked["electrons"]["electron_maxstep"], int)
    assert checked["system"]["ecutwfc"] == 40.0
    assert checked["system"]["nosym"] is True
    numbers = {"SYSTEM": {"ecutwfc": np.float64(30), "nbnd": np.int64(8)}}
    assert checked_settings(numbers)["system"] == {"ecutwfc": 30.0, "nbnd": 8}

    generator = EspressoInputGenerator(
        pseudo_family="debian-pbe", user_settings=settings
    )
    text = generator.get_input_set(bulk("Si")).text
    assert "conv_thr         = 1e-08" in text
    assert "electron_maxstep = 200" in text
    assert "ecutrho          = 160" in text  # text must not be multiplied


def test_keys_of_older_versions_are_known():
    for section, key in (("system", "lda_plus_u"), ("system", "hubbard_u")):
        assert key in known_keys(section)
    checked_settings({"SYSTEM": {"lda_plus_u": True, "Hubbard_U(1)": 5.0}})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"kspacing": "fine"}, "kspacing is 'fine': use a positive number"),
        ({"kspacing": float("nan")}, "kspacing is nan"),
        ({"kspacing": float("inf")}, "kspacing is inf"),
        ({"walltime": -1}, "walltime is -1: use a positive number"),
        ({"walltime": "1h"}, "walltime is '1h'"),
        ({"hubbard": {"Ni-3d": "six"}}, r"hubbard\['Ni-3d'\] is 'six': use a number"),
    ],
)
def test_other_fields_are_checked_as_well(fields, expected):
    with pytest.raises(ValueError, match=expected):
        EspressoStaticMaker(**fields)
