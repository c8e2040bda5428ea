"""Campaigns from structures to their end, with each engine of molecular dynamics."""

import pytest
from ase.build import bulk

from flowpot import BatchedMDMaker, ExplorationMaker, LammpsMDMaker


@pytest.mark.slow
@pytest.mark.parametrize("engine", [LammpsMDMaker, BatchedMDMaker])
def test_from_structures_to_the_end(engine, copper, run, jobstore):
    """Two iterations, in which the committee watches."""
    md_maker = engine(n_steps=60, sample_interval=10, check_interval=10)
    exploration = ExplorationMaker(md_maker=md_maker, n_starts=3, temperatures=(300.0,))
    maker = copper(exploration=exploration, max_iterations=2)
    campaign = run(maker.make([bulk("Cu", cubic=True)]))
    assert campaign.doc.stop_kind in ("max_iterations", "converged")
    assert len(campaign.doc.iterations) == 2
    explored = [
        doc["output"]
        for doc in jobstore.query({"name": "collect frames"}, load=False)
        if doc["output"].get("n_runs")
    ]
    assert [each["n_runs"] for each in explored] == [3, 3]
    assert all(each["n_failed"] == each["n_short"] == 0 for each in explored)
    assert "md" in campaign.dataset().info["config_type"].tolist()
