"""Cohorts and directions from the input to the output, which the official validator passes."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from app_runs import RADIUS, files_under, image, run_app

from bids_rsa.app.preflight import validator_command


@pytest.fixture
def two_directions(dataset):
    """sub-01 twice: the same images as of two directions and two cohorts."""
    shutil.rmtree(dataset / "sub-02")
    for path in list(dataset.rglob("sub-01_*")):
        for direction, cohort in (("AP", "1"), ("PA", "2")):
            name = path.name.replace("_run-", f"_dir-{direction}_run-")
            name = name.replace("aSym", f"aSym_cohort-{cohort}")
            shutil.copy(path, path.with_name(name))
        path.unlink()
    return dataset


def test_directions_and_cohorts_have_maps_of_their_own(two_directions, tmp_path):
    out = tmp_path / "out"
    done = run_app(
        two_directions, out, "participant", "--model", two_directions / "models/planted.tsv",
        *RADIUS, "--use-plugin", "Linear",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = [
        n for n in files_under(out) if n.endswith("_stat-spearman_desc-planted_statmap.nii.gz")
    ]
    kinds = {
        tuple(p for p in Path(n).name.split("_") if p.startswith(("dir-", "cohort-")))
        for n in names
    }
    assert len(names) == 2 and {k[0] for k in kinds} == {"dir-AP", "dir-PA"}
    first, second = (
        image(out, "01", f"_{d}_*stat-spearman_desc-planted_statmap").get_fdata()
        for d in ("dir-AP", "dir-PA")
    )
    np.testing.assert_array_equal(first, second)  # the same images under two names
    command = validator_command()
    if command is None:
        pytest.skip("bids-validator-deno is not installed")
    checked = subprocess.run(
        [command, "--ignoreWarnings", str(out)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
