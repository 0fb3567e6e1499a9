"""A small dataset of BOLD, and the app called within the test's process."""

import pytest
from bold_runs import arguments, copy, make_dataset

from bids_rsa.cli import main


@pytest.fixture(scope="session")
def noise_dataset(tmp_path_factory):
    """One participant, two runs of noise; not to be changed."""
    return make_dataset(tmp_path_factory.mktemp("bold") / "raw")


@pytest.fixture
def dataset(noise_dataset, tmp_path):
    """A copy of it, to be changed at will."""
    return copy(noise_dataset, tmp_path / "raw")


@pytest.fixture
def from_bold(capsys):
    """Run the app with --from-bold, without pictures; return its exit code and all that it said."""

    def run(root, out, *options):
        capsys.readouterr()
        code = main(arguments(root, out, *options, "--no-figures"))
        captured = capsys.readouterr()
        return code, captured.err + captured.out

    return run
