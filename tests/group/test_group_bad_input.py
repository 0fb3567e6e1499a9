"""What cannot be tested ends with one clear message and an exit code, and nothing is written."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from group_trees import (
    AFFINE,
    SHAPE,
    inside_volume,
    subject_scores,
    write_group,
    write_map,
    write_participants,
)

FAST = ("--n-permutations", "50")


def refuse(call, bids, out, *options):
    """Run the group level on what it must refuse; return exit code and message."""
    code, said = call(bids, out, "group", *FAST, *options)
    assert "Traceback" not in said
    assert said.count(" ERROR ") <= 2, said
    assert not list(out.glob("group/*")), said
    return code, said


def edit_sidecar(image, **changes):
    """Change keys of a map's sidecar."""
    path = image.with_name(image.name.replace(".nii.gz", ".json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def the_map(out, subject):
    """A subject's map."""
    (path,) = out.glob(f"sub-{subject}/func/*_statmap.nii.gz")
    return path


def test_other_grid(call, places):
    bids, out = places
    moved = AFFINE.copy()
    moved[0, 3] += 1.5
    write_map(out, "03", subject_scores(3), affine=moved)
    code, said = refuse(call, bids, out)
    assert code == 65
    assert "sub-03" in said
    assert "different grids" in said
    assert "1.5 mm" in said
    assert "sub-04 (" not in said


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Dissimilarity", "euclidean"),
        ("DissimilarityParameters", {"p": 3}),
        ("SearchlightRadius", 10.0),
        ("Folds", "runs"),
        ("Conditions", ["a", "b", "c", "d", "e", "f", "g", "x"]),
        ("InputStatistic", ["t"]),
        ("Model", {"Name": "planted", "SHA256": "0" * 64}),
    ],
)
def test_other_settings(call, places, key, value):
    bids, out = places
    edit_sidecar(the_map(out, "06"), **{key: value})
    if key == "SearchlightRadius":
        (mask,) = out.glob("sub-06/func/*_mask.nii.gz")
        edit_sidecar(mask, SearchlightRadius=value)
    code, said = refuse(call, bids, out)
    assert code == 65
    assert key in said
    assert "sub-06" in said
    assert "sub-05" not in said.split("ERROR")[-1]


def test_other_models_in_a_joint_fit(call, tmp_path):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    fit = {"ModelsInFit": [{"Name": n, "SHA256": n} for n in ("planted", "b")]}
    write_group(out, comparison="partial", metadata=fit)
    edit_sidecar(the_map(out, "02"), ModelsInFit=[{"Name": n, "SHA256": n} for n in ("planted",)])
    code, said = refuse(call, bids, out)
    assert code == 65
    assert "ModelsInFit" in said
    assert "sub-02" in said


def test_the_order_of_conditions_does_not_matter(call, places):
    bids, out = places
    edit_sidecar(the_map(out, "06"), Conditions=list("hgfedcba"))
    code, said = call(bids, out, "group", *FAST, "--dry-run")
    assert code == 0, said


def test_one_map_in_two_files(call, places):
    bids, out = places
    path = the_map(out, "04")
    nib.save(nib.load(path), str(path).removesuffix(".gz"))
    code, said = refuse(call, bids, out)
    assert code == 65
    assert "sub-04 exists twice" in said
    assert path.name in said


def test_one_subject_under_two_names(call, places):
    bids, out = places
    shutil.copy(the_map(out, "04"), the_map(out, "07"))
    code, said = refuse(call, bids, out)
    assert code == 65
    assert "sub-04 and sub-07 have the same map" in said


def test_one_subject_twice_in_the_table(call, places):
    bids, out = places
    write_participants(bids, [f"sub-{i:02d}\t{20 + i}\ta" for i in (1, 2, 3, 4, 5, 6, 7, 8, 3)])
    code, said = refuse(call, bids, out, "--covariates", "age")
    assert code == 65
    assert "sub-03 twice" in said


@pytest.mark.parametrize("row", ["sub-05\tn/a\ta", None])
def test_a_covariate_missing_for_a_subject(call, places, row):
    bids, out = places
    rows = [f"sub-{i:02d}\t{20 + i}\ta" for i in range(1, 9) if i != 5]
    write_participants(bids, rows + [row] * (row is not None))
    code, said = refuse(call, bids, out, "--covariates", "age")
    assert code == 65
    assert "sub-05" in said
    assert str(bids / "participants.tsv") in said


@pytest.mark.parametrize(
    ("option", "groups"),
    [("--covariates", "abcabcab"), ("--test-covariate", "aabbabab"), ("--covariates", "a1a1a1a1")],
)
def test_a_covariate_that_is_no_number(call, places, option, groups):
    bids, out = places
    write_participants(bids, [f"sub-{i:02d}\t20\t{g}" for i, g in enumerate(groups, start=1)])
    code, said = refuse(call, bids, out, option, "group")
    assert code == 65
    assert "'a' for sub-01" in said
    assert "--group-column tests the difference of two groups" in said


def test_a_table_of_participants_that_nothing_uses_or_is_not_there(call, places, tmp_path):
    bids, out = places
    table = bids / "participants.tsv"
    code, said = refuse(call, bids, out, "--participants-file", table)
    assert code == 2
    assert "no option uses a column of it" in said
    missing = tmp_path / "people.tsv"
    code, said = refuse(call, bids, out, "--covariates", "age", "--participants-file", missing)
    assert code == 66
    assert f"--participants-file: there is no file {missing}" in said


@pytest.mark.parametrize("option", ["--covariates", "--test-covariate"])
def test_a_covariate_that_is_not_finite(call, places, option):
    bids, out = places
    ages = ["inf" if i == 3 else 20 + i for i in range(1, 9)]
    write_participants(bids, [f"sub-{i:02d}\t{age}\ta" for i, age in enumerate(ages, start=1)])
    code, said = refuse(call, bids, out, option, "age")
    assert code == 65
    assert "'inf' for sub-03" in said


def test_a_constant_covariate(call, places):
    bids, out = places
    write_participants(bids, [f"sub-{i:02d}\t33\ta" for i in range(1, 9)])
    code, said = refuse(call, bids, out, "--test-covariate", "age")
    assert code == 65
    assert "33 for all 8 participants" in said


def test_covariates_that_depend_on_each_other(call, places):
    bids, out = places
    rows = [f"sub-{i:02d}\t{20 + i}\t{40 + 2 * i}" for i in range(1, 9)]
    write_participants(bids, rows, "participant_id\tage\tdouble")
    code, said = refuse(call, bids, out, "--covariates", "age", "double")
    assert code == 65
    assert "linearly dependent" in said


def test_an_unknown_column(call, places):
    bids, out = places
    code, said = refuse(call, bids, out, "--covariates", "agee")
    assert code == 2
    assert "participant_id, age, group" in said


def test_no_table_of_participants(call, places):
    bids, out = places
    (bids / "participants.tsv").unlink()
    code, said = refuse(call, bids, out, "--group-column", "group")
    assert code == 66
    assert str(bids / "participants.tsv") in said


def three_groups(bids):
    """Give the subjects three groups."""
    rows = [f"sub-{i:02d}\t{20 + i}\t{'abc'[i % 3]}" for i in range(1, 9)]
    write_participants(bids, rows)


def test_three_groups_need_two_names(call, places):
    bids, out = places
    three_groups(bids)
    code, said = refuse(call, bids, out, "--group-column", "group")
    assert code == 2
    assert "a, b, c" in said
    assert "--groups" in said


def test_two_of_three_groups_can_be_named(call, places):
    bids, out = places
    three_groups(bids)
    code, said = call(
        bids, out, "group", *FAST, "--group-column", "group", "--groups", "c", "a", "--dry-run"
    )
    assert code == 0, said
    assert "Left out: sub-01, group is b, which is not compared" in said


def test_an_unknown_group(call, places):
    bids, out = places
    code, said = refuse(call, bids, out, "--group-column", "group", "--groups", "a", "z")
    assert code == 2
    assert "'z'" in said


def test_a_group_of_one(call, places):
    bids, out = places
    write_participants(bids, [f"sub-{i:02d}\t{i}\t{'ab'[i == 1]}" for i in range(1, 9)])
    code, said = refuse(call, bids, out, "--group-column", "group")
    assert code == 65
    assert "found 7 and 1" in said


def test_a_map_without_any_number(call, places):
    bids, out = places
    path = the_map(out, "02")
    nib.save(nib.Nifti1Image(np.full(SHAPE, np.nan, np.float32), AFFINE), path)
    code, said = refuse(call, bids, out)
    assert code == 65
    assert "sub-02" in said
    assert "no finite score" in said


def test_a_truncated_map(call, places):
    bids, out = places
    path = the_map(out, "02")
    path.write_bytes(path.read_bytes()[:-400])
    code, said = refuse(call, bids, out)
    assert code == 65
    assert path.name in said
    assert "truncated" in said


def test_an_unknown_model(call, places):
    bids, out = places
    write_map(out, "01", subject_scores(1, seed=9), model="other")
    code, said = refuse(call, bids, out, "--model", "plant")
    assert code == 2
    assert "other, planted" in said


def test_a_file_as_model(call, places, tmp_path):
    bids, out = places
    code, said = refuse(call, bids, out, "--model", "models/planted.tsv")
    assert code == 2
    assert "chosen by name" in said
    assert "planted" in said


@pytest.mark.parametrize("given", [["planted", "other"], ["planted"], ["planted", "planted"]])
def test_models_that_cannot_be_compared(call, places, given):
    bids, out = places
    code, said = refuse(call, bids, out, "--compare-models", *given)
    assert code == 2
    assert "model" in said


def test_all_pairs_of_one_model(call, places):
    bids, out = places
    code, said = refuse(call, bids, out, "--compare-models", "all")
    assert code == 2
    assert "maps of the models: planted" in said or "maps of: planted" in said


@pytest.mark.parametrize("what", ["sidecar", "mask", "mask sidecar"])
def test_a_half_written_participant(call, places, what):
    bids, out = places
    ending = {"sidecar": "statmap.json", "mask": "mask.nii.gz", "mask sidecar": "mask.json"}[what]
    (path,) = out.glob(f"sub-04/func/*_{ending}")
    path.unlink()
    code, said = refuse(call, bids, out)
    assert code == 66
    assert "output is incomplete" in said
    assert "sub-04" in said
    assert "sub-03" not in said
    code, said = call(bids, out, "group", *FAST, "--exclude-participant-label", "04", "--dry-run")
    assert code == 0, said


def test_a_mask_of_another_run(call, places):
    bids, out = places
    (mask,) = out.glob("sub-04/func/*_mask.nii.gz")
    edit_sidecar(mask, SearchlightRadius=12.0)
    code, said = refuse(call, bids, out)
    assert code == 66
    assert "different runs" in said


@pytest.mark.parametrize("there", ["nothing", "an empty folder", "folders without maps"])
def test_no_participant_output(call, tmp_path, there):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    if there != "nothing":
        out.mkdir()
    if there == "folders without maps":
        (out / "sub-01/log").mkdir(parents=True)
    code, said = refuse(call, bids, out)
    assert code == 66
    assert f"bids_rsa {bids} {out} participant --model" in said


def test_a_dataset_that_is_not_there(call, places):
    _, out = places
    code, said = refuse(call, out.parent / "nowhere", out)
    assert code == 66
    assert "nowhere" in said


@pytest.mark.parametrize("space", [None, "T1w", "func", "individual"])
def test_no_common_space(call, tmp_path, space):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    write_group(out, space=space)
    code, said = refuse(call, bids, out)
    assert code == 65
    assert "standard space" in said
    assert "--assume-common-space" in said


def test_a_space_that_is_said_to_be_common(call, tmp_path):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    write_group(out, space=None)
    code, said = call(bids, out, "group", *FAST, "--assume-common-space", "--dry-run")
    assert code == 0, said


def test_one_subject_is_too_few(call, places):
    bids, out = places
    code, said = refuse(call, bids, out, "--participant-label", "03")
    assert code == 66
    assert "at least 2" in said


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--session-label", "9"),
        ("--task-label", "y"),
        ("--space", "MNI305"),
        ("--participant-label", "99"),
        ("--exclude-participant-label", "99"),
    ],
)
def test_selections_that_match_nothing(call, places, option, value):
    bids, out = places
    code, said = refuse(call, bids, out, option, value)
    assert code == 18
    assert value in said


def test_a_comparison_without_maps(call, places):
    bids, out = places
    code, said = refuse(call, bids, out, "--comparison", "pearson")
    assert code == 2
    assert "spearman" in said


@pytest.mark.parametrize(
    "options",
    [
        ("--alpha", "1.5"),
        ("--coverage", "0"),
        ("--connectivity", "8"),
        ("--n-permutations", "0"),
        ("--smoothing-fwhm", "-1"),
        ("--smoothing-fwhm", "51"),
        ("--coverage", "0.9", "--group-column", "group"),
        ("--coverage", "0.9", "--covariates", "age"),
        ("--groups", "a", "b"),
        ("--group-column", "group", "--test-covariate", "age"),
        ("--covariates", "age", "--test-covariate", "age"),
        ("--groups", "a", "a", "--group-column", "group"),
    ],
)
def test_options_that_make_no_sense(call, places, options):
    bids, out = places
    code, said = refuse(call, bids, out, *options)
    assert code == 2
    assert options[0] in said


def test_a_joint_correction_over_different_subjects(call, places):
    bids, out = places
    for number in range(1, 7):
        write_map(out, f"{number:02d}", subject_scores(number, seed=9), model="other")
    code, said = refuse(call, bids, out, "--fwe-over", "models")
    assert code == 2
    assert "different participants" in said


def test_a_group_mask_that_is_not_there(call, places, tmp_path):
    bids, out = places
    code, said = refuse(call, bids, out, "--group-mask", tmp_path / "mask.nii.gz")
    assert code == 66
    assert "mask.nii.gz" in said


def test_no_common_voxel(call, places):
    bids, out = places
    inside = np.zeros(SHAPE, bool)
    inside[0] = True
    write_map(out, "05", subject_scores(5), inside=inside)
    code, said = refuse(call, bids, out)
    assert code == 65
    assert f"sub-05 {inside_volume().sum()}" in said


def test_scores_beyond_one_are_no_correlations(call, places):
    bids, out = places
    write_map(out, "05", subject_scores(5) * 3)
    code, said = refuse(call, bids, out)
    assert code == 65
    assert "sub-05" in said
    assert "--transform none" in said


def test_other_settings_do_not_replace_what_is_there(call, places):
    bids, out = places
    assert call(bids, out, "group", *FAST)[0] == 0
    before = {path: path.read_bytes() for path in out.glob("group/*.*")}
    code, said = call(bids, out, "group", *FAST, "--tail", "two-sided", "--alpha", "0.01")
    assert code == 73
    assert "Tail" in said
    assert "Alpha" in said
    assert before == {path: path.read_bytes() for path in out.glob("group/*.*")}
    code, said = call(bids, out, "group", *FAST)
    assert code == 0
    assert "skipped" in said
    assert before == {path: path.read_bytes() for path in out.glob("group/*.*")}
    write_map(out, "05", subject_scores(5, seed=11))
    code, said = call(bids, out, "group", *FAST)
    assert code == 73
    assert "the participants' maps or masks differ" in said


def test_a_dry_run_writes_nothing(call, places):
    bids, out = places
    before = sorted(out.rglob("*"))
    code, said = call(bids, out, "group", *FAST, "--dry-run")
    assert code == 0
    assert "model planted, spearman, task x" in said
    assert sorted(out.rglob("*")) == before


def test_misnamed_folders_are_named_and_not_tested(call, places):
    bids, out = places
    shutil.copytree(out / "sub-01", out / "sub-01 copy")
    code, said = call(bids, out, "group", *FAST, "--dry-run")
    assert code == 0, said
    assert (
        f"Folders not searched, because labels may contain only letters and digits: {out}" in said
    )
    assert "Participants: sub-01, sub-02" in said
