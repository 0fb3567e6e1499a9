"""Datasets of noise without an effect, and designs that mislead."""

import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter

SHAPE = (14, 14, 14)
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
CONDITIONS = tuple("abcdefgh")
N_RUNS = 4
SIGMA_VOXELS = 0.9


def models() -> dict[str, np.ndarray]:
    """Two categories of four, and a graded order of all eight."""
    place = np.arange(8)
    return {
        "category": 1.0 * (place[:, None] // 4 != place // 4),
        "graded": np.abs(place[:, None] - place) / 7.0,
    }


@dataclass(frozen=True)
class Design:
    """How the images of a dataset without an effect are made."""

    runs_of: tuple[tuple[int, ...], ...] = (tuple(range(N_RUNS)),) * 8
    run_pattern: float = 0.0
    activation: float = 0.0
    zeros: float = 0.0
    common: float = 0.0
    intact: str = ""
    missing_runs: str = "error"

    @property
    def model(self) -> str:
        """The model tested: the categories, or one tied to what is wrong with the design."""
        return "tied" if self.intact else "category"

    def models(self) -> dict[str, np.ndarray]:
        """The models, and the tied one: the intact conditions are alike, all others are not."""
        intact = np.array([name in self.intact for name in CONDITIONS])
        tied = 1.0 - np.outer(intact, intact)
        np.fill_diagonal(tied, 0.0)
        return models() | ({"tied": tied} if self.intact else {})


# a negative control: what is wrong with it
CONTROLS = {
    "nothing wrong; a pattern common to all conditions": Design(common=1.0, intact="abcd"),
    "unequal repeats: 4 images against 1; a common pattern": Design(
        runs_of=(tuple(range(N_RUNS)),) * 4 + ((0,),) * 4,
        common=1.0,
        intact="abcd",
        missing_runs="average",
    ),
    "two conditions lack a run; runs have patterns": Design(
        runs_of=((1, 2, 3), (0, 1, 2)) + (tuple(range(N_RUNS)),) * 6,
        run_pattern=1.0,
        intact="cdefgh",
        missing_runs="average",
    ),
    "5 % zero voxels, one category more active": Design(activation=1.0, zeros=0.05),
}


def noise(rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of unit variance."""
    volume = gaussian_filter(rng.standard_normal(SHAPE), SIGMA_VOXELS, mode="wrap")
    return volume / volume.std()


def write_dataset(root: Path, n_subjects: int, design: Design, seed: int) -> None:
    """Write condition images without an effect, and the models."""
    (root / "models").mkdir(parents=True)
    for name, cells in design.models().items():
        rows = ["\t".join(("condition", *CONDITIONS))]
        rows += ["\t".join((c, *map(str, row))) for c, row in zip(CONDITIONS, cells, strict=True)]
        (root / "models" / f"{name}.tsv").write_text("\n".join(rows) + "\n")
    description = {"Name": "noise", "BIDSVersion": "1.11.1", "DatasetType": "derivative",
                   "GeneratedBy": [{"Name": "noise"}]}  # fmt: skip
    (root / "dataset_description.json").write_text(json.dumps(description))
    for number in range(1, n_subjects + 1):
        rng = np.random.default_rng([seed, number])
        dead = rng.random(SHAPE) < design.zeros
        always = design.common * noise(rng)
        common = [always + design.run_pattern * noise(rng) for _ in range(N_RUNS)]
        folder = root / f"sub-{number:03d}" / "func"
        folder.mkdir(parents=True)
        for place, condition in enumerate(CONDITIONS):
            for run in design.runs_of[place]:
                volume = noise(rng) + common[run] + design.activation * (place < 4)
                volume[dead] = 0.0
                name = (
                    f"sub-{number:03d}_task-rest_run-{run + 1}_space-synthetic"
                    f"_contrast-{condition}_stat-effect_statmap.nii.gz"
                )
                nib.save(nib.Nifti1Image(volume.astype(np.float32), AFFINE), folder / name)
