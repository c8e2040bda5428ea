"""The methods section tells what a paper has to tell, and says what it cannot know."""

import json
import re

from flowpot import ActiveLearningMaker, Campaign, LabellingMaker
from flowpot.campaign.fields import fields_of
from flowpot.demo import silicon_campaign
from flowpot.report.methods import methods_of
from flowpot.report.references import CITATIONS, References
from trivial_campaign import run_trivial_campaign


def section_of(jobstore, synthetic_campaign, maker, **stated):
    """Return the text for a campaign of a Maker, whose labels state their input."""
    synthetic_campaign(jobstore, n_frames=2, n_iterations=1)
    campaign = Campaign.from_store(jobstore)
    campaign.makers = fields_of(maker)
    campaign.settings = campaign.settings | stated
    section = methods_of(campaign)
    return "\n".join(section.paragraphs), section


def test_the_demos_section_has_every_setting(jobstore, synthetic_campaign):
    text, section = section_of(jobstore, synthetic_campaign, silicon_campaign(seed=7))
    for part in (
        *("pw.x of Quantum ESPRESSO", "protocol 'fast'", "PBE", "debian-pbe"),
        *(
            "the family's recommended ones",
            "0.35 Å⁻¹",
            "cold",
            "0.0075 Ry",
            "spin-polarised",
        ),
        *("n_frames = 8", "strain = -0.06 to 0.08", "Committees of 4", "lr = 0.01"),
        *("LammpsMDMaker of flowpot", "n_steps = 600", "timestep = 2"),
        *("temperatures = 300 to 500", "pressures = 0 to 50", "sampling = grid"),
        *("max_selected = 16", "pilot_labels = 12", "max_iterations = 4"),
        *("energy 20 meV/atom", "forces 250 meV/Å", "stress 10 meV/Å³", "synthetic"),
    ):
        assert part in text, part
    assert ": ." not in text
    cited = {name for name, words in CITATIONS.items() if words in section.references}
    assert cited >= {"quantum-espresso", "pbe", "cold", "mace", "lammps", "jobflow"}
    numbers = {
        int(n) for n in re.findall(r"\d+", "".join(re.findall(r" \[[\d, ]+\]", text)))
    }
    assert numbers == set(range(1, len(section.references) + 1))


def test_a_lower_chance_is_told(jobstore, synthetic_campaign):
    synthetic_campaign(jobstore, n_frames=40, n_iterations=2)
    campaign = Campaign.from_store(jobstore)
    for fit in campaign.calibration.values():
        fit.rule, fit.chance = "chance", 0.35
    lower = "a lower chance was taken"
    assert lower not in "\n".join(methods_of(campaign).paragraphs)
    for document, chance in zip(campaign.iteration_docs, (0.213, None), strict=True):
        document.flagged_from = chance
    assert f"{lower} (0.21 at least)" in "\n".join(methods_of(campaign).paragraphs)


def test_what_a_label_states_comes_first(jobstore, synthetic_campaign):
    stated = {
        "labelling.parameters": {"system": {"ecutwfc": 61.0, "nspin": 2}},
        "labelling.pseudo_family": "sssp-1.3-pbe-efficiency",
        "labelling.pseudopotentials": {"Si": {"filename": "Si.upf", "md5": "0a1b"}},
    }
    maker = ActiveLearningMaker(labelling=LabellingMaker())
    text, section = section_of(jobstore, synthetic_campaign, maker, **stated)
    assert "61 Ry for wavefunctions" in text
    assert "Si.upf, md5 0a1b" in text
    assert "was spin-polarised" in text
    assert CITATIONS["sssp"] in section.references


def test_makers_of_other_packages_are_described_by_their_fields(jobstore, clean_dir):
    campaign = run_trivial_campaign(jobstore, 1)
    text = "\n".join(methods_of(campaign).paragraphs)
    assert "[not known to flowpot; please add: code, version" in text
    assert "campaign's seed, 0" in text
    assert campaign.makers["labelling"]["maker"].endswith("ConstantLabelling")


def test_a_foreign_labeller_is_named_with_its_fields(jobstore, synthetic_campaign):
    maker = ActiveLearningMaker()
    makers = fields_of(maker)
    makers["labelling"]["static_maker"] = {
        "maker": "atomate2.vasp.jobs.core.StaticMaker",
        "name": "static",
        "input_set_generator": {"user_incar_settings": {"ENCUT": 520, "ISMEAR": 0}},
    }
    synthetic_campaign(jobstore, n_frames=2, n_iterations=1)
    campaign = Campaign.from_store(jobstore)
    campaign.makers = makers
    section = methods_of(campaign)
    text = "\n".join(section.paragraphs)
    assert "StaticMaker of atomate2" in text
    assert "ENCUT = 520, ISMEAR = 0" in text
    assert "please add what is missing of" in text
    assert CITATIONS["vasp"] in section.references


def test_a_store_of_before_says_what_is_missing(jobstore, synthetic_campaign):
    synthetic_campaign(jobstore, n_frames=2, n_iterations=1)
    campaign = Campaign.from_store(jobstore)
    campaign.makers = {}
    text = "\n".join(methods_of(campaign).paragraphs)
    assert "Initial frames: [not known to flowpot" in text
    assert "please add: temperatures, pressures" in text


def test_a_campaign_keeps_its_makers_without_their_classes(jobstore, clean_dir):
    campaign = run_trivial_campaign(jobstore, 1)
    assert campaign.makers == campaign.doc.makers
    assert "@module" not in json.dumps(campaign.makers)
    assert campaign.makers["tolerance"] == {
        "energy": 0.001,
        "forces": 0.1,
        "stress": 0.001,
    }


def test_a_running_campaign_has_them_too(jobstore, clean_dir):
    """From the first output of the loop on."""
    run_trivial_campaign(jobstore, 1)
    loops = list(jobstore.query({"name": "active learning"}, load=False))
    first = min(loops, key=lambda loop: loop["index"])
    jobstore.remove_docs({"name": "active learning", "index": {"$ne": first["index"]}})
    campaign = Campaign.from_store(jobstore, first["metadata"]["campaign_uuid"])
    assert not campaign.finished
    assert campaign.makers["max_iterations"] == 1
    assert campaign.seed == 0


def test_passwords_are_hidden_and_long_texts_cut():
    address = "mongodb://ada:lovelace@db.org/x"
    fields = fields_of({"address": address, "frames": ["x" * 5000]})
    assert fields["address"] == "mongodb://***@db.org/x"
    assert len(fields["frames"][0]) < 2100


def test_unknown_codes_are_not_cited():
    assert References().cite("nothing") == ""
