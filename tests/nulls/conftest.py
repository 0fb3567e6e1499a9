"""A small dataset, and its participants run with permutations of the conditions."""

import pytest
from app_process import UNDRAWN

from bids_rsa.cli import main
from bids_rsa.example import ExampleSettings, make_example

RADIUS = ("--radius", "16")  # voxels of 10 mm


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """Five subjects with a planted effect; read only."""
    settings = ExampleSettings(
        n_subjects=5, n_runs=4, voxel_mm=10, planted_radius_mm=24, signal=1.0
    )
    return make_example(tmp_path_factory.mktemp("nulls") / "data", settings)


@pytest.fixture
def call(capsys):
    """Run the app in this process, without pictures; return its exit code and what it logged."""

    def run(*arguments):
        capsys.readouterr()
        code = main([*map(str, arguments), "--use-plugin", "Linear", *UNDRAWN])
        captured = capsys.readouterr()
        return code, captured.err + captured.out

    return run


@pytest.fixture(scope="session")
def nulls_run(dataset, tmp_path_factory):
    """The output of a run with permutations, null maps and reliability; copy before changing."""
    out = tmp_path_factory.mktemp("run") / "out"
    code = main([
        str(dataset), str(out), "participant", "--model", str(dataset / "models/planted.tsv"),
        *RADIUS, "--condition-permutations", "200", "--keep-null", "200",
        "--use-plugin", "Linear", *UNDRAWN,
    ])  # fmt: skip
    assert code == 0
    return out
