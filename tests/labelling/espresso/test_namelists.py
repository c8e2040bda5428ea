"""Misspelt keys and values of the wrong kind are found when the Maker is made."""

import re

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
    ("{SYSTEM: {ecutwfc: 30}, system: {nosym: true}}", "namelist SYSTEM twice"),
    ("SYSTEM: {ecutwfc: 30, ECUTWFC: 40}", "ecutwfc twice.* with 30.* and 40"),
    ("SYSTEM: {'london_c6(Si)': 1, 'london_c6( si )': 2}", r"london_c6\(si\) twice"),
    ("SYSTEM: {hubbard_u(1): 6}", "set the maker's hubbard"),
    ("SYSTEM: {hubbard_u(Ni): 6}", "set the maker's hubbard"),
    ("SYSTEM: {'hubbard_v(1,1,1)': 6}", "order differs from frame to frame"),
    ("SYSTEM: {london_c6(1): 6}", r"Name the element: london_c6\(Ni\)"),
    ("SYSTEM: {london_c6: 6}", r"Name the element: london_c6\(Ni\)"),
    ("SYSTEM: {'hubbard_j(2,1)': 6}", r"Name the element: hubbard_j\(1,Ni\)"),
    ("SYSTEM: {'hubbard_occ(1,2)': 6}", r"Name the element: hubbard_occ\(Ni,1\)"),
    (
        "SYSTEM: {'starting_ns_eigenvalue(1,1,1)': 0.5}",
        r"Name the element: starting_ns_eigenvalue\(1,1,Ni\)",
    ),
    ("CONTROL: {title: 'a\n\n  b'}", "use text of one line"),
    ("SYSTEM: {dftd3_version: 1}", r"is 1: use one of \(2, 3, 4, 5, 6\)"),
    ("SYSTEM: {nspin: 3}", r"is 3: use one of \(1, 2, 4\)"),
    ("SYSTEM: {noncolin: true, nspin: 2}", "remove the one or the other"),
    ("SYSTEM: 40", "give namelists"),
    ("[1, 2]", "user_settings is .*give namelists"),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_what_pw_would_not_read_is_refused(text, expected):
    settings = yaml.safe_load(text)
    with pytest.raises(ValueError, match=expected.replace("'] is 3", r"'\] is 3")):
        EspressoStaticMaker(user_settings=settings)


TEXTS = {
    ("SYSTEM", "vdw_corr"): ("d3", "dftd3", "GRIMME-D3", "Mbd"),
    ("SYSTEM", "occupations"): ("smeared", "from_input"),
    ("SYSTEM", "smearing"): ("mp1", "Cold"),
    ("SYSTEM", "esm_bc"): ("bc0",),
    ("SYSTEM", "constrained_magnetization"): ("atomic_direction",),
    ("SYSTEM", "exxdiv_treatment"): ("vcut-ws",),
    ("SYSTEM", "input_dft"): ("pbee", "hse06", "PBE-sol", "pbe+d3", "xc", ""),
    ("CONTROL", "disk_io"): ("nothing",),
    ("CONTROL", "verbosity"): ("loud",),
    ("CONTROL", "restart_mode"): ("reset_counters",),
    ("ELECTRONS", "mixing_mode"): ("localTF",),
    ("ELECTRONS", "diagonalization"): ("davidson-rmm",),
    ("ELECTRONS", "startingpot"): ("atom",),
    ("ELECTRONS", "startingwfc"): ("atomic-random",),
}  # pw.x takes most of them for something else, without an error


@pytest.mark.parametrize(
    ("section", "key", "text"),
    [(*place, text) for place, texts in TEXTS.items() for text in texts],
)
def test_texts_that_pw_does_not_know_are_refused(section, key, text):
    expected = rf"\['{key}'\] is '{re.escape(text)}'.*use "
    with pytest.raises(ValueError, match=expected):
        checked_settings({section: {key: text}})


def test_the_nearest_text_is_named():
    for key, text, near in (
        ("vdw_corr", "dftd3", "dft-d3"),
        ("input_dft", "PBEsol1", "pbesol"),
    ):
        with pytest.raises(ValueError, match=f"did you mean '{near}'"):
            checked_settings({"SYSTEM": {key: text}})


@pytest.mark.parametrize(
    "name",
    [
        *("PBEsol", "vdW-DF2-b86r", "b3lyp-v1r", "PBE+META"),
        *("sla+pw+pbx+pbc", "SLA-PW-PBE-PBE", "sla pw rw86 vdw2"),
        *("gga_x_pbe_sol+gga_c_pbe_sol", "XC_MGGA_X_SCAN XC_MGGA_C_SCAN"),
        "xc-001i-004i-003i-004i-000i-000i",
    ],
)
def test_functionals_by_short_name_by_terms_and_by_libxc(name):
    settings = {"SYSTEM": {"input_dft": name}}
    assert checked_settings(settings)["system"]["input_dft"] == name


def test_a_version_that_ignores_a_value_is_refused(pair):
    generator = EspressoInputGenerator(
        pseudo_family="debian-pbe", user_settings={"SYSTEM": {"vdw_corr": "mbd"}}
    )
    assert generator.needs_version
    assert "'mbd'" in generator.get_input_set(pair, "6.8").text
    with pytest.raises(ValueError, match=r"pw\.x 6\.7MaX ignores: use version 6\.8"):
        generator.get_input_set(pair, "6.7MaX")
    plain = EspressoInputGenerator(user_settings={"SYSTEM": {"vdw_corr": "dft-d3"}})
    assert not plain.needs_version


def test_keys_of_a_species_follow_its_element():
    """pw.x numbers species as the atoms of a frame lie, and by their moments."""
    generator = EspressoInputGenerator(
        pseudo_family="debian-pbe",
        user_settings={
            "SYSTEM": {
                "london_c6(Ni)": 30.0,
                "london_rvdw(O)": 2.5,
                "Hubbard_J( 1, NI )": 1.0,
                "starting_ns_eigenvalue(5,2,Ni)": 0.5,
                "london_c6(Fe)": 40.0,
            }
        },
    )
    oxide = bulk("NiO", "rocksalt", a=4.18)
    oxide.set_initial_magnetic_moments([2.0, 0.0])
    for atoms, ni, o in ((oxide, 1, 2), (oxide[[1, 0]], 2, 1)):
        inputs = generator.get_input_set(atoms)
        expected = {
            f"london_c6({ni})": 30.0,
            f"london_rvdw({o})": 2.5,
            f"hubbard_j(1,{ni})": 1.0,
            f"starting_ns_eigenvalue(5,2,{ni})": 0.5,
        }
        indexed = {k: v for k, v in inputs.parameters["system"].items() if "(" in k}
        assert indexed == expected
        lines = [re.sub(r"\s+", "", line) for line in inputs.text.splitlines()]
        assert {f"{key}={value}" for key, value in expected.items()} < set(lines)
    mixed = oxide * (2, 1, 1)
    mixed.set_initial_magnetic_moments([2.0, 0.0, -2.0, 0.0])
    system = generator.get_input_set(mixed).parameters["system"]
    assert system["london_c6(1)"] == system["london_c6(3)"] == 30.0
    assert "london_c6(2)" not in system


def test_values_become_fortrans_kind():
    """YAML reads 1e-8 as text; quoted, pw.x would not read it as a number."""
    settings = yaml.safe_load(
        "{electrons: {CONV_THR: 1e-8, electron_maxstep: '200', tqr: .true.}, "
        "SYSTEM: {ecutwfc: 4.0d1, input_dft: pbesol, london_c6(Si): 2, nosym: yes}}"
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
    checked_settings({"SYSTEM": {"lda_plus_u": True, "U_projection_type": "atomic"}})


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
