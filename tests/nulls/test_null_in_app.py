"""Permutations of conditions through the whole app, up to the group's null of conditions."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

RADIUS = ("--radius", "16")  # voxels of 10 mm
STEM = "sub-{}/func/sub-{}_task-objects_space-MNI152NLin2009aSym"


def path_of(out, subject, ending):
    return out / f"{STEM.format(subject, subject)}_{ending}"


def values(out, subject, ending):
    return nib.load(path_of(out, subject, f"{ending}.nii.gz")).get_fdata()


def sidecar(out, subject, ending):
    return json.loads(path_of(out, subject, f"{ending}.json").read_text())


def planted(dataset):
    return nib.load(dataset / "sourcedata/planted_mask.nii.gz").get_fdata() > 0


def test_p_is_small_where_the_effect_was_planted(dataset, nulls_run):
    core = planted(dataset)
    away = distance_transform_edt(~core, sampling=10) > 16 + 0.1
    shares = []
    for number in range(1, 6):
        subject = f"{number:02d}"
        mask = values(nulls_run, subject, "desc-searchlight_mask") > 0
        p = values(nulls_run, subject, "stat-spearmanP_desc-planted_statmap")
        corrected = values(nulls_run, subject, "stat-spearmanMaxFWEp_desc-planted_statmap")
        z = values(nulls_run, subject, "stat-spearmanZ_desc-planted_statmap")
        assert (p[~mask] == 1).all() and (corrected[~mask] == 1).all() and (z[~mask] == 0).all()
        assert np.median(p[core]) < 0.02 and np.median(z[core]) > 2
        assert corrected[core].min() < 0.06 and (corrected >= p - 1e-6).all()
        shares.append((p[away & mask] <= 0.05).mean())
    assert np.mean(shares) < 0.09


def test_the_sidecars_say_which_permutations(nulls_run):
    own = sidecar(nulls_run, "01", "stat-spearmanP_desc-planted_statmap")
    assert own["ConditionPermutations"] == 200 and own["RandomSeed"] == 0
    assert own["Relabelings"] == {
        "Used": 200, "Distinct": 315, "DistinctIsLowerBound": False, "Exhaustive": False
    }  # fmt: skip
    assert own["SmallestP"] == pytest.approx(1 / 201)
    kept = [sidecar(nulls_run, f"{i:02d}", "stat-spearman_desc-planted_nullmaps") for i in (1, 2)]
    assert kept[0]["Relabelings"]["Kept"] == 200
    assert kept[0]["Relabelings"] == kept[1]["Relabelings"]
    maps = nib.load(path_of(nulls_run, "01", "stat-spearman_desc-planted_nullmaps.nii.gz"))
    assert maps.shape[3] == 200 and maps.get_data_dtype() == np.float32
    p = values(nulls_run, "01", "stat-spearmanP_desc-planted_statmap")
    inside = p < 1
    mean = own["NullMean"]["Median"]
    assert maps.get_fdata()[inside].mean() == pytest.approx(mean, abs=0.1)


def test_the_group_finds_the_planted_effect_against_a_null_of_conditions(
    dataset, nulls_run, tmp_path, call
):
    out = shutil.copytree(nulls_run, tmp_path / "out")
    code, said = call(dataset, out, "group", "--null", "conditions", "--no-report")
    assert code == 0, said
    (path,) = (out / "group").glob("*stat-tFWEp_desc-planted_statmap.nii.gz")
    p = nib.load(path).get_fdata()
    core = planted(dataset)
    away = distance_transform_edt(~core, sampling=10) > 16 + 0.1
    assert (p[core] <= 0.05).mean() > 0.5
    assert (p[away] <= 0.05).mean() < 0.01


def test_models_with_missing_cells_are_refused_before_anything_runs(dataset, tmp_path, call):
    lines = (dataset / "models/planted.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines]
    rows[1][3] = rows[3][1] = "n/a"
    model = tmp_path / "holes.tsv"
    model.write_text("\n".join("\t".join(row) for row in rows) + "\n")
    code, said = call(
        dataset, tmp_path / "out", "participant", "--model", model, *RADIUS,
        "--condition-permutations", "50",
    )  # fmt: skip
    assert code == 65, said
    assert "the model holes lacks 1 of 28 cells" in said
    assert not list(tmp_path.glob("out/sub-*"))


def test_too_few_relabelings_are_warned_of(dataset, tmp_path, call):
    code, said = call(
        dataset, tmp_path / "out", "participant", "--model", dataset / "models/planted.tsv",
        *RADIUS, "--condition-permutations", "15", "--participant-label", "01", "--no-report",
    )  # fmt: skip
    assert code == 0, said
    assert "the smallest p is 0.0625, above alpha 0.05" in said
    told = sidecar(tmp_path / "out", "01", "stat-spearmanP_desc-planted_statmap")["Warnings"]
    assert any("above alpha 0.05" in warning for warning in told)


def test_more_null_maps_than_permutations_are_refused(dataset, tmp_path, call):
    code, said = call(
        dataset, tmp_path / "out", "participant", "--model", dataset / "models/planted.tsv",
        "--keep-null", "100",
    )  # fmt: skip
    assert code == 2, said
    assert "--keep-null 100 keeps more null maps than there are permutations" in said
