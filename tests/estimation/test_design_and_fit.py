"""Designs and fits: nilearn's and numpy's numbers, planted betas, what cannot be estimated."""

import tracemalloc
from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.contrasts import compute_contrast
from nilearn.glm.first_level import make_first_level_design_matrix, run_glm
from sklearn.linear_model import LinearRegression

from bids_rsa.errors import ContentError, OptionError
from bids_rsa.estimation.confound_strategies import STRATEGIES
from bids_rsa.estimation.confounds import Nuisance
from bids_rsa.estimation.covariance import design_covariance
from bids_rsa.estimation.design import HRF_MODELS, build_design, trial_designs
from bids_rsa.estimation.design_correlation import design_correlation
from bids_rsa.estimation.events import Events
from bids_rsa.estimation.fit import fit_run, scale_factors
from bids_rsa.estimation.high_pass import check_high_pass, removed_shares
from bids_rsa.estimation.images import estimate_run
from bids_rsa.estimation.names import CONFOUND_STRATEGIES, HRF_NAMES
from bids_rsa.records import BoldRun
from bids_rsa.settings import BoldSettings

N, TR = 120, 2.0
TIMES = 1.0 + TR * np.arange(N)
NAMES = ("cat", "face", "house")


def events(seed=0, per_condition=5, names=NAMES):
    random = np.random.default_rng(seed)
    onsets = np.sort(random.choice(np.arange(4, 220, 3), per_condition * len(names), replace=False))
    conditions = tuple(random.permutation(np.repeat(names, per_condition)).tolist())
    return Events(conditions, onsets.astype(float), np.full(len(onsets), 2.0))


def nuisance(n_columns=4, seed=0, high_pass_s=128.0):
    values = np.random.default_rng(seed).normal(size=(N, n_columns))
    return Nuisance(values, tuple(f"n{i}" for i in range(n_columns)), (), high_pass_s, "")


def nilearn_matrix(shown, extra, hrf="spm"):
    table = pd.DataFrame(
        {"onset": shown.onsets_s, "duration": shown.durations_s, "trial_type": shown.conditions}
    )
    return make_first_level_design_matrix(
        TIMES, table, hrf_model=hrf, drift_model="cosine", high_pass=1 / 128,
        add_regs=extra.values, add_reg_names=list(extra.names),
    )  # fmt: skip


def noise(n_voxels=50, seed=3):
    series = 1000 + 10 * np.random.default_rng(seed).normal(size=(N, n_voxels))
    return series.astype(np.float32)


@pytest.mark.parametrize("hrf", ["spm", "glover", "spm+derivative", "glover+derivative"])
def test_the_design_is_nilearns_and_its_estimates_are_numpys(hrf):
    shown, extra = events(), nuisance()
    design = build_design(shown, TIMES, extra, hrf)
    expected = nilearn_matrix(shown, extra, hrf.replace("+", " + "))
    np.testing.assert_allclose(design.matrix, expected.to_numpy(), atol=1e-12)
    assert list(design.columns) == list(expected.columns)
    assert design.dof == N - expected.shape[1]
    series = noise()
    betas = np.linalg.lstsq(expected.to_numpy(), series.astype(float), rcond=None)[0]
    own = [list(expected.columns).index(name) for name in NAMES]
    found = fit_run(series, design, scale="none").effects
    np.testing.assert_allclose(found, betas[own], rtol=1e-5)


@pytest.mark.parametrize("model", ["ols", "ar1"])
def test_variances_are_nilearns(model):
    shown, extra, series = events(), nuisance(), noise(5000)
    design = build_design(shown, TIMES, extra)
    labels, results = run_glm(series.astype(float), design.matrix, noise_model=model)
    estimates = fit_run(series, design, noise=model, scale="none", n_threads=2)
    for number, contrast in enumerate(design.contrasts):
        expected = compute_contrast(labels, results, contrast)
        np.testing.assert_allclose(estimates.effects[number], expected.effect_size(), rtol=1e-5)
        np.testing.assert_allclose(
            estimates.variances[number], expected.effect_variance(), rtol=1e-5
        )


@pytest.mark.parametrize("estimate", ["conditions", "trials", "lss"])
def test_known_betas_without_noise_come_back(estimate):
    shown, extra = events(), nuisance()
    betas = np.random.default_rng(8).normal(size=(3, 30))
    matrix = nilearn_matrix(shown, extra).to_numpy()
    series = 100 + matrix[:, :3] @ betas + matrix[:, 3:-1] @ np.ones((matrix.shape[1] - 4, 30))
    design = build_design(shown, TIMES, extra, estimate=estimate)
    found = fit_run(series.astype(np.float32), design, scale="none").effects
    which = [NAMES.index(name) for name in design.conditions]
    np.testing.assert_allclose(found, betas[which], atol=2e-4 if estimate == "lss" else 5e-5)


@pytest.mark.parametrize("moved_s", [0.0, 0.5, 1.0, None])
def test_with_fir_the_estimate_is_the_mean_of_the_bins_around_the_peak(moved_s):
    """Of the bins whose volumes are 4 to 8 s after the onset, wherever events begin."""
    shown = events()
    onsets = TIMES[0] + TR * np.arange(4, 106, 7) + (moved_s or 0.0)
    shown = replace(shown, onsets_s=shown.onsets_s if moved_s is None else onsets)
    design = build_design(shown, TIMES, nuisance(1), hrf="fir")
    assert design.conditions == NAMES
    bins = [i for i, c in enumerate(design.columns) if c.startswith("face_delay_")]
    assert [design.columns[i] for i in bins] == [f"face_delay_{d}" for d in range(9)]
    betas = np.random.default_rng(4).normal(size=(design.matrix.shape[1], 10))
    series = (100 + design.matrix @ betas).astype(np.float32)
    found = fit_run(series, design, scale="none").effects[NAMES.index("face")]
    # an instant at each onset shows which volumes a bin holds
    instants = replace(shown, durations_s=np.zeros(len(shown.onsets_s)))
    shows = build_design(instants, TIMES, nuisance(1), hrf="fir")
    after = TIMES[:, None] - shown.onsets_s
    times = []
    for delay in range(9):
        within = (after > (delay - 1) * TR + 1e-9) & (after <= delay * TR + 1e-9)
        held = sum(shows.matrix[:, shows.columns.index(f"{n}_delay_{delay}")] for n in NAMES)
        assert set(np.flatnonzero(held > 0.01)) == set(np.flatnonzero(within.any(axis=1)))
        times.append(after[within].mean())
    peak = [bins[d] for d in range(9) if 4 <= round(times[d], 6) <= 8]
    assert len(peak) in (2, 3)
    np.testing.assert_allclose(found, betas[peak].mean(axis=0), atol=1e-4)


def test_trials_have_a_regressor_each_and_sum_to_their_condition():
    shown, extra = events(), nuisance()
    whole = build_design(shown, TIMES, extra)
    trials = build_design(shown, TIMES, extra, estimate="trials")
    assert trials.conditions == shown.conditions
    for number, name in enumerate(NAMES):
        own = np.array(trials.conditions) == name
        columns = trials.contrasts[own].any(axis=0)
        np.testing.assert_allclose(
            trials.matrix[:, columns].sum(axis=1), whole.matrix[:, number], atol=1e-10
        )


def test_least_squares_separate_is_a_model_for_each_trial():
    shown, extra, series = events(), nuisance(), noise()
    design = build_design(shown, TIMES, extra, estimate="lss")
    found = fit_run(series, design, scale="none")
    for trial, condition in enumerate(shown.conditions):
        names = [("trial" if i == trial else c) for i, c in enumerate(shown.conditions)]
        matrix = nilearn_matrix(Events(tuple(names), shown.onsets_s, shown.durations_s), extra)
        labels, results = run_glm(series.astype(float), matrix.to_numpy(), noise_model="ols")
        contrast = (matrix.columns == "trial").astype(float)
        expected = compute_contrast(labels, results, contrast)
        assert design.conditions[trial] == condition
        np.testing.assert_allclose(
            found.effects[trial], expected.effect_size(), rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(found.variances[trial], expected.effect_variance(), rtol=1e-4)
    assert len(list(trial_designs(design))) == len(shown.conditions)


def test_collinear_conditions_are_named_with_their_partners():
    shown = events()
    twins = Events(
        (*shown.conditions, *("twin" for c in shown.conditions if c == "cat")),
        np.concatenate([shown.onsets_s, shown.onsets_s[np.array(shown.conditions) == "cat"]]),
        np.full(20, 2.0),
    )
    design = build_design(twins, TIMES, nuisance())
    assert dict(design.unestimable) == {
        "cat": "it is collinear with twin", "twin": "it is collinear with cat"
    }  # fmt: skip
    assert np.isnan(design_covariance(design)[0]).all()
    alone = build_design(shown, TIMES, nuisance())
    assert alone.unestimable == ()
    # the other conditions are estimated as if one of the twins were not there
    series = noise()
    kept = [list(design.conditions).index(name) for name in ("face", "house")]
    np.testing.assert_allclose(
        fit_run(series, design).effects[kept], fit_run(series, alone).effects[1:], rtol=1e-4
    )


def test_a_condition_that_is_a_sum_of_others_and_a_confound_is_named():
    shown = events()
    first = build_design(shown, TIMES, nuisance())
    leak = Nuisance(first.matrix[:, :1] - first.matrix[:, 1:2], ("odd",), (), None, "")
    reasons = dict(build_design(shown, TIMES, leak).unestimable)
    assert set(reasons) == {"cat", "face"}
    assert "odd" in reasons["cat"] and "face" in reasons["cat"]


def test_a_condition_without_response_cannot_be_estimated():
    shown = events()
    late = Events((*shown.conditions, "late"), np.append(shown.onsets_s, 239.0), np.full(16, 2.0))
    assert dict(build_design(late, TIMES, nuisance()).unestimable) == {
        "late": "it has no response within the run"
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("estimate", ["conditions", "trials", "lss"])
@pytest.mark.parametrize("model", ["ols", "ar1"])
def test_a_condition_without_response_leaves_the_others_as_they_are(estimate, model):
    plain, series = events(), noise()
    late = Events(
        (*plain.conditions, "late"),
        np.append(plain.onsets_s, TIMES[-1] + 0.9),
        np.append(plain.durations_s, 1.0),
    )
    with_late = build_design(late, TIMES, nuisance(), estimate=estimate)
    assert [name for name, _ in with_late.unestimable] == ["late"]
    found = fit_run(series, with_late, noise=model)
    wanted = fit_run(series, build_design(plain, TIMES, nuisance(), estimate=estimate), noise=model)
    np.testing.assert_allclose(found.effects[:-1], wanted.effects, rtol=1e-5)
    np.testing.assert_allclose(found.variances[:-1], wanted.variances, rtol=1e-5)
    assert np.isnan(found.effects[-1]).all() and np.isnan(found.variances[-1]).all()


def test_dependent_confounds_are_left_out_with_a_note_and_change_nothing():
    shown, extra, series = events(), nuisance(), noise()
    double = np.hstack([extra.values, extra.values[:, :2] * 3, np.zeros((N, 1))])
    redundant = Nuisance(double, (*extra.names, "twice", "again", "flat"), (), 128.0, "")
    design, plain = build_design(shown, TIMES, redundant), build_design(shown, TIMES, extra)
    assert (design.rank, design.dof) == (plain.rank, plain.dof)
    assert all(name in design.notes[0] for name in ("twice", "again", "flat"))
    many, few = fit_run(series, design), fit_run(series, plain)
    np.testing.assert_allclose(many.effects, few.effects, rtol=1e-5)
    np.testing.assert_allclose(many.variances, few.variances, rtol=1e-5)


def test_more_columns_than_volumes_is_an_error():
    with pytest.raises(ContentError, match=r"columns .* 120 volumes: no degree of freedom"):
        build_design(events(), TIMES, nuisance(118))


def test_a_spike_takes_its_volume_out():
    shown, extra = events(), nuisance()
    spiked = Nuisance(
        np.hstack([extra.values, np.eye(N)[:, [3]]]), (*extra.names, "spike_003"), (3,), 128.0, ""
    )
    design, series = build_design(shown, TIMES, spiked), noise()
    damaged = series.copy()
    damaged[3] += 5000
    np.testing.assert_allclose(
        fit_run(damaged, design, scale="none").effects,
        fit_run(series, design, scale="none").effects,
        rtol=1e-3, atol=1e-3,
    )  # fmt: skip


def test_scaling_multiplies_and_nothing_else():
    design, series = build_design(events(), TIMES, nuisance()), noise()
    plain, run, voxel = (fit_run(series, design, scale=s) for s in ("none", "run", "voxel"))
    np.testing.assert_allclose(run.effects, plain.effects * 100 / series.mean(), rtol=1e-5)
    factors = 100 / series.mean(axis=0, dtype=float)
    np.testing.assert_allclose(voxel.effects, plain.effects * factors, rtol=1e-5)
    np.testing.assert_allclose(voxel.variances, plain.variances * factors**2, rtol=1e-5)
    with pytest.raises(ValueError, match="mean"):
        scale_factors(np.zeros((4, 3), np.float32), "run")
    without_means = series - series.mean(axis=0) + np.float32(1e-5)
    for scale in ("run", "voxel"):
        with pytest.raises(ValueError, match="mean"):
            scale_factors(without_means, scale)


def test_residuals_are_what_the_design_leaves():
    design, series = build_design(events(), TIMES, nuisance()), noise()
    kept = series.copy()
    fit_run(kept, design, scale="none", keep_residuals=True)
    hat = design.matrix @ np.linalg.pinv(design.matrix)
    np.testing.assert_allclose(kept, series - hat @ series.astype(float), atol=1e-3)


def test_threads_change_no_byte_and_other_voxels_change_none():
    design, series = build_design(events(), TIMES, nuisance()), noise(7000)
    one, two = fit_run(series, design), fit_run(series, design, n_threads=2)
    assert one.effects.tobytes() == two.effects.tobytes()
    assert one.variances.tobytes() == two.variances.tobytes()
    damaged = series.copy()
    damaged[5, 10] = np.nan
    damaged[:, 11] = 0
    found = fit_run(damaged, design, scale="none").effects
    assert np.isnan(found[:, 10]).all()
    assert (found[:, 11] == 0).all()
    whole = fit_run(series, design, scale="none").effects
    np.testing.assert_allclose(
        np.delete(found, [10, 11], 1), np.delete(whole, [10, 11], 1), rtol=1e-5
    )


def test_memory_stays_below_half_an_array_beside_the_run():
    design = build_design(events(), TIMES, nuisance())
    series = noise(60_000)
    tracemalloc.start()
    fit_run(series, design, keep_residuals=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * series.nbytes


def test_the_designs_covariance_is_that_of_estimates_from_white_noise():
    design = build_design(events(), TIMES, nuisance())
    sigma = design_covariance(design)
    inverse = np.linalg.inv(design.matrix.T @ design.matrix)
    np.testing.assert_allclose(sigma, inverse[:3, :3], rtol=1e-8)
    series = np.random.default_rng(0).normal(size=(N, 40_000)).astype(np.float32)
    for estimate in ("conditions", "trials", "lss"):
        other = build_design(events(), TIMES, nuisance(), estimate=estimate)
        effects = fit_run(series, other, scale="none").effects
        owners = np.array(other.conditions)
        means = np.array([effects[owners == name].mean(axis=0) for name in NAMES])
        np.testing.assert_allclose(np.cov(means), design_covariance(other), atol=0.03)


def test_a_design_that_looks_like_the_model_is_found():
    sigma = np.array([[1, 0.6, 0.1, 0], [0.6, 1, 0, 0.1], [0.1, 0, 1, 0.5], [0, 0.1, 0.5, 1.0]])
    model = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0.0]])
    found = design_correlation([4 * sigma, 2 * sigma], "abcd", {"same": model, "flat": model * 0})
    assert found.largest == pytest.approx(0.6)
    assert found.pair == ("a", "b")
    ranks = dict(found.with_models)
    assert ranks["same"] > 0.7
    assert ranks["flat"] == 0


def test_a_whole_run_is_estimated_in_little_more_memory_than_its_array(tmp_path):
    """From file to files, with residuals: below 1.5 times the run's voxels in single precision."""
    shape, n_volumes = (50, 50, 40), 60
    random = np.random.default_rng(0)
    series = random.integers(900, 1100, size=(*shape, n_volumes), dtype=np.int16)
    nib.save(nib.Nifti1Image(series, np.eye(4)), tmp_path / "sub-1_bold.nii.gz")
    mask = nib.Nifti1Image(np.ones(shape, np.uint8), np.eye(4))
    nib.save(mask, tmp_path / "mask.nii.gz")
    rows = [f"{3 + 4 * i}\t1\t{name}" for i, name in enumerate(NAMES * 5)]
    (tmp_path / "events.tsv").write_text("\n".join(["onset\tduration\ttrial_type", *rows]))
    run = BoldRun(
        path=str(tmp_path / "sub-1_bold.nii.gz"), label="sub-1",
        events=str(tmp_path / "events.tsv"),
        confounds=None, mask=str(tmp_path / "mask.nii.gz"),
        frame_times_s=tuple((1.0 + 2.0 * np.arange(n_volumes)).tolist()),
        repetition_time_s=2.0, repetition_time_source="", start_time_s=1.0, start_time_source="",
        settings=BoldSettings(from_bold=True, confounds=("none",)),
    )  # fmt: skip
    array = series.size * 4
    del series
    tracemalloc.start()
    files = estimate_run(run, tmp_path, keep_residuals=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(files.images) == 6
    assert peak < 1.5 * array


def test_the_names_offered_are_those_that_are_known():
    assert set(HRF_NAMES) == set(HRF_MODELS)
    assert set(CONFOUND_STRATEGIES) == set(STRATEGIES)


def blocks(length_s, names=("a", "b")):
    onsets = np.arange(0, N * TR, length_s)
    conditions = tuple(names[i % len(names)] for i in range(len(onsets)))
    return Events(conditions, onsets, np.full(len(onsets), float(length_s)))


@pytest.mark.parametrize("hrf", ["spm", "glover+derivative"])
@pytest.mark.parametrize("cutoff_s", [200.0, 128.0, 60.0, 20.0])
def test_what_a_high_pass_filter_removes_is_the_variance_that_its_cosines_explain(hrf, cutoff_s):
    shown = events()
    design = build_design(shown, TIMES, nuisance(high_pass_s=cutoff_s), hrf)
    cosines = [np.cos(np.pi * k * (2 * np.arange(N) + 1) / (2 * N)) for k in range(N)]
    basis = np.array(cosines[1 : 1 + int(np.floor(2 * N * TR / cutoff_s))]).T
    for name, share in removed_shares(design).items():
        response = design.matrix[:, design.columns.index(name)]
        fitted = LinearRegression().fit(basis, response)
        assert share == pytest.approx(fitted.score(basis, response), abs=1e-9)
    assert len(removed_shares(design)) == 3


def test_fmripreps_cosines_count_as_a_filter_and_other_confounds_do_not():
    values = np.cos(np.pi * (np.arange(N)[:, None] + 0.5) * np.arange(1, 60) / N)
    for names, removes in (("cosine{:02d}", True), ("other{:02d}", False)):
        extra = Nuisance(values, tuple(names.format(k) for k in range(59)), (), None, "theirs")
        shares = removed_shares(build_design(events(), TIMES, extra))
        assert (min(shares.values()) > 0.9) is removes
        assert (max(shares.values()) == 0) is not removes


@pytest.mark.parametrize(
    ("shown", "cutoff_s", "outcome"),
    [
        (events(), 128.0, "fine"),
        (events(), 5.0, "refused"),
        (blocks(20), 128.0, "fine"),
        (blocks(20), 30.0, "refused"),
        (blocks(60), 128.0, "warned"),
        (blocks(80), 128.0, "warned"),
    ],
)
def test_a_cut_off_that_removes_the_response_is_warned_of_or_refused(shown, cutoff_s, outcome):
    extra = nuisance(high_pass_s=cutoff_s)
    design = build_design(shown, TIMES, extra)
    if outcome == "refused":
        with pytest.raises(OptionError, match="removes the response itself"):
            check_high_pass(design, extra, cutoff_s)
    # the default and fMRIPrep's are never refused, as nobody chose them
    warned = check_high_pass(design, extra, None)
    assert bool(warned) is (outcome != "fine")
    if warned:
        assert "explain up to" in warned[0] and shown.names[0] in warned[0]
