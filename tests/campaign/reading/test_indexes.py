"""Each of a campaign's queries has an index in MongoDB."""

import uuid

import pytest
from jobflow import JobStore
from pymongo import MongoClient

from flowpot import Campaign
from flowpot.campaign import ensure_indexes
from flowpot.campaign.reading.labels import SEARCHABLE
from flowpot.campaign.roles import FIRST, ROLE_PATH, query_roles
from trivial_campaign import run_trivial_campaign


@pytest.fixture
def mongo_store(mongo_uri):
    database = f"flowpot_{uuid.uuid4().hex}"
    common = {"uri": mongo_uri, "database": database}
    docs = {"type": "MongoURIStore", "collection_name": "docs", **common}
    data = {"type": "GridFSURIStore", "collection_name": "data", **common}
    spec = {"docs_store": docs, "additional_stores": {"data": data}}
    store = JobStore.from_dict_spec(spec)
    store.connect()
    yield store
    with MongoClient(mongo_uri) as client:
        client.drop_database(database)


def test_what_is_asked_for_is_looked_up(mongo_store, synthetic_campaign):
    synthetic_campaign(mongo_store, n_frames=20, n_iterations=2)
    campaign = Campaign.from_store(mongo_store, "synthetic")
    collection = mongo_store.docs_store._collection
    for paths in SEARCHABLE.values():
        for path in paths:
            query = {"metadata.campaign_uuid": campaign.uuid, path: "x"}
            plan = collection.find(query).explain()["queryPlanner"]["winningPlan"]
            assert path in str(plan["inputStage"]["indexName"]), path
    assert len(campaign.labels({"config_type": "md"})) == 10
    assert len(campaign.dataset()) == 20


def test_jobs_of_a_role_are_looked_up(mongo_store, synthetic_campaign):
    """Those of today by their role, those of earlier versions by their name."""
    synthetic_campaign(mongo_store, n_frames=20, n_iterations=2)
    uuid = Campaign.from_store(mongo_store, "synthetic").uuid
    collection = mongo_store.docs_store._collection
    asked = []
    list(query_roles(lambda criteria, _: asked.append(criteria) or [], FIRST))
    assert [list(criteria) for criteria in asked] == [[ROLE_PATH], ["name"]]
    for criteria in asked:
        for more in ({}, {"metadata.campaign_uuid": uuid}):
            plan = collection.find(criteria | more).explain()["queryPlanner"]
            used = plan["winningPlan"]["inputStage"]["indexName"]
            assert next(iter(criteria)) in used


def test_campaigns_of_today_are_not_asked_for_by_name(jobstore, clean_dir, monkeypatch):
    campaign = run_trivial_campaign(jobstore, 1)
    asked = []

    def query(criteria, *args, **options):
        asked.append(criteria)
        return type(jobstore).query(jobstore, criteria, *args, **options)

    monkeypatch.setattr(jobstore, "query", query)
    campaign = Campaign(jobstore, campaign.uuid)
    assert campaign.status.stages
    assert sum("name" in criteria for criteria in asked) == 1  # whether it is of today


def test_other_stores_need_none(jobstore):
    assert not ensure_indexes(jobstore)
