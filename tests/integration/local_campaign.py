"""Run a campaign in this process, or take it up: `local_campaign.py FOLDER`."""

import sys
from pathlib import Path

from jobflow import Flow

from flowpot.campaign import Campaign, ResumableRun, embedded_store


def run(folder: Path, flow: Flow | None = None) -> Campaign:
    """Run in `folder`/run, on a store beside it."""
    store = embedded_store(folder / "db")
    ran = ResumableRun(folder / "run", store).run(flow)
    return Campaign.from_store(store, ran.name)


if __name__ == "__main__":
    run(Path(sys.argv[1]))
