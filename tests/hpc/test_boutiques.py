"""The Boutiques descriptor is valid, and describes the command line that is really there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bids_rsa.options.arguments import parse
from bids_rsa.options.parser import build_parser

INVOCATION = {
    "analysis_level": "participant",
    "participant_label": ["01", "02"],
    "models": ["planted=planted.tsv"],
    "comparisons": ["spearman", "pearson"],
    "radius_mm": 8.5,
    "min_voxels": 20,
    "ignore_nan": True,
}


def bosh(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Boutiques' own program, wherever this environment keeps it."""
    code = "import sys; sys.argv[0] = 'bosh'; from boutiques.bosh import bosh; sys.exit(bosh())"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


@pytest.fixture(scope="module")
def printed(tmp_path_factory) -> Path:
    """The descriptor as the command prints it."""
    path = tmp_path_factory.mktemp("boutiques") / "bids_rsa.json"
    command = [sys.executable, "-m", "bids_rsa.cli", "--bids-exec-spec"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stderr == ""
    path.write_text(answer.stdout)
    return path


def test_bosh_validates_what_the_command_prints(printed):
    pytest.importorskip("boutiques")
    answer = bosh("validate", printed, cwd=printed.parent)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "OK" in answer.stdout


def test_bosh_refuses_a_descriptor_with_two_inputs_of_one_name(printed, tmp_path):
    pytest.importorskip("boutiques")
    broken = json.loads(printed.read_text())
    broken["inputs"].append(broken["inputs"][0])
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    assert bosh("validate", "broken.json", cwd=tmp_path).returncode != 0


def test_every_option_is_described_once(printed):
    described = [entry["id"] for entry in json.loads(printed.read_text())["inputs"]]
    options = {action.dest for action in build_parser()._actions}
    assert len(described) == len(set(described))
    assert options - set(described) == {"help", "version", "bids_exec_spec"}


def test_the_command_line_that_bosh_makes_is_understood_as_it_was_meant(printed):
    pytest.importorskip("boutiques")
    folder = printed.parent
    (folder / "bids").mkdir()
    invocation = INVOCATION | {"bids_dir": str(folder / "bids"), "output_dir": "out"}
    (folder / "invocation.json").write_text(json.dumps(invocation))
    answer = bosh("exec", "simulate", printed, "-i", "invocation.json", cwd=folder)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    command = next(line for line in answer.stdout.splitlines() if line.startswith("bids_rsa "))
    settings = parse(command.split()[1:])
    assert settings.analysis_level == "participant"
    assert settings.inputs.selection.participant_label == ("01", "02")
    assert settings.inputs.models == ("planted=planted.tsv",)
    assert settings.rsa.comparisons == ("spearman", "pearson")
    assert (settings.rsa.radius_mm, settings.rsa.min_voxels) == (8.5, 20)
    assert settings.rsa.ignore_nan
