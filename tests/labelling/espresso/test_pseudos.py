import pytest
from monty.json import MontyDecoder, MontyEncoder

from flowpot.labelling.espresso import PseudoFamily, get_family, get_protocol
from flowpot.labelling.espresso.pseudos import valence_electrons

DEBIAN = "/usr/share/espresso/pseudo"


def test_protocols_are_the_papers():
    stringent = get_protocol("stringent")
    assert (stringent.kpoints_distance, stringent.degauss) == (0.10, 0.0125)
    assert stringent.conv_thr_per_atom == 1e-10
    with pytest.raises(ValueError, match="'moderate': use one of stringent"):
        get_protocol("moderate")


def test_sssp_tables_are_shipped():
    """Silicon in SSSP 1.3 PBE, as the table of the archive states it."""
    for quality, cutoffs in (("precision", (30, 240)), ("efficiency", (30, 240))):
        family = get_family(f"sssp-1.3-pbe-{quality}")
        assert len(family.pseudos) > 80
        assert family.cutoffs(["Si"]) == cutoffs


def test_cutoffs_are_the_largest_of_the_frames_own_elements():
    family = get_family("debian-pbe")
    assert family.cutoffs(["Ge", "H", "Ge"]) == (46, 202)
    assert family.cutoffs(["Ge"]) == (32, 128)


def test_debian_files_are_the_ones_the_table_was_made_for():
    family = get_family("debian-pbe")
    assert set(family.verify(family.pseudos)) == set(family.pseudos)


def test_another_file_of_the_same_name_is_refused(tmp_path):
    (tmp_path / "Si.pbe-rrkj.UPF").write_text("not the one")
    entry = get_family("debian-pbe").pseudos["Si"]
    family = PseudoFamily("copy", str(tmp_path), {"Si": entry})
    with pytest.raises(ValueError, match="expects d7f89eb60b7b"):
        family.verify(["Si"])


def test_where_files_are_looked_for(tmp_path, monkeypatch):
    family = get_family("sssp-1.3-pbe-precision")
    monkeypatch.delenv("FLOWPOT_PSEUDO_DIR", raising=False)
    (tmp_path / "empty.yaml").touch()
    monkeypatch.setenv("FLOWPOT_CONFIG_FILE", str(tmp_path / "empty.yaml"))
    with pytest.raises(FileNotFoundError, match="FLOWPOT_PSEUDO_DIR is unset"):
        family.locate(["Si"])
    monkeypatch.setenv("FLOWPOT_PSEUDO_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"Si\.pbe-n-rrkjus_psl\.1\.0\.0\.UPF"):
        family.locate(["Si"])
    own = tmp_path / family.name
    own.mkdir()
    (own / family.pseudos["Si"]["filename"]).touch()
    assert family.locate(["Si"]) == own


def test_a_family_says_what_it_lacks():
    with pytest.raises(ValueError, match="no pseudopotential for Au"):
        get_family("debian-pbe").cutoffs(["Au"])
    with pytest.raises(ValueError, match="lacks ecutrho"):
        PseudoFamily("x", ".", {"Si": {"filename": "a", "ecutwfc": 1}})
    with pytest.raises(ValueError, match="'sssp': use one of"):
        get_family("sssp")


def test_a_family_survives_json():
    family = PseudoFamily(
        "mine", DEBIAN, {"Si": {"filename": "a", "ecutwfc": 1.0, "ecutrho": 4.0}}
    )
    assert MontyDecoder().decode(MontyEncoder().encode(family)) == family


@pytest.mark.parametrize(
    ("name", "electrons"),
    [
        ("Si.pbe-rrkj.UPF", 4),  # attributes, as UPF 2 has them
        ("H_US.van", None),
        ("Fe.pbe-spn-rrkjus_psl.0.2.1.UPF", 16),
    ],
)
def test_valence_electrons_of_upf_files(name, electrons):
    from pathlib import Path

    if electrons is None:
        with pytest.raises(ValueError, match="no z_valence"):
            valence_electrons(Path(DEBIAN) / name)
    else:
        assert valence_electrons(Path(DEBIAN) / name) == electrons
