"""Each of a campaign's queries has an index in MongoDB."""

import uuid

import pytest
from jobflow import JobStore
from pymongo import MongoClient

from flowpot import Campaign
from flowpot.campaign import ensure_indexes
from flowpot.campaign.reading.labels import SEARCHABLE


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


def test_other_stores_need_none(jobstore):
    assert not ensure_indexes(jobstore)
