"""
Tutorial 4: ask the database, with none of flowpot's help.

What a campaign leaves behind are plain documents, one for each job, in the collection
that your JobStore names. Any MongoDB client reads them. This tutorial asks them ten
questions with pymongo's syntax; `collection` is a pymongo Collection:

    python tutorials/04_query_the_store.py mongodb://localhost flowpot docs

A document has `name` (of the job), `uuid`, `completed_at`, `output` and `metadata`. The
metadata of all jobs of a campaign say `campaign`, `campaign_uuid`, `iteration` and
`stage`; those of label jobs also list their `frames`. Frames and models themselves are
in the `data` store; the documents have what people ask for.
"""

import sys
from collections.abc import Iterable
from typing import Any

from pymongo import MongoClient


def show(question: str, answer: Iterable[Any]) -> list[Any]:
    """Print an answer of a few lines, and give all of it."""
    lines = list(answer)
    print(f"\n{question}")
    for line in lines[:5]:
        print("   ", line)
    return lines


def campaigns(collection: Any) -> list[dict[str, Any]]:
    """1. Which campaigns have ended, and why?"""
    ended = collection.find(
        {"name": "active learning", "output.stop_reason": {"$ne": None}},
        {"output.name": 1, "output.uuid": 1, "output.stop_reason": 1},
    )
    return show("Campaigns", (document["output"] for document in ended))


def jobs(collection: Any, campaign: str) -> dict[str, int]:
    """2. How many jobs of each kind has it run?"""
    counts: dict[str, int] = {}
    for document in collection.find({"metadata.campaign_uuid": campaign}, {"name": 1}):
        counts[document["name"]] = counts.get(document["name"], 0) + 1
    show("Jobs", counts.items())
    return counts


def strong_forces(collection: Any, campaign: str) -> list[dict[str, Any]]:
    """
    3. Which frames have forces beyond 2 eV/A?

    One job may have labelled several frames: then `output.runs` has an entry for each,
    with what the `frame` is and what came out. A job of one frame has the same in
    `metadata.frames` and `output.output`.
    """
    strong = {"$gt": 2.0}
    one = collection.find(
        {"metadata.campaign_uuid": campaign, "output.output.forces_max": strong},
        {"metadata.frames": 1, "output.output.forces_max": 1},
    )
    several = collection.find(
        {"metadata.campaign_uuid": campaign, "output.runs.forces_max": strong},
        {"output.runs": 1},
    )
    found = [
        (d["output"]["output"]["forces_max"], d["metadata"]["frames"][0]) for d in one
    ] + [
        (run["forces_max"], run["frame"])
        for document in several
        for run in document["output"]["runs"]
        if (run["forces_max"] or 0) > strong["$gt"]
    ]
    found.sort(key=lambda pair: -pair[0])
    return show("Forces over 2 eV/A", found)


def hot_frames(collection: Any, campaign: str) -> list[dict[str, Any]]:
    """4. Which label jobs got frames from molecular dynamics above 500 K?"""
    hot = {"$elemMatch": {"config_type": "md", "temperature": {"$gt": 500}}}
    found = collection.find(
        {"metadata.campaign_uuid": campaign, "metadata.frames": hot},
        {"metadata.frames.trajectory": 1, "metadata.frames.temperature": 1},
    )
    return show("Frames above 500 K", (each["metadata"]["frames"] for each in found))


def failures(collection: Any, campaign: str) -> list[dict[str, Any]]:
    """5. Which frames could not be labelled, why, and where are the files?"""
    stages = collection.find(
        {"metadata.campaign_uuid": campaign, "name": "collect labels"},
        {"output.failures": 1},
    )
    return show("Failures", (f for d in stages for f in d["output"]["failures"]))


def errors(collection: Any, campaign: str) -> list[tuple[int, float]]:
    """6. How did the error of the forces on the test set (eV/A) go down?"""
    committees = collection.find(
        {"metadata.campaign_uuid": campaign, "name": "collect committee"},
        {"metadata.iteration": 1, "output.metrics": 1},
    )
    found = [
        (d["metadata"]["iteration"], d["output"]["metrics"]["test"]["forces"])
        for d in committees
    ]
    return show("RMSE of the forces, test", sorted(found))


def thresholds(collection: Any, campaign: str) -> list[dict[str, Any]]:
    """7. At which disagreement (eV/A) were frames flagged, and was the fit trusted?"""
    evaluations = collection.find(
        {"metadata.campaign_uuid": campaign, "name": "evaluate committee"},
        {"output.calibration.forces": 1},
    )
    fits = (d["output"]["calibration"]["forces"] for d in evaluations)
    return show(
        "Thresholds", ({k: f[k] for k in ("threshold", "n", "trusted")} for f in fits)
    )


def halted(collection: Any, campaign: str) -> list[dict[str, Any]]:
    """8. Which trajectories were stopped, and why?"""
    dynamics = collection.find(
        {"metadata.campaign_uuid": campaign, "output.runs.state": "halted"},
        {"output.runs.trajectory": 1, "output.runs.state": 1, "output.runs.reason": 1},
    )
    runs = (run for document in dynamics for run in document["output"]["runs"])
    return show("Halted trajectories", (r for r in runs if r["state"] == "halted"))


def ancestry(collection: Any, campaign: str, fingerprint: str) -> list[str]:
    """9. What was a frame made from? Follow `parent` until it ends."""
    chain = [fingerprint]
    while True:
        document = collection.find_one(
            {
                "metadata.campaign_uuid": campaign,
                "metadata.frames.fingerprint": chain[-1],
            },
            {"metadata.frames": 1},
        )
        frames = document["metadata"]["frames"] if document else []
        parents = [f.get("parent") for f in frames if f["fingerprint"] == chain[-1]]
        if not parents or parents[0] in (None, *chain):
            return show("A frame and its ancestors", chain)
        chain.append(parents[0])


def costs(collection: Any, campaign: str) -> list[tuple[str, float]]:
    """10. Where did the time go? Seconds of each stage, in all iterations."""
    seconds: dict[str, float] = {}
    records = collection.find(
        {"metadata.campaign_uuid": campaign, "name": "record iteration"},
        {"output.seconds": 1},
    )
    for record in records:
        for stage, spent in record["output"]["seconds"].items():
            seconds[stage] = seconds.get(stage, 0.0) + spent
    return show("Seconds", sorted(seconds.items(), key=lambda pair: -pair[1]))


def main() -> None:
    """Ask everything of the campaign that ended last."""
    uri, database, name = sys.argv[1:4]
    collection = MongoClient(uri)[database][name]
    campaign = campaigns(collection)[-1]["uuid"]
    jobs(collection, campaign)
    strongest = strong_forces(collection, campaign)
    hot_frames(collection, campaign)
    failures(collection, campaign)
    errors(collection, campaign)
    thresholds(collection, campaign)
    halted(collection, campaign)
    costs(collection, campaign)
    if strongest:
        ancestry(collection, campaign, strongest[0][1]["fingerprint"])


if __name__ == "__main__":
    main()
