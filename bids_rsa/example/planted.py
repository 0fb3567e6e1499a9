"""What all example datasets have in common: conditions, the planted effect, noise, files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
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
BOLD_SUBJECTS = 6  # of the BOLD example
_BIDS_VERSION = "1.11.1"
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


def new_folder(directory: str | Path) -> Path:
    """Make a folder that is empty.

    Raises
    ------
    FileExistsError
        It is not empty.
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
    write_json(root / "participants.json", columns)


def write_description(folder: Path, name: str, kind: str, how: str = "Synthetic data") -> None:
    """Write what makes a folder a BIDS dataset, ``raw`` or ``derivative``."""
    description = {
        "Name": name,
        "BIDSVersion": _BIDS_VERSION,
        "DatasetType": kind,
        "License": "CC0",
        "GeneratedBy": [{"Name": "bids_rsa.example", "Description": how}],
    }
    write_json(folder / "dataset_description.json", description)


def write_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file."""
    Path(path).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
