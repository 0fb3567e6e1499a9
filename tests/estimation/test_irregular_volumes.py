"""Runs whose volumes are not equally spaced: responses by convolution at fine steps."""

import numpy as np
import pytest
from scipy.signal import fftconvolve
from scipy.stats import gamma

from bids_rsa.errors import ContentError
from bids_rsa.estimation.confounds import Nuisance
from bids_rsa.estimation.design import build_design
from bids_rsa.estimation.events import Events
from bids_rsa.estimation.irregular import are_regular

REGULAR = 1.0 + 2.0 * np.arange(120)
SCHEDULES = {
    "rounded times": np.round(1.0 + 1.25 * np.arange(180), 1),
    "jitter": REGULAR + np.random.default_rng(0).uniform(0, 0.4, 120),
    "a pause": REGULAR + 7.3 * (np.arange(120) > 60),
    "two volumes, a gap": np.sort(np.ravel(6.0 * np.arange(45)[:, None] + np.array([0.5, 2.5]))),
    "equal": REGULAR,
}
RESPONSES = {"spm": (6, 16, 0.167), "glover": (6 / 0.9, 12 / 0.9, 0.48)}


def events(seed=1):
    random = np.random.default_rng(seed)
    onsets = np.sort(random.uniform(3, 210, 20))
    return Events(
        tuple(random.permutation(np.repeat(["a", "b"], 10)).tolist()),
        onsets,
        random.uniform(0.5, 4.0, 20),
    )


def nuisance(times, high_pass_s=None):
    values = np.random.default_rng(2).normal(size=(len(times), 2))
    return Nuisance(values, ("x", "y"), (), high_pass_s, "")


def response(hrf, seconds):
    """The response to an impulse; glover's gammas have a dispersion of 0.9."""
    delay, undershoot, ratio = RESPONSES[hrf]
    scale = 1.0 if hrf == "spm" else 0.9
    shape = gamma.pdf(seconds, delay, scale=scale)
    return shape - ratio * gamma.pdf(seconds, undershoot, scale=scale)


def regressor(shown, name, times, hrf, step=0.002):
    """Convolve the events of a condition with the response."""
    fine = np.arange(-30.0, times[-1] + 5, step)
    shows = np.zeros(len(fine))
    for condition, onset, duration in zip(
        shown.conditions, shown.onsets_s, shown.durations_s, strict=True
    ):
        shows += (condition == name) * ((fine >= onset) & (fine < onset + duration))
    kernel = response(hrf, np.arange(0, 32, step))
    return np.interp(times, fine, fftconvolve(shows, kernel / kernel.sum())[: len(fine)])


@pytest.mark.parametrize("hrf", RESPONSES)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_responses_are_at_the_times_of_the_volumes(schedule, hrf):
    times, shown = SCHEDULES[schedule], events()
    design = build_design(shown, times, nuisance(times), hrf)
    assert list(design.columns) == ["a", "b", "x", "y", "constant"]
    for column, name in enumerate("ab"):
        wanted = regressor(shown, name, times, hrf)
        # nilearn rounds onsets to a fiftieth of the repetition time
        np.testing.assert_allclose(design.matrix[:, column], wanted, atol=0.025 * wanted.max())
        assert np.corrcoef(design.matrix[:, column], wanted)[0, 1] > 0.9997
    np.testing.assert_array_equal(design.matrix[:, 2:4], nuisance(times).values)
    np.testing.assert_array_equal(design.matrix[:, 4], 1)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_derivative_is_orthogonal_and_leads_the_response(schedule):
    times, shown = SCHEDULES[schedule], events()
    design = build_design(shown, times, nuisance(times), "spm+derivative")
    matrix = dict(zip(design.columns, design.matrix.T, strict=True))
    for name in "ab":
        own, derivative = matrix[name], matrix[f"{name}_derivative"]
        assert abs(own @ derivative) < 1e-6 * np.linalg.norm(own) * np.linalg.norm(derivative)
        slope = regressor(shown, name, times, "spm") - regressor(shown, name, times - 0.5, "spm")
        slope -= own * (slope @ own) / (own @ own)
        assert np.corrcoef(derivative, slope)[0, 1] > 0.95


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_drifts_are_cosines_of_time(schedule):
    times = SCHEDULES[schedule]
    design = build_design(events(), times, nuisance(times, 80.0), "spm")
    drifts = [i for i, name in enumerate(design.columns) if name.startswith("drift")]
    length = times[-1] - times[0] + np.median(np.diff(times))
    assert len(drifts) == pytest.approx(2 * length / 80, abs=1)
    for k, column in enumerate(drifts, start=1):
        wanted = np.cos(np.pi * k * (times - times[0]) / length)
        assert abs(np.corrcoef(design.matrix[:, column], wanted)[0, 1]) > 0.99


def test_bins_of_a_repetition_time_need_equally_spaced_volumes():
    times = SCHEDULES["a pause"]
    with pytest.raises(ContentError, match="not equally spaced"):
        build_design(events(), times, nuisance(times), "fir")
    assert not are_regular(times)


def test_rounding_leaves_volumes_regular():
    times = 0.36 + np.cumsum(np.full(300, 0.72))  # sums of floats
    assert are_regular(times)
    found = build_design(events(), times, nuisance(times)).matrix
    exact = build_design(events(), 0.36 + 0.72 * np.arange(1, 301), nuisance(times)).matrix
    np.testing.assert_allclose(found, exact, atol=1e-6)
