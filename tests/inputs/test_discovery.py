import errno
import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from input_trees import CONDITIONS, describe, find, image, mask, model, name, statmaps

from bids_rsa import locks
from bids_rsa.dataset import find_analyses, list_participants
from bids_rsa.discovery import folders
from bids_rsa.discovery.database import indexed_paths
from bids_rsa.discovery.datasets import Dataset
from bids_rsa.discovery.index import CONFIG, Index
from bids_rsa.errors import BidsRsaError, ContentError, InputError, OptionError, SelectionError
from bids_rsa.models.loading import load_models
from bids_rsa.settings import InputSettings, RsaSettings, Selection


def fails(expected, code, words, *args, **kwargs):
    """Discovery fails with the class, the exit code, and a message that holds the words."""
    with pytest.raises(BidsRsaError) as caught:
        find(*args, **kwargs)
    assert type(caught.value) is expected or isinstance(caught.value, expected), caught.value
    assert caught.value.exit_code == code
    for word in words:
        assert str(word) in str(caught.value)
    return caught.value


# ---------------------------------------------------------------- what is found


@pytest.mark.parametrize("folder", ["func", "."])
@pytest.mark.parametrize("place", ["", "derivatives/glm", "derivatives/lab/glm"])
def test_images_are_found_wherever_the_derivative_lies(tmp_path, folder, place):
    root = tmp_path / "data"
    describe(root, kind="raw" if place else "derivative")
    describe(root / place, "nilearn")
    paths = statmaps(root / place, subs=("01", "02"), folder=folder)
    found = find(root, tmp_path)
    assert [g.subject for g in found.analyses] == ["01", "02"]
    assert sorted(i.path for g in found.analyses for i in g.images) == sorted(
        str(Path(p)) for p in paths
    )
    first = found.analyses[0].images[0]
    assert (first.task, first.run, first.statistic, first.source) == ("x", "1", "effect", "nilearn")
    assert found.analyses[0].conditions == CONDITIONS
    assert not found.failures


def test_records_equal_what_pybids_reads(tmp_path):
    from bids import BIDSLayout

    root = describe(tmp_path / "data")
    for ses in ("a", "b"):
        statmaps(
            root, subs=("01", "S2"), ses=ses, acq="hi", space="MNI", res="2", runs=("01", "11")
        )
    statmaps(root, subs=("03",), runs=None, folder=".", stats=("effect", "t"), space="MNI", res="2")
    config = {
        "name": "check",
        "entities": [
            {"name": "contrast", "pattern": "[_/\\\\]+contrast-([a-zA-Z0-9+]+)"},
            {"name": "stat", "pattern": "[_/\\\\]+stat-([a-zA-Z0-9+]+)"},
        ],
    }
    layout = BIDSLayout(root, config=["bids", "derivatives", config], validate=False)
    keys = ("subject", "session", "task", "acquisition", "run", "space", "res", "contrast")
    expected = {
        f.path: tuple(f.entities.get(k) for k in keys)
        for f in layout.get(suffix="statmap", stat="effect", extension=".nii.gz")
    }
    found = find(root, tmp_path)
    images = [i for g in found.analyses for i in g.images]
    assert len(images) == len(expected) == 36
    for i in images:
        run = int(i.run) if i.run else None
        assert expected[i.path] == (
            i.subject, i.session, i.task, i.acquisition, run, i.space, i.resolution, i.condition,
        )  # fmt: skip


def test_groups_are_split_by_session_task_acquisition_space_and_resolution(tmp_path):
    root = describe(tmp_path / "data")
    for ses in ("1", "2"):
        for task in ("a", "b"):
            statmaps(root, ses=ses, task=task, space="T1w")
    statmaps(root, ses="1", task="a", acq="hi", space="T1w")
    found = find(root, tmp_path)
    assert [g.label for g in found.analyses] == [
        "sub-01_ses-1_task-a_space-T1w",
        "sub-01_ses-1_task-a_acq-hi_space-T1w",
        "sub-01_ses-1_task-b_space-T1w",
        "sub-01_ses-2_task-a_space-T1w",
        "sub-01_ses-2_task-b_space-T1w",
    ]
    assert all(len(g.images) == 8 for g in found.analyses)


def test_several_spaces_are_an_error_that_lists_them_and_groups_when_asked_for(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, space="T1w")
    statmaps(root, space="MNI152NLin2009cAsym", res="2")
    fails(OptionError, 2, ["MNI152NLin2009cAsym, T1w", "--space"], root, tmp_path)
    spaces = ("T1w", "MNI152NLin2009cAsym")
    found = find(root, tmp_path, selection=Selection(space=spaces))
    assert {g.space for g in found.analyses} == set(spaces)
    one = find(root, tmp_path, selection=Selection(space=("T1w",)))
    assert [g.space for g in one.analyses] == ["T1w"]


def test_several_resolutions_are_an_error_that_lists_them(tmp_path):
    root = describe(tmp_path / "data")
    for res in ("1", "2"):
        statmaps(root, space="MNI", res=res)
    fails(OptionError, 2, ["resolutions", "1, 2", "--res"], root, tmp_path)
    found = find(root, tmp_path, selection=Selection(res=("2",)))
    assert [g.resolution for g in found.analyses] == ["2"]


def test_images_without_a_space_can_be_chosen(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root)
    statmaps(root, space="MNI")
    fails(OptionError, 2, ["MNI, none"], root, tmp_path)
    found = find(root, tmp_path, selection=Selection(space=("none",)))
    assert [g.space for g in found.analyses] == [None]


def test_selection_by_every_label(tmp_path):
    root = describe(tmp_path / "data")
    for ses in ("1", "2"):
        for task in ("a", "b"):
            statmaps(root, subs=("01", "02", "03"), ses=ses, task=task, runs=("01", "02", "03"))
    chosen = Selection(
        participant_label=("01", "02"), exclude_participant_label=("02",), session_label=("2",),
        task_label=("b",), run_label=("1", "03"),
    )  # fmt: skip
    found = find(root, tmp_path, selection=chosen)
    assert [g.label for g in found.analyses] == ["sub-01_ses-2_task-b"]
    assert {i.run for i in found.analyses[0].images} == {"01", "03"}


@pytest.mark.parametrize(
    ("query", "runs"),
    [
        ({"statmap": {"run": [1, 3]}}, {"01", "03"}),
        ({"statmap": {"run": "02", "task": "x"}}, {"02"}),
        ({"statmap": {"acquisition": None}}, {"01", "02", "03"}),
        ({"statmap": {"run": "*", "acquisition": "Query.NONE"}}, {"01", "02", "03"}),
        ({"statmap": {"acquisition": "<Query.OPTIONAL: 3>"}}, {"01", "02", "03"}),
    ],
)
def test_filter_file(tmp_path, query, runs):
    root = describe(tmp_path / "data")
    statmaps(root, runs=("01", "02", "03"))
    file = tmp_path / "filter.json"
    file.write_text(json.dumps(query))
    found = find(root, tmp_path, selection=Selection(bids_filter_file=str(file)))
    assert {i.run for i in found.analyses[0].images} == runs


@pytest.mark.parametrize(
    ("text", "error", "code", "words"),
    [
        ('{"statmap": {"task": "y"}}', SelectionError, 18, ["task", "y", "tasks: x"]),
        ('{"bold": {"task": "x"}}', OptionError, 2, ["bold", "statmap, mask"]),
        ('{"statmap": {"tusk": "x"}}', OptionError, 2, ["statmap.tusk"]),
        ("[1", ContentError, 65, ["JSON"]),
        ("[1]", ContentError, 65, ["object of objects"]),
    ],
)
def test_filter_file_errors(tmp_path, text, error, code, words):
    root = describe(tmp_path / "data")
    statmaps(root)
    file = tmp_path / "filter.json"
    file.write_text(text)
    chosen = Selection(bids_filter_file=str(file))
    fails(error, code, ["filter.json", *words], root, tmp_path, selection=chosen)


def test_the_output_and_own_results_are_never_searched(tmp_path):
    root = describe(tmp_path / "data", kind="raw")
    statmaps(describe(root / "derivatives/glm", "nilearn"))
    statmaps(describe(root / "derivatives/old", "bids_rsa"), subs=("02",))
    statmaps(describe(root / "derivatives/out"), subs=("03",))
    found = find(root, tmp_path, output="data/derivatives/out")
    assert [g.subject for g in found.analyses] == ["01"]
    told = " ".join(found.notes)
    assert "derivatives/old (made by bids_rsa)" in told
    assert "derivatives/out (the output folder)" in told


def test_own_results_as_input_are_an_error_that_says_so(tmp_path):
    root = describe(tmp_path / "data", "bids_rsa")
    statmaps(root)
    fails(InputError, 66, [root, "made by bids_rsa"], root, tmp_path)


def test_derivatives_given_by_name_are_searched_instead(tmp_path):
    root = describe(tmp_path / "data", kind="raw")
    statmaps(describe(root / "derivatives/glm"))
    statmaps(describe(tmp_path / "elsewhere/fit"), subs=("07",))
    found = find(root, tmp_path, derivatives=(f"fit={tmp_path}/elsewhere/fit",))
    assert [g.subject for g in found.analyses] == ["07"]
    assert ("fit", f"{tmp_path}/elsewhere/fit") in found.datasets
    fails(SelectionError, 18, ["nowhere", "does not exist"], root, tmp_path,
          derivatives=(f"{tmp_path}/nowhere",))  # fmt: skip
    fails(OptionError, 2, ["letters and digits"], root, tmp_path, derivatives=(f"a-b={root}",))


def test_fitlins_run_level_wins_over_subject_level(tmp_path):
    root = describe(tmp_path / "data", "fitlins")
    statmaps(root / "node-runLevel", folder=".", ses="1")
    statmaps(root / "node-subjectLevel", folder=".", runs=None, task=None)
    statmaps(root / "node-subjectLevel", subs=("02",), folder=".", runs=None, task=None)
    found = find(root, tmp_path)
    assert [(g.label, len(g.images)) for g in found.analyses] == [
        ("sub-01_ses-1_task-x", 8),
        ("sub-02", 4),
    ]
    assert {i.source for g in found.analyses for i in g.images} == {"fitlins"}
    assert any("sub-01: 4 images without a run" in note for note in found.notes)


def test_two_files_for_one_record_are_an_error_that_names_both(tmp_path):
    root = describe(tmp_path / "data")
    first = statmaps(root, folder="func")[2]
    second = statmaps(root, folder="stats", runs=("01",))[2]
    fails(ContentError, 65, ["two images", "condition cat", first, second], root, tmp_path)


def test_images_of_one_group_from_several_datasets_are_refused(tmp_path):
    root = describe(tmp_path / "data", kind="raw")
    statmaps(describe(root / "derivatives/a"), conditions=CONDITIONS[:2])
    statmaps(describe(root / "derivatives/b"), conditions=CONDITIONS[2:])
    words = ["2 datasets", "derivatives/a", "derivatives/b", "-d"]
    fails(ContentError, 65, words, root, tmp_path)


def test_a_folder_of_datasets_is_searched(tmp_path):
    describe(tmp_path / "derivatives/prep", "fMRIPrep")
    statmaps(describe(tmp_path / "derivatives/glm", "nilearn"))
    found = find(tmp_path / "derivatives", tmp_path)
    assert [g.label for g in found.analyses] == ["sub-01_task-x"]


def test_duplicates_of_one_subject_do_not_stop_the_others(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, subs=("01", "02"))
    statmaps(root, subs=("02",), folder="stats")
    found = find(root, tmp_path)
    assert [g.subject for g in found.analyses] == ["01"]
    assert [(s, e.exit_code) for s, e in found.failures] == [("02", 65)]


# ---------------------------------------------------------------- conditions


def test_a_contrast_is_never_cut_short(tmp_path):
    root = describe(tmp_path / "data")
    names = ("face-left", "face-right", "house+cat", "shoe")
    statmaps(root, conditions=names)
    (analysis,) = find(root, tmp_path, conditions=names).analyses
    assert {i.condition for i in analysis.images} == set(names)


def test_images_no_model_names_are_left_out_and_named(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, conditions=(*CONDITIONS, "button", "faceVsHouse"))
    (analysis,) = find(root, tmp_path).analyses
    assert analysis.left_out == ("button", "faceVsHouse")
    assert {i.condition for i in analysis.images} == set(CONDITIONS)
    assert any("button, faceVsHouse" in note for note in analysis.notes)
    assert any("button, faceVsHouse" in note for note in find(root, tmp_path).notes)


def test_a_model_row_without_images_lists_both_sides(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root)
    error = fails(
        ContentError, 65, ["dog, tree", "model.tsv", "cat, face, house, shoe"], root, tmp_path,
        conditions=("face", "house", "dog", "tree"),
    )  # fmt: skip
    assert "face, house, dog, tree" in str(error)


def test_case_and_punctuation_are_ignored_only_when_unambiguous_and_said(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, conditions=("leftHand", "rightHand", "Foot", "rest"))
    wanted = ("left_hand", "right-hand", "foot", "rest")
    (analysis,) = find(root, tmp_path, conditions=wanted).analyses
    assert {i.condition for i in analysis.images} == set(wanted)
    assert sum("differ in case or punctuation" in note for note in analysis.notes) == 3
    statmaps(root, conditions=("LeftHand",))
    words = ["left_hand", "LeftHand and leftHand could each be left_hand"]
    fails(ContentError, 65, words, root, tmp_path, conditions=wanted)
    # a label that fits as it stands is taken, whatever else looks like it
    statmaps(root, conditions=("foot",))
    (analysis,) = find(root, tmp_path, conditions=("foot", "rest", "rightHand")).analyses
    assert {Path(i.path).name for i in analysis.images if i.condition == "foot"} == {
        f"sub-01_task-x_run-{r}_contrast-foot_stat-effect_statmap.nii.gz" for r in (1, 2)
    }


def test_conditions_select_and_order(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root)
    file = model(tmp_path / "m.tsv")
    inputs = InputSettings(str(root), models=(file,), conditions=("shoe", "face", "cat"))
    found = find_analyses(inputs, RsaSettings(), load_models(inputs), str(tmp_path / "o"))
    assert found.analyses[0].conditions == ("shoe", "face", "cat")
    assert found.analyses[0].left_out == ("house",)


def test_condition_map_renames_pools_and_leaves_out(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, conditions=("face1", "face2", "H", "cat", "shoe", "odd"))
    table = tmp_path / "map.tsv"
    table.write_text("label\tcondition\nface1\tface\nface2\tface\nH\thouse\nodd\tn/a\n")
    (analysis,) = find(root, tmp_path, condition_map=str(table)).analyses
    counts = {c: sum(i.condition == c for i in analysis.images) for c in CONDITIONS}
    assert counts == {"face": 4, "house": 2, "cat": 2, "shoe": 2}
    assert analysis.left_out == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("label\tcondition\nfface\tface\n", ["fface", "cat, face, house, shoe"]),
        ("from\tto\na\tb\n", ["'label' and 'condition'", "from, to"]),
        ("label\tcondition\nface\ta\nface\tb\n", ["face", "twice"]),
        ("label\tcondition\nface\n", ["too few columns"]),
    ],
)
def test_condition_map_errors(tmp_path, text, words):
    root = describe(tmp_path / "data")
    statmaps(root)
    (tmp_path / "map.tsv").write_text(text)
    fails(ContentError, 65, ["map", *words], root, tmp_path, condition_map=f"{tmp_path}/map.tsv")


@pytest.fixture
def one_lacks_shoe(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, subs=("01", "03"))
    statmaps(root, subs=("02",), conditions=("face", "house", "cat"))
    return root


def test_missing_error_fails_the_subject_and_names_the_condition(tmp_path, one_lacks_shoe):
    found = find(one_lacks_shoe, tmp_path)
    assert [g.subject for g in found.analyses] == ["01", "03"]
    ((subject, error),) = found.failures
    assert subject == "02" and error.exit_code == 66
    assert "sub-02_task-x has no image for: shoe" in str(error) and "cat, face, house" in str(error)


def test_missing_skip_leaves_the_subject_out(tmp_path, one_lacks_shoe):
    found = find(one_lacks_shoe, tmp_path, missing="skip")
    assert [g.subject for g in found.analyses] == ["01", "03"]
    assert found.skipped == ("02",) and not found.failures
    assert any("shoe" in note and "sub-02" in note for note in found.notes)


def test_missing_drop_needs_ignore_nan_and_names_the_cells(tmp_path, one_lacks_shoe):
    fails(OptionError, 2, ["--ignore-nan"], one_lacks_shoe, tmp_path, missing="drop")
    found = find(one_lacks_shoe, tmp_path, missing="drop", rsa=RsaSettings(ignore_nan=True))
    assert [(g.subject, g.dropped) for g in found.analyses] == [
        ("01", ()), ("02", ("shoe",)), ("03", ()),
    ]  # fmt: skip


def test_a_task_no_model_speaks_of_is_passed_over(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root)
    statmaps(root, task="localizer", conditions=("words", "scrambled"))
    assert [g.task for g in find(root, tmp_path).analyses] == ["x"]


def test_variances_are_paired_for_normalisation(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, stats=("effect", "variance", "t"))
    rsa = RsaSettings(normalize="variance")
    for i in find(root, tmp_path, rsa=rsa).analyses[0].images:
        assert i.variance_path == i.path.replace("stat-effect", "stat-variance")
    lone = describe(tmp_path / "lone")
    statmaps(lone)
    fails(
        InputError, 66, ["--normalize variance", "contrast-cat", "(cat)"], lone, tmp_path, rsa=rsa
    )
    fails(OptionError, 2, ["--normalize variance", "t"], root, tmp_path, rsa=rsa, stat="t")


# ---------------------------------------------------------------- masks and backgrounds


def func_mask(root, sub="01", desc="brain", **entities):
    stem = name(sub, **entities)
    return mask(Path(root) / f"sub-{sub}/func/{stem}_desc-{desc}_mask.nii.gz")


def test_runs_masks_are_intersected_and_others_left_alone(tmp_path):
    root = describe(tmp_path / "data", kind="raw")
    statmaps(describe(root / "derivatives/glm"), space="MNI")
    prep = describe(root / "derivatives/fmriprep", "fMRIPrep")
    own = [func_mask(prep, run=r, space="MNI") for r in ("01", "02")]
    func_mask(prep, run="1", space="T1w")
    func_mask(prep, run="1", task="other", space="MNI")
    func_mask(prep, run="03", space="MNI")
    func_mask(prep, sub="02", run="1", space="MNI")
    (analysis,) = find(root, tmp_path).analyses
    assert analysis.brain_mask.paths == tuple(own)
    assert "intersected" in analysis.brain_mask.origin


def test_masks_of_runs_that_are_left_out_take_no_part(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, runs=("1", "2", "10"))
    own = [func_mask(root, run=r, desc=d) for r in ("1", "2", "10") for d in ("brain", "vt")]
    next((root / "sub-01/func").glob("*run-2_contrast-cat*")).unlink()
    (analysis,) = find(
        root, tmp_path, rsa=RsaSettings(missing_runs="complete"), roi_mask="vt"
    ).analyses
    assert {*analysis.brain_mask.paths, *analysis.roi_mask.paths} == {
        p for p in own if "run-2" not in p
    }
    (analysis,) = find(
        root, tmp_path, rsa=RsaSettings(missing_runs="average"), roi_mask="vt"
    ).analyses
    assert {*analysis.brain_mask.paths, *analysis.roi_mask.paths} == set(own)


def test_a_multi_run_fit_takes_the_masks_of_all_runs(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, runs=None)
    own = [func_mask(root, run=r) for r in ("1", "2", "3")]
    assert find(root, tmp_path).analyses[0].brain_mask.paths == tuple(own)


def test_the_anatomical_mask_is_taken_on_the_same_grid_only(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, space="MNI")
    anat = root / "sub-01/anat/sub-01_space-MNI_desc-brain_mask.nii.gz"
    mask(anat, shape=(8, 8, 8), affine=np.diag([1.0, 1, 1, 1]))
    assert find(root, tmp_path).analyses[0].brain_mask.paths == ()
    mask(anat)
    choice = find(root, tmp_path).analyses[0].brain_mask
    assert choice.paths == (str(anat),) and "anatomical" in choice.origin


def test_masks_of_several_resolutions_are_not_mixed(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, space="MNI", runs=("1",))
    stem = str(root / "sub-01/func/sub-01_task-x_run-1_space-MNI_res-{}_desc-brain_mask.nii.gz")
    mask(stem.format(1), shape=(8, 8, 8), affine=np.diag([1.0, 1, 1, 1]))
    same = mask(stem.format(2))
    assert find(root, tmp_path).analyses[0].brain_mask.paths == (same,)


def test_no_mask_is_said(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root)
    choice = find(root, tmp_path).analyses[0].brain_mask
    assert choice.paths == () and "none" in choice.origin


def test_a_mask_given_from_here_is_found_from_anywhere(tmp_path, monkeypatch):
    root = describe(tmp_path / "data")
    statmaps(root)
    mask(tmp_path / "mine.nii.gz")
    monkeypatch.chdir(tmp_path)
    (analysis,) = find(root, tmp_path, brain_mask="mine.nii.gz", roi_mask="mine.nii.gz").analyses
    whole = str(tmp_path / "mine.nii.gz")
    assert analysis.brain_mask.paths == analysis.roi_mask.paths == (whole,)


def test_given_masks_win(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root)
    func_mask(root, run="1")
    given = mask(tmp_path / "mine.nii.gz")
    (analysis,) = find(root, tmp_path, brain_mask=given, roi_mask=given).analyses
    assert analysis.brain_mask.paths == analysis.roi_mask.paths == (given,)
    fails(InputError, 66, ["--brain-mask", "no.nii"], root, tmp_path, brain_mask="no.nii")
    fails(InputError, 66, ["--roi-mask", "no.nii"], root, tmp_path, roi_mask="no.nii")


@pytest.mark.parametrize("label", ["vt", "desc-vt"])
def test_roi_by_label(tmp_path, label):
    root = describe(tmp_path / "data")
    statmaps(root, space="MNI")
    roi = mask(root / "sub-01/anat/sub-01_space-MNI_desc-vt_mask.nii.gz")
    mask(root / "sub-01/anat/sub-01_desc-vt_mask.nii.gz")
    assert find(root, tmp_path, roi_mask=label).analyses[0].roi_mask.paths == (roi,)
    words = ["desc-ffa_mask", "desc-vt (space MNI)"]
    fails(InputError, 66, words, root, tmp_path, roi_mask="ffa")


def test_the_mask_query_of_the_filter_file_chooses(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root)
    func_mask(root, run="1")
    other = func_mask(root, run="1", desc="tight")
    file = tmp_path / "filter.json"
    file.write_text('{"mask": {"desc": "tight"}}')
    (analysis,) = find(root, tmp_path, selection=Selection(bids_filter_file=str(file))).analyses
    assert analysis.brain_mask.paths == (other,)


def test_the_background_is_the_reference_then_the_t1w(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, space="T1w")
    assert find(root, tmp_path).analyses[0].background is None
    t1w = image(root / "sub-01/anat/sub-01_desc-preproc_T1w.nii.gz")
    assert find(root, tmp_path).analyses[0].background == t1w
    reference = image(root / "sub-01/func/sub-01_task-x_run-1_space-T1w_boldref.nii.gz")
    assert find(root, tmp_path).analyses[0].background == reference


def test_an_anatomy_of_no_named_space_is_not_put_behind_images_of_none(tmp_path):
    """Functional images without a space are not on the T1w, which has none in its name either."""
    root = describe(tmp_path / "data")
    statmaps(root)
    image(root / "sub-01/anat/sub-01_desc-preproc_T1w.nii.gz")
    assert find(root, tmp_path).analyses[0].background is None
    reference = image(root / "sub-01/func/sub-01_task-x_run-1_boldref.nii.gz")
    assert find(root, tmp_path).analyses[0].background == reference


# ---------------------------------------------------------------- bad input


def test_a_folder_that_does_not_exist_says_what_does(tmp_path):
    describe(tmp_path / "studies/faces")
    fails(InputError, 66, ["studies/face ", "faces"], tmp_path / "studies/face", tmp_path)


def test_an_empty_folder_and_a_file(tmp_path):
    (tmp_path / "empty").mkdir()
    fails(InputError, 66, [tmp_path / "empty", "empty"], tmp_path / "empty", tmp_path)
    (tmp_path / "file").write_text("x")
    fails(InputError, 66, [tmp_path / "file", "is a file"], tmp_path / "file", tmp_path)


def test_no_condition_images_says_where_it_looked_and_what_is_there(tmp_path):
    root = describe(tmp_path / "data", kind="raw")
    image(root / "sub-01/func/sub-01_task-x_bold.nii.gz")
    image(root / "sub-02/anat/sub-02_T1w.nii.gz")
    describe(root / "derivatives/prep", "fMRIPrep")
    image(root / "derivatives/prep/sub-01/func/sub-01_task-x_desc-preproc_bold.nii.gz")
    words = [root, "derivatives/prep (made by fMRIPrep)", "01, 02", "2 bold", "1 T1w", "statmap"]
    fails(InputError, 66, words, root, tmp_path)


def test_no_subject_folder_is_said(tmp_path):
    root = describe(tmp_path / "data")
    fails(InputError, 66, [root, "no sub-* folder"], root, tmp_path)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"participant_label": ("99",)}, ["--participant-label 99", "01, 02"]),
        ({"participant_label": ("01", "99")}, ["--participant-label 99"]),
        ({"exclude_participant_label": ("9",)}, ["--exclude-participant-label 9"]),
        ({"exclude_participant_label": ("01", "02")}, ["leave no participant"]),
        ({"task_label": ("y",)}, ["--task-label y", "Tasks found: x"]),
        ({"task_label": ("x", "y")}, ["--task-label y", "Tasks found: x"]),
        ({"session_label": ("9",)}, ["--session-label 9", "Sessions found: none"]),
        ({"run_label": ("7",)}, ["--run-label 7", "Runs found: 1, 2"]),
        ({"space": ("MNI",)}, ["--space MNI", "Spaces found: T1w"]),
        ({"res": ("1",)}, ["--res 1", "Resolutions found: none"]),
    ],
)
def test_a_label_that_matches_nothing_lists_what_there_is(tmp_path, chosen, words):
    root = describe(tmp_path / "data")
    statmaps(root, subs=("01", "02"), space="T1w")
    fails(SelectionError, 18, [root, *words] if "leave" not in words[0] else words,
          root, tmp_path, selection=Selection(**chosen))  # fmt: skip


def test_a_statistic_that_is_not_there_lists_those_that_are(tmp_path):
    root = describe(tmp_path / "data", "nilearn")
    statmaps(root, stats=("t", "variance"))
    words = ["--stat effect", "Statistics found: t, variance", "producers: nilearn"]
    fails(SelectionError, 18, words, root, tmp_path)


def test_a_participant_without_images_fails_only_when_asked_for(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root)
    func_mask(root, sub="02")
    found = find(root, tmp_path)
    assert not found.failures and any("02" in n and "without" in n for n in found.notes)
    found = find(root, tmp_path, selection=Selection(participant_label=("01", "02")))
    assert [s for s, _ in found.failures] == ["02"]
    fails(
        InputError, 66, ["1 mask"], root, tmp_path, selection=Selection(participant_label=("02",))
    )


def test_a_link_that_leads_nowhere_says_datalad_get(tmp_path):
    root = describe(tmp_path / "data")
    path = Path(statmaps(root)[0])
    path.unlink()
    path.symlink_to("../.git/annex/objects/gone")
    fails(InputError, 66, [path, "datalad get", "annex/objects/gone"], root, tmp_path)


def test_no_subject_left_raises_the_first_reason_and_names_the_others(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, subs=("01",), conditions=("face", "house", "cat"))
    statmaps(root, subs=("02",), conditions=("face", "house", "shoe"))
    words = ["sub-01_task-x has no image for: shoe", "sub-02_task-x has no image for: cat"]
    fails(InputError, 66, words, root, tmp_path)


def test_list_participants(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, subs=("02", "01", "10"))
    func_mask(root, sub="05")
    inputs = InputSettings(str(root))
    assert list_participants(inputs, str(tmp_path / "out")) == ("01", "02", "10")


# ---------------------------------------------------------------- real data


def test_haxby(shared, tmp_path):
    haxby_betas = shared("data", "haxby2001-betas")
    models = tuple(str(haxby_betas / "models" / f"{m}.tsv") for m in ("animacy", "facehouse"))
    inputs = InputSettings(str(haxby_betas), models=models, roi_mask="vt")
    found = find_analyses(inputs, RsaSettings(), load_models(inputs), str(tmp_path))
    (analysis,) = found.analyses
    assert len(analysis.images) == 96 and len(analysis.conditions) == 8 and analysis.left_out == ()
    assert [len({i.run for i in analysis.images})] == [12]
    assert nib.load(analysis.roi_mask.paths[0]).get_fdata().sum() == 577


# ---------------------------------------------------------------- the database


def everything(found):
    return [(g.label, g.images, g.brain_mask, g.roi_mask, g.background) for g in found.analyses]


def test_a_database_is_made_once_used_again_and_changes_no_answer(tmp_path):
    root = describe(tmp_path / "data", kind="raw")
    fit = describe(root / "derivatives/glm", "fitlins")
    statmaps(fit / "node-runLevel", subs=("01", "02"), folder=".", ses="a", stats=("effect", "t"))
    statmaps(fit, subs=("03",), ses="a")
    image(root / "sub-01/ses-a/func/sub-01_ses-a_task-x_run-1_bold.nii.gz")
    func_mask(describe(root / "derivatives/prep", "fMRIPrep"), sub="03", ses="a", run="1")
    walked = everything(find(root, tmp_path))
    database = tmp_path / "db"
    kept = {"bids_database_dir": str(database)}
    assert everything(find(root, tmp_path, **kept)) == walked and len(walked) == 3
    files = sorted(database.glob("*/layout_index.sqlite"))
    assert len(files) == 3
    times = [f.stat().st_mtime_ns for f in files]
    statmaps(fit, subs=("03",), ses="b")  # not in the index: it is used as it is
    assert everything(find(root, tmp_path, **kept)) == walked
    assert [f.stat().st_mtime_ns for f in files] == times
    assert len(find(root, tmp_path).analyses) == 4
    assert not list(database.glob(".*"))


def test_a_database_holds_all_files_that_a_walk_finds(tmp_path):
    root = describe(tmp_path / "data")
    paths = [root / "sub-01/func" / f"sub-01_task-x_{name}" for name in (
        "space-a_stat-effect_statmap.nii.gz", "hemi-L_space-b_stat-effect_statmap.gii",
        "hemi-L_space-b_stat-effect_statmap.func.gii", "space-c_stat-effect_statmap.dscalar.nii",
        "hemi-L_space-b_desc-cortex_mask.label.gii", "hemi-R_space-b_mask.shape.gii",
        "desc-cortex_mask.dscalar.nii", "hemi-L_midthickness.surf.gii", "mask.nii", "beta.tsv",
    )]  # fmt: skip
    paths.append(root / "sub-01/glm-1.2/second.try/sub-01_task-x_stat-t_statmap.nii.gz")
    others = ("func/sub-01_task-x_bold.nii.gz", "figures/sub-01_task-x_stat-t_statmap.nii.gz")
    for path in (*paths, *(root / "sub-01" / other for other in others)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    dataset = Dataset("data", str(root))
    for database in (None, str(tmp_path / "db")):
        found = Index([dataset], str(tmp_path / "out"), database).files("01")
        assert sorted(file.path for file in found) == sorted(map(str, paths))


def test_an_index_of_other_files_is_not_used_again(tmp_path):
    root = describe(tmp_path / "data")
    (root / "sub-01").mkdir()
    for file in ("sub-01_mask.nii", "sub-01_beta.nii"):
        (root / "sub-01" / file).touch()
    dataset = Dataset("data", str(root))
    for wanted in ("_mask", "_beta"):
        found = indexed_paths(dataset, str(tmp_path / "db"), CONFIG, re.compile(wanted))
        assert found == {"01": [str(root / "sub-01" / f"sub-01{wanted}.nii")]}


def test_a_database_is_made_where_the_file_system_knows_no_locks(tmp_path, monkeypatch):
    root = describe(tmp_path / "data")
    statmaps(root)
    walked = everything(find(root, tmp_path))

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    assert everything(find(root, tmp_path, bids_database_dir=str(tmp_path / "db"))) == walked
    assert list((tmp_path / "db").glob("*/layout_index.sqlite"))


def test_a_broken_database_and_a_folder_that_cannot_be_made(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root)
    database = tmp_path / "db"
    find(root, tmp_path, bids_database_dir=str(database))
    (file,) = database.glob("*/layout_index.sqlite")
    file.write_bytes(b"nonsense" * 100)
    fails(BidsRsaError, 74, [file.parent, "Delete"], root, tmp_path,
          bids_database_dir=str(database))  # fmt: skip
    (tmp_path / "file").write_text("x")
    fails(BidsRsaError, 73, ["--bids-database-dir"], root, tmp_path,
          bids_database_dir=str(tmp_path / "file/db"))  # fmt: skip


def test_only_the_wanted_participants_folders_are_entered(tmp_path, monkeypatch):
    root = describe(tmp_path / "data")
    statmaps(root, subs=("01", "02", "03"))
    entered = []
    listed = folders.os.scandir
    monkeypatch.setattr(
        folders.os, "scandir", lambda path: entered.append(Path(path).name) or listed(path)
    )
    find(root, tmp_path, selection=Selection(participant_label=("02",)))
    assert {name for name in entered if name.startswith("sub-")} == {"sub-02"}
