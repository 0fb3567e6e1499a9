"""The dataset that faults are tried on."""

from pathlib import Path

import pytest

from bids_rsa.example import ExampleSettings, make_example


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> Path:
    """Eight participants, a coarse grid."""
    settings = ExampleSettings(n_subjects=8, n_runs=2, voxel_mm=8)
    return make_example(tmp_path_factory.mktemp("dataset") / "bids", settings)
