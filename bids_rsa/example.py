"""A small synthetic BIDS dataset: noise everywhere, and a planted model effect in a known place."""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nilearn.datasets import load_mni152_brain_mask
from scipy.ndimage import gaussian_filter

CATEGORIES = {
    "mammal": ("cat", "dog"),
    "animal": ("bird", "fish"),
    "vehicle": ("car", "bus"),
    "furniture": ("chair", "lamp"),
}
CONDITIONS = tuple(name for names in CATEGORIES.values() for name in names)
SPACE = "MNI152NLin2009aSym"
TASK = "objects"
BOLD_SUBJECTS = 6
SAME_CATEGORY, SAME_DOMAIN, OTHER_DOMAIN = 0.3, 0.6, 1.0


@dataclass(frozen=True)
class ExampleSettings:
    """How large the dataset is, and how strong and where its effect."""

    n_subjects: int = 12
    n_runs: int = 4
    voxel_mm: int = 5
    center_mm: tuple[float, float, float] = (-36.0, -56.0, -14.0)
    planted_radius_mm: float = 16.0
    signal: float = 0.5
    noise_fwhm_mm: float = 6.0
    seed: int = 2008


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
        The folder holds something already.
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


def new_folder(directory: str | Path) -> Path:
    """Make a folder that is empty.

    Raises
    ------
    FileExistsError
        It holds something already.
    """
    root = Path(directory)
    if root.exists() and any(root.iterdir()):
        raise FileExistsError(f"{root} is not empty: the example dataset needs a new folder.")
    root.mkdir(parents=True, exist_ok=True)
    return root


def model_rdm() -> np.ndarray:
    """Compute the planted model: least within a category, then within a domain (n, n)."""
    category = np.repeat(np.arange(4), 2)
    domain = category // 2
    rdm = np.where(domain[:, None] == domain, SAME_DOMAIN, OTHER_DOMAIN)
    rdm = np.where(category[:, None] == category, SAME_CATEGORY, rdm)
    np.fill_diagonal(rdm, 0.0)
    return rdm


def planted_mask(brain: nib.Nifti1Image, settings: ExampleSettings) -> np.ndarray:
    """Find the brain's voxels within a sphere around the planted place."""
    inside = np.asanyarray(brain.dataobj) > 0
    ijk = np.argwhere(inside)
    mm = nib.affines.apply_affine(brain.affine, ijk)
    near = np.linalg.norm(mm - settings.center_mm, axis=1) <= settings.planted_radius_mm
    planted = np.zeros(inside.shape, dtype=bool)
    planted[tuple(ijk[near].T)] = True
    return planted


def _write_subject(
    root: Path,
    subject: str,
    brain: nib.Nifti1Image,
    planted: np.ndarray,
    settings: ExampleSettings,
) -> None:
    """Write one subject's images: its own patterns in the planted place, noise everywhere."""
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


def planted_patterns(random: np.random.Generator, n_voxels: int) -> np.ndarray:
    """Draw patterns whose correlations follow the model (n_conditions, n_voxels)."""
    similarity = 1.0 - model_rdm()
    return np.linalg.cholesky(similarity) @ random.standard_normal((len(CONDITIONS), n_voxels))


def smooth_noise(
    random: np.random.Generator, shape: tuple[int, ...], settings: ExampleSettings
) -> np.ndarray:
    """Draw smooth noise of unit variance."""
    sigma = settings.noise_fwhm_mm / settings.voxel_mm / np.sqrt(8 * np.log(2))
    noise = gaussian_filter(random.standard_normal(shape), sigma, mode="wrap")
    return noise / noise.std()


def write_image(data: np.ndarray, affine: np.ndarray, path: Path) -> None:
    """Write an image in millimetres."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def write_model(path: Path) -> None:
    """Write the model RDM as a square table."""
    path.parent.mkdir(parents=True)
    rows = ["\t".join(("condition", *CONDITIONS))]
    for condition, cells in zip(CONDITIONS, model_rdm(), strict=True):
        rows.append("\t".join((condition, *(f"{cell:g}" for cell in cells))))
    path.write_text("\n".join(rows) + "\n")


def _write_dataset_files(root: Path, settings: ExampleSettings) -> None:
    """Write what makes a folder a BIDS derivative dataset."""
    description = {
        "Name": "bids_rsa example: synthetic condition images with a planted effect",
        "BIDSVersion": "1.11.1",
        "DatasetType": "derivative",
        "License": "CC0",
        "GeneratedBy": [{"Name": "bids_rsa.example", "Description": "Synthetic data"}],
    }
    (root / "dataset_description.json").write_text(json.dumps(description, indent=2) + "\n")
    x, y, z = settings.center_mm
    (root / "README.md").write_text(
        "# Synthetic condition images\n\n"
        f"{settings.n_subjects} subjects, {settings.n_runs} runs, {len(CONDITIONS)} conditions: "
        "smooth noise everywhere in the brain.\n"
        f"Within {settings.planted_radius_mm:g} mm of ({x:g}, {y:g}, {z:g}) mm each subject has "
        "patterns whose correlations follow `models/planted.tsv`;\n"
        "`sourcedata/planted_mask.nii.gz` is 1 there. Nothing here was measured on a person.\n"
    )
    (root / ".bidsignore").write_text("models\n*_statmap.*\n")
    write_participants(root, settings)


def write_participants(root: Path, settings: ExampleSettings) -> None:
    """Write made-up ages and two groups, to try group tests on."""
    random = np.random.default_rng(settings.seed)
    rows = ["participant_id\tage\tgroup"]
    for number in range(1, settings.n_subjects + 1):
        group = "a" if number % 2 else "b"
        rows.append(f"sub-{number:02d}\t{random.integers(20, 40)}\t{group}")
    (root / "participants.tsv").write_text("\n".join(rows) + "\n")
    columns = {
        "age": {"Description": "Synthetic age", "Units": "year"},
        "group": {
            "Description": "Arbitrary group, without an effect",
            "Levels": {"a": "odd", "b": "even"},
        },
    }
    (root / "participants.json").write_text(json.dumps(columns, indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    defaults = ExampleSettings()
    parser = argparse.ArgumentParser(prog="python -m bids_rsa.example", description=__doc__)
    parser.add_argument("directory", metavar="DIR", help="a new folder")
    parser.add_argument(
        "--bold",
        action="store_true",
        help="BOLD runs and events as fMRIPrep leaves them, in place of condition images",
    )
    parser.add_argument(
        "--surface",
        action="store_true",
        help="with --bold: also BOLD on the cortical surface (fsaverage5)",
    )
    parser.add_argument(
        "--n-subjects",
        type=int,
        help=f"default: {defaults.n_subjects}, with --bold {BOLD_SUBJECTS}",
    )
    parser.add_argument("--seed", type=int, default=defaults.seed, help="default: %(default)s")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Write the example dataset into the folder named on the command line."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.surface and not arguments.bold:
        parser.error("--surface adds BOLD on the surface to that of --bold: give both.")
    default = BOLD_SUBJECTS if arguments.bold else ExampleSettings.n_subjects
    n_subjects = arguments.n_subjects or default
    try:
        if arguments.bold:
            from bids_rsa.example_bold import BoldExampleSettings, make_bold_example

            bold = BoldExampleSettings(
                n_subjects=n_subjects, seed=arguments.seed, on_surface=arguments.surface
            )
            root = make_bold_example(arguments.directory, bold)
        else:
            settings = ExampleSettings(n_subjects=n_subjects, seed=arguments.seed)
            root = make_example(arguments.directory, settings)
    except OSError as error:
        parser.error(str(error))
    models = root / "derivatives" / "models" if arguments.bold else root / "models"
    sys.stdout.write(f"The example dataset is in {root} and its model in {models}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
