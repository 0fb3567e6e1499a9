"""Calling the app within the test's process, so that kernels are compiled once."""

import pytest
from group_trees import write_group, write_participants

from bids_rsa.cli import main


@pytest.fixture
def call(capsys):
    """Run the app; return its exit code and what it logged."""

    def run(*arguments):
        """Run it."""
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.err + captured.out

    return run


@pytest.fixture
def places(tmp_path):
    """A dataset folder with participants.tsv, and an output folder with eight subjects' maps."""
    bids, out = tmp_path / "bids", tmp_path / "out"
    groups = "aabbabab"
    rows = [f"sub-{i:02d}\t{20 + i * i % 11}\t{g}" for i, g in enumerate(groups, start=1)]
    write_participants(bids, rows)
    write_group(out)
    return bids, out
