"""The settings that a campaign's engines ran with, as their documents state them."""

from collections.abc import Iterator
from typing import Any

from flowpot.campaign.reading.documents import CampaignDocuments, read_member
from flowpot.jobs import JobName

_ENOUGH = 5  # documents of a stage, among which is one of the engine's
_RUN = ("ensemble", "timestep", "engine")


def settings_in(documents: CampaignDocuments) -> dict[str, Any]:
    """
    Return the settings of one label, of the last training and of one trajectory.

    Returns
    -------
    dict
        The values by names with dots: ``labelling.protocol``, ``training.lr`` ...
    """
    settings: dict[str, Any] = {}
    for output in _some(documents, "labelling", "output.input"):
        for name, value in (output.get("input") or {}).items():
            settings[f"labelling.{name}"] = value
    trained = [d for d in documents.of_stage("training") if d["output"].get("members")]
    for committee in trained[-1:]:
        member = read_member(
            documents, committee["output"]["members"][0], "backend", "hyperparameters"
        )
        settings["training.backend"] = member.get("backend")
        options = member.get("hyperparameters") or {}
        settings |= {f"training.{name}": value for name, value in options.items()}
    fields = [f"output.runs.{name}" for name in _RUN]
    for output in _some(documents, "exploration", *fields):
        for run in (output.get("runs") or [])[:1]:
            settings |= {f"exploration.{name}": run.get(name) for name in _RUN}
    for evaluation in documents.of_stage("evaluation")[-1:]:
        for name, fit in (evaluation["output"].get("calibration") or {}).items():
            settings[f"tolerance.{name}"] = fit["tolerance"]
    return settings


def e0s_in(documents: CampaignDocuments) -> dict[str, float]:
    """Return the energies of isolated atoms (eV) of the last committee, by element."""
    trained = [d for d in documents.of_stage("training") if d["output"].get("members")]
    for committee in trained[::-1]:
        first = committee["output"]["members"][0]
        return read_member(documents, first, "e0s").get("e0s") or {}
    return {}


def makers_in(documents: CampaignDocuments) -> dict[str, Any]:
    """Return the fields of the campaign's Makers, as the loop last wrote them."""
    wanted = {"name": JobName.LOOP.value, "output.makers.maker": {"$exists": True}}
    loops = documents.find(wanted, "output.makers", "completed_at")
    last = max(loops, key=lambda loop: loop["completed_at"], default=None)
    return {} if last is None else last["output"]["makers"]


def _some(
    documents: CampaignDocuments, stage: str, *fields: str
) -> Iterator[dict[str, Any]]:
    """Yield the outputs of a few jobs of a stage."""
    some = documents.find({"metadata.stage": stage}, *fields, limit=_ENOUGH)
    return ((document.get("output") or {}) for document in some)
