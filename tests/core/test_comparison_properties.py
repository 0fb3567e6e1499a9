"""Comparisons on whatever hypothesis comes up with: ties, near-ties, NaN, any scale."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_comparison import plain_compare

from bids_rsa.core.comparison.plans import prepare
from bids_rsa.core.comparison.table import COMPARISONS

RANKED = [entry.name for entry in COMPARISONS.values() if entry.ranked]
relaxed = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@st.composite
def tied_rdms(draw):
    """Cells from a few values, nudged by parts of the near-tie gap or by far more."""
    n = draw(st.sampled_from([3, 4, 5, 8, 10, 28, 66, 276, 1100]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels = rng.normal(size=draw(st.integers(1, n)))
    nudges = draw(st.sampled_from([0.0, 3e-13, 0.9e-12, 1.2e-12, 5e-12, 1e-7]))
    rdm = rng.choice(levels, n)
    rdm = rdm + nudges * rng.integers(-3, 4, n) * np.abs(rdm).max()
    rdm = rdm * 10.0 ** draw(st.integers(-250, 250)) + draw(st.sampled_from([0.0, 1.0, -1e5]))
    missing = draw(st.sampled_from([0.0, 0.0, 0.3]))
    return np.where(rng.random(n) < missing, np.nan, rdm)


def clear_of_the_limit(rdm):
    """No sorted gap lies where rounding decides whether it is a near-tie."""
    cells = np.sort(rdm[~np.isnan(rdm)])
    if not len(cells):
        return True
    gaps = np.diff(cells) / max(np.abs(cells).max(), 1e-320)
    return not (np.abs(gaps - 1e-12) < 1e-15).any()


@pytest.mark.parametrize("comparison", RANKED)
@relaxed
@given(rdm=tied_rdms(), seed=st.integers(0, 2**32), steps=st.sampled_from([2, 5, 40, 0]))
def test_ranked_comparisons_of_tied_cells(comparison, rdm, seed, steps):
    rng = np.random.default_rng(seed)
    models = rng.normal(size=(3, len(rdm)))
    if steps:
        models = np.round(models * steps / 2)
    if not clear_of_the_limit(rdm):
        return
    out = np.empty((3, 1))
    prepare(models, comparison).score(rdm[None].copy(), out)
    expected = plain_compare(rdm, models, comparison)
    np.testing.assert_allclose(out[:, 0], expected, rtol=1e-10, atol=1e-10)


@relaxed
@given(
    cells=st.lists(
        st.floats(allow_nan=True, allow_infinity=False, allow_subnormal=False),
        min_size=3,
        max_size=40,
    ),
    seed=st.integers(0, 2**32),
)
def test_spearman_of_any_numbers(cells, seed):
    rdm = np.array(cells)
    model = np.random.default_rng(seed).normal(size=len(rdm))
    if not clear_of_the_limit(rdm):
        return
    out = np.empty((1, 1))
    prepare(model, "spearman").score(rdm[None].copy(), out)
    expected = plain_compare(rdm, model, "spearman")
    np.testing.assert_allclose(out[:, 0], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("comparison", COMPARISONS)
@relaxed
@given(
    seed=st.integers(0, 2**32),
    n_cells=st.sampled_from([6, 28, 66]),
    missing=st.sampled_from([0.0, 0.1, 0.5]),
    holes=st.sampled_from([0.0, 0.1]),
    scale=st.integers(-12, 12),
    offset=st.sampled_from([0.0, 1.0, 1e3]),
)
def test_missing_cells_at_any_scale(comparison, seed, n_cells, missing, holes, scale, offset):
    rng = np.random.default_rng(seed)
    rdms = rng.normal(size=(6, n_cells)) + offset
    rdms[rng.random(rdms.shape) < missing] = np.nan
    models = rng.normal(size=(2, n_cells)) * 10.0**scale
    models[rng.random(models.shape) < holes] = np.nan
    prepared = prepare(models, comparison)
    out = np.empty((prepared.n_scores, 6))
    prepared.score(rdms, out)
    expected = np.array([plain_compare(rdm, models, comparison) for rdm in rdms]).T
    if COMPARISONS[comparison].weights:  # weights carry the models' unit
        out, expected = out * 10.0**scale, expected * 10.0**scale
    np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-10)
