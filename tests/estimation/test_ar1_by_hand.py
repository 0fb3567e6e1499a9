"""Prewhitened estimates by hand, also of unequally spaced volumes; impulses and their size."""

import numpy as np
import pytest
from test_irregular_volumes import REGULAR, SCHEDULES, events, nuisance, response

from bids_rsa.estimation.design import build_design
from bids_rsa.estimation.events import Events
from bids_rsa.estimation.fit import fit_run


def autocorrelated(n_volumes, n_voxels, rho, seed=0):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n_volumes, n_voxels))
    for volume in range(1, n_volumes):
        noise[volume] += rho * noise[volume - 1]
    return noise


def prewhitened(series, matrix, contrasts):
    """One voxel: the residuals' lag-1 autocorrelation in steps of .01, and least squares after."""
    rest = series - matrix @ np.linalg.lstsq(matrix, series, rcond=None)[0]
    at_lag_1 = (rest[1:] @ rest[:-1]) / (len(rest) - 1)
    rho = np.trunc(at_lag_1 / (rest @ rest / len(rest)) * 100) / 100
    root = np.eye(len(series)) - rho * np.eye(len(series), k=-1)
    x, y = root @ matrix, root @ series
    covariance = np.linalg.inv(x.T @ x)
    beta = covariance @ x.T @ y
    sigma2 = ((y - x @ beta) ** 2).sum() / (len(y) - matrix.shape[1])
    variances = sigma2 * np.einsum("ci,ij,cj->c", contrasts, covariance, contrasts)
    return rho, contrasts @ beta, variances, series - matrix @ beta


@pytest.mark.parametrize("estimate", ["conditions", "trials"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_ar1_is_generalised_least_squares_voxel_by_voxel(schedule, estimate):
    times = SCHEDULES[schedule]
    design = build_design(events(), times, nuisance(times, 100.0), "spm", estimate)
    strengths = np.repeat([0.0, 0.3, 0.6], 4)
    series = 100 + autocorrelated(len(times), 12, strengths)
    series += design.matrix[:, :2] @ np.random.default_rng(4).normal(size=(2, 12))
    rest = series.astype(np.float32)
    found = fit_run(rest, design, noise="ar1", scale="none", keep_residuals=True)
    rhos = []
    for voxel in range(12):
        own = series[:, voxel].astype(np.float32).astype(np.float64)
        rho, effects, variances, left = prewhitened(own, design.matrix, design.contrasts)
        rhos.append(rho)
        np.testing.assert_allclose(found.effects[:, voxel], effects, rtol=2e-5, atol=1e-6)
        np.testing.assert_allclose(found.variances[:, voxel], variances, rtol=2e-5)
        np.testing.assert_allclose(rest[:, voxel], left, atol=1e-4)
    assert np.corrcoef(rhos, strengths)[0, 1] > 0.8


@pytest.mark.parametrize("repetition_time_s", [0.8, 2.0])
@pytest.mark.parametrize("gap_s", [0.0, 6.1])
@pytest.mark.parametrize("hrf", ["spm", "glover"])
def test_an_event_of_duration_0_lasts_a_fiftieth_of_the_repetition_time(
    hrf, gap_s, repetition_time_s
):
    """In nilearn too; so amplitudes of impulses are in units of a fiftieth of a volume."""
    times = repetition_time_s * np.arange(100)
    times = times + gap_s * (np.arange(100) > 70)
    onset = 20 * repetition_time_s
    design = build_design(
        Events(("a",), np.array([onset]), np.zeros(1)), times, nuisance(times), hrf
    )
    kernel = response(hrf, np.maximum(times - onset, 0.0)) * (times >= onset)
    total = response(hrf, np.arange(0, 32, 0.001)).sum() * 0.001
    wanted = kernel / total * repetition_time_s / 50
    np.testing.assert_allclose(design.matrix[:, 0], wanted, atol=0.03 * wanted.max())


def test_responses_at_regular_volumes_do_not_depend_on_which_way_they_are_made():
    """A schedule that is regular but for its last volume, far from all events."""
    shown = Events(("a", "a", "b"), np.array([10.0, 40.0, 61.0]), np.array([0.0, 3.0, 1.5]))
    regular = build_design(shown, REGULAR, nuisance(REGULAR)).matrix
    times = np.append(REGULAR[:-1], REGULAR[-1] + 0.5)
    irregular = build_design(shown, times, nuisance(times)).matrix
    np.testing.assert_allclose(
        irregular[:-1, :2], regular[:-1, :2], atol=0.03 * regular[:, :2].max()
    )


@pytest.mark.parametrize("schedule", ["equal", "a pause"])
@pytest.mark.parametrize("noise", ["ols", "ar1"])
def test_unequal_lags_are_warned_of(noise, schedule):
    from bids_rsa.estimation.runs import _unequal_lags

    times = SCHEDULES[schedule]
    told = _unequal_lags(build_design(events(), times, nuisance(times)), noise)
    assert len(told) == (noise == "ar1" and schedule != "equal")
