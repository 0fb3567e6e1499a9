"""From condition images to the group's map: the planted region, and nothing but it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import app_process
import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from bids_rsa.example import ExampleSettings, make_example

RADIUS_MM, VOXEL_MM, PLANTED_MM = 16, 10, 24


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The example dataset with large voxels, its participants' maps and its group test."""
    place = tmp_path_factory.mktemp("example")
    settings = ExampleSettings(
        n_subjects=8, n_runs=3, voxel_mm=VOXEL_MM, planted_radius_mm=PLANTED_MM, signal=1.0
    )
    bids = make_example(place / "bids", settings)
    model = bids / "models/planted.tsv"
    for arguments in (
        ("participant", "--model", model, "--radius", RADIUS_MM, *app_process.UNDRAWN),
        ("group",),
    ):
        done = app_process.run_app(bids, place / "out", *arguments)
        assert done.returncode == 0, done.stderr
    return bids, place / "out"


def test_the_planted_region_is_found_and_nothing_else(example):
    bids, out = example
    (path,) = out.glob("group/*_stat-tThr_desc-planted_statmap.nii.gz")
    significant = np.asarray(nib.load(path).dataobj) > 0
    planted = np.asarray(nib.load(bids / "sourcedata/planted_mask.nii.gz").dataobj) > 0
    # the planted voxels' distances: a patch reaches one radius from its centre
    distance = ndimage.distance_transform_edt(~planted, sampling=[VOXEL_MM] * 3)
    assert not (significant & (distance > RADIUS_MM + 1e-6)).any()
    core = ndimage.binary_erosion(planted)
    assert core.sum() > 5
    assert significant[core].mean() > 0.9


def test_the_largest_cluster_lies_where_the_effect_was_planted(example):
    _, out = example
    (path,) = out.glob("group/*_desc-planted_clusters.tsv")
    header, first, *_ = [line.split("\t") for line in path.read_text().splitlines()]
    row = dict(zip(header, first, strict=True))
    peak = [float(row[f"peak_{axis}"]) for axis in "xyz"]
    assert np.linalg.norm(np.subtract(peak, ExampleSettings().center_mm)) <= PLANTED_MM
    assert float(row["p"]) <= 0.05
    assert float(row["share_above_0"]) == 1.0


def test_the_official_validator_passes_the_whole_output(example):
    _, out = example
    validator = Path(sys.executable).with_name("bids-validator-deno")
    command = str(validator) if validator.exists() else shutil.which("bids-validator-deno")
    if command is None:
        pytest.skip("bids-validator-deno is not installed")
    done = subprocess.run([command, str(out)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_sidecar_names_the_participants_maps_as_sources(example):
    _, out = example
    (path,) = out.glob("group/*_stat-tfceFWEp_desc-planted_statmap.json")
    content = json.loads(path.read_text())
    assert len(content["Sources"]) == 16
    for uri in content["Sources"]:
        assert (out / uri.removeprefix("bids::")).is_file()
    assert content["Participants"] == [f"sub-{i:02d}" for i in range(1, 9)]
    assert content["RelabelingsExhaustive"] is True
    labels = (out / "descriptions.tsv").read_text()
    assert "desc-planted" in labels
