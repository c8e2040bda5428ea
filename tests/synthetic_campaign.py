"""A campaign of any size as it lies in a store, without the days that it takes."""

import io
import uuid
from datetime import datetime, timedelta

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from jobflow import JobStore
from monty.json import jsanitize

from flowpot import ActiveLearningMaker, EspressoStaticMaker, LabellingMaker
from flowpot.campaign.document import CampaignDoc, IterationDoc
from flowpot.campaign.fields import fields_of
from flowpot.dataset import Artifact, Dataset
from flowpot.evaluation import Audit, FreshError, calibrate
from flowpot.evaluation.document import EvaluationDoc
from flowpot.exploration.document import ExplorationDoc, MDBatchDoc, MDDoc
from flowpot.labelling.document import LabelFailure, LabellingDoc, Remark, frame_records
from flowpot.training.document import CommitteeDoc, PotentialDoc

NAME, UUID = "synthetic", "00000000-0000-4000-8000-000000000000"
_TOLERANCE = {"energy": 0.001, "forces": 0.1, "stress": 0.001}
_RUNS = 20  # trajectories an iteration


class SyntheticCampaign:
    """
    Writes the documents of a campaign on copper.

    Parameters
    ----------
    store
        Connected.
    n_frames, n_iterations
        Labelled frames, equally many in each iteration.
    members
        The committee's, in every iteration.
    """

    def __init__(self, store: JobStore, n_frames, n_iterations, members):
        self.store, self.rng = store, np.random.default_rng(0)
        self.per_iteration, self.n_iterations = n_frames // n_iterations, n_iterations
        self.time = datetime(2026, 1, 1)  # noqa: DTZ001 - as jobflow writes it
        self.loop, self.shards, self.iterations = str(uuid.uuid4()), [], []
        self.members = members
        self.maker = ActiveLearningMaker(
            name=NAME,
            labelling=LabellingMaker(static_maker=EspressoStaticMaker(kspacing=0.25)),
            tolerance=_TOLERANCE,
        )
        self.parent = str(Dataset.from_atoms([bulk("Cu")]).fingerprints[0])

    def write(self, *, finished=True, kind="max_iterations") -> None:
        """
        Write all iterations; without an end, the last has only its labels.

        With the kind of end ``failed``, the last iteration has no training.
        """
        for number in range(1, self.n_iterations + 1):
            planned = {"labelling": 1, "training": 3, "exploration": 1}
            self._loop({"planned": planned, "max_iterations": 10})
            self._label(number)
            if number == self.n_iterations and not finished:
                return
            if number == self.n_iterations and kind == "failed":
                self._fail(number)
                break
            committee = self._train(number)
            self._explore(number)
            self._evaluate(number, committee)
        end = CampaignDoc(
            name=NAME,
            uuid=UUID,
            seed=0,
            stop_kind=kind,
            stop_reason=f"{kind}: {self.n_iterations} of them done",
            max_iterations=10,
            iterations=self.iterations,
            makers=fields_of(self.maker),
        ).model_dump(mode="json")
        self._loop(end | {"dataset": self.shards})

    def _fail(self, number):
        """Record an iteration whose training gave nothing."""
        counts = {"iteration": number, "n_labelled": self.per_iteration, "n_failed": 1}
        failed = IterationDoc(
            **counts,
            n_dataset=number * self.per_iteration,
            n_sent_total=number * (self.per_iteration + 1),
            seconds={"labelling": self.labelled.seconds},
            failed_stage="training",
            failure="TrainingError: no member has a model",
        )
        self.iterations.append(failed)
        self._save("record iteration", None, number, failed)

    def _label(self, number):
        frames = _frames(self.rng, self.per_iteration, number, self.parent)
        records = frame_records(frames.without_labels(), range(len(frames)))
        forces = np.linalg.norm(frames.forces, axis=1)
        largest = np.maximum.reduceat(forces, frames.offsets[:-1])
        documents = []
        for record, energy, force in zip(records, frames.energy, largest, strict=True):
            label = {"energy": float(energy), "forces_max": float(force)}
            output = {"state": "successful", "output": label, "dir_name": "host:/label"}
            output |= {"run": {"core_seconds": 12.0}}
            documents.append(
                self._document("qe static", "labelling", number, output)
                | {"metadata": self._tags("labelling", number) | {"frames": [record]}}
            )
        self.store.docs_store._collection.insert_many(documents)
        failure = LabelFailure(
            fingerprint="f" * 32, reason="no convergence", stage="engine", folder="/f"
        )
        collected = LabellingDoc(
            dataset=frames.to_artifact("labels.h5"),
            n_labelled=len(frames),
            n_computed=len(frames),
            n_sent=len(frames) + 1,
            n_failed=1,
            n_duplicates=0,
            n_postponed=0,
            failures=[failure],
            remarks=[Remark(kind="remedy", text="nbnd = 12", n_frames=number)],
            seconds=3.0 * len(frames),
        )
        job = self._save("collect labels", "labelling", number, collected)
        self.shards.append(_reference(job, "dataset"))
        self.labelled = collected

    def _train(self, number):
        jobs = [self._save("mace train", "training", number, m) for m in self.members]
        metrics = [_metrics(number, factor) for factor in (1.0, 1.2, 1.5)]
        committee = CommitteeDoc(
            members=[],
            metrics=metrics[0],
            metrics_by_origin=_by_origin(number, metrics[0]),
            n_frames_by_origin=_by_origin(number, _SIZES),
            member_metrics=metrics[1:],
            seconds=3600.0,
        )
        output = committee.model_dump(mode="json")
        output["members"] = [_reference(job) for job in jobs]
        self._save("collect committee", "training", number, output)
        return committee

    def _explore(self, number):
        runs = [
            MDDoc(
                state="done",
                trajectory=f"run-{number}-{i}",
                parent=self.parent,
                formula="Cu4",
                ensemble="npt",
                temperature=(300.0, 300.0),
                pressure=(0.0, 0.0),
                timestep=1.0,
                seed=i,
                member=i % 2,
            )
            for i in range(_RUNS)
        ]
        self._save("lammps md", "exploration", number, MDBatchDoc(runs=runs))
        self.explored = ExplorationDoc(
            dataset=Artifact.from_bytes("explored.h5", b""),
            n_frames=self.per_iteration,
            n_sampled=self.per_iteration,
            n_runs=_RUNS,
            n_failed=0,
            n_steps=10_000,
            halted={"volume": 12 // number, "temperature": 4 // number},
            md_seconds=1800.0,
        )
        self._save("collect frames", "exploration", number, self.explored)

    def _evaluate(self, number, committee):
        error = {n: self.rng.lognormal(np.log(t), 0.8, 200) for n, t in _LEVEL.items()}
        spread = {
            n: 0.4 * e * self.rng.lognormal(0, 0.4, 200) for n, e in error.items()
        }
        arrays = {f"error_{n}": e for n, e in error.items()} | {"weights": np.ones(200)}
        buffer = io.BytesIO()
        np.savez(
            buffer, **arrays, **{f"disagreement_{n}": s for n, s in spread.items()}
        )
        fits = calibrate(spread, error, _TOLERANCE)
        chosen = _frames(self.rng, len(error["forces"]), number, self.parent)
        predictions = chosen.with_info(
            **{f"disagreement_{n}": s for n, s in spread.items()}
        )
        evaluated = EvaluationDoc(
            calibration={
                n: f.model_copy(update={"origin": "md"}) for n, f in fits.items()
            },
            audit=Audit(n=20, n_bad=1, bad_share=0.05, upper_limit=0.2),
            fresh_error={
                n: FreshError(
                    value=e / number,
                    interval=(0.5 * e / number, 2 * e / number),
                    over=0.3 / number,
                    n=20,
                    of="20 explored frames of this iteration",
                )
                for n, e in _LEVEL.items()
            },
            n_explored=self.per_iteration,
            n_over=self.per_iteration // (2 * number),
            n_wrecked=3,
            n_insane=0,
            n_known=0,
            n_selected=self.per_iteration // (2 * number),
            n_audit=20,
            dataset=Artifact.from_bytes("chosen.h5", b""),
            predictions=predictions.to_artifact("predictions.h5"),
            evidence=Artifact.from_bytes("evidence.npz", buffer.getvalue()),
            seconds=60.0,
        )
        self._save("evaluate committee", "evaluation", number, evaluated)
        said = (committee, self.explored, evaluated, self.labelled)
        known = IterationDoc.model_fields.keys() - {"seconds", "failure"}
        fields = {n: getattr(d, n) for d in said for n in known if hasattr(d, n)}
        iteration = IterationDoc(
            iteration=number,
            n_dataset=number * self.per_iteration,
            n_sent_total=number * (self.per_iteration + 1),
            seconds={
                "labelling": self.labelled.seconds,
                "training": 3600.0,
                "exploration": 1800.0,
                "evaluation": 60.0,
            },
            **fields,
        )
        self.iterations.append(iteration)
        self._save("record iteration", None, number, iteration)

    def _loop(self, output):
        document = self._document("active learning", None, len(self.iterations), output)
        document |= {"uuid": self.loop, "index": len(self.iterations) + 1}
        self.store.update(document, key=["uuid", "index"], save={"data": "blob"})

    def _save(self, name, stage, number, output):
        if not isinstance(output, dict):
            kind = {"@module": type(output).__module__, "@class": type(output).__name__}
            output = kind | jsanitize(output.model_dump(mode="json"), strict=True)
        document = self._document(name, stage, number, output)
        self.store.update(document, key=["uuid", "index"], save={"data": "blob"})
        return document["uuid"]

    def _document(self, name, stage, number, output):
        self.time += timedelta(seconds=1)
        return {
            "uuid": str(uuid.uuid4()),
            "index": 1,
            "name": name,
            "completed_at": self.time.isoformat(),
            "hosts": [],
            "metadata": self._tags(stage, number),
            "output": output,
        }

    def _tags(self, stage, number):
        tags = {"campaign": NAME, "campaign_uuid": UUID}
        tags |= {"iteration": number} if number else {}
        return tags | ({"stage": stage} if stage else {})


_SIZES = {"train": 15, "val": 3, "test": 2}  # of each origin
_LEVEL = {"energy": 0.0008, "forces": 0.08, "stress": 0.0008}


def _metrics(number, factor):
    sets = {"train": 0.8, "val": 1.0, "test": 1.1}
    return {
        which: {n: 2 * s * factor * e / number for n, e in _LEVEL.items()}
        for which, s in sets.items()
    }


def _by_origin(number, values):
    """Return the values for each origin that an iteration's committee has learned."""
    explored = [f"explored {i}" for i in range(1, number)]
    return dict.fromkeys(("augmented", *explored), values)


def _frames(rng, n, number, parent) -> Dataset:
    """Rattled cells with labels drawn at random: strained first, then explored."""
    cell = bulk("Cu", cubic=True)
    atoms = []
    for _ in range(n):
        each = Atoms(cell)
        each.positions += rng.normal(0, 0.02 * number, (len(cell), 3))
        atoms.append(each)
    stress = rng.normal(0, 0.01, (n, 3, 3))
    frames = Dataset.from_atoms(atoms).with_labels(
        energy=rng.normal(0.1, 0.05, n),
        forces=rng.normal(0, 0.5, (n * len(cell), 3)),
        stress=stress + stress.transpose(0, 2, 1),
    )
    columns = {"config_type": "strained" if number == 1 else "md", "parent": parent}
    if number > 1:
        columns |= {"iteration": number - 1, "temperature": rng.uniform(0, 1000, n)}
        columns["trajectory"] = [f"run-{number - 1}-{i % _RUNS}" for i in range(n)]
    split = rng.choice(["train", "val", "test"], n, p=[0.8, 0.1, 0.1])
    return frames.with_info(split=split.astype(object), **columns)


def member(random_mace, seed) -> PotentialDoc:
    """Return a potential for copper with random weights."""
    model = random_mace(3, ("Cu",), "float64", hidden_irreps="8x0e")
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1 + 0.1 * seed)
    buffer = io.BytesIO()
    torch.save(model, buffer)
    artifact = Artifact.from_bytes(f"member-{seed}.model", buffer.getvalue())
    return PotentialDoc(
        model=artifact,
        backend="mace",
        seed=seed,
        species=["Cu"],
        hyperparameters={"lr": 0.01, "max_num_epochs": 100},
    )


def _reference(job, *fields):
    return {
        "@module": "jobflow.core.reference",
        "@class": "OutputReference",
        "uuid": job,
        "attributes": [["a", field] for field in fields],
        "output_schema": None,
    }
