"""The sections of a report that need the labelled frames themselves."""

import numpy as np

from flowpot.campaign.reading import Campaign
from flowpot.dataset import Dataset
from flowpot.dataset.sets import AUDIT, SETS
from flowpot.evaluation import CommitteePrediction, evaluate_committee
from flowpot.potentials import load_potential
from flowpot.report.history import plot_growth
from flowpot.report.map import plot_map, rings_in_words
from flowpot.report.parity import plot_parity
from flowpot.report.section import Section

PARITY, MAP = "Predictions and labels", "Map of the frames"
UNTRAINED = "No committee is trained yet."
NEEDS_MODELS = (
    "Needs the models, which may hold code: flowpot report --load-models draws it, "
    "for a store that you trust."
)
_BELOW = (
    "n: frames with such a label. Energies are per atom{atoms}; errors of forces and "
    "stress are over components. Lower row: histograms of the errors."
)


def sample_frames(frames: Dataset, max_atoms: int) -> Dataset:
    """
    Draw frames at random from the sets, as many of each as there is room for.

    Isolated atoms are left out: they only give reference energies.

    Parameters
    ----------
    frames
        Frames with a ``split`` column.
    max_atoms
        Number of atoms in the drawn frames, at most; each set has an equal part. One
        frame of each set is drawn whatever its size.
    """
    split = frames.column("split")
    usual = ~frames.is_isolated_atom
    sets = [name for name in (*SETS, AUDIT) if (split == name).any()]
    chosen = [np.zeros(0, dtype=np.int64)]
    for name in sets:
        rows = np.flatnonzero((split == name) & usual)
        rows = np.random.default_rng(0).permutation(rows)
        room = np.cumsum(frames.n_atoms[rows]) <= max_atoms // len(sets)
        chosen.append(rows[: max(room.sum(), 1)])
    return frames[np.sort(np.concatenate(chosen))]


def is_trained(campaign: Campaign) -> bool:
    """Return whether a training has reported its errors."""
    return any(iteration.metrics for iteration in campaign.iteration_docs)


def parity(campaign: Campaign, sample: Dataset, n_frames: int) -> Section:
    """Compare labels with the last committee's predictions of the same frames."""
    if not is_trained(campaign):
        return Section("parity", PARITY, empty=UNTRAINED)
    prediction = evaluate_committee(campaign.committee(), sample)
    return _parity(
        campaign,
        sample,
        prediction,
        f"The last committee on labelled frames, those that it has learned included. "
        f"{_sampled(sample, n_frames)}",
    )


def parity_as_predicted(campaign: Campaign, frames: Dataset) -> Section:
    """Compare labels with what was predicted before the frames were labelled."""
    if not is_trained(campaign):
        return Section("parity", PARITY, empty=UNTRAINED)
    predicted = {
        fingerprint: (batch, i)
        for batch in campaign.predictions()
        for i, fingerprint in enumerate(batch.fingerprints.tolist())
    }
    known = [fingerprint in predicted for fingerprint in frames.fingerprints.tolist()]
    frames = frames[np.array(known, dtype=bool)]
    if not len(frames):
        return Section(
            "parity",
            PARITY,
            empty="No frame that the committee has predicted is labelled yet. "
            "flowpot report --load-models compares all labelled frames.",
        )
    places = [predicted[fingerprint] for fingerprint in frames.fingerprints.tolist()]
    mean = Dataset.concatenate([batch[[i]] for batch, i in places])
    prediction = CommitteePrediction(
        mean.energy[None], mean.forces[None], mean.stress[None]
    )
    return _parity(
        campaign,
        frames,
        prediction,
        f"{len(frames)} frames, as the committee of their iteration predicted them "
        "before they were labelled; sets are those that they came into.",
    )


def _parity(
    campaign: Campaign, frames: Dataset, prediction: CommitteePrediction, of: str
) -> Section:
    e0s = campaign.e0s
    atoms = ", those of isolated atoms (E0) subtracted" if e0s else ""
    return Section(
        "parity",
        PARITY,
        f"{of} {_BELOW.format(atoms=atoms)}",
        figure=plot_parity(frames, prediction, e0s),
    )


def growth(campaign: Campaign, frames: Dataset) -> Section:
    """Show how the dataset of a campaign grew."""
    return Section(
        "growth",
        "Dataset",
        f"{len(frames)} labelled frames by origin, after each iteration.",
        figure=plot_growth(frames, campaign.iteration_docs) if len(frames) else None,
        empty="No frame is labelled yet.",
    )


def frames_map(campaign: Campaign, sample: Dataset, n_frames: int) -> Section:
    """Show which frames the model finds alike."""
    section = Section("map", MAP)
    if not is_trained(campaign):
        section.empty = UNTRAINED
        return section
    try:
        first = next(m for m in campaign.committee().members if m.model is not None)
        descriptors = load_potential(first).descriptors(sample)
    except NotImplementedError as error:
        section.empty = f"No map: {error}."
        return section
    placed = np.flatnonzero(np.isfinite(descriptors).all(axis=1))
    if not len(placed):
        section.empty = "No map: the model's descriptors are no finite numbers."
        return section
    lost = len(sample) - len(placed)
    section.figure = plot_map(sample[placed], descriptors[placed])
    without = f" {lost} more have no finite descriptors." if lost else ""
    section.caption = (
        f"{_sampled(sample, n_frames)}{without} Principal components of the model's "
        "own descriptors: frames that the model finds similar lie side by side. "
        f"{rings_in_words(sample[placed])}"
    )
    return section


def _sampled(sample: Dataset, n_frames: int) -> str:
    if len(sample) == n_frames:
        return "All frames."
    return (
        f"{len(sample)} of {n_frames} frames, drawn from each set; isolated atoms are "
        "left out."
    )
