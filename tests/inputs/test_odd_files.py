"""Files that are damaged, endless, nested or oddly named end in a message that names them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from input_trees import describe, find, image, mask, model, statmaps
from program_trees import NAMES, RUNS, feat, glmsingle, label_table, planted, spm_folder, trials

from bids_rsa.errors import BidsRsaError
from bids_rsa.options.arguments import parse
from bids_rsa.patterns.stacking import stack_analysis
from bids_rsa.settings import Selection
from bids_rsa.tables import json_of

DEEP = "[" * 100_000 + "]" * 100_000


def refused(code, words, root, tmp_path, **more):
    with pytest.raises(BidsRsaError) as caught:
        find(root, tmp_path, **more)
    assert caught.value.exit_code == code, caught.value
    for word in words:
        assert str(word) in str(caught.value)


def test_json_nested_100000_deep_is_refused_or_says_nothing(tmp_path):
    with pytest.raises(ValueError, match="too deeply"):
        json_of(DEEP)
    root = describe(tmp_path / "data")
    statmaps(root)
    (root / "dataset_description.json").write_text(f'{{"GeneratedBy": {DEEP}}}')
    assert len(find(root, tmp_path).analyses) == 1
    file = tmp_path / "filter.json"
    file.write_text(f'{{"statmap": {{"run": {DEEP}}}}}')
    chosen = Selection(bids_filter_file=str(file))
    refused(65, [file, "too deeply"], root, tmp_path, selection=chosen)
    with pytest.raises(BidsRsaError, match="not a JSON object"):
        parse(["a", "b", "participant", "--model", "m", "--dissimilarity-params", DEEP])


@pytest.mark.parametrize(
    "what", ["image", "mask", "table", "description", "filter", "model", "config"]
)
def test_a_pipe_is_refused_and_never_waited_for(tmp_path, what):
    root = describe(tmp_path / "data")
    paths = statmaps(root)
    fifo = {
        "image": Path(paths[3]),
        "mask": tmp_path / "m.nii.gz",
        "table": tmp_path / "map.tsv",
        "description": root / "dataset_description.json",
        "filter": tmp_path / "filter.json",
        "model": tmp_path / "fifo.tsv",
        "config": tmp_path / "config.toml",
    }[what]
    fifo.unlink(missing_ok=True)
    os.mkfifo(fifo)
    options = {
        "mask": ["--brain-mask", fifo], "table": ["--condition-map", fifo],
        "filter": ["--bids-filter-file", fifo], "config": ["--config-file", fifo],
    }.get(what, [])  # fmt: skip
    file = fifo if what == "model" else model(tmp_path / "model.tsv")
    done = subprocess.run(
        [sys.executable, "-m", "bids_rsa.cli", root, tmp_path / "out", "participant", "--model",
         file, "--dry-run", "--radius", "4", "--min-voxels", "1", *options],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    if what == "description":
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 66, done.stderr
    assert str(fifo) in done.stderr and "Traceback" not in done.stderr


def test_damaged_hdf5_names_the_file(tmp_path):
    pytest.importorskip("h5py")
    root = describe(tmp_path / "data")
    values = planted(n=2)
    betas, order = trials(values)
    path = glmsingle(root / "glm/01", betas)
    image(root / "ref.nii.gz", shape=(5, 4, 3))
    labels = label_table(tmp_path / "labels.tsv", order)
    where = {
        "betas": ("glm/{subject}",), "labels": labels, "conditions": NAMES,
        "reference_image": str(root / "ref.nii.gz"),
    }  # fmt: skip
    raw = path.read_bytes()
    fails = 0
    for start in range(0, len(raw), max(1, len(raw) // 40)):
        path.write_bytes(raw[:start] + bytes(b ^ 0xFF for b in raw[start : start + 64])
                         + raw[start + 64 :])  # fmt: skip
        try:
            (analysis,) = find(root, tmp_path, **where).analyses
            stack_analysis(analysis, RUNS)
        except BidsRsaError as error:  # and no other error
            fails += 1
            assert str(path) in str(error) or error.exit_code in (65, 66)
    assert fails
    path.write_bytes(raw[: len(raw) // 2])
    refused(65, [path], root, tmp_path, **where)


@pytest.mark.parametrize("where", ["folder", "image", "mask"])
def test_a_name_that_is_no_utf8_is_refused_with_its_bytes(tmp_path, where):
    root = describe(tmp_path / (os.fsdecode(b"d\xff") if where == "folder" else "data"))
    paths = statmaps(root)
    mask(root / "sub-01/func/sub-01_task-x_desc-brain_mask.nii.gz")
    odd = os.fsdecode(b"odd\xff")
    if where != "folder":
        old = "statmap" if where == "image" else "mask"
        folder = root / "sub-01/func" / odd
        folder.mkdir()
        for path in [*paths, *(root / "sub-01/func").glob("*_mask.nii.gz")]:
            if Path(path).name.split(".")[0].endswith(old):
                Path(path).rename(folder / Path(path).name)
    refused(66, ["not written in UTF-8", "\\xff"], root, tmp_path)


@pytest.mark.parametrize(
    ("program", "make", "pattern"),
    [
        ("SPM", lambda place, values: spm_folder(place / "stats", values), "sub-{subject}/stats"),
        (
            "FSL FEAT",
            lambda folder, values: feat(folder / "run1.feat", values, "1"),
            "sub-{subject}",
        ),
    ],
)
def test_other_programs_results_are_pointed_at(tmp_path, program, make, pattern):
    root = describe(tmp_path / "data")
    for sub in ("01", "02"):
        make(root / f"sub-{sub}", planted())
    words = [f"results of {program}", f"--betas '{pattern}'"]
    refused(66, words, root, tmp_path)
    assert len(find(root, tmp_path, conditions=NAMES, betas=(pattern,)).analyses) == 2


def test_results_without_sub_folders_are_pointed_at(tmp_path):
    for label in ("S1", "S2"):
        spm_folder(tmp_path / "data" / label, planted())
    refused(66, ["results of SPM", "--betas '{subject}'"], tmp_path / "data", tmp_path)
    found = find(tmp_path / "data", tmp_path, conditions=NAMES, betas=("{subject}",))
    assert [analysis.subject for analysis in found.analyses] == ["S1", "S2"]


@pytest.mark.parametrize(
    ("arguments", "option", "taken"),
    [
        (["--participant-label", "01", "/data", "/out", "participant"], "--participant-label",
         "/data /out participant"),
        (["--participant_label", "01", "in", "out", "participant"], "--participant-label",
         "participant"),
        (["--model", "m.tsv", ".", "out", "participant"], "--model", ". out participant"),
        ([".", "out", "--model", "m.tsv", "group"], "--model", "group"),
        (["-d", "one", "two", ".", "participant"], "-d", "participant"),
    ],
)  # fmt: skip
def test_an_option_that_took_the_positional_arguments_is_named(arguments, option, taken):
    with pytest.raises(BidsRsaError) as caught:
        parse(arguments)
    assert caught.value.exit_code == 2
    assert f"{option} takes several values, and took {taken} as well" in caught.value.message


def test_unknown_options_blame_no_other():
    with pytest.raises(BidsRsaError) as caught:
        parse(["in", "out", "participant", "--model", "m.tsv", "--colour", "red"])
    assert "took" not in caught.value.message


def test_spaces_with_fmriprep_modifiers_are_read():
    given = ["in", "out", "participant", "--model", "m.tsv", "--space", "MNI:res-2", "T1w"]
    assert parse(given).inputs.selection.space == ("MNI:res-2", "T1w")
    with pytest.raises(BidsRsaError, match="MNI152NLin2009cAsym:res-2"):
        parse([*given[:-2], "MNI:big"])
