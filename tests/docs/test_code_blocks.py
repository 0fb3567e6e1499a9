"""Every block of code in the README and the docs runs, or is checked as far as it can be here."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_rsa.example import CONDITIONS, SPACE, ExampleSettings, make_example
from bids_rsa.example.bold import BoldExampleSettings, make_bold_example
from bids_rsa.options.parser import build_parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"(?:<!-- ([^\n]*?) -->\n)?^```([^\n]*)\n(.*?)^```$", re.M | re.S)
NOT_RUN, OPTIONS = "not run: ", "options"
# parts of the site, the test of the graph, and what no program reads
NOT_CODE = re.compile(r"\{.*|mermaid|text")
# what inline code names beside the app's own options
OTHERS = {
    "--to-scanner": "mris_convert",
    "--bold": "python -m bids_rsa.example",
    "--field": "python -m benchmarks.calibration",
    "--draws": "python -m benchmarks.calibration_science",
    "--estimator": "fitlins",
    "--error-ts": "fitlins",
}


@dataclass(frozen=True)
class Block:
    """A block of code on a page."""

    page: str
    mark: str
    language: str
    code: str

    @property
    def runs(self) -> bool:
        return not self.mark.startswith(NOT_RUN)

    @property
    def commands(self) -> list[list[str]]:
        """The words of each command, without comments."""
        lines = self.code.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def blocks_of(page: Path) -> list[Block]:
    return [
        Block(page.name, mark or "", language, code)
        for mark, language, code in FENCE.findall(page.read_text(encoding="utf-8"))
    ]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
BASH = [block for block in BLOCKS if block.language == "bash"]


def name_of(block: Block) -> str:
    return f"{block.page}: {block.code.splitlines()[0][:40]}"


def parse(arguments: list[str]) -> None:
    """Parse the app's arguments as it does itself; ends the test where it refuses them."""
    build_parser().parse_args(arguments)


def help_of(command: list[str]) -> str:
    done = subprocess.run(
        [*command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


def check(words: list[str]) -> bool:
    """Check a command that is not run; say whether there was something to check."""
    names = [Path(word).name for word in words]
    if "submit.sh" in names[0]:
        check_submission(words[1:])
        return True
    for program in ("bids_rsa", "bids_rsa.sif"):
        arguments = words[names.index(program) + 1 :] if program in names else []
        if arguments:
            if arguments != ["--help"]:
                parse(arguments)
            return True
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.M), words
        return True
    if words[:2] == ["python", "-m"]:
        known = help_of([sys.executable, *words[1:3]])
        for word in words[3:]:
            assert not word.startswith("-") or word in known, words
        return True
    return False


def check_submission(words: list[str]) -> None:
    """The script's own options stand in its help, all others are the app's."""
    usage = help_of(["bash", str(ROOT / "singularity/submit.sh")])
    own = set(re.findall(r"--[a-z-]+(?= [A-Z])", usage))
    cut = words.index("--group")
    for level, part in (("participant", words[:cut]), ("group", words[:2] + words[cut + 1 :])):
        kept, rest = [], iter(part)
        for word in rest:
            if word in own:
                next(rest)
            else:
                kept.append(word)
        parse([*kept[:2], level, *kept[2:]])


def test_every_block_says_what_it_is():
    for block in BLOCKS:
        known = block.language in ("bash", "python", "json") or NOT_CODE.fullmatch(block.language)
        assert known, name_of(block)
        assert block.mark in ("", OPTIONS) or block.mark.startswith((NOT_RUN, "graph: ")), block
    assert sum(block.runs for block in BASH) >= 4


@pytest.mark.parametrize("block", BASH, ids=name_of)
def test_commands_can_be_read_by_bash(block):
    done = subprocess.run(
        ["bash", "-n"], input=block.code, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", [block for block in BASH if not block.runs], ids=name_of)
def test_commands_that_are_not_run_are_known(block):
    assert any([check(words) for words in block.commands])


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.mark == OPTIONS], ids=name_of)
def test_options_in_a_list_are_known(block):
    for words in block.commands:
        parse(["BIDS", "OUT", "participant", "--model", "model.tsv", *words])


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "json"], ids=name_of)
def test_json_can_be_read(block):
    assert json.loads(block.code)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_in_the_text_are_known(page):
    """Also those of other programs, whose names stand in OTHERS; Apptainer's are not looked at."""
    known = {name for action in build_parser()._actions for name in action.option_strings}
    if page.name == "cluster.md":
        known |= set(re.findall(r"--[a-z-]+", (ROOT / "singularity/submit.sh").read_text()))
        known |= {"--fakeroot", "--cleanenv", "--containall", "--env"}
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    named = re.findall(r"(?<![\w-])--[a-z][\w-]*", " ".join(re.findall(r"`([^`]+)`", text)))
    assert set(named) <= known | set(OTHERS)


def test_commands_in_the_examples_are_known():
    found = 0
    for path in sorted((ROOT / "docs/examples").glob("*.py")):
        text = re.sub(r"^# ?", "", path.read_text(encoding="utf-8"), flags=re.M)
        for line in text.replace("\\\n", " ").splitlines():
            if line.startswith("    bids_rsa "):
                parse(shlex.split(line)[1:])
                found += 1
    assert found >= 8


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with the files that the pages' commands name."""
    folder = tmp_path_factory.mktemp("pages")
    settings = ExampleSettings(n_subjects=1)
    data = make_example(folder / "DATA", settings)
    shutil.copy(data / "models/planted.tsv", folder / "model.tsv")
    planted = nib.load(data / "sourcedata/planted_mask.nii.gz")
    nib.save(planted, folder / "ffa.nii.gz")
    atlases = data / "derivatives/atlases"
    labels = np.asarray(planted.dataobj) + (np.indices(planted.shape)[0] > 10)
    atlases.mkdir(parents=True)
    (atlases / "dataset_description.json").write_text(
        json.dumps({"Name": "atlases", "BIDSVersion": "1.10.0", "DatasetType": "derivative"})
    )
    stem = f"tpl-{SPACE}_atlas-Schaefer2018_dseg"
    nib.save(nib.Nifti1Image(labels.astype("u1"), planted.affine), atlases / f"{stem}.nii.gz")
    (atlases / f"{stem}.tsv").write_text("index\tname\n1\tone\n2\ttwo\n")
    betas = np.random.default_rng(0).normal(size=(8, 8, 8, len(CONDITIONS))).astype("f4")
    nib.save(nib.Nifti1Image(betas, np.diag([3, 3, 3, 1])), folder / "betas.nii.gz")
    return folder


@pytest.fixture(scope="module")
def native(prepared):
    """BOLD in the participant's own space, in a folder apart from the raw dataset."""
    raw = make_bold_example(prepared / "RAW", BoldExampleSettings(n_subjects=1, voxel_mm=5))
    fmriprep = shutil.move(raw / "derivatives/fmriprep", prepared / "FMRIPREP")
    for path in Path(fmriprep).rglob("*_space-*"):
        path.rename(path.with_name(re.sub("space-[A-Za-z0-9]+", "space-T1w", path.name)))
    shutil.copy(raw / "derivatives/models/planted.tsv", prepared / "m.tsv")
    return prepared


@pytest.mark.slow
@pytest.mark.parametrize("block", [block for block in BASH if block.runs], ids=name_of)
def test_commands_run(block, prepared, request):
    if block.page == "from-bold.md":
        request.getfixturevalue("native")
    bin_folder = Path(sys.executable).parent
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    for used in {word for words in block.commands for word in words if word in ("OUT", "results")}:
        shutil.rmtree(prepared / used, ignore_errors=True)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.code],
        cwd=prepared, env={**os.environ, "PATH": path}, capture_output=True, text=True,
        check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "maps" in done.stdout or "seg-" in done.stdout


PYTHON = [b for b in BLOCKS if b.language == "python" and b.page != "library.md"]


@pytest.mark.parametrize("block", PYTHON, ids=name_of)
def test_python_runs(block, prepared, monkeypatch):
    """Those of library.md have a test of their own, tests/library/test_library_docs.py."""
    monkeypatch.chdir(prepared)
    model = np.loadtxt("model.tsv", skiprows=1, usecols=range(1, 1 + len(CONDITIONS)))
    names = {"model": model}
    exec(block.code, names)
    assert np.isfinite(names["rho_map"].get_fdata()).all()
