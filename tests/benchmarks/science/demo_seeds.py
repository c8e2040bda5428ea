"""
Is the demo a matter of luck? Several seeds, and what each of them came to.

    python tests/benchmarks/science/demo_seeds.py --folder study --seeds 0,1,2

Each seed is a run of ``flowpot demo`` in a folder of its own, one after the other, on
the cores that the demo takes. A run that has ended is not repeated, one that was
stopped goes on. The result is ``demo_seeds.json``.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from outcome import RESULTS, keep

from flowpot import Campaign
from flowpot.campaign import embedded_store
from flowpot.demo import check_equation_of_state
from flowpot.properties import EquationOfState

# ruff: noqa: T201 - the figures are to be seen


def run(seed: int, folder: Path) -> float:
    """Run the demo; return the seconds that it took."""
    began = time.monotonic()
    command = ["flowpot", "demo", "--folder", str(folder), "--seed", str(seed)]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.log").open("w") as log:
        subprocess.run(
            [sys.executable, "-m", *command], stdout=log, stderr=log, check=True
        )
    return time.monotonic() - began


def outcome(folder: Path) -> dict[str, Any]:
    """Read how a campaign ended, and how right its committee is."""
    store = embedded_store(folder / "store")
    campaign = Campaign.from_store(store)
    last = campaign.doc.iterations[-1]
    check = check_equation_of_state(campaign, folder)
    ours = EquationOfState.fit(check.curve.volumes, check.curve.mean)
    theirs = EquationOfState.fit(check.curve.volumes, check.reference)
    lattice = [each.cubic_lattice_constant(8) for each in (ours, theirs)]
    return {
        "ended": campaign.doc.stop_kind,
        "reason": campaign.doc.stop_reason,
        "iterations": len(campaign.doc.iterations),
        "labels": len(campaign.dataset()),
        "fresh error": {k: fresh.value for k, fresh in last.fresh_error.items()},
        "lattice constant": lattice[0] / lattice[1] - 1,
        "bulk modulus": ours.bulk_modulus / theirs.bulk_modulus - 1,
        "band covers": check.curve.covers(check.reference),
    }


def main() -> None:
    """Run the seeds, and print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[1])
    parser.add_argument("--folder", type=Path, default=Path("study"))
    parser.add_argument("--seeds", default="10,11,12,13,14,15,16,17,18,19")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    folder = given.folder.absolute() / "demo"
    file = folder / "demo_seeds.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    for seed in given.seeds.split(","):
        if seed not in results:
            seconds = run(int(seed), folder / f"seed-{seed}")
            found = outcome(folder / f"seed-{seed}")
            results[seed] = {"seconds": seconds, **found}
            file.write_text(json.dumps(results, indent=1))
        print(seed, json.dumps(results[seed]), flush=True)
    keep(
        "demo_seeds",
        "by seed; errors are those of fresh frames",
        results,
        None,
        given.results,
    )


if __name__ == "__main__":
    main()
