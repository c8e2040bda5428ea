"""The report is one file that shows in a browser what the campaign came to."""

import json
import pickle
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jobflow import JobStore
from maggma.stores import MemoryStore

from flowpot import Artifact, Campaign
from flowpot.report import write_report

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
FIGURES = {
    *("rmse", "parity", "calibration", "rates", "coverage", "disagreement"),
    *("growth", "map", "halts", "cost"),
}


class Page(HTMLParser):
    """Collects what a page refers to, and its sections."""

    def __init__(self, text):
        super().__init__()
        self.links, self.sections, self.with_image = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.links += [attributes[n] for n in ("src", "href") if n in attributes]
        if tag == "section":
            self.sections.append(attributes["id"])
        if tag == "img":
            self.with_image.add(self.sections[-1])


def report(synthetic_campaign, folder, *, load_models=False, **options):
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    store.connect()
    synthetic_campaign(store, **options)
    campaign = Campaign.from_store(store)
    return write_report(campaign, folder, load_models=load_models)


@pytest.fixture(scope="module")
def finished(synthetic_campaign, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return report(synthetic_campaign, folder, load_models=True)


@pytest.fixture(scope="module")
def begun(synthetic_campaign, tmp_path_factory):
    """The first labels are there, and nothing else."""
    folder = tmp_path_factory.mktemp("begun")
    return report(synthetic_campaign, folder, n_iterations=1, finished=False)


def test_every_section_has_its_figure_in_the_file_and_beside_it(finished):
    page = Page(finished.read_text())
    assert page.with_image == FIGURES
    assert all(link.startswith(("data:", "#")) for link in page.links)
    beside = {path.stem for path in finished.parent.iterdir()} - {"report"}
    assert beside == FIGURES


class Planted:
    """A model file that runs a command where it is loaded."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_no_model_is_loaded_unless_asked(synthetic_campaign, tmp_path, monkeypatch):
    """Whoever can write to the store would run code as whoever reads it."""
    mark = tmp_path / "it ran"
    planted = Artifact.from_bytes("member-0.model", pickle.dumps(Planted(mark)))
    committee = Campaign.committee

    def with_planted(campaign):
        found = committee(campaign)
        for member in found.members:
            member.model = planted
        return found

    monkeypatch.setattr(Campaign, "committee", with_planted)
    text = report(synthetic_campaign, tmp_path / "plain").read_text()
    assert not mark.exists()
    assert "flowpot report --load-models" in text
    report(synthetic_campaign, tmp_path / "trusted", load_models=True)
    assert mark.exists()


def test_the_numbers_are_those_of_the_campaign(finished):
    text = finished.read_text()
    assert "Stopped, max_iterations: 3 of them done." in text
    assert "3 of 20" in text  # frames over threshold in the third iteration
    assert "58.7" in text  # RMSE of the forces on the test set (meV/A)
    assert "no convergence" in text


def test_the_errors_of_the_last_committee_are_shown_by_origin(finished):
    section = finished.read_text().split('id="origins"')[1].split("</section>")[0]
    rows = re.findall(r"<td>(.*?)</td>", section)
    origins, numbers, errors = rows[::5], rows[1::5], rows[3::5]
    assert origins == ["augmented", "explored 1", "explored 2"]
    assert numbers == ["15 / 3 / 2 / -"] * 3
    assert errors == ["42.7 / 53.3 / 58.7 / -"] * 3  # forces, meV/A


def test_a_campaign_that_has_just_begun_says_what_is_missing(begun):
    text = begun.read_text()
    page = Page(text)
    assert page.with_image == {"growth", "cost"}
    assert "No committee is trained yet." in text
    assert "No training has reported them yet." in text
    assert "Nothing is explored yet." in text
    assert "In iteration 1" in text


@pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt install chromium")
@pytest.mark.parametrize("which", ["finished", "begun"])
def test_a_browser_shows_it_without_complaint(which, request, tmp_path):
    path = request.getfixturevalue(which)
    probe = tmp_path / "probe.html"
    script = (
        "<script>addEventListener('load', () => { document.title = JSON.stringify("
        "[...document.images].map(i => i.complete && i.naturalWidth > 100)) })</script>"
    )
    probe.write_text(path.read_text().replace("</body>", script + "</body>"))
    run = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000"),
            *("--enable-logging=stderr", "--dump-dom", probe.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    shown = json.loads(re.search("<title>(.*?)</title>", run.stdout)[1])
    assert shown == [True] * (len(FIGURES) if which == "finished" else 2)
    assert "CONSOLE" not in run.stderr
