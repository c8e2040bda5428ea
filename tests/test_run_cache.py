"""Several jobs that use one cache of trainings at once."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count

from flowpot.run_cache import RunCache

N_JOBS, N_TRAININGS = 8, 150


def test_a_training_is_never_two_jobs_at_once(tmp_path):
    """
    Jobs take up and release the same training as fast as they can.

    A lock belongs to an open file, so that threads exclude each other as processes do.
    """
    inside = []

    def job(rank):
        for attempt in count():
            if attempt == N_TRAININGS:
                return
            run = tmp_path / f"run-{rank}-{attempt}"
            run.mkdir()
            (run / "options.yaml").write_text("the same input")
            with RunCache(tmp_path / "cache") as cache:
                cache.adopt(run)
                if run in cache.runs:
                    inside.append(run)
                    assert len(inside) == 1
                    assert (run / "options.yaml").exists()
                    inside.remove(run)
                    cache.release(run)
            assert (run / "options.yaml").read_text() == "the same input"

    with ThreadPoolExecutor(N_JOBS) as pool:
        list(pool.map(job, range(N_JOBS)))
    assert not list((tmp_path / "cache").glob("*/*"))


def test_a_training_of_another_job_is_left_alone(tmp_path):
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        (folder / "options.yaml").write_text("the same input")
    with (
        RunCache(tmp_path / "cache") as first,
        RunCache(tmp_path / "cache") as second,
    ):
        assert not first.adopt(folders[0])
        assert not second.adopt(folders[1])
        assert (first.runs, second.runs) == ([folders[0]], [])
