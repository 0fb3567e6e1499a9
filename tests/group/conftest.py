"""Calling the app within the test's process, so that kernels are compiled once."""

import pytest
from group_trees import write_group, write_participants

from bids_rsa.cli import main


@pytest.fixture
def call(capsys):
    """Run the app, without pictures; return its exit code and what it logged."""

    def run(*arguments):
        """Run it."""
        capsys.readouterr()
        code = main([*map(str, arguments), "--no-figures"])
        captured = capsys.readouterr()
        return code, captured.err + captured.out

    return run


def make_places(folder):
    """A dataset folder with participants.tsv, and an output folder with eight subjects' maps."""
    bids, out = folder / "bids", folder / "out"
    groups = "aabbabab"
    rows = [f"sub-{i:02d}\t{20 + i * i % 11}\t{g}" for i, g in enumerate(groups, start=1)]
    write_participants(bids, rows)
    write_group(out)
    return bids, out


@pytest.fixture
def places(tmp_path):
    """Fresh folders for one test."""
    return make_places(tmp_path)


@pytest.fixture(scope="session")
def plain_run(tmp_path_factory):
    """The output of a plain one-sample test of all eight subjects; read only."""
    bids, out = make_places(tmp_path_factory.mktemp("plain"))
    assert main([str(bids), str(out), "group", "--n-permutations", "150"]) == 0
    return out
