"""A run that is killed, told to end or joined by another at any moment loses and leaves nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import moments
import pytest

from bids_rsa.example import ExampleSettings, make_example

GROUP = ("group", "--n-permutations", "40")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Three participants, ten voxels across."""
    settings = ExampleSettings(n_subjects=3, n_runs=2, voxel_mm=12)
    return make_example(tmp_path_factory.mktemp("tiny") / "bids", settings)


@pytest.fixture
def arguments(tiny):
    """The options of a participant run."""
    return ["participant", "--model", str(tiny / "models/planted.tsv"), "--radius", "28"]


def disturb(room, bids, before, options, signal_every, beside_every):
    """The report of a process that disturbs a run at many moments."""
    spec = {
        "room": str(room),
        "before": str(before),
        "arguments": [str(bids), "{out}", *options],
        "signal_every": signal_every,
        "beside_every": beside_every,
    }
    (room / "spec.json").write_text(json.dumps(spec))
    done = subprocess.run(
        [sys.executable, moments.__file__, room / "spec.json"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(report):
    """Nothing was wrong, and there was something that might have been."""
    assert len(report["killed"]) >= 30
    for way in ("killed", "terminated", "beside"):
        assert report[way]
        assert {moment: wrong for moment, wrong in report[way].items() if wrong} == {}


@pytest.mark.slow
def test_a_participant(tiny, arguments, tmp_path):
    (tmp_path / "before").mkdir()
    options = [*arguments, "--participant-label", "01"]
    report = disturb(tmp_path, tiny, tmp_path / "before", options, 37, 83)
    check(report)


@pytest.mark.slow
def test_a_group(tiny, arguments, tmp_path):
    out = tmp_path / "before" / "out"
    run = [sys.executable, "-m", "bids_rsa.cli", tiny, out, *arguments, "--no-report"]
    assert subprocess.run(run, capture_output=True).returncode == 0
    report = disturb(tmp_path, tiny, tmp_path / "before", GROUP, 101, 251)
    check(report)
