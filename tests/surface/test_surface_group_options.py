"""Noise ceilings and null maps of surfaces at group level, by the command."""

import shutil
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from surface_data import describe, flat_maps, save_flat_surfaces, save_gifti

SUBJECTS = (11, 12, 13, 14)


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """The participants' outputs with null maps, and the surfaces."""
    root = tmp_path_factory.mktemp("group_options")
    data = describe(root / "data")
    for number in SUBJECTS:
        save_gifti(data, flat_maps(number))
        func = data / f"sub-{number}" / "func"
        func.mkdir(parents=True)
        for path in (data / "sub-01" / "func").iterdir():
            shutil.copy(path, func / path.name.replace("sub-01", f"sub-{number}"))
    shutil.rmtree(data / "sub-01")
    surface = ("--surface", save_flat_surfaces(root))
    done = run_app(
        data, root / "out", "participant", "--model", data / "models/kind.tsv", "--radius", "4.1",
        "--min-voxels", "5", "--condition-permutations", "60", "--keep-null", "40", "--no-report",
        "--no-figures", *surface,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return data, root / "out", surface


def run_app(*arguments):
    command = (sys.executable, "-m", "bids_rsa.cli", *arguments, "--use-plugin", "Linear")
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


def run_group(output, *options):
    data, out, surface = output
    done = run_app(data, out, "group", "--n-permutations", "50", "--no-report", *surface, *options)
    assert done.returncode == 0, done.stderr
    return out / "group" / f"analysis-{options[-1]}"


def both(folder, stat):
    """The values of both hemispheres."""
    paths = sorted(folder.rglob(f"*_stat-{stat}_desc-kind_statmap.shape.gii"))
    assert len(paths) == 2
    return np.concatenate([nib.load(path).darrays[0].data for path in paths])


def test_the_lower_ceiling_lies_below_the_upper(output):
    """Scores computed again must be those of the maps, which the app checks."""
    folder = run_group(output, "--noise-ceiling", "--label", "ceiling")
    lower, upper = both(folder, "ceilingLower"), both(folder, "ceilingUpper")
    assert np.isfinite(lower).all() and (lower <= upper + 1e-6).all()
    assert 0 < lower.mean() < upper.mean() < 1


def test_null_maps_of_surfaces_are_used(output):
    folder = run_group(output, "--null", "conditions", "--label", "null")
    p = both(folder, "tFWEp")
    assert np.nanmin(p) >= 1 / 41 - 1e-6 and np.nanmax(p) <= 1
