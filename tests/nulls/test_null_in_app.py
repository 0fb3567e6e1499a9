"""Permutations of conditions through the whole app, up to the group's null of conditions."""

import html
import json
import re
import shutil
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from app_process import UNDRAWN
from scipy.ndimage import distance_transform_edt
from watched import start_until, wait_until_stopped

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


@pytest.fixture(scope="module")
def pictured_run(dataset, tmp_path_factory):
    from bids_rsa.cli import main

    out = tmp_path_factory.mktemp("pictured") / "out"
    code = main([
        str(dataset), str(out), "participant", "--model", str(dataset / "models/planted.tsv"),
        *RADIUS, "--condition-permutations", "99", "--keep-null", "20", "--reliability",
        "--participant-label", "01", "--use-plugin", "Linear",
    ])  # fmt: skip
    assert code == 0
    return out


def test_every_map_of_the_null_has_a_picture_and_stands_on_the_page(pictured_run):
    figures = pictured_run / "sub-01" / "figures"
    score = "Spearman's rank correlation, model planted"
    titles = {
        "spearmanP_desc-planted": f"p, not corrected: {score}",
        "spearmanZ_desc-planted": f"z against the null: {score}",
        "spearmanMaxFWEp_desc-planted": f"p corrected by the maximum over centres: {score}",
        "reliability_desc-searchlight": "Reliability of the RDMs",
    }
    page = html.unescape((pictured_run / "sub-01.html").read_text())
    for name, title in titles.items():
        (picture,) = figures.glob(f"*_stat-{name}_statmap.png")
        vector = " ".join(re.findall(r">([^<>]+)</text>", picture.with_suffix(".svg").read_text()))
        assert title in vector
        assert ("-log10(p)" in vector) == title.startswith("p")
        if name.startswith("spearman"):
            assert f"Slices of the map: {title}" in page
    assert "p over centres:" in page and "at most .05" in page
    assert not list(figures.glob("*nullmaps*"))


def test_a_cluster_of_planted_effect_is_found_from_kept_null_maps(
    dataset, nulls_run, tmp_path, call
):
    """participant --keep-null, then group --null stelzer, on the app's own files."""
    out = shutil.copytree(nulls_run, tmp_path / "out")
    line = (
        dataset, out, "group", "--null", "stelzer", "--n-permutations", "4000", "--cluster-p",
        "0.005", "--no-report",
    )  # fmt: skip
    code, said = call(*line)
    assert code == 0, said
    (path,) = (out / "group").glob("*stat-clusterSizefdrq_desc-planted_statmap.nii.gz")
    q, core = nib.load(path).get_fdata(), planted(dataset)
    away = distance_transform_edt(~core, sampling=10) > 16 + 0.1
    assert (q[core] <= 0.05).mean() > 0.8
    assert (q[away] <= 0.05).mean() < 0.01
    told = json.loads(path.with_suffix("").with_suffix(".json").read_text())
    assert (told["NullMapsPerMap"], told["RelabelingsUsed"]) == (200, 4000)
    assert "is complete with the same settings: skipped" in call(*line)[1]


def test_null_maps_of_another_seed_are_refused_by_the_group(dataset, nulls_run, tmp_path, call):
    """One participant run again with other permutations: both group tests say so."""
    out = shutil.copytree(nulls_run, tmp_path / "out")
    code, said = call(
        dataset, out, "participant", "--model", dataset / "models/planted.tsv", *RADIUS,
        "--condition-permutations", "200", "--keep-null", "200", "--random-seed", "7",
        "--participant-label", "02", "--overwrite", "--no-report",
    )  # fmt: skip
    assert code == 0, said
    for null in ("conditions", "stelzer"):
        code, said = call(dataset, out, "group", "--null", null)
        assert code == 65, said
        assert "RandomSeed" in said and "sub-02" in said
        assert not (out / "group").exists()


def test_the_null_of_conditions_shows_its_progress_and_is_started_again_after_a_kill(
    dataset, nulls_run, tmp_path
):
    out = shutil.copytree(nulls_run, tmp_path / "out")
    line = [
        str(dataset), str(out), "group", "--null", "stelzer", "--n-permutations", "4000",
        "--cluster-p", "0.005", "--no-report", "--nprocs", "1",
    ]  # fmt: skip
    killed = start_until(out, line, before=".work/*/by_null_maps*")
    wait_until_stopped(killed)
    killed.kill()
    assert "voxels," in killed.communicate()[1]  # the bar
    assert not list(out.glob("group/*_statmap.nii.gz"))
    options = [*line[:4], "conditions", *UNDRAWN, "--nprocs", "1"]
    quick = [sys.executable, "-m", "bids_rsa", *options]
    done = subprocess.run(quick, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    bars = re.findall(r"100%\|[^|]*\| (\d+) of \d+ ([a-z' ]+),", done.stderr)
    assert ("5", "participants' null maps") in bars and ("200", "permutations") in bars
    (path,) = (out / "group").glob("*stat-tFWEp_desc-planted_statmap.nii.gz")
    before = path.read_bytes()
    again = subprocess.run(quick, capture_output=True, text=True, check=False)
    assert again.returncode == 0 and path.read_bytes() == before
    assert not [*out.glob("group/.*"), *out.rglob("*.part")]


def test_what_is_drawn_of_p_is_large_where_p_is_small():
    from bids_rsa.core.comparison.table import COMPARISONS
    from bids_rsa.reports.map_words import map_words

    words = map_words("spearmanP", COMPARISONS["spearman"], "m", "P")
    drawn = words.drawn(np.array([1.0, 0.1, 0.001, np.nan], dtype=np.float32))
    np.testing.assert_allclose(drawn, [0, 1, 3, np.nan], atol=1e-6)
    assert words.kind == "positive" and not np.signbit(drawn[0])
    z = map_words("spearmanZ", COMPARISONS["spearman"], "m", "Z")
    np.testing.assert_array_equal(z.drawn(np.array([-2.0])), [-2.0])


def test_relabelings_are_counted_once_for_all_comparisons_and_participants(dataset, tmp_path, call):
    comparisons = ("spearman", "pearson", "regression")
    code, said = call(
        dataset, tmp_path / "out", "participant", "--model", dataset / "models/planted.tsv",
        *RADIUS, "--participant-label", "01", "02", "--comparison", *comparisons,
        "--condition-permutations", "15", "--alpha", "0.05", "--no-report", "--no-figures",
    )  # fmt: skip
    assert code == 0, said
    lines = [line for line in said.splitlines() if "distinct relabelings" in line]
    scores = ", ".join(f"planted ({name})" for name in comparisons)
    assert len(lines) == 2  # the count, and the warning that it is too small
    for line in lines:
        assert f"{scores}: 315 distinct relabelings of the conditions, 15 permutations" in line
    assert "sub-0" not in lines[0] and "nothing can be significant" in lines[1]
    own = sidecar(tmp_path / "out", "02", "stat-pearsonP_desc-planted_statmap")
    assert own["Relabelings"]["Distinct"] == 315 and own["Relabelings"]["Used"] == 15
    # with other conditions in one analysis there is one line for each
    names = ["cat", "dog", "bird", "fish", "car", "bus"]
    code, said = call(
        dataset, tmp_path / "fewer", "participant", "--model", dataset / "models/planted.tsv",
        *RADIUS, "--participant-label", "01", "--conditions", *names,
        "--condition-permutations", "15", "--no-report", "--no-figures",
    )  # fmt: skip
    assert code == 0, said
    assert said.count("distinct relabelings") == 2 and "315 distinct" not in said
