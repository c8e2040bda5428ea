"""A finished campaign and a running one, each in the embedded store of a folder."""

import pytest

from flowpot.campaign import embedded_store


@pytest.fixture(scope="session")
def stores(synthetic_campaign, tmp_path_factory):
    """Folders of the stores, by how the campaign is."""
    folders = {}
    for name, finished in (("finished", True), ("running", False)):
        folders[name] = tmp_path_factory.mktemp(name)
        store = embedded_store(folders[name])
        store.connect()
        synthetic_campaign(store, finished=finished)
    return folders
