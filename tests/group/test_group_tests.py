"""Each test the group level offers gives the numbers of scipy, from maps as they lie on disk."""

import json
import re

import nibabel as nib
import numpy as np
import pytest
from group_trees import (
    AFFINE,
    N_CELLS,
    SHAPE,
    as_written,
    group_map,
    group_sidecar,
    group_table,
    group_volume,
    inside_volume,
    planted_volume,
    subject_scores,
    write_group,
    write_map,
    write_participants,
)
from scipy import stats

FAST = ("--n-permutations", "150")
N = 8
GROUPS = np.array(list("aabbabab"))
AGES = np.array([20 + i * i % 11 for i in range(1, N + 1)], dtype=float)


def z_scores(**keywords):
    return np.arctanh(as_written([subject_scores(i, **keywords) for i in range(1, N + 1)]))


def write_model(out, model, **keywords):
    for number in range(1, N + 1):
        write_map(out, f"{number:02d}", subject_scores(number, **keywords), model=model)


def test_one_sample_equals_scipy_and_finds_the_planted_effect(plain_run):
    out = plain_run
    z = z_scores()
    expected = stats.ttest_1samp(z, 0.0, alternative="greater")
    np.testing.assert_allclose(group_map(out, "t"), expected.statistic, rtol=2e-5)
    np.testing.assert_allclose(group_map(out, "z"), stats.norm.isf(expected.pvalue), atol=2e-4)
    np.testing.assert_allclose(group_map(out, "meanFisherz"), z.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(group_map(out, "mean"), np.tanh(z.mean(axis=0)), atol=1e-6)
    assert group_sidecar(out, "mean")["Description"].startswith(
        "tanh of the mean over participants of"
    )
    d = z.mean(axis=0) / z.std(axis=0, ddof=1)
    np.testing.assert_allclose(group_map(out, "cohensd"), d, rtol=2e-5)
    assert (group_map(out, "nsubjects") == N).all()
    planted = planted_volume()[inside_volume()]
    significant = group_map(out, "tThr") != 0
    assert significant[planted].all()
    assert significant[~planted].mean() < 0.05
    assert group_sidecar(out, "t")["Tail"] == "greater"


def test_p_of_every_kind_follows_its_definition(plain_run):
    out = plain_run
    p = {name: group_map(out, name) for name in ("p", "tFWEp", "tfceFWEp", "fdrq")}
    for name, values in p.items():
        assert values.min() >= 1 / 151 - 1e-7, name
        assert values.max() <= 1.0, name
        np.testing.assert_allclose(
            group_map(out, f"neglog10{name}"), -np.log10(values), atol=1e-5, err_msg=name
        )
    assert (p["tFWEp"] >= p["p"] - 1e-7).all()
    np.testing.assert_allclose(p["fdrq"], stats.false_discovery_control(p["p"]), rtol=1e-5)
    outside = ~inside_volume()
    assert (group_volume(out, "p")[outside] == 1).all()
    assert (group_volume(out, "t")[outside] == 0).all()


def test_all_sign_flips_are_used_when_they_are_few(call, tmp_path):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    scores = write_group(out, n_subjects=6)
    code, said = call(bids, out, "group", "--n-permutations", "64")
    assert code == 0, said
    assert group_sidecar(out, "p")["RelabelingsUsed"] == 64
    voxel = int(np.argmax(group_map(out, "t")))

    def mean(x, axis):
        return np.mean(x, axis=axis)

    expected = stats.permutation_test(
        (np.arctanh(scores[:, voxel]),),
        mean,
        permutation_type="samples",
        n_resamples=np.inf,
        alternative="greater",
    )
    assert group_map(out, "p")[voxel] == pytest.approx(expected.pvalue, rel=1e-5)


def test_two_models_are_a_paired_test_of_the_transformed_difference(call, places):
    bids, out = places
    write_model(out, "other", effect=0.05, seed=8)
    code, said = call(bids, out, "group", *FAST, "--compare-models", "planted", "other")
    assert code == 0, said
    expected = stats.ttest_rel(z_scores(), z_scores(effect=0.05, seed=8))
    name = "contrast-plantedVsother"
    np.testing.assert_allclose(group_map(out, "t", name), expected.statistic, rtol=3e-5, atol=1e-5)
    difference = np.tanh(z_scores().mean(0)) - np.tanh(z_scores(effect=0.05, seed=8).mean(0))
    np.testing.assert_allclose(group_map(out, "mean", name), difference, atol=1e-6)
    said_there = group_sidecar(out, "t", name)
    assert said_there["Tail"] == "two-sided"
    assert [model["Name"] for model in said_there["Model"]] == ["planted", "other"]
    assert group_sidecar(out, "mean", name)["Description"].startswith("Difference of two means")


def test_models_compared_on_different_cells_are_warned_of(call, places):
    bids, out = places
    for i in range(1, N + 1):
        scores = subject_scores(i, effect=0.05, seed=8)
        write_map(out, f"{i:02d}", scores, model="other", metadata={"CellsUsed": 21})
    options = ("--compare-models", "planted", "other", "--dry-run")
    code, said = call(bids, out, "group", *FAST, *options)
    assert code == 0, said
    assert "different numbers of cells (other 21, planted 28)" in said.replace(
        "planted 28, other 21", "other 21, planted 28"
    )


def test_all_pairs_of_models(call, places):
    bids, out = places
    write_model(out, "second", seed=8)
    write_model(out, "third", seed=9)
    code, said = call(bids, out, "group", *FAST, "--compare-models", "all")
    assert code == 0, said
    found = {path.name.split("contrast-")[1].split("_")[0] for path in out.glob("group/*stat-t_*")}
    assert found == {"plantedVssecond", "plantedVsthird", "secondVsthird"}


def test_two_groups_are_welchs_t(call, places):
    bids, out = places
    code, said = call(bids, out, "group", *FAST, "--group-column", "group")
    assert code == 0, said
    z = z_scores()
    expected = stats.ttest_ind(z[GROUPS == "a"], z[GROUPS == "b"], equal_var=False)
    np.testing.assert_allclose(
        group_map(out, "t", "contrast-aVsb"), expected.statistic, rtol=3e-5, atol=1e-5
    )
    np.testing.assert_allclose(
        np.abs(group_map(out, "z")), stats.norm.isf(expected.pvalue / 2), rtol=1e-3, atol=1e-4
    )


def write_two_groups(bids, out, n_wide, n_narrow, times):
    """Write subjects of noise, those of group wide with a multiple of the others' spread."""
    names = ["wide"] * n_wide + ["narrow"] * n_narrow
    write_participants(bids, [f"sub-{i:02d}\t30\t{g}" for i, g in enumerate(names, start=1)])
    for i, name in enumerate(names, start=1):
        write_map(out, f"{i:02d}", subject_scores(i, noise=0.1 * (times if name == "wide" else 1)))


@pytest.mark.parametrize(
    ("n_wide", "n_narrow", "how"), [(6, 18, "too small"), (8, 8, "too small"), (18, 6, "too large")]
)
def test_groups_of_unequal_spread_are_warned_of(call, tmp_path, n_wide, n_narrow, how):
    bids, out = tmp_path / "bids", tmp_path / "out"
    write_two_groups(bids, out, n_wide, n_narrow, times=2)
    code, said = call(bids, out, "group", *FAST, "--group-column", "group")
    assert code == 0, said
    (warning,) = [w for w in group_sidecar(out, "tfceFWEp")["Warnings"] if "times as widely" in w]
    assert warning in said
    sizes = re.findall(rf"wide \({n_wide} participants\) .* narrow \({n_narrow}\)", warning)
    assert len(sizes) == 1
    (ratio,) = re.findall(r"spread ([\d.]+) times", warning)
    assert float(ratio) == pytest.approx(2, rel=0.1)
    assert how in warning


@pytest.mark.parametrize(("n_wide", "n_narrow"), [(6, 18), (18, 6), (3, 9), (8, 8)])
def test_groups_of_equal_spread_are_not_warned_of(call, tmp_path, n_wide, n_narrow):
    bids, out = tmp_path / "bids", tmp_path / "out"
    write_two_groups(bids, out, n_wide, n_narrow, times=1)
    code, said = call(bids, out, "group", *FAST, "--group-column", "group")
    assert code == 0, said
    assert "times as widely" not in said
    assert not [w for w in group_sidecar(out, "tfceFWEp")["Warnings"] if "times as widely" in w]


def test_groups_named_the_other_way_round_change_the_sign(call, places):
    bids, out = places
    call(bids, out, "group", *FAST, "--group-column", "group")
    code, said = call(bids, out, "group", *FAST, "--group-column", "group", "--groups", "b", "a")
    assert code == 0, said
    np.testing.assert_allclose(
        group_map(out, "t", "contrast-aVsb"), -group_map(out, "t", "contrast-bVsa"), atol=1e-6
    )


def test_a_slope_is_that_of_linear_regression(call, places):
    bids, out = places
    code, said = call(bids, out, "group", *FAST, "--test-covariate", "age")
    assert code == 0, said
    z = z_scores()
    fits = [stats.linregress(AGES, column) for column in z.T]
    np.testing.assert_allclose(
        group_map(out, "t"), [fit.slope / fit.stderr for fit in fits], rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(group_map(out, "slope"), [fit.slope for fit in fits], atol=1e-7)


def test_nuisance_covariates_leave_the_mean_and_take_out_variance(call, places):
    bids, out = places
    code, said = call(bids, out, "group", *FAST, "--covariates", "age")
    assert code == 0, said
    x = np.column_stack([np.ones(N), AGES - AGES.mean()])
    z = z_scores()
    beta, squares = np.linalg.lstsq(x, z, rcond=None)[:2]
    error = np.sqrt(squares / (N - 2) * np.linalg.inv(x.T @ x)[0, 0])
    np.testing.assert_allclose(group_map(out, "t"), beta[0] / error, rtol=3e-5, atol=1e-5)


def test_a_covariate_of_two_texts_from_a_table_outside_the_dataset(call, places, tmp_path):
    bids, out = places
    sexes = "FMMFMFFM"
    rows = [f"sub-{i:02d}\t{sex}" for i, sex in enumerate(sexes, start=1)]
    table = tmp_path / "elsewhere" / "people.tsv"
    write_participants(table.parent, rows, "participant_id\tsex")
    (table.parent / "participants.tsv").rename(table)
    (bids / "participants.tsv").unlink()
    options = ("--covariates", "sex", "--participants-file", table)
    code, said = call(bids, out, "group", *FAST, *options)
    assert code == 0, said
    assert "Covariate sex: 0 is F, 1 is M." in said
    sidecar = group_sidecar(out, "t")
    assert sidecar["CovariateCoding"] == {"sex": {"F": 0, "M": 1}}
    assert sidecar["Covariates"] == {"sex": [float(sex == "M") for sex in sexes]}
    male = np.array([sex == "M" for sex in sexes]) - 0.5
    x = np.column_stack([np.ones(N), male])
    z = z_scores()
    beta, squares = np.linalg.lstsq(x, z, rcond=None)[:2]
    error = np.sqrt(squares / (N - 2) * np.linalg.inv(x.T @ x)[0, 0])
    np.testing.assert_allclose(group_map(out, "t"), beta[0] / error, rtol=3e-5, atol=1e-5)


def test_sessions_are_averaged_after_the_transform_and_never_count_as_subjects(call, tmp_path):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    for session, seed in (("1", 7), ("2", 8)):
        for i in range(1, N + 1):
            write_map(out, f"{i:02d}", subject_scores(i, seed=seed), session=session)
    code, said = call(bids, out, "group", *FAST)
    assert code == 0, said
    assert len(list(out.glob("group/ses-*_stat-t_*statmap.nii.gz"))) == 2
    code, said = call(bids, out, "group", *FAST, "--average-sessions")
    assert code == 0, said
    both = (z_scores(seed=7) + z_scores(seed=8)) / 2
    expected = stats.ttest_1samp(both, 0.0).statistic
    (path,) = out.glob("group/task-*_stat-t_*statmap.nii.gz")
    values = np.asarray(nib.load(path).dataobj)[inside_volume()]
    np.testing.assert_allclose(values, expected, rtol=3e-5, atol=1e-5)


def test_partial_coverage_keeps_voxels_that_some_lack(call, places):
    bids, out = places
    hole = inside_volume()
    hole[2, 2, 2] = hole[6, 2, 2] = False
    write_map(out, "03", subject_scores(3), inside=hole)
    code, said = call(bids, out, "group", *FAST)
    assert code == 0, said
    assert "sub-03 2" in said
    assert group_volume(out, "nsubjects")[2, 2, 2] == 0
    code, said = call(bids, out, "group", *FAST, "--coverage", "0.8", "--overwrite")
    assert code == 0, said
    assert group_volume(out, "nsubjects")[2, 2, 2] == N - 1
    assert group_volume(out, "nsubjects")[4, 4, 4] == N
    z = [np.arctanh(np.float32(subject_scores(i)[2, 2, 2])) for i in range(1, N + 1) if i != 3]
    expected = stats.ttest_1samp(np.array(z, dtype=float), 0.0).statistic
    assert group_volume(out, "t")[2, 2, 2] == pytest.approx(expected, rel=1e-4)


def test_a_group_mask_narrows_what_is_tested(call, places, tmp_path):
    bids, out = places
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:6, 3:8, 2:6] = 1
    nib.save(nib.Nifti1Image(mask, AFFINE), tmp_path / "mask.nii.gz")
    code, said = call(bids, out, "group", *FAST, "--group-mask", tmp_path / "mask.nii.gz")
    assert code == 0, said
    tested = group_volume(out, "nsubjects") > 0
    np.testing.assert_array_equal(tested, (mask > 0) & inside_volume())


def test_scores_that_are_no_correlations_are_not_transformed(call, tmp_path):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    scores = write_group(out, comparison="kendall-tau-a")
    code, said = call(bids, out, "group", *FAST)
    assert code == 0, said
    np.testing.assert_allclose(group_map(out, "mean"), scores.mean(axis=0), atol=1e-6)
    assert group_sidecar(out, "mean")["Transform"] == "none"
    assert list(out.glob("group/*meas-kendalltaua_stat-t_desc-planted_statmap.nii.gz"))


def test_perfect_correlations_stand_half_a_rank_step_from_one(call, places):
    bids, out = places
    perfect = subject_scores(1)
    perfect[4, 5, 4] = 1.0
    write_map(out, "01", perfect)
    code, said = call(bids, out, "group", *FAST)
    assert code == 0, said
    largest = 1 - 6 / (N_CELLS * (N_CELLS**2 - 1))
    others = [np.arctanh(np.float32(subject_scores(i)[4, 5, 4])) for i in range(2, N + 1)]
    expected = np.mean([np.arctanh(largest), *map(float, others)])
    assert group_volume(out, "meanFisherz")[4, 5, 4] == pytest.approx(expected, rel=1e-5)
    assert group_sidecar(out, "t")["PerfectCorrelationsLimited"] == 1


def test_smoothing_takes_nothing_from_outside_the_mask(call, tmp_path):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    for i in range(1, N + 1):
        write_map(out, f"{i:02d}", np.full(SHAPE, 0.1 + 0.01 * i))
    code, said = call(bids, out, "group", *FAST, "--smoothing-fwhm", "8")
    assert code == 0, said
    means = group_map(out, "mean")
    np.testing.assert_allclose(means, means[0], rtol=1e-6)


def test_a_joint_correction_is_the_maximum_over_all_maps(call, places):
    bids, out = places
    write_model(out, "strong", effect=0.8, seed=9)
    assert call(bids, out, "group", *FAST)[0] == 0
    alone = {m: group_map(out, "tFWEp", f"desc-{m}") for m in ("planted", "strong")}
    code, said = call(bids, out, "group", *FAST, "--fwe-over", "models", "--overwrite")
    assert code == 0, said
    for model, before in alone.items():
        assert (group_map(out, "tFWEp", f"desc-{model}") >= before - 1e-7).all()
    assert (group_map(out, "tFWEp", "desc-planted") > alone["planted"]).any()
    assert "2 models" in group_sidecar(out, "t", "desc-planted")["Tried"]


@pytest.mark.parametrize(
    ("primary", "stat"),
    [
        ("maxt", "tFWEp"),
        ("tfce", "tfceFWEp"),
        ("cluster-mass", "clusterMassFWEp"),
        ("cluster-size", "clusterSizeFWEp"),
        ("fdr", "fdrq"),
    ],
)
def test_the_primary_method_makes_the_thresholded_map_and_the_table(call, places, primary, stat):
    bids, out = places
    code, said = call(bids, out, "group", *FAST, "--primary", primary, "--alpha", "0.1")
    assert code == 0, said
    t, p = group_map(out, "t"), group_map(out, stat)
    expected = np.where((p <= 0.1 + 1e-6) & (t > 0), t, 0)
    np.testing.assert_allclose(group_map(out, "tThr"), expected, rtol=1e-6)
    assert group_sidecar(out, stat)["Role"] == "primary"
    rows = group_table(out, "clusters")
    assert sum(int(row["size_voxels"]) for row in rows) == (expected != 0).sum()
    assert len(group_table(out, "peakscores")) == N * len(rows)


def test_the_table_of_clusters_names_the_peak_in_mm(plain_run):
    out = plain_run
    first = group_table(out, "clusters")[0]
    peak = [float(first[f"peak_{axis}"]) for axis in "xyz"]
    ijk = np.rint(np.linalg.solve(AFFINE, [*peak, 1])[:3]).astype(int)
    t = group_volume(out, "t")
    assert planted_volume()[tuple(ijk)]
    assert float(first["t"]) == pytest.approx(t[tuple(ijk)], rel=1e-4)
    assert float(first["size_mm3"]) == int(first["size_voxels"]) * 64
    scores = [np.float32(subject_scores(i)[tuple(ijk)]) for i in range(1, N + 1)]
    assert float(first["share_above_0"]) == np.mean(np.array(scores) > 0)
    told = [float(r["score"]) for r in group_table(out, "peakscores") if r["cluster"] == "1"]
    np.testing.assert_allclose(told, np.arctanh(scores), rtol=1e-4)


def test_who_is_in_and_who_is_not_and_why(call, places):
    bids, out = places
    (out / "sub-05/func").rename(out / "sub-05/gone")
    for file in (out / "sub-05/gone").iterdir():
        file.unlink()
    code, said = call(bids, out, "group", *FAST, "--exclude-participant-label", "sub-02")
    assert code == 0, said
    rows = {row["participant_id"]: row for row in group_table(out, "subjects")}
    assert rows["sub-02"]["status"] == "out"
    assert "--exclude-participant-label" in rows["sub-02"]["why"]
    assert rows["sub-05"]["status"] == "out"
    assert rows["sub-01"]["status"] == "in"
    assert int(rows["sub-01"]["centers"]) == inside_volume().sum()
    mean = subject_scores(1).astype(np.float32)[inside_volume()].mean()
    assert float(rows["sub-01"]["mean_score"]) == pytest.approx(mean, rel=1e-4)
    assert group_sidecar(out, "t")["Participants"] == [f"sub-{i:02d}" for i in (1, 3, 4, 6, 7, 8)]


def test_every_sidecar_says_what_the_inference_means(plain_run):
    out = plain_run
    sidecars = list(out.glob("group/*.json"))
    images = list(out.glob("group/*.nii.gz")) + list(out.glob("group/*.tsv"))
    assert len(sidecars) == len(images) > 20
    for path in sidecars:
        content = json.loads(path.read_text())
        assert "over participants, not over conditions" in content["Interpretation"], path
        assert "up to one radius (8 mm) away" in content["Interpretation"], path
        assert "1 model (planted), 1 comparison (spearman), 1 tail" in content["Tried"], path
    keys = ("Test", "Tail", "Permutations", "RandomSeed", "Transform", "Participants", "Correction",
            "ClusterFormingThreshold", "Connectivity", "Alpha", "Sources", "Model")  # fmt: skip
    found = group_sidecar(out, "tfceFWEp")
    assert not [key for key in keys if key not in found]
    for uri in found["Sources"]:
        assert (out / uri.removeprefix("bids::")).is_file()


def test_the_page_of_the_outputs_names_the_keys_of_a_group_map(plain_run, pytestconfig):
    page = (pytestconfig.rootpath / "docs" / "outputs.md").read_text(encoding="utf-8")
    table = page.partition("## Keys of a group map's JSON")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    (own,) = plain_run.glob("sub-01/func/*_stat-spearman_*_statmap.json")
    of_participants = set(json.loads(own.read_text())) | {"Description", "Sources"}
    found = set(group_sidecar(plain_run, "tFWEp")) - of_participants
    of_null_maps = {"Null", "NullMapsPerMap", "NullClusters"}
    of_grayordinates = {"PartsCorrectedFor", "SmallestCorrectedP"}
    elsewhere = of_null_maps | of_grayordinates
    assert named - of_participants - elsewhere == found - {"SoftwareVersions"}
    assert named >= elsewhere


def test_pictures_are_there(plain_run):
    out = plain_run
    for end in ("png", "svg"):
        kinds = {path.stem.rsplit("_", 1)[1] for path in out.glob(f"group/figures/*.{end}")}
        assert kinds == {"glass", "mosaic", "null", "peakscores"}


@pytest.mark.parametrize("tail", ["less", "two-sided"])
def test_other_tails_warn_and_find_what_they_should(call, tmp_path, tail):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    for i in range(1, N + 1):
        write_map(out, f"{i:02d}", -subject_scores(i))
    code, said = call(bids, out, "group", *FAST, "--tail", tail)
    assert code == 0, said
    assert "skewed" in said
    assert any("skewed" in text for text in group_sidecar(out, "t")["Warnings"])
    planted = planted_volume()[inside_volume()]
    assert (group_map(out, "tThr")[planted] < 0).all()


def test_few_subjects_are_warned_about(call, tmp_path):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    write_group(out, n_subjects=4)
    code, said = call(bids, out, "group")
    assert code == 0, said
    assert "0.0625" in said
    assert "nothing can be significant" in said
    assert (group_map(out, "tThr") == 0).all()
    assert group_table(out, "clusters") == []


def test_the_seed_changes_the_draws_and_is_recorded(call, places):
    bids, out = places
    assert call(bids, out, "group", *FAST)[0] == 0
    first = group_map(out, "p")
    assert call(bids, out, "group", *FAST, "--random-seed", "5", "--overwrite")[0] == 0
    assert group_sidecar(out, "p")["RandomSeed"] == 5
    assert (group_map(out, "p") != first).any()


def test_participants_warnings_are_handed_on(call, tmp_path):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    warned = {"Warnings": ["Conditions have unequal numbers of images."]}
    for i in range(1, N + 1):
        write_map(out, f"{i:02d}", subject_scores(i), metadata=warned if i < 4 else None)
    code, said = call(bids, out, "group", *FAST)
    assert code == 0, said
    assert "3 of 8 participants: Conditions have unequal numbers" in said


@pytest.mark.parametrize(("n_subjects", "n_cells"), [(3, 3), (8, 3), (8, 28)])
def test_an_effect_at_the_ceiling_has_a_finite_t(call, tmp_path, n_subjects, n_cells):
    """Every subject has a score of 1 where the effect is planted: the sd there is 0."""
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    rng = np.random.default_rng(0)
    planted = planted_volume()
    for number in range(1, n_subjects + 1):
        scores = rng.choice([-1.0, -0.5, 0.5, 1.0], SHAPE)
        if n_cells == 28:
            scores = np.clip(rng.normal(0, 0.15, SHAPE), -0.9, 0.9)
        scores[planted] = 1.0
        write_map(out, f"{number:02d}", scores, metadata={"CellsUsed": n_cells})
    code, said = call(bids, out, "group", *FAST)
    assert code == 0, said
    core = planted[inside_volume()]
    half = 6 / (n_cells**3 - n_cells)
    known = np.arctanh(1 - half) - np.arctanh(1 - 2 * half)
    t = group_map(out, "t")
    np.testing.assert_allclose(t[core], np.arctanh(1 - half) / known * n_subjects**0.5, rtol=1e-5)
    np.testing.assert_allclose(group_map(out, "cohensd"), t / n_subjects**0.5, rtol=1e-5, atol=1e-6)
    assert group_map(out, "tfceFWEp")[core].max() <= {3: 0.126, 8: 0.02}[n_subjects]
    little = group_sidecar(out, "t")["VoxelsWithLittleSpread"]
    assert core.sum() <= little < t.size
    assert f"At {little} of {t.size} voxels" in said


@pytest.mark.parametrize(
    ("n_subjects", "conditions", "options", "expected"),
    [
        (
            4,
            8,
            (),
            (
                "0.0625",
                "4 participants limit it: they have 16 sign flips",
                "At least 5 participants",
            ),
        ),
        (
            5,
            8,
            ("--tail", "two-sided"),
            ("0.0625", "have 32 sign flips", "At least 6 participants"),
        ),
        (3, 3, (), ("0.125", "The 3 participants limit it", "3 conditions have 6 orders", "0.167")),
        (8, 3, ("--n-permutations", "10"), ("0.0909", "10 permutations limit", "at least 19 are")),
    ],
)
def test_what_keeps_p_above_alpha_is_said_before_anything_runs(
    call, tmp_path, n_subjects, conditions, options, expected
):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    write_group(out, n_subjects=n_subjects, metadata={"Conditions": list("abcdefgh")[:conditions]})
    code, said = call(bids, out, "group", "--dry-run", *options)
    assert code == 0, said
    for text in expected:
        assert text in said
    assert ("participants limit it" in said) != ("permutations limit it" in said)
