"""Jobs that end without an answer are sent once more, each by its stage's collector."""

from pathlib import Path

import pytest
from ase.build import bulk
from jobflow import Flow, job, run_locally

from flowpot import EspressoStaticMaker
from flowpot.documents import StageDoc
from flowpot.jobs import (
    ROLE,
    RetrySpec,
    continue_with,
    deciding_job,
    fan_out_job,
    jobs_of,
    set_role,
)
from flowpot.jobs.tags import PART


@job
def square(log, number, deaths):
    """Square a number; die the first so many times that it is asked to."""
    with Path(log).open("a") as file:
        file.write(f"{number}\n")
    if Path(log).read_text().split().count(str(number)) <= deaths:
        raise RuntimeError("killed")
    return {"square": number**2}


@deciding_job
def total(squares, retry=None):
    lost = [i for i, each in enumerate(squares) if each is None]
    if lost and retry:
        return retry.send(lost, StageDoc)
    return {"seconds": sum(each or 0 for each in squares), "lost": len(lost)}


@fan_out_job
def fan_out(log, deaths):
    jobs = [square(log, i, dead) for i, dead in enumerate(deaths)]
    collector = total([each.output["square"] for each in jobs])
    RetrySpec.give(jobs, collector)
    return continue_with(jobs, collector, StageDoc)


@pytest.mark.parametrize(
    ("deaths", "result", "ran"),
    [
        ([0, 0, 0, 0], {"seconds": 14, "lost": 0}, "0123"),
        ([0, 0, 1, 1], {"seconds": 14, "lost": 0}, "012323"),
        ([0, 0, 0, 2], {"seconds": 5, "lost": 1}, "01233"),
    ],
)
def test_a_lost_job_has_a_second_try(jobstore, clean_dir, deaths, result, ran):
    log = clean_dir / "log"
    start = fan_out(str(log), deaths)
    run_locally(Flow([start]), store=jobstore)
    assert start.output.resolve(jobstore) == result
    assert log.read_text().replace("\n", "") == ran


def test_the_last_job_has_the_role_and_others_have_those_of_engines(
    jobstore, clean_dir
):
    start = fan_out(str(clean_dir / "log"), [0, 0])
    set_role(start, "my result")
    *squares, last = jobs_of(start.run(jobstore).replace)
    assert last.metadata[ROLE] == "my result"
    assert [each.metadata[ROLE] for each in squares] == [PART, PART]
    engine = EspressoStaticMaker(name="my engine").make(bulk("Cu"))
    set_role(engine)
    assert (engine.name, engine.metadata[ROLE]) == ("my engine", "qe static")


def test_what_carries_too_much_has_none(clean_dir):
    jobs = [square("x" * 5_000_000, 2, 0)]
    collector = total([each.output["square"] for each in jobs])
    RetrySpec.give(jobs, collector)
    assert "retry" not in collector.function_kwargs


def test_collectors_of_earlier_versions_have_another_name_for_it(jobstore, clean_dir):
    """A campaign that was under way has such collectors in its store."""
    jobs = [square(str(clean_dir / "log"), i, 1) for i in range(2)]
    collector = total([each.output["square"] for each in jobs])
    RetrySpec.give(jobs, collector)
    collector.function_kwargs["spare"] = collector.function_kwargs.pop("retry")
    run_locally(Flow([*jobs, collector]), store=jobstore)
    assert collector.output.resolve(jobstore) == {"seconds": 1, "lost": 0}
