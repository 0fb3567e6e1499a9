"""Each option of the group level changes what it says it changes, on maps as they lie on disk."""

import itertools
import re
import time
from datetime import UTC, datetime

import nibabel as nib
import numpy as np
import pytest
from group_trees import (
    AFFINE,
    SHAPE,
    as_written,
    group_map,
    group_sidecar,
    group_table,
    group_volume,
    inside_volume,
    subject_scores,
    write_group,
    write_map,
)
from scipy import stats

from bids_rsa.app.group_messages import fdr_words
from bids_rsa.outputs.provenance import new_run_id

FAST = ("--n-permutations", "150")
ALL = ("--n-permutations", "256")  # every flip of eight subjects
N = 8
GROUPS = np.array(list("aabbabab"))
AGES = np.array([20 + i * i % 11 for i in range(1, N + 1)], dtype=float)
TAILS = {"greater": np.asarray, "less": np.negative, "two-sided": np.abs}


def scores_written(**keywords):
    return as_written([subject_scores(i, **keywords) for i in range(1, N + 1)])


def all_flipped_t(z):
    """The t of every flip of the subjects' signs, (256, n_voxels); the first is no flip."""
    signs = np.array(list(itertools.product((1, -1), repeat=N)))
    return np.array([stats.ttest_1samp(z * row[:, None], 0.0).statistic for row in signs])


def share_reached(values, observed):
    """The share of values that reach each observed one, up to the rounding of files."""
    return (values >= observed - 1e-6 * np.maximum(1, np.abs(observed))).mean(axis=0)


@pytest.mark.parametrize("tail", TAILS)
def test_the_tail_counts_on_its_side(call, places, tail):
    bids, out = places
    code, said = call(bids, out, "group", *ALL, "--tail", tail)
    assert code == 0, said
    t = TAILS[tail](all_flipped_t(np.arctanh(scores_written())))
    assert group_sidecar(out, "p")["RelabelingsExhaustive"] is True
    np.testing.assert_allclose(group_map(out, "p"), share_reached(t, t[0]), atol=1e-6)
    largest = t.max(axis=1)[:, None]
    np.testing.assert_allclose(group_map(out, "tFWEp"), share_reached(largest, t[0]), atol=1e-6)
    assert group_sidecar(out, "p")["Tail"] == tail
    tails = "2 tails (greater, less)" if tail == "two-sided" else f"1 tail ({tail})"
    assert tails in group_sidecar(out, "p")["Tried"]


def test_a_joint_correction_by_hand(call, places):
    bids, out = places
    for i in range(1, N + 1):
        write_map(out, f"{i:02d}", subject_scores(i, effect=0.3, seed=9), model="other")
    code, said = call(bids, out, "group", *ALL, "--fwe-over", "models")
    assert code == 0, said
    t = {
        "planted": all_flipped_t(np.arctanh(scores_written())),
        "other": all_flipped_t(np.arctanh(scores_written(effect=0.3, seed=9))),
    }
    largest = np.maximum(*(values.max(axis=1) for values in t.values()))[:, None]
    for model, values in t.items():
        found = group_map(out, "tFWEp", f"desc-{model}")
        np.testing.assert_allclose(found, share_reached(largest, values[0]), atol=1e-6)
        said_there = group_sidecar(out, "tfceFWEp", f"desc-{model}")
        assert "over all 2 maps of this call" in said_there["Correction"]
        assert len(said_there["FWEOver"]) == 2


@pytest.mark.parametrize("tail", ["greater", "two-sided"])
@pytest.mark.parametrize("cluster_p", [0.001, 0.02])
def test_cluster_p_is_the_tail_beyond_which_clusters_form(call, places, cluster_p, tail):
    bids, out = places
    options = ("--cluster-p", cluster_p, "--tail", tail, "--primary", "cluster-mass")
    code, said = call(bids, out, "group", *FAST, *options)
    assert code == 0, said
    upper = cluster_p / 2 if tail == "two-sided" else cluster_p
    threshold = stats.t.isf(upper, N - 1)
    told = group_sidecar(out, "clusterMassFWEp")
    assert told["ClusterFormingThreshold"] == pytest.approx(threshold)
    assert told["ClusterFormingP"] == cluster_p
    t = TAILS[tail](group_map(out, "t"))
    for stat in ("clusterMassFWEp", "clusterSizeFWEp"):
        assert (group_map(out, stat)[t <= threshold - 1e-5] == 1).all()
    # every voxel above the threshold in the cluster with the planted effect, and no other
    first = group_table(out, "clusters")[0]
    where = group_map(out, "tThr") != 0
    assert t[where].min() > threshold - 1e-5
    assert float(first["mass"]) == pytest.approx((t[where] - threshold).sum(), rel=1e-4)
    assert int(first["size_voxels"]) == where.sum()


@pytest.mark.parametrize(("connectivity", "n_clusters"), [(6, 3), (18, 2), (26, 1)])
def test_connectivity_says_which_voxels_are_neighbours(call, tmp_path, connectivity, n_clusters):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    effect = np.zeros(SHAPE, bool)
    effect[2:4, 2:4, 2:4] = True
    effect[4:6, 4:6, 2:4] = True  # shares an edge with the first
    effect[6:8, 6:8, 4:6] = True  # shares a corner with the second
    for i in range(1, N + 1):
        rng = np.random.default_rng(i)
        write_map(out, f"{i:02d}", rng.normal(0, 0.02, SHAPE) + 0.5 * effect)
    options = ("--connectivity", connectivity, "--primary", "maxt", "--cluster-p", "1e-5")
    code, said = call(bids, out, "group", "--n-permutations", "256", *options)
    assert code == 0, said
    rows = group_table(out, "clusters")
    assert len(rows) == n_clusters
    assert sum(int(row["size_voxels"]) for row in rows) == effect.sum()
    # at the height of the lowest of them all 24 are one extent, or eight are
    tfce, t = group_volume(out, "tfce")[effect], group_volume(out, "t")[effect]
    within = {6: 8, 18: 16, 26: 24}[connectivity]
    assert tfce.max() >= np.sqrt(within) * t.min() ** 3 / 3
    assert tfce.min() == pytest.approx(np.sqrt(within) * t.min() ** 3 / 3, rel=0.6)
    assert group_sidecar(out, "tfce")["Connectivity"] == connectivity


@pytest.mark.parametrize("comparison", ["spearman", "regression"])
@pytest.mark.parametrize("transform", ["none", "fisher"])
def test_transform_overrides_what_the_comparison_has(call, tmp_path, comparison, transform):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    fit = {"ModelsInFit": [{"Name": "planted", "SHA256": "planted"}]}
    scores = write_group(out, comparison=comparison, metadata=fit)
    code, said = call(bids, out, "group", *FAST, "--transform", transform)
    assert code == 0, said
    tested = scores if transform == "none" else np.arctanh(scores)
    expected = stats.ttest_1samp(tested, 0.0).statistic
    np.testing.assert_allclose(group_map(out, "t"), expected, rtol=2e-5, atol=1e-5)
    mean = scores.mean(0) if transform == "none" else np.tanh(tested.mean(0))
    np.testing.assert_allclose(group_map(out, "mean"), mean, atol=1e-6)
    assert bool(list(out.glob("group/*stat-meanFisherz_*"))) == (transform == "fisher")
    assert group_sidecar(out, "t")["Transform"] == transform


def test_smoothing_is_a_gaussian_mean_over_the_voxels_inside(call, tmp_path):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    sizes_mm, fwhm_mm = np.array([4.0, 4.0, 6.0]), 7.0
    scores = write_group(out, affine=np.diag([*sizes_mm, 1.0]))
    code, said = call(bids, out, "group", *FAST, "--smoothing-fwhm", fwhm_mm)
    assert code == 0, said
    places_mm = np.argwhere(inside_volume()) * sizes_mm
    squares = ((places_mm[:, None] - places_mm[None]) ** 2).sum(axis=-1)
    weights = np.exp(-squares * 4 * np.log(2) / fwhm_mm**2)
    weights /= weights.sum(axis=1, keepdims=True)
    smooth = np.arctanh(scores) @ weights.T
    np.testing.assert_allclose(group_map(out, "meanFisherz"), smooth.mean(0), atol=2e-4)
    expected = stats.ttest_1samp(smooth, 0.0).statistic
    np.testing.assert_allclose(group_map(out, "t"), expected, rtol=5e-3, atol=5e-3)
    assert group_sidecar(out, "t")["SmoothingFWHM"] == fwhm_mm


@pytest.mark.parametrize("alpha", [0.005, 0.05, 0.4])
def test_alpha_is_where_the_thresholded_map_ends(call, places, alpha):
    bids, out = places
    code, said = call(bids, out, "group", *ALL, "--primary", "maxt", "--alpha", alpha)
    assert code == 0, said
    p, shown = group_map(out, "tFWEp"), group_map(out, "tThr") != 0
    np.testing.assert_array_equal(shown, (p <= alpha + 1e-7) & (group_map(out, "t") > 0))
    assert len({int((p <= other).sum()) for other in (0.005, 0.05, 0.4)}) == 3
    critical = group_sidecar(out, "tThr")["CriticalValue"]
    t = group_map(out, "t")
    assert t[shown].min() > critical - 1e-5
    assert t[~shown].max() < critical + 1e-5


def test_groups_with_a_covariate_are_the_linear_model(call, places):
    bids, out = places
    options = ("--group-column", "group", "--covariates", "age")
    code, said = call(bids, out, "group", *FAST, *options)
    assert code == 0, said
    z = np.arctanh(scores_written())
    x = np.column_stack([GROUPS == "a", np.ones(N), AGES])
    beta, squares = np.linalg.lstsq(x, z, rcond=None)[:2]
    error = np.sqrt(squares / (N - 3) * np.linalg.inv(x.T @ x)[0, 0])
    np.testing.assert_allclose(group_map(out, "t"), beta[0] / error, rtol=1e-4, atol=1e-5)
    assert group_sidecar(out, "t")["DegreesOfFreedom"] == str(N - 3)
    assert group_sidecar(out, "t")["Covariates"] == {"age": list(AGES)}


def test_pooled_sd_and_group_means(call, places):
    bids, out = places
    code, said = call(bids, out, "group", *FAST, "--group-column", "group")
    assert code == 0, said
    z = np.arctanh(scores_written())
    a, b = z[GROUPS == "a"], z[GROUPS == "b"]
    pooled = np.sqrt((a.var(0, ddof=1) * (len(a) - 1) + b.var(0, ddof=1) * (len(b) - 1)) / (N - 2))
    difference = a.mean(0) - b.mean(0)
    np.testing.assert_allclose(group_map(out, "cohensd"), difference / pooled, atol=1e-5)
    np.testing.assert_allclose(group_map(out, "meanFisherz"), difference, atol=1e-6)
    own = np.tanh(a.mean(0)) - np.tanh(b.mean(0))
    np.testing.assert_allclose(group_map(out, "mean"), own, atol=1e-6)


def test_a_subject_with_fewer_sessions_is_told(call, tmp_path):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    for session, last in (("1", N), ("2", N - 1)):
        for i in range(1, last + 1):
            scores = subject_scores(i, seed=7 + int(session))
            write_map(out, f"{i:02d}", scores, session=session)
    code, said = call(bids, out, "group", *FAST, "--average-sessions")
    assert code == 0, said
    assert "different numbers of sessions" in said
    assert "sub-07 2, sub-08 1" in said
    assert len(group_sidecar(out, "t")["Participants"]) == N


def test_a_group_mask_on_another_grid_is_brought_to_the_maps(call, places, tmp_path):
    bids, out = places
    fine = np.diag([2.0, 2.0, 2.0, 1.0])
    fine[:3, 3] = AFFINE[:3, 3] - 1
    mask = np.zeros([2 * n for n in SHAPE], np.uint8)
    mask[6:12, 6:16, 4:12] = 1
    nib.save(nib.Nifti1Image(mask, fine), tmp_path / "mask.nii.gz")
    code, said = call(bids, out, "group", *FAST, "--group-mask", tmp_path / "mask.nii.gz")
    assert code == 0, said
    assert "resampled" in said
    expected = np.zeros(SHAPE, bool)
    expected[3:6, 3:8, 2:6] = True
    np.testing.assert_array_equal(group_volume(out, "nsubjects") > 0, expected & inside_volume())
    assert group_sidecar(out, "t")["GroupMask"]["File"] == "mask.nii.gz"


@pytest.fixture(scope="module")
def many_kinds(tmp_path_factory):
    """Maps of two sessions, spaces, comparisons and models."""
    out = tmp_path_factory.mktemp("kinds") / "out"
    kinds = itertools.product(
        ("1", "2"), ("MNI152Lin", "fsaverage"), ("spearman", "pearson"), ("planted", "other")
    )
    for seed, (session, space, comparison, model) in enumerate(kinds):
        for i in range(1, 4):
            scores = subject_scores(i, seed=seed)
            write_map(out, f"{i:02d}", scores, model, comparison, session, space)
    (out.parent / "bids").mkdir()
    return out.parent / "bids", out


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--session-label", "ses-2"), ", session 2,"),
        (("--space", "fsaverage"), ", space fsaverage,"),
        (("--comparison", "pearson"), ", pearson,"),
        (("--model", "other"), "model other,"),
    ],
)
def test_what_is_selected_is_tested(call, many_kinds, options, part):
    bids, out = many_kinds
    code, everything = call(bids, out, "group", "--dry-run")
    assert code == 0, everything
    code, chosen = call(bids, out, "group", "--dry-run", *options)
    assert code == 0, chosen
    tests = [
        [line.split("  ")[0] for line in said.splitlines() if line.startswith("model ")]
        for said in (everything, chosen)
    ]
    assert len(tests[0]) == 16
    assert tests[1] == [name for name in tests[0] if part in f"{name},"]
    assert len(tests[1]) == 8


def test_tasks_are_selected(call, tmp_path):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    write_group(out, n_subjects=3)
    for path in [*out.glob("sub-*/func/*_task-x_*")]:
        copy = path.with_name(path.name.replace("task-x", "task-y"))
        copy.write_bytes(path.read_bytes())
    code, said = call(bids, out, "group", "--dry-run")
    assert code == 0, said
    assert "task x, space" in said and "task y, space" in said
    code, said = call(bids, out, "group", "--dry-run", "--task-label", "y")
    assert code == 0, said
    assert "task y, space" in said and "task x, space" not in said


def test_participants_are_selected(call, places):
    bids, out = places
    chosen = ["02", "03", "05", "08"]
    code, said = call(bids, out, "group", *FAST, "--participant-label", *chosen[:3], "sub-08")
    assert code == 0, said
    assert group_sidecar(out, "t")["Participants"] == [f"sub-{s}" for s in chosen]
    rows = {row["participant_id"]: row for row in group_table(out, "subjects")}
    assert "--participant-label" in rows["sub-01"]["why"]
    code, said = call(bids, out, "group", "--list-participants", "--participant-label", *chosen)
    assert code == 0, said
    assert [line for line in said.splitlines() if len(line) == 2] == chosen


def test_the_voxels_that_the_fdr_needs_are_told(plain_run):
    told = group_sidecar(plain_run, "fdrq")
    n = int(inside_volume().sum())
    assert told["SmallestP"] == pytest.approx(1 / 151)
    # with k voxels at the floor the smallest adjusted p is n / (151 k)
    k = told["VoxelsNeededForFDR"]
    assert n / (151 * k) <= 0.05 < n / (151 * (k - 1))
    (log,) = plain_run.glob("group/log/*/bids_rsa.log")
    assert f"{k} voxels would have to reach the smallest p" in log.read_text()


def test_runs_are_named_and_logged_in_utc_and_their_names_sort(call, places, monkeypatch):
    bids, out = places
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Pacific/Kiritimati")  # 14 hours before UTC
        time.tzset()
        before = datetime.now(UTC)
        assert call(bids, out, "group", *FAST)[0] == 0
        after = datetime.now(UTC)
        names = [new_run_id() for _ in range(200)]
    time.tzset()
    stamps = [name.partition("_")[0] for name in names]
    assert len(set(names)) == len(names) and stamps == sorted(stamps)
    (log,) = out.glob("group/log/*/bids_rsa.log")
    named = datetime.strptime(log.parent.name.partition("_")[0], "%Y%m%dT%H%M%S.%f%z")
    assert before <= named <= after
    logged = [datetime.fromisoformat(line.split()[0]) for line in log.read_text().splitlines()]
    assert all(before.replace(microsecond=0) <= moment <= after for moment in logged)
    page = (out / "group.html").read_text()
    (written,) = re.findall(r'<time datetime="(.*?)">', page)
    minute = before.replace(second=0, microsecond=0)
    assert minute <= datetime.fromisoformat(written) <= after


def test_the_settings_of_a_run_repeat_it(call, places, tmp_path):
    bids, out = places
    options = ("--cluster-p", "0.01", "--connectivity", "18", "--tail", "two-sided")
    assert call(bids, out, "group", *FAST, *options)[0] == 0
    (settings,) = out.glob("group/log/*/bids_rsa.toml")
    code, said = call(bids, out, "group", "--config-file", settings)
    assert code == 0, said
    assert "complete with the same settings: skipped" in said
    assert group_sidecar(out, "t")["Connectivity"] == 18


@pytest.mark.parametrize(
    ("needed", "words"),
    [(1, "1 voxel would"), (175, "175 voxels would"), (219, "175 are tested, none can be")],
)
def test_an_fdr_out_of_reach_is_told(needed, words):
    sidecar = {"VoxelsNeededForFDR": needed, "VoxelsTested": 175, "SmallestP": 0.0625}
    said = fdr_words(sidecar, ("voxel", "voxels"), 0.05)
    assert words in said
    assert ("none can be" in said) == (needed > 175)


def test_participants_not_asked_for_are_no_warning(call, places):
    bids, out = places
    code, said = call(
        bids, out, "group", *FAST, "--participant-label", "01", "02", "03", "05", "06"
    )
    assert code == 0, said
    (line,) = [line for line in said.splitlines() if "not among --participant-label" in line]
    assert "INFO" in line and "sub-08" in line
