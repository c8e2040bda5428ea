"""
Does a campaign know its own errors? Its explored frames, labelled after the fact.

Of the frames that the last exploration found, some that were never labelled are drawn
uniformly and labelled by pw.x, in the campaign's own settings. Then the true errors of
its last committee are compared with what its calibration had said of these frames: do
the error bars hold, and is the share that was flagged the share that is bad?

    flowpot demo
    python tests/benchmarks/science/relabel.py flowpot-demo --frames 40

The result is ``relabel.json`` in the campaign's folder; labels are kept in its
``labels/``.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from flowpot import Campaign, Dataset
from flowpot.campaign import embedded_store
from flowpot.demo import silicon_labels
from flowpot.evaluation import error, evaluate_committee, load_committee, spread_over
from flowpot.evaluation.binomial import jeffreys
from flowpot.evaluation.uncertainty.registry import stored_with
from flowpot.jobs import JobName

# ruff: noqa: T201 - the figures are to be seen


def last_explored(store: Any, campaign: Campaign) -> Dataset:
    """Return the frames of the last exploration."""
    query = {"name": JobName.COLLECT_FRAMES.value, "output.dataset": {"$ne": None}}
    query["metadata.campaign_uuid"] = campaign.uuid
    document = max(store.query(query, load=True), key=lambda d: d["completed_at"])
    return Dataset.load(document["output"]["dataset"])


def labelled(frames: Dataset, folder: Path) -> Dataset:
    """Label frames by pw.x as the demo does."""
    maker = replace(silicon_labels(), cache=str(folder / "labels"))
    outputs = [
        maker.label_in(frame, folder / "relabel" / str(number)).output
        for number, frame in enumerate(frames.to_atoms())
    ]
    kbar = -6.241509074460763e-4  # eV/A^3, with ASE's sign
    return frames.with_labels(
        energy=np.array([output.energy for output in outputs]),
        forces=np.concatenate([output.forces for output in outputs]),
        stress=np.array([output.stress for output in outputs]) * kbar,
    )


def compare(campaign: Campaign, frames: Dataset) -> dict[str, dict[str, Any]]:
    """Return, per property, what was predicted of the errors and what they are."""
    committee = campaign.committee()
    members = load_committee(committee)
    seen = spread_over(members, frames, uncertainties=stored_with(committee))
    true = error(evaluate_committee(members, frames), frames)
    rows = {}
    for name, fit in campaign.calibration.items():
        bad = true[name] > fit.tolerance
        n = len(frames)
        rows[name] = {
            "n": n,
            "median error": float(np.median(true[name])),
            "bad": float(bad.mean()),
            "bad, 95 %": jeffreys(int(bad.sum()), n),
            "expected bad": float(fit.chance_over(seen.disagreement, name).mean()),
            "flagged": float((fit.excess(seen.disagreement, name) > 1).mean()),
            "68 % bars hold": float(
                (true[name] <= fit.error_bar(seen.disagreement, name, 0.68)).mean()
            ),
            "95 % bars hold": float(
                (true[name] <= fit.error_bar(seen.disagreement, name, 0.95)).mean()
            ),
            "trusted": fit.trusted,
        }
    return rows


def main() -> None:
    """Draw, label, compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[1])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=40)
    given = parser.parse_args()
    store = embedded_store(given.folder / "store")
    store.connect()
    campaign = Campaign.from_store(store)
    explored = last_explored(store, campaign)
    known = np.isin(explored.fingerprints, campaign.dataset().fingerprints)
    free = np.flatnonzero(~known)
    drawn = np.random.default_rng(0).choice(
        free, min(given.frames, len(free)), replace=False
    )
    print(f"{len(explored)} explored frames, {known.sum()} of them labelled before")
    rows = compare(campaign, labelled(explored[np.sort(drawn)], given.folder))
    for name, row in rows.items():
        print(name, json.dumps(row))
    (given.folder / "relabel.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
