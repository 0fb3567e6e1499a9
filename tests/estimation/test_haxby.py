"""One real participant as fMRIPrep leaves it: the numbers that its README gives."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist

from bids_rsa.cli import main

RUNS = tuple(f"{run:02d}" for run in range(1, 13))
CONDITIONS = ("bottle", "cat", "chair", "face", "house", "scissors", "scrambledpix", "shoe")


@pytest.fixture
def haxby(shared, tmp_path):
    """The dataset without its invented non-steady-state column: the README's model has no spike."""
    root = tmp_path / "raw"
    shutil.copytree(shared("data", "haxby2001-fmriprep"), root)
    for path in root.rglob("*_desc-confounds_timeseries.tsv"):
        table = pd.read_csv(path, sep="\t")
        table = table.drop(columns=[c for c in table if c.startswith("non_steady_state")])
        path.chmod(0o644)
        table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    cells = 1 - np.eye(8)
    cells[:2] = cells[:, :2] = 0.5
    np.fill_diagonal(cells, 0)
    index = pd.Index(CONDITIONS, name="condition")
    pd.DataFrame(cells, index, CONDITIONS).to_csv(root.parent / "m.tsv", sep="\t")
    return root


def estimates(root, out, *options):
    """Run the app; return betas (run, condition, voxel), residuals (run, volume, voxel), dof."""
    line = [root, out, "participant", "--from-bold", "--model", root.parent / "m.tsv",
            "--radius", "12", "--scale", "none", "--keep-residuals", *options]  # fmt: skip
    assert main([str(part) for part in line]) == 0
    func = out / "sub-01" / "func"
    masks = root.glob("derivatives/fmriprep/sub-01/func/*_desc-brain_mask.nii.gz")
    mask = np.all([nib.load(path).get_fdata() > 0 for path in masks], axis=0)
    betas, residuals, dof = [], [], 0
    for run in RUNS:
        stem = f"{func}/sub-01_task-objects_run-{run}_space-T1w"
        images = [f"{stem}_contrast-{name}_stat-effect_statmap.nii.gz" for name in CONDITIONS]
        betas.append([nib.load(path).get_fdata()[mask] for path in images])
        residuals.append(nib.load(f"{stem}_stat-errorts_statmap.nii.gz").get_fdata()[mask].T)
        dof += json.loads(Path(f"{stem}_design.json").read_text())["DegreesOfFreedom"]
    return np.array(betas), np.array(residuals), dof


def crossnobis(betas, residuals, dof):
    """All pairs: residuals pooled, shrunk towards their diagonal, divided by the voxels."""
    rows = np.concatenate(residuals - residuals.mean(axis=1, keepdims=True))
    n, (n_runs, _, n_voxels) = len(rows), betas.shape
    covariance = rows.T @ rows / dof
    scaled = rows / np.sqrt(np.diag(covariance))
    first = scaled.T @ scaled / (n - 1)
    second = (scaled**2).T @ scaled**2 / (n - 1)
    off = ~np.eye(n_voxels, dtype=bool)
    shrink = n / dof**2 * (second - first**2)[off].sum() / (first[off] ** 2).sum()
    precision = np.linalg.inv(np.where(off, covariance * (1 - np.clip(shrink, 0, 1)), covariance))
    found = []
    for i, j in zip(*np.triu_indices(len(CONDITIONS), 1), strict=True):
        difference = betas[:, i] - betas[:, j]
        products = difference @ precision @ difference.T
        pairs = n_runs * (n_runs - 1)
        found.append((products.sum() - np.trace(products)) / pairs / n_voxels)
    return np.array(found)


def test_the_readmes_numbers_come_out(haxby, tmp_path):
    betas, residuals, dof = estimates(haxby, tmp_path / "out")
    assert dof == 1224
    assert betas.shape == (12, 8, 530)
    correlation = pdist(betas.mean(axis=0), "correlation")
    np.testing.assert_allclose(correlation[:3], [0.30004, 0.37649, 0.31357], atol=1e-5)
    distances = crossnobis(betas, residuals, dof)
    np.testing.assert_allclose(distances[:3], [0.02693, 0.02188, 0.01704], atol=1e-5)
    assert distances.min() == pytest.approx(0.0119, abs=5e-5)
    assert distances.mean() == pytest.approx(0.0361, abs=5e-5)


def test_a_start_time_of_zero_loses_what_the_readme_says(haxby, tmp_path):
    distances = crossnobis(*estimates(haxby, tmp_path / "out", "--start-time", "0"))
    assert distances.mean() == pytest.approx(0.0222, abs=5e-5)
