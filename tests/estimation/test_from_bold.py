"""The way from BOLD to maps: numbers, timing, events, errors, resuming, what is written."""

import json
import shutil
import subprocess
import warnings

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from bold_runs import (
    AFFINE,
    CONDITIONS,
    SHAPE,
    TR,
    N,
    arguments,
    confounds,
    derivative,
    design_json,
    events,
    make_dataset,
    matrix,
    raw,
    save_bold,
    statmap,
    write_json,
)
from nilearn.glm.first_level import FirstLevelModel
from scipy.spatial.distance import pdist
from watched import start_until, wait_until_stopped

from bids_rsa.app.preflight import validator_command
from bids_rsa.cli import main
from bids_rsa.core.comparison.plans import compare
from bids_rsa.estimation.confounds import Nuisance
from bids_rsa.estimation.design import build_design
from bids_rsa.estimation.events import Events
from bids_rsa.example import CONDITIONS as EXAMPLE_CONDITIONS
from bids_rsa.example.__main__ import main as write_example
from bids_rsa.example.bold import BoldExampleSettings, make_bold_example
from bids_rsa.example.surface import ExampleSurface

try:
    from nilearn.glm import save_glm_to_bids
except ImportError:  # before nilearn 0.13
    from nilearn.interfaces.bids import save_glm_to_bids


def effects(out, run, stat="effect", conditions=CONDITIONS):
    return np.array([statmap(out, run, name, stat).get_fdata() for name in conditions])


def map_of(out, subject="01"):
    (path,) = (out / f"sub-{subject}" / "func").glob("*_stat-spearman_desc-m_statmap.nii.gz")
    return nib.load(path).get_fdata()


def sidecar_of(out):
    (path,) = (out / "sub-01" / "func").glob("*_stat-spearman_desc-m_statmap.json")
    return json.loads(path.read_text())


def files(folder):
    found = (path for path in (folder / "sub-01").rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if "log" not in path.parts and path.suffix != ".png"
    }


def test_estimates_are_numpys_and_everything_stands_beside_them(noise_dataset, tmp_path, from_bold):
    code, said = from_bold(noise_dataset, tmp_path / "out", "--scale", "none")
    assert code == 0, said
    for run in (1, 2):
        bold = nib.load(derivative(noise_dataset, "desc-preproc_bold.nii.gz", run)).get_fdata()
        design = matrix(events(run), confounds(run))
        betas = np.linalg.lstsq(design.to_numpy(), bold.reshape(-1, N).T, rcond=None)[0]
        expected = betas[[list(design.columns).index(name) for name in CONDITIONS]]
        found = effects(tmp_path / "out", run).reshape(4, -1)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
        keys = design_json(tmp_path / "out", run)
        assert keys["Rank"] == design.shape[1]
        assert keys["DegreesOfFreedom"] == N - design.shape[1]
        assert (keys["HRF"], keys["StartTime"], keys["Estimator"]) == ("spm", 1.0, "OLS")
        assert keys["HighPass"] == {"CutoffSeconds": None, "Source": "the confounds' cosines"}
        assert keys["EventsPerCondition"] == dict.fromkeys(CONDITIONS, 5)
    table = pd.read_csv(next((tmp_path / "out").glob("sub-01/func/*run-1*_design.tsv")), sep="\t")
    assert list(table)[:5] == ["frame_time", *CONDITIONS]
    np.testing.assert_allclose(table["frame_time"], 1.0 + TR * np.arange(N))
    assert sidecar_of(tmp_path / "out")["TrialsPerCondition"] == dict.fromkeys(CONDITIONS, 10)


# nilearn's model warns of its own call of its own masker
@pytest.mark.filterwarnings("ignore:.*Generation of a mask has been requested:RuntimeWarning")
def test_rdms_equal_those_through_nilearns_own_glm_and_files(noise_dataset, tmp_path, from_bold):
    """The same model, fitted by FirstLevelModel and written by save_glm_to_bids, read as usual."""
    betas = tmp_path / "glm"
    for run in (1, 2):
        path = derivative(noise_dataset, "desc-preproc_bold.nii.gz", run)
        mask = derivative(noise_dataset, "desc-brain_mask.nii.gz", run)
        model = FirstLevelModel(
            mask_img=str(mask), signal_scaling=False, noise_model="ols", minimize_memory=False
        )
        model.fit(str(path), design_matrices=matrix(events(run), confounds(run)))
        prefix = f"sub-01_task-x_run-{run}_space-T1w"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of its report, on so few voxels
            save_glm_to_bids(model, contrasts=list(CONDITIONS), out_dir=betas, prefix=prefix)
    models = noise_dataset / "derivatives" / "models" / "m.tsv"
    for folds in ("none", "runs"):
        options = ("--dissimilarity", "sqeuclidean", "--comparison", "pearson", "regression",
                   "--folds", folds)  # fmt: skip
        ours, theirs = tmp_path / f"ours-{folds}", tmp_path / f"theirs-{folds}"
        code, said = from_bold(noise_dataset, ours, "--scale", "none", *options)
        assert code == 0, said
        mask = derivative(noise_dataset, "desc-brain_mask.nii.gz")
        line = [betas, theirs, "participant", "--model", models, "--radius", "8.5",
                "--brain-mask", mask, *options]  # fmt: skip
        assert main([str(part) for part in line]) == 0
        for stat in ("pearson", "regression"):
            maps = [
                nib.load(
                    next(out.glob(f"sub-01/**/*_stat-{stat}_desc-m_statmap.nii.gz"))
                ).get_fdata()
                for out in (ours, theirs)
            ]
            assert np.abs(maps[0]).max() > 0
            np.testing.assert_allclose(maps[0], maps[1], atol=1e-6 * np.abs(maps[0]).max())


def test_known_betas_without_noise_come_back(tmp_path, from_bold):
    betas = np.random.default_rng(2).normal(size=(4, *SHAPE))
    root = make_dataset(tmp_path / "raw", betas=betas, noise=0)
    code, said = from_bold(root, tmp_path / "out", "--scale", "none")
    assert code == 0, said
    for run in (1, 2):
        # the image holds 1000 + signal in single precision
        np.testing.assert_allclose(effects(tmp_path / "out", run), betas, atol=1e-4)


def test_the_start_time_changes_the_estimates_as_documented(dataset, tmp_path, from_bold):
    def run(name, start, *options):
        for number in (1, 2):
            keys = {"RepetitionTime": TR, "SliceTimingCorrected": True}
            keys |= {} if start is None else {"StartTime": start}
            write_json(derivative(dataset, "desc-preproc_bold.json", number), keys)
        code, said = from_bold(dataset, tmp_path / name, "--scale", "none", *options)
        assert code == 0, said
        return effects(tmp_path / name, 1), design_json(tmp_path / name, 1), said

    zero, zero_keys, _ = run("zero", 0)
    half, half_keys, said_half = run("half", TR / 2)
    absent, absent_keys, said_absent = run("absent", None)
    given, given_keys, _ = run("given", 0, "--start-time", "1")
    assert (zero_keys["StartTime"], half_keys["StartTime"]) == (0, 1)
    assert np.abs(zero - half).max() > 0.1
    np.testing.assert_array_equal(absent, half)
    np.testing.assert_array_equal(given, half)
    assert absent_keys["StartTimeSource"].startswith("absent, slice times corrected")
    assert given_keys["StartTimeSource"] == "--start-time"
    assert "StartTime 1 s (StartTime of the preprocessed BOLD)" in said_half
    assert "no StartTime (fMRIPrep before 20.2.4)" in said_absent
    assert any("20.2.4" in text for text in sidecar_of(tmp_path / "absent")["Warnings"])


def test_a_header_in_milliseconds_is_read_where_no_sidecar_has_the_time(
    dataset, tmp_path, from_bold
):
    for run in (1, 2):
        raw(dataset, "bold.json", run).unlink()
        write_json(derivative(dataset, "desc-preproc_bold.json", run), {"StartTime": TR / 2})
        path = derivative(dataset, "desc-preproc_bold.nii.gz", run)
        image = nib.load(path)
        data = np.asarray(image.dataobj)
        image = nib.Nifti1Image(data, image.affine)
        image.header.set_zooms((4, 4, 4, TR * 1000))
        image.header.set_xyzt_units("mm", "msec")
        nib.save(image, path)
    code, said = from_bold(dataset, tmp_path / "out")
    assert code == 0, said
    assert "2000 (msec), taken for 2 s" in said
    assert design_json(tmp_path / "out", 1)["RepetitionTime"] == 2


def test_events_at_the_root_are_inherited_and_run_labels_are_numbers(dataset, tmp_path, from_bold):
    shown = events(1)
    for run in (1, 2):
        raw(dataset, "events.tsv", run).unlink()
    shown.to_csv(dataset / "task-x_events.tsv", sep="\t", index=False)
    own = dataset / "sub-01" / "func" / "sub-01_task-x_run-02_events.tsv"
    shown.iloc[::-1].assign(onset=shown["onset"] + 1).to_csv(own, sep="\t", index=False)
    code, said = from_bold(dataset, tmp_path / "out")
    assert code == 0, said
    sources = [design_json(tmp_path / "out", run)["Sources"][1] for run in (1, 2)]
    assert sources[0].endswith(":task-x_events.tsv")
    assert sources[1].endswith("sub-01_task-x_run-02_events.tsv")


def test_names_of_all_kinds_become_labels_and_stay_in_the_sidecar(dataset, tmp_path, from_bold):
    new = {"cat": "left hand", "chair": "left_hand!", "face": "Grüße", "house": "10"}
    for run in (1, 2):
        shown = events(run)
        shown["stim"] = shown.pop("trial_type").map(new)
        shown.to_csv(raw(dataset, "events.tsv", run), sep="\t", index=False)
    model = dataset / "derivatives" / "models" / "m.tsv"
    text = model.read_text()
    for old, name in new.items():
        text = text.replace(old, name)
    model.write_text(text)
    code, said = from_bold(dataset, tmp_path / "out", "--condition-column", "stim")
    assert code == 0, said
    found = {}
    for path in (tmp_path / "out" / "sub-01" / "func").glob("*run-1*_stat-effect_statmap.json"):
        label = path.name.partition("contrast-")[2].partition("_")[0]
        assert label.isalnum() and label.isascii()
        found[json.loads(path.read_text())["Condition"]] = label
    assert set(found) == set(new.values())
    assert len({label.casefold() for label in found.values()}) == 4
    assert sidecar_of(tmp_path / "out")["Conditions"] == list(new.values())


@pytest.mark.parametrize("options", [("trials", "--normalize", "variance"), ("lss",)])
def test_trials_become_repeats_of_their_condition(dataset, tmp_path, from_bold, options):
    code, said = from_bold(dataset, tmp_path / "out", "--folds", "runs", "--estimate", *options)
    assert code == 0, said
    assert statmap(tmp_path / "out", 1, "face").shape == (*SHAPE, 5)
    keys = sidecar_of(tmp_path / "out")
    assert keys["ImagesPerCondition"] == keys["TrialsPerCondition"] == dict.fromkeys(CONDITIONS, 10)
    assert keys["FoldRuns"] == ["run-1", "run-2"]


def test_unequal_numbers_of_trials_are_warned_of(dataset, tmp_path, from_bold):
    shown = events(1)
    first = shown.index[shown["trial_type"] == "cat"][:2]
    shown.drop(index=first).to_csv(raw(dataset, "events.tsv"), sep="\t", index=False)
    code, said = from_bold(dataset, tmp_path / "out")
    assert code == 0, said
    assert "unequal numbers of trials (cat 8, chair 10, face 10, house 10)" in said


def test_events_of_duration_0_beside_longer_ones_are_told(dataset, tmp_path, from_bold):
    """Their effects are on another scale; runs of impulses alone, or of none, are no problem."""
    shown = events(1)
    cats = shown["trial_type"] == "cat"
    apart = "All events of cat have a duration of 0, and those of chair, face, house do not"
    mixed = "Some events of cat have a duration of 0 and others do not"
    for changed, told in (
        (cats, [apart]),
        (cats & (cats.cumsum() < 3), [mixed]),
        (cats & False, []),
        (cats | True, []),
    ):
        table = shown.assign(duration=shown["duration"].where(~changed, 0))
        table.to_csv(raw(dataset, "events.tsv"), sep="\t", index=False)
        code, said = from_bold(dataset, tmp_path / "out", "--dry-run", "--run-label", "1")
        assert code == 0, said
        assert [words for words in (apart, mixed) if words in " ".join(said.split())] == told
    instants = shown.assign(duration=0.0), shown.assign(duration=2.0)
    found = [
        build_design(
            Events(
                tuple(table["trial_type"]),
                table["onset"].to_numpy(),
                table["duration"].to_numpy(),
            ),
            TR * np.arange(N, dtype=float),
            Nuisance(np.empty((N, 0)), (), (), None, ""),
        ).matrix
        for table in instants
    ]
    names = sorted(set(shown["trial_type"]))
    short, long = (matrix[:, : len(names)].max() for matrix in found)
    assert short / long == pytest.approx(TR / 50 / 2.0, rel=0.2)


def test_conditions_missing_from_a_run_are_dealt_with_as_for_images(dataset, tmp_path, from_bold):
    shown = events(1)
    shown[shown["trial_type"] != "cat"].to_csv(raw(dataset, "events.tsv"), sep="\t", index=False)
    code, said = from_bold(dataset, tmp_path / "out")
    assert code == 66
    assert "run 1: cat" in said
    code, said = from_bold(dataset, tmp_path / "out", "--missing-runs", "complete")
    assert code == 0, said


@pytest.mark.parametrize("lacking", [False, True])
def test_whitened_comparisons_take_the_covariance_of_the_designs(
    dataset, tmp_path, from_bold, lacking
):
    """C (X'X)^-1 C' by hand from the design matrices that are written, over the runs used."""
    options = ("--comparison", "whitened-cosine", "--condition-covariance", "design")
    if lacking:  # a run that lacks a condition is not used, and its design has no part in it
        path = raw(dataset, "events.tsv", run=1)
        table = pd.read_csv(path, sep="\t")
        table[table["trial_type"] != "cat"].to_csv(path, sep="\t", index=False)
        options += ("--missing-runs", "complete")
    assert from_bold(dataset, tmp_path / "out", *options)[0] == 0
    runs = (2,) if lacking else (1, 2)
    parts, patterns = [], []
    for run in runs:
        (path,) = (tmp_path / "out").rglob(f"*_run-{run}_*_design.tsv")
        design = pd.read_csv(path, sep="\t").drop(columns="frame_time")
        inverse = np.linalg.inv(design.to_numpy().T @ design.to_numpy())
        place = [list(design.columns).index(name) for name in CONDITIONS]
        parts.append(inverse[np.ix_(place, place)])
        patterns.append(effects(tmp_path / "out", run))
    covariance = np.mean(parts, axis=0)
    means = np.mean(patterns, axis=0).reshape(len(CONDITIONS), -1)
    model = pd.read_csv(dataset / "derivatives/models/m.tsv", sep="\t", index_col=0)
    cells = model.loc[list(CONDITIONS), list(CONDITIONS)].to_numpy()[np.triu_indices(4, 1)]
    (path,) = (tmp_path / "out").rglob("*_stat-whitenedcosine_desc-m_statmap.nii.gz")
    found = nib.load(path).get_fdata().ravel()
    points = np.argwhere(np.ones(SHAPE, bool)) @ AFFINE[:3, :3].T
    for center in (0, 33, 52, 99):
        near = np.linalg.norm(points - points[center], axis=1) <= 8.5 * (1 + 1e-6)
        rdm = pdist(means[:, near], "correlation")
        wanted = compare(rdm, cells, "whitened-cosine", condition_covariance=covariance)[0]
        plain = compare(rdm, cells, "whitened-cosine")[0]
        assert found[center] == pytest.approx(wanted, abs=1e-5)
        assert abs(wanted - plain) > 1e-4


def collinear(dataset):
    for run in (1, 2):
        shown = events(run)
        cats = shown[shown["trial_type"] == "cat"].assign(trial_type="house")
        both = pd.concat([shown[shown["trial_type"] != "house"], cats])
        both.to_csv(raw(dataset, "events.tsv", run), sep="\t", index=False)


def too_late(dataset):
    shown = events(2)
    shown.loc[shown["trial_type"] == "cat", "onset"] = 198.999
    shown.loc[shown["trial_type"] == "cat", "duration"] = [1, 2, 3, 4, 5]
    shown.to_csv(raw(dataset, "events.tsv", 2), sep="\t", index=False)


def short_confounds(dataset):
    path = derivative(dataset, "timeseries.tsv", 2)
    pd.read_csv(path, sep="\t").iloc[:-1].to_csv(path, sep="\t", index=False)


def no_events(dataset):
    raw(dataset, "events.tsv", 2).unlink()


def no_mask(dataset):
    derivative(dataset, "desc-brain_mask.nii.gz", 2).unlink()


def dark(dataset):
    path = derivative(dataset, "desc-preproc_bold.nii.gz", 2)
    save_bold(np.random.default_rng(0).normal(size=(N, *SHAPE)) - 5, path)


@pytest.mark.parametrize(
    ("change", "options", "exit_code", "words"),
    [
        (collinear, (), 65, ("run-1", "cat cannot be estimated", "collinear with house")),
        (too_late, (), 65, ("run-2", "cat cannot be estimated", "no response within the run")),
        (short_confounds, (), 65, ("run-2", "99 rows", "100 volumes")),
        (no_events, (), 66, ("run-2", "no events were found")),
        (no_mask, (), 66, ("run-2", "no mask", "--brain-mask")),
        (dark, (), 65, ("run-2", "cannot be scaled", "--scale none")),
        (None, ("--confounds", "sinus.*"), 18, ("--confounds sinus.*", "trans_x")),
        (None, ("--space", "MNI"), 18, ("--space MNI matches no BOLD image", "T1w")),
        (None, ("--condition-column", "stimulus"), 65, ("'stimulus'", "trial_type")),
        (None, ("--betas", "x"), 2, ("--betas", "--from-bold")),
        (None, ("--hrf", "gamma"), 2, ("gamma", "glover")),
        (None, ("--estimate", "trials", "--confounds", ".*"), 0, ()),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_before_anything_runs(
    dataset, tmp_path, from_bold, change, options, exit_code, words
):
    if change:
        change(dataset)
    code, said = from_bold(dataset, tmp_path / "out", *options)
    assert code == exit_code, said
    assert all(word in said for word in words), said
    assert "Traceback" not in said
    if exit_code and change is not dark:
        assert not (tmp_path / "out").exists()


def test_options_of_estimation_need_from_bold(noise_dataset, tmp_path, capsys):
    line = [noise_dataset, tmp_path / "out", "participant", "--model", "m.tsv", "--hrf", "glover"]
    assert main([str(part) for part in line]) == 2
    assert "--hrf says how images are estimated from BOLD" in capsys.readouterr().err


def test_bold_without_condition_images_suggests_from_bold(noise_dataset, tmp_path, capsys):
    call = [word for word in arguments(noise_dataset, tmp_path / "out") if word != "--from-bold"]
    assert main(call) == 66
    assert "To start from preprocessed BOLD and events, add --from-bold." in capsys.readouterr().err


def test_several_spaces_need_a_choice(dataset, tmp_path, from_bold):
    for run in (1, 2):
        for ending in ("desc-preproc_bold.nii.gz", "desc-brain_mask.nii.gz"):
            path = derivative(dataset, ending, run)
            shutil.copy(path, str(path).replace("space-T1w", "space-MNI"))
    code, said = from_bold(dataset, tmp_path / "out")
    assert code == 2
    assert "MNI, T1w" in said and "--space" in said
    code, said = from_bold(dataset, tmp_path / "out", "--space", "MNI")
    assert code == 0, said


def test_a_task_without_events_is_left_out(dataset, tmp_path, from_bold):
    for path in (dataset / "derivatives").rglob("*run-1*"):
        shutil.copy(path, str(path).replace("task-x_run-1", "task-rest"))
    code, said = from_bold(dataset, tmp_path / "out")
    assert code == 0, said
    assert "No run of task-rest has events: left out." in said


def test_the_dry_run_shows_events_times_confounds_and_rank(noise_dataset, tmp_path, from_bold):
    code, said = from_bold(noise_dataset, tmp_path / "out", "--dry-run")
    assert code == 0, said
    assert not (tmp_path / "out").exists()
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert "condition run 1 run 2" in lines
    assert lines.count("cat 5 5") == 1
    row = next(line for line in lines if line.startswith("1 100 2 1 "))
    assert "trans_x, trans_y, trans_z, rot_x, rot_y, rot_z" in row or "rot_x" in row
    assert row.endswith("14 14 86")


def test_a_second_run_estimates_nothing_again(dataset, tmp_path, from_bold):
    out, work = tmp_path / "out", tmp_path / "work"
    assert from_bold(dataset, out, "-w", work)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in (out / "sub-01" / "func").iterdir()}
    code, said = from_bold(dataset, out, "-w", work)
    assert code == 0 and "skipped" in said
    # another comparison takes the estimates that are there, also without the work directory
    shutil.rmtree(work)
    code, said = from_bold(dataset, out, "--comparison", "pearson")
    assert code == 0, said
    assert "voxels" not in said  # the progress bar of an estimation
    after = {path: path.stat().st_mtime_ns for path in before}
    assert {p for p in before if before[p] != after[p] and "run-" in p.name} == set()


def test_other_settings_are_refused_and_overwrite_replaces(dataset, tmp_path, from_bold):
    out = tmp_path / "out"
    assert from_bold(dataset, out)[0] == 0
    code, said = from_bold(dataset, out, "--hrf", "glover")
    assert code == 73
    assert 'HRF is "spm" there and "glover" now' in said
    code, said = from_bold(dataset, out, "--hrf", "glover", "--overwrite")
    assert code == 0, said
    assert design_json(out, 1)["HRF"] == "glover"


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path, from_bold):
    root = make_dataset(tmp_path / "raw", runs=range(1, 7))
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert from_bold(root, whole)[0] == 0
    process = start_until(
        broken, arguments(root, broken), there="sub-01/func/*_design.json", count=2
    )
    wait_until_stopped(process)
    process.kill()
    process.communicate()
    done = broken / "sub-01" / "func"
    assert len(list(done.glob("*_design.json"))) == 2
    times = {p: p.stat().st_mtime_ns for p in done.glob("*run-1*statmap.nii.gz")}
    code, said = from_bold(root, broken)
    assert code == 0, said
    assert times == {p: p.stat().st_mtime_ns for p in times}  # what was finished was kept
    ours, theirs = files(broken), files(whole)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_residuals_are_kept_where_asked(dataset, tmp_path, from_bold):
    out = tmp_path / "out"
    code, said = from_bold(dataset, out, "--keep-residuals", "--scale", "none")
    assert code == 0, said
    (path,) = out.glob("sub-01/func/*run-1_*stat-errorts_statmap.nii.gz")
    image = nib.load(path)
    assert image.header.get_zooms()[3] == TR
    design = matrix(events(1), confounds(1)).to_numpy()
    bold = nib.load(derivative(dataset, "desc-preproc_bold.nii.gz")).get_fdata().reshape(-1, N).T
    expected = bold - design @ np.linalg.lstsq(design, bold, rcond=None)[0]
    np.testing.assert_allclose(image.get_fdata().reshape(-1, N).T, expected, atol=1e-3)
    assert json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())[
        "DegreesOfFreedom"
    ] == N - design.shape[1]  # fmt: skip
    # they join what is there already, and what is there is not estimated in another way
    plain = tmp_path / "plain"
    assert from_bold(dataset, plain, "--scale", "none")[0] == 0
    kept = {n: b for n, b in files(out).items() if "errorts" not in n}
    assert kept == files(plain)


def test_noise_normalisation_takes_the_residuals_from_wherever_they_are(
    noise_dataset, tmp_path, from_bold
):
    noise = ("--dissimilarity", "crossnobis", "--noise", "shrinkage", "--folds", "runs")

    def run(out, *options):
        code, said = from_bold(noise_dataset, out, *noise, *options)
        assert code == 0, said
        assert f"200 volumes, {2 * (N - 14)} degrees of freedom (the first-level models)" in said
        return map_of(out)

    kept, work = tmp_path / "kept", tmp_path / "work"
    expected = run(kept, "--keep-residuals")
    np.testing.assert_array_equal(run(work), expected)
    assert not list(work.rglob("*errorts*"))
    # the estimates and residuals of the first call, as another program's, found by their names
    glm = tmp_path / "glm"
    shutil.copytree(kept / "sub-01" / "func", glm / "sub-01" / "func")
    for path in glm.rglob("*_desc-*"):
        path.unlink()
    write_json(glm / "dataset_description.json", {"Name": "g", "BIDSVersion": "1.11.1",
               "DatasetType": "derivative", "GeneratedBy": [{"Name": "other"}]})  # fmt: skip
    line = [glm, tmp_path / "theirs", "participant", "--radius", "8.5", *noise, "--model",
            noise_dataset / "derivatives/models/m.tsv", "--brain-mask",
            derivative(noise_dataset, "desc-brain_mask.nii.gz")]  # fmt: skip
    assert main([str(part) for part in line]) == 0
    np.testing.assert_array_equal(map_of(tmp_path / "theirs"), expected)
    # without the work directory the residuals that were kept are read, the others made again
    for out, options in ((kept, ("--keep-residuals",)), (work, ())):
        run(out, "--comparison", "pearson", *options)
    pearson = [nib.load(next(out.rglob("*stat-pearson*statmap.nii.gz"))) for out in (kept, work)]
    np.testing.assert_array_equal(pearson[0].get_fdata(), pearson[1].get_fdata())


def test_no_event_is_lost_between_the_table_and_the_design(noise_dataset, tmp_path, from_bold):
    """Estimates of a design with one event moved differ: the table itself is what is used."""
    assert from_bold(noise_dataset, tmp_path / "a")[0] == 0
    sources = design_json(tmp_path / "a", 2)["Sources"]
    assert [s.rpartition("/")[2] for s in sources] == [
        "sub-01_task-x_run-2_space-T1w_desc-preproc_bold.nii.gz",
        "sub-01_task-x_run-2_events.tsv",
        "sub-01_task-x_run-2_desc-confounds_timeseries.tsv",
        "sub-01_task-x_run-2_space-T1w_desc-brain_mask.nii.gz",
    ]
    (keys,) = [sidecar_of(tmp_path / "a")]
    assert all(source.startswith("bids::sub-01/func/") for source in keys["Sources"][:8])
    assert all((tmp_path / "a" / s.removeprefix("bids::")).exists() for s in keys["Sources"][:8])


def test_a_design_that_looks_like_the_model_is_warned_of(dataset, tmp_path, from_bold):
    """Pairs of conditions that always follow each other at once: their estimates correlate."""
    for run in (1, 2):
        onsets = 6.0 + 18.0 * np.arange(10)
        rows = []
        for i, onset in enumerate(onsets):
            first, second = (("cat", "chair"), ("face", "house"))[i % 2]
            rows += [(onset, 2.0, first), (onset + 2.0, 2.0, second)]
        pd.DataFrame(rows, columns=["onset", "duration", "trial_type"]).to_csv(
            raw(dataset, "events.tsv", run), sep="\t", index=False
        )
    pairs = np.array([0, 0, 1, 1])
    cells = (pairs[:, None] != pairs).astype(float)
    index = pd.Index(CONDITIONS, name="condition")
    model = dataset / "derivatives" / "models" / "m.tsv"
    # correlated negatively: within a pair the noise makes patterns unlike
    pd.DataFrame(1 - cells - np.eye(4), index=index, columns=CONDITIONS).to_csv(model, sep="\t")
    code, said = from_bold(dataset, tmp_path / "out")
    assert code == 0, said
    keys = sidecar_of(tmp_path / "out")
    assert keys["DesignCorrelation"]["Largest"] < -0.5
    assert keys["DesignCorrelation"]["RankCorrelationWithModels"]["m"] > 0.7
    assert any("The design looks like the model m" in text for text in keys["Warnings"])
    assert "The design looks like the model m" in said
    options = ("--folds", "runs", "--dissimilarity", "sqeuclidean")
    code, said = from_bold(dataset, tmp_path / "folds", *options)
    assert code == 0 and "looks like the model" not in said
    # distances weighted by noise of the same images are biased, although cross-validated
    pooled = ("--noise", "shrinkage", "--noise-from", "pooled-images")
    code, said = from_bold(dataset, tmp_path / "pooled", *options, *pooled)
    assert code == 0 and "looks like the model" in said


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The example dataset as BOLD, and the maps of its participants."""
    folder = tmp_path_factory.mktemp("example")
    root = make_bold_example(folder / "raw", BoldExampleSettings(n_subjects=2))
    models = root / "derivatives" / "models"
    line = [root, folder / "out", "participant", "--from-bold", "--model", models / "planted.tsv",
            "--radius", "16", "--folds", "runs", "--dissimilarity", "sqeuclidean"]  # fmt: skip
    assert main([str(part) for part in line]) == 0
    return root, folder / "out"


def test_the_planted_effect_of_the_example_is_found_where_it_was_planted(example):
    root, out = example
    planted = nib.load(root / "derivatives" / "models" / "planted_mask.nii.gz").get_fdata() > 0
    assert planted.sum() > 20
    for path in sorted(out.glob("sub-*/func/*_desc-planted_statmap.nii.gz")):
        scores = nib.load(path).get_fdata()
        mask = nib.load(str(path).replace("stat-spearman_desc-planted_statmap",
                                          "desc-searchlight_mask")).get_fdata() > 0  # fmt: skip
        x = np.argwhere(mask)[:, 0] > mask.shape[0] // 2  # the other hemisphere
        away = np.zeros_like(mask)
        away[tuple(np.argwhere(mask)[x].T)] = True
        assert scores[planted & mask].mean() > 0.5
        assert abs(scores[away].mean()) < 0.15


@pytest.fixture(scope="module")
def surface_example(tmp_path_factory):
    """The example dataset with BOLD on the surface, and the map of its participant there."""
    folder = tmp_path_factory.mktemp("surface_example")
    settings = BoldExampleSettings(n_subjects=1, n_runs=2, on_surface=True)
    root = make_bold_example(folder / "raw", settings)
    models = root / "derivatives" / "models"
    line = [root, folder / "out", "participant", "--from-bold", "--model", models / "planted.tsv",
            "--space", "fsaverage5", "--folds", "runs", "--dissimilarity", "sqeuclidean",
            "--comparison", "cosine", "--radius", "10"]  # fmt: skip
    assert main([str(part) for part in line]) == 0
    return root, folder / "out", settings


def test_the_planted_effect_is_found_on_the_surface_of_the_example(surface_example):
    root, out, settings = surface_example
    brain = ExampleSurface.load()
    away = np.linalg.norm(brain.middle_mm - settings.center_mm, axis=1)
    planted, scores = [], []
    for side in "LR":
        (path,) = (root / "derivatives" / "models").glob(f"hemi-{side}_*_desc-planted_*.gii")
        planted.append(nib.load(path).darrays[0].data > 0)
        (path,) = out.glob(f"sub-01/func/*_hemi-{side}_*_stat-cosine_desc-planted_*.gii")
        scores.append(nib.load(path).darrays[0].data)
    assert planted[0].sum() > 100 and not planted[1].any()
    planted, scores = np.concatenate(planted), np.concatenate(scores)
    np.testing.assert_array_equal(planted, away <= settings.planted_radius_mm)
    assert scores[planted].mean() > 0.8
    apart = away > settings.planted_radius_mm + 11  # patches do not reach the effect
    assert abs(scores[apart].mean()) < 0.1
    # volumes and surfaces have the same events, and the effect is in both
    assert len(list((root / "derivatives" / "fmriprep").rglob("*_desc-preproc_bold.nii.gz"))) == 2


def test_the_surfaces_of_the_example_go_with_its_bold_alone(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        write_example([str(tmp_path / "raw"), "--surface"])
    assert stopped.value.code == 2 and "give both" in capsys.readouterr().err
    assert not (tmp_path / "raw").exists()


def test_the_official_validator_passes_the_example_on_surfaces(surface_example):
    root, out, _ = surface_example
    command = validator_command()
    if command is None:
        pytest.skip("bids-validator-deno is not installed")
    for folder in (root, root / "derivatives" / "fmriprep", out):
        found = subprocess.run(
            [command, "--ignoreWarnings", folder], capture_output=True, text=True, check=False
        )
        assert found.returncode == 0, found.stdout


def test_the_official_validator_passes_the_example_and_what_is_made_of_it(example):
    root, out = example
    command = validator_command()
    if command is None:
        pytest.skip("bids-validator-deno is not installed")
    for folder in (root, root / "derivatives" / "fmriprep", out):
        found = subprocess.run(
            [command, "--ignoreWarnings", folder], capture_output=True, text=True, check=False
        )
        assert found.returncode == 0, found.stdout
    effects_there = list(out.glob("sub-01/func/*_contrast-*_stat-effect_statmap.nii.gz"))
    assert len(effects_there) == 4 * len(EXAMPLE_CONDITIONS)


def test_misnamed_bold_is_not_used_and_named(dataset, noise_dataset, tmp_path, from_bold):
    bold = derivative(dataset, "desc-preproc_bold.nii.gz", 1)
    table = raw(dataset, "events.tsv", 1)
    odd = bold.with_name(bold.name.replace("task-x", "task-x-y"))
    elsewhere = bold.with_name(bold.name.replace("sub-01", "sub-02"))
    shutil.copy(bold, odd)
    shutil.copy(bold, elsewhere)
    shutil.copy(table, table.with_name(table.name.replace("task-x", "task-x-y")))
    shutil.copytree(bold.parents[1], bold.parents[2] / "sub-01 copy")
    code, said = from_bold(dataset, tmp_path / "out", "--dry-run")
    assert code == 0
    warned = [line for line in said.splitlines() if " WARNING " in line]
    told = "\n".join(warned)
    assert f"{odd} (task-x-y)" in told
    assert str(elsewhere) in told
    assert str(bold.parents[2] / "sub-01 copy") in told
    _, plain = from_bold(noise_dataset, tmp_path / "out", "--dry-run")
    assert [line for line in said.splitlines() if line.startswith("sub-")] == [
        line for line in plain.splitlines() if line.startswith("sub-")
    ]
