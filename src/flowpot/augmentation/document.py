"""What the augmentation job returns."""

from pydantic import Field

from flowpot.dataset import Artifact
from flowpot.documents import StageDoc


class AugmentationDoc(StageDoc):
    """Frames made from a few input structures, and how many of which kind."""

    dataset: Artifact = Field(description="the frames, unlabelled")
    n_frames: int = Field(description="number of frames")
    n_atoms: int = Field(description="number of atoms in all frames")
    n_inputs: int = Field(description="number of distinct input structures")
    species: list[str] = Field(description="elements, by atomic number")
    counts: dict[str, int] = Field(description="frames of each config_type")
    rejected: dict[str, int] = Field(
        description="frames drawn and thrown away, by generator (atoms too close), and "
        "as `duplicate` (identical to another frame)"
    )
    turned: int = Field(
        0, description="displacements turned in another direction, to keep atoms apart"
    )
    notes: list[str] = Field(
        default_factory=list, description="what could not be made, and why"
    )
    seed: int = Field(description="seed of the stage")
