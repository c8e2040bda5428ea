"""flowpot's commands through the real `jf`, on the project that it has selected."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def test_jf_flowpot(remote_project, synthetic_campaign, tmp_path):
    store = remote_project.get_jobstore()
    store.connect()
    synthetic_campaign(store, finished=False)
    environment = {
        **os.environ,
        "JFREMOTE_PROJECTS_FOLDER": str(tmp_path / "projects"),
        "JFREMOTE_PROJECT": "flowpot",
    }

    def jf(*words):
        program = Path(sys.executable).parent / "jf"
        return subprocess.run(
            [program, "flowpot", *words],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    said = " ".join(jf("status").split())
    assert "Campaign 'synthetic' running" in said
    assert "iteration 3, 60 labelled frames" in said
    assert "60 frames" in jf("export", "--dataset", str(tmp_path / "frames.xyz"))
    assert {"doctor", "demo", "report", "pseudos"} <= set(jf("--help").split())
