"""Datasets and runs that several tests of the app look at."""

import shutil

import pytest
from app_runs import RADIUS, run_app

from bids_rsa.example import ExampleSettings, make_example


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory):
    """Two subjects, three runs, voxels of 10 mm; read only."""
    settings = ExampleSettings(
        n_subjects=2, n_runs=3, voxel_mm=10, planted_radius_mm=24, signal=1.0
    )
    return make_example(tmp_path_factory.mktemp("small") / "data", settings)


@pytest.fixture
def dataset(small_dataset, tmp_path):
    """A copy of the small dataset to spoil."""
    return shutil.copytree(small_dataset, tmp_path / "data")


@pytest.fixture(scope="session")
def small_run(small_dataset, tmp_path_factory):
    """The output of a plain run on the small dataset, and what it printed; read only."""
    output = tmp_path_factory.mktemp("run") / "out"
    done = run_app(
        small_dataset, output, "participant", "--model", small_dataset / "models/planted.tsv",
        *RADIUS, "--comparison", "spearman", "pearson", "--use-plugin", "Linear",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return output, done
