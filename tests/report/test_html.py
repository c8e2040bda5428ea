"""The report is one file that shows in a browser what the campaign came to."""

import html
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
from flowpot.report import write_pdf, write_report
from flowpot.report.figures import row_of_axes
from flowpot.report.html import _image
from flowpot.report.section import Section

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
FIGURES = {
    *("rmse", "parity", "calibration", "rates", "coverage", "disagreement"),
    *("growth", "map", "halts", "cost", "learning"),
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
    pdf = folder / "all.pdf" if load_models else None
    return write_report(campaign, folder, load_models=load_models, pdf=pdf)


@pytest.fixture(scope="module")
def finished(synthetic_campaign, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return report(synthetic_campaign, folder, load_models=True)


def test_remarks_on_labels_are_a_table(finished):
    page = finished.read_text()
    assert "Remarks on labels" in page
    assert "nbnd = 12" in page


@pytest.fixture(scope="module")
def begun(synthetic_campaign, tmp_path_factory):
    """The first labels are there, and nothing else."""
    folder = tmp_path_factory.mktemp("begun")
    return report(synthetic_campaign, folder, n_iterations=1, finished=False)


def test_every_section_has_its_figure_in_the_file_and_beside_it(finished):
    page = Page(finished.read_text())
    assert page.with_image == FIGURES
    assert all(link.startswith(("data:", "#")) for link in page.links)
    beside = {path.stem for path in finished.parent.iterdir()} - {"report", "all"}
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


NEEDS_BROWSER = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium: apt-get install chromium"
)


@pytest.fixture(scope="module")
def failed(synthetic_campaign, tmp_path_factory):
    """Its second iteration had no committee."""
    folder = tmp_path_factory.mktemp("failed")
    return report(synthetic_campaign, folder, n_iterations=2, kind="failed")


@pytest.fixture(scope="module")
def converged(synthetic_campaign, tmp_path_factory):
    folder = tmp_path_factory.mktemp("converged")
    return report(synthetic_campaign, folder, n_iterations=1, kind="converged")


def in_browser(page, folder):
    """Return what is seen of a page in windows of a phone's and of a desk's width."""
    probe = folder / "probe.html"
    content = html.escape(page.read_text())
    frames = "".join(
        f'<iframe width="{width}" height="844" style="border: 0" srcdoc="{content}">'
        "</iframe>"
        for width in WIDTHS
    )
    probe.write_text(
        f"""{frames}<script>addEventListener("load", () => {{
        const frames = [...document.querySelectorAll("iframe")];
        const seen = frames.map(frame => ({WHAT_IS_SEEN})(frame.contentDocument));
        document.title = JSON.stringify(seen); }})</script>"""
    )
    run = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu"),
            *(f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000"),
            *("--enable-logging=stderr", "--dump-dom", probe.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert "CONSOLE" not in run.stderr
    titles = re.findall("<title>(.*?)</title>", run.stdout)
    return json.loads(html.unescape(titles[-1]))


WHAT_IS_SEEN = """page => {
  const box = selector => {
    const found = page.querySelector(selector);
    return found && found.getBoundingClientRect();
  };
  return {
    wide: page.documentElement.scrollWidth,
    images: [...page.images].map(i => i.complete && i.naturalWidth > 100),
    headline: box(".headline").bottom,
    fresh: box(".fresh") && box(".fresh").bottom,
    first: [...page.querySelectorAll("#iterations tr:first-child th")].map(
      cell => [cell.textContent, cell.getBoundingClientRect().right]),
    colour: getComputedStyle(page.querySelector(".state")).backgroundColor,
  };
}"""
GREEN = "rgb(0, 112, 79)"
WIDTHS = (390, 1200)


@NEEDS_BROWSER
@pytest.mark.parametrize("which", ["finished", "begun", "failed", "converged"])
def test_a_browser_shows_it_without_complaint(which, request, tmp_path):
    both = in_browser(request.getfixturevalue(which), tmp_path)
    latest = {"finished": "3", "begun": "1", "failed": "2", "converged": "1"}[which]
    for width, seen in zip(WIDTHS, both, strict=True):
        assert all(seen["images"])
        assert which != "finished" or len(seen["images"]) == len(FIGURES)
        assert seen["wide"] <= width  # nothing to scroll sideways
        assert seen["headline"] < 844  # the verdict is seen at once
        assert seen["fresh"] is None if which == "begun" else seen["fresh"] < 844
        assert (seen["colour"] == GREEN) == (which == "converged")
        assert seen["first"][1][0] == latest
        assert seen["first"][1][1] <= width


def test_all_figures_are_pages_of_a_pdf(finished):
    pdf = (finished.parent / "all.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") == len(FIGURES)


def test_a_campaign_without_figures_gives_no_pdf(tmp_path):
    with pytest.raises(ValueError, match="no figure to write"):
        write_pdf({}, tmp_path / "none.pdf")


def test_the_verdict_comes_first_and_is_not_green(finished, converged):
    text = finished.read_text()
    body = text.split("<main>")[1]
    assert body.index('class="state not-converged"') < body.index("<section")
    assert body.index("flowpot export synthetic") < body.index("<section")
    assert 'class="state converged"' in converged.read_text()


def test_the_latest_iteration_comes_first(finished):
    section = finished.read_text().split('id="iterations"')[1].split("</section>")[0]
    assert re.findall("<th>(.*?)</th>", section) == ["iteration", "3", "2", "1"]


@pytest.mark.slow
def test_a_hundred_iterations_stay_small(synthetic_campaign, tmp_path):
    few, many = (
        report(synthetic_campaign, tmp_path / str(n), n_frames=2 * n, n_iterations=n)
        for n in (10, 100)
    )
    assert many.stat().st_size < min(2_000_000, 2 * few.stat().st_size)


def test_a_section_that_fails_leaves_the_others(jobstore, synthetic_campaign, tmp_path):
    """The last predictions are lost, and the figures of the calibration are there."""
    synthetic_campaign(jobstore)
    document = jobstore.query_one(
        {"name": "evaluate committee", "metadata.iteration": 3}, load=False
    )
    lost = document["output"]["predictions"]["blob"]["blob_uuid"]
    jobstore.additional_stores["data"].remove_docs({"blob_uuid": lost})
    path = write_report(Campaign.from_store(jobstore), tmp_path)
    page = Page(path.read_text())
    assert FIGURES - page.with_image == {"parity", "map", "disagreement"}
    section = path.read_text().split('id="disagreement"')[1].split("</section>")[0]
    assert "Cannot be shown: " in section


def test_a_figure_that_cannot_be_drawn_leaves_its_table(tmp_path):
    figure, (axis,) = row_of_axes(1)
    axis.set_title(r"$\nothing$")  # found out as it is drawn
    section = Section("cost", "Cost", "All.", figure, rows=[["labelling", "1"]])
    assert _image(section, tmp_path) is None
    assert section.caption.startswith("All. Cannot be shown: ")
    assert not section.is_empty


def test_settings_are_those_that_were_used_and_each_once(finished):
    section = finished.read_text().split('id="settings"')[1].split("</section>")[0]
    cells = re.findall(r"<td>(.*?)</td>", section)
    names = cells[::2]
    assert len(set(names)) == len(names)
    assert dict(zip(names, cells[1::2], strict=True))["tolerance.forces"] == "0.1"
    campaigns_own = ("tolerance", "max_bad_share", "max_over_share")
    assert not [n for n in names if n.startswith(_within("evaluation", campaigns_own))]
    assert "evaluation.chance" in names or "evaluation.pilot_labels" in names


def _within(stage, names):
    return tuple(f"{stage}.{name}" for name in names)
