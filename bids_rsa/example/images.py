"""A small BIDS dataset of condition images: noise, and an effect planted in a known place."""

from pathlib import Path

import nibabel as nib
import numpy as np
from nilearn.datasets import load_mni152_brain_mask

from bids_rsa.example.planted import (
    CONDITIONS,
    SPACE,
    TASK,
    ExampleSettings,
    new_folder,
    planted_mask,
    planted_patterns,
    smooth_noise,
    write_description,
    write_image,
    write_model,
    write_participants,
)


def make_example(directory: str | Path, settings: ExampleSettings | None = None) -> Path:
    """Write the example dataset.

    Parameters
    ----------
    directory : str or Path
        A folder that does not exist yet, or is empty.
    settings : ExampleSettings, optional
        Size and strength.

    Returns
    -------
    Path
        The dataset. ``models/planted.tsv`` is its model RDM,
        ``sourcedata/planted_mask.nii.gz`` is 1 where the effect was planted.

    Raises
    ------
    FileExistsError
        The folder is not empty.
    """
    settings = settings or ExampleSettings()
    root = new_folder(directory)
    brain = load_mni152_brain_mask(resolution=settings.voxel_mm)
    planted = planted_mask(brain, settings)
    _write_dataset_files(root, settings)
    write_model(root / "models" / "planted.tsv")
    write_image(planted.astype(np.uint8), brain.affine, root / "sourcedata" / "planted_mask.nii.gz")
    for number in range(1, settings.n_subjects + 1):
        _write_subject(root, f"{number:02d}", brain, planted, settings)
    return root


def _write_subject(
    root: Path,
    subject: str,
    brain: nib.Nifti1Image,
    planted: np.ndarray,
    settings: ExampleSettings,
) -> None:
    """Write one participant's images: its own patterns in the planted place, noise everywhere."""
    random = np.random.default_rng([settings.seed, int(subject)])
    inside = np.asanyarray(brain.dataobj) > 0
    patterns = settings.signal * planted_patterns(random, int(planted.sum()))
    func = root / f"sub-{subject}" / "func"
    for run in range(1, settings.n_runs + 1):
        stem = f"sub-{subject}_task-{TASK}_run-{run}_space-{SPACE}"
        write_image(inside.astype(np.uint8), brain.affine, func / f"{stem}_desc-brain_mask.nii.gz")
        for condition, pattern in zip(CONDITIONS, patterns, strict=True):
            image = smooth_noise(random, inside.shape, settings)
            image[planted] += pattern
            path = func / f"{stem}_contrast-{condition}_stat-effect_statmap.nii.gz"
            write_image((image * inside).astype(np.float32), brain.affine, path)


def _write_dataset_files(root: Path, settings: ExampleSettings) -> None:
    """Write what makes a folder a BIDS derivative dataset."""
    name = "bids_rsa example: synthetic condition images with a planted effect"
    write_description(root, name, "derivative")
    x, y, z = settings.center_mm
    (root / "README.md").write_text(
        f"# Synthetic condition images\n\n{settings.n_subjects} participants, {settings.n_runs} "
        f"runs, {len(CONDITIONS)} conditions: smooth noise everywhere in the brain.\nWithin "
        f"{settings.planted_radius_mm:g} mm of ({x:g}, {y:g}, {z:g}) mm each participant has "
        "patterns whose correlations follow "
        "`models/planted.tsv`;\n`sourcedata/planted_mask.nii.gz` is 1 there. Nothing here was "
        "measured on a person.\n"
    )
    (root / ".bidsignore").write_text("models\n*_statmap.*\n")
    write_participants(root, settings)
