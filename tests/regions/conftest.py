"""A dataset with an atlas of octants, and one run of the app on it."""

import shutil

import nibabel as nib
import numpy as np
import pytest
from region_data import write_table
from region_runs import OCTANTS, SPHERE_MM, run_app

from bids_rsa.example import ExampleSettings, make_example


@pytest.fixture(scope="session")
def region_dataset(tmp_path_factory):
    """Three subjects, three runs, and an atlas that is cut along the middle of the brain mask."""
    settings = ExampleSettings(
        n_subjects=3, n_runs=3, voxel_mm=10, planted_radius_mm=24, signal=1.0
    )
    root = tmp_path_factory.mktemp("regions") / "data"
    make_example(root, settings)
    mask = nib.load(sorted(root.glob("sub-01/func/*desc-brain_mask.nii.gz"))[0])
    inside = np.asarray(mask.dataobj) > 0
    voxels = np.argwhere(inside)
    side = (voxels > np.median(voxels, axis=0)).astype(int)
    labels = np.zeros(inside.shape, np.int16)
    labels[inside] = 1 + side @ [4, 2, 1]
    labels[tuple(voxels[0])] = 20
    space = sorted(root.glob("sub-01/func/*"))[0].name.partition("space-")[2].partition("_")[0]
    folder = root / f"atlases/tpl-{space}"
    folder.mkdir(parents=True)
    stem = f"tpl-{space}_atlas-Octants_dseg"
    nib.save(nib.Nifti1Image(labels, mask.affine), folder / f"{stem}.nii.gz")
    write_table(folder / f"{stem}.tsv", OCTANTS)
    return root


@pytest.fixture
def own_dataset(region_dataset, tmp_path):
    """A copy of the dataset to spoil."""
    return shutil.copytree(region_dataset, tmp_path / "data")


@pytest.fixture(scope="session")
def atlas_path(region_dataset):
    (path,) = region_dataset.glob("atlases/*/*_dseg.nii.gz")
    return path


@pytest.fixture(scope="session")
def center_mm(region_dataset):
    """The centre of a voxel inside all brain masks."""
    masks = [nib.load(p) for p in sorted(region_dataset.glob("sub-*/func/*_mask.nii.gz"))]
    inside = np.all([np.asarray(m.dataobj) > 0 for m in masks], axis=0)
    voxels = np.argwhere(inside)
    return (masks[0].affine @ [*voxels[len(voxels) // 2], 1])[:3]


@pytest.fixture(scope="session")
def region_options(region_dataset, center_mm):
    """The options of the run below, but for the level."""
    center = ",".join(map(str, center_mm))
    return [
        "--model", region_dataset / "models/planted.tsv", "--radius", SPHERE_MM,
        "--atlas", "Octants", "--roi-sphere", f"ball:{center}:{SPHERE_MM}",
        "--comparison", "spearman", "rho-a", "--use-plugin", "Linear", "--no-report",
        "--condition-permutations", "200",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def region_run(region_dataset, region_options, tmp_path_factory):
    """The output of a run of the participant level; read only."""
    output = tmp_path_factory.mktemp("run") / "out"
    done = run_app(region_dataset, output, "participant", *region_options)
    assert done.returncode == 0, done.stderr
    return output, done
