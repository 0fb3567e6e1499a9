"""The null of conditions, from participants' null maps on disk."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from group_trees import (
    AFFINE,
    CONDITIONS,
    SHAPE,
    group_map,
    group_sidecar,
    inside_volume,
    planted_volume,
    subject_scores,
    write_map,
)

from bids_rsa.core.inference.condition_null import condition_test
from bids_rsa.core.inference.lattice import grid_adjacency

N, M = 7, 60
OPTIONS = ("--null", "conditions", "--cluster-p", "0.01")


def null_volumes(number, n_maps=M, noise=0.15):
    """One subject's scores of permuted models: noise everywhere."""
    rng = np.random.default_rng([13, number])
    return np.clip(rng.normal(0, noise, (*SHAPE, n_maps)), -0.95, 0.95).astype(np.float32)


def write_nulls(image, volumes, **changed):
    """Write null maps and their sidecar beside a map."""
    path = str(image).replace("_statmap", "_nullmaps")
    nib.save(nib.Nifti1Image(volumes, AFFINE), path)
    kept = volumes.shape[-1]
    sidecar = {
        "ConditionPermutations": 1000,
        "RandomSeed": 0,
        "Conditions": CONDITIONS,
        "Relabelings": {"Kept": kept, "Distinct": 40320, "Exhaustive": False, "SHA256": "ab"},
        "SmallestP": 1 / 1001,
    } | changed
    Path(path.replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))


def write_subjects(out, model="planted", effect=0.3, shift=0, n_maps=M, **changed):
    for number in range(1, N + 1):
        scores = subject_scores(number, effect=effect, seed=7 + shift)
        image = write_map(out, f"{number:02d}", scores, model=model)
        own = changed if number == 3 else {}
        write_nulls(image, null_volumes(number + 100 * shift, n_maps), **own)


def fisher(values):
    return np.arctanh(values.astype(np.float32).astype(np.float64)[inside_volume()])


def expected(tail, pair=False):
    """The same test on arrays that never were files."""
    numbers = range(1, N + 1)
    scores = np.array([fisher(subject_scores(i, effect=0.3)) for i in numbers])
    null = np.mean([fisher(null_volumes(i)) for i in numbers], axis=0).T
    if pair:
        scores = scores - np.array([fisher(subject_scores(i, effect=0.1, seed=8)) for i in numbers])
        null = null - np.mean([fisher(null_volumes(i + 100)) for i in numbers], axis=0).T
    return condition_test(scores, null, grid_adjacency(inside_volume()), tail, 0.01).p_maps()


@pytest.mark.parametrize("tail", ["greater", "two-sided"])
def test_p_from_files_equals_p_from_arrays_and_finds_the_planted_effect(call, tmp_path, tail):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    write_subjects(out)
    code, said = call(bids, out, "group", *OPTIONS, "--tail", tail)
    assert code == 0, said
    for name, values in expected(tail).items():
        np.testing.assert_allclose(group_map(out, name), values, rtol=1e-5, err_msg=name)
    planted = planted_volume()[inside_volume()]
    significant = group_map(out, "tThr") != 0
    assert significant[planted].all()
    assert significant[~planted].mean() < 0.05
    sidecar = group_sidecar(out, "p")
    assert (sidecar["Null"], sidecar["RelabelingsUsed"]) == ("conditions", M)
    assert sidecar["SmallestP"] == pytest.approx(1 / (M + 1))
    assert "not over participants" in sidecar["Interpretation"]
    assert "The inference is over conditions" in sidecar["Assumption"]


def test_two_models_are_compared_under_the_same_permutations(call, tmp_path):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    write_subjects(out)
    write_subjects(out, model="other", effect=0.1, shift=1)
    models = ("--compare-models", "planted", "other")
    code, said = call(bids, out, "group", *OPTIONS, *models)
    assert code == 0, said
    for name, values in expected("two-sided", pair=True).items():
        found = group_map(out, name, "contrast-plantedVsother")
        np.testing.assert_allclose(found, values, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"RandomSeed": 5}, "RandomSeed is 0 in 6"),
        ({"Conditions": [*CONDITIONS[:-1], "z"]}, "Conditions is"),
        ({"ConditionPermutations": 99}, "ConditionPermutations is 1000 in 6"),
        (
            {"Relabelings": {"Kept": M, "Distinct": 40320, "Exhaustive": False, "SHA256": "cd"}},
            "Relabelings is",
        ),
    ],
)
def test_null_maps_of_other_permutations_are_refused(call, tmp_path, changed, named):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    write_subjects(out, **changed)
    code, said = call(bids, out, "group", *OPTIONS)
    assert code == 65, said
    assert named in said and "sub-03" in said and "sub-02" not in said.split("not of the same")[1]
    assert not (out / "group").exists()


def test_missing_null_maps_are_refused_by_name(call, tmp_path):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    write_subjects(out)
    (gone,) = out.glob("sub-02/func/*_nullmaps.nii.gz")
    gone.unlink()
    code, said = call(bids, out, "group", *OPTIONS)
    assert code == 66, said
    assert "sub-02" in said and "--condition-permutations" in said and "sub-01" not in said
    assert not (out / "group").exists()


def test_null_maps_of_another_number_are_refused(call, tmp_path):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    write_subjects(out)
    (image,) = out.glob("sub-04/func/*_statmap.nii.gz")
    short = null_volumes(4)[..., :50]
    nib.save(nib.Nifti1Image(short, AFFINE), str(image).replace("_statmap", "_nullmaps"))
    code, said = call(bids, out, "group", *OPTIONS)
    assert code == 65, said
    assert "sub-04" in said and "contains 50 null maps" in said and f"and {M} where" in said


def test_few_relabelings_are_warned_of_before_anything_runs(call, tmp_path):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    write_subjects(out, n_maps=9)
    code, said = call(bids, out, "group", *OPTIONS, "--dry-run")
    assert code == 0, said
    assert "9 null maps were kept; at least 19 are needed" in said


@pytest.mark.parametrize("option", [("--coverage", "0.5"), ("--covariates", "age")])
def test_the_null_of_conditions_is_for_means(call, tmp_path, option):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    code, said = call(bids, out, "group", *OPTIONS, *option)
    assert code == 2, said
    assert "--null conditions tests mean scores" in said
