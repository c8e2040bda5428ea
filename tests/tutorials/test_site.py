"""The site is built without a warning, and has what its pages promise."""

import subprocess
import sys
from pathlib import Path

import pytest

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


def test_errors_that_the_tests_assert_are_listed(site):
    page = (site / "reference/messages.html").read_text()
    assert "no explored frame to judge" in page
    assert page.count("<tr") > 100


def test_the_api_has_the_public_names(site):
    page = (site / "reference/api.html").read_text()
    assert 'id="flowpot.evaluation.CommitteeCalculator"' in page
