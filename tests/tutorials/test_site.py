"""The site is built without a warning, and has what its pages promise."""

import subprocess
import sys
from pathlib import Path

import pytest

import flowpot
from flowpot.campaign.config.schema import campaign_schema

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = ["-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going"]
    done = subprocess.run(
        [sys.executable, *command, ROOT / "tutorials", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_field_has_a_default_and_a_meaning(site):
    page = (site / "reference/fields.html").read_text()
    for name in ("ActiveLearningMaker", "EspressoStaticMaker", "min_success_fraction"):
        assert name in page
    assert "<td><p></p></td>" not in page  # no field without a description


def test_what_a_file_may_set_is_described(site):
    """Every class of the schema, and none of the public Makers is forgotten."""
    page = (site / "reference/fields.html").read_text()
    names = {*campaign_schema()["$defs"], *flowpot.__all__}
    makers = {name for name in names if name.endswith("Maker")}
    described = {name for name in names if f'id="{name.lower()}"' in page}
    assert described >= makers | {*campaign_schema()["$defs"]}


def test_formulas_need_no_network(site):
    page = (site / "guides/science.html").read_text()
    assert page.count("<math ") > 20
    assert "\\frac" not in page
    assert 'src="http' not in page  # no script of elsewhere


def test_errors_that_the_tests_assert_are_listed(site):
    page = (site / "reference/messages.html").read_text()
    assert "no explored frame to judge" in page
    assert page.count("<tr") > 200


def test_the_api_has_the_public_names(site):
    page = (site / "reference/api.html").read_text()
    assert 'id="flowpot.evaluation.CommitteeCalculator"' in page
