"""Permutations of conditions: exact p by enumeration, the same null as by brute force."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from bids_rsa.core.comparison.blocks import cut_into_blocks
from bids_rsa.core.comparison.permutations import (
    draw_permutations,
    find_relabelings,
    permuted_cells,
)
from bids_rsa.core.comparison.plans import compare
from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.core.condition_null import ConditionNull
from bids_rsa.core.measures import ModelScores
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.searchlight import searchlight

CATEGORIES = np.repeat([0, 1], 4)


def square(cells):
    n = round((1 + math.sqrt(1 + 8 * len(cells))) / 2)
    full = np.zeros((n, n))
    full[np.triu_indices(n, 1)] = cells
    return full + full.T


def condensed(full):
    return full[np.triu_indices(len(full), 1)]


def permute(model, order):
    """Rows and columns together, the slow way."""
    return condensed(square(model)[np.ix_(order, order)])


def two_categories():
    return condensed(np.not_equal.outer(CATEGORIES, CATEGORIES).astype(float))


def data(n_conditions, n_centers=40, n_voxels=12, seed=0):
    """Patterns of noise, each centre with voxels of its own."""
    rng = np.random.default_rng(seed)
    patterns = rng.normal(size=(n_centers * n_voxels, 1, n_conditions))
    rows = [np.arange(i * n_voxels, (i + 1) * n_voxels) for i in range(n_centers)]
    return patterns, Patches.of_lists(rows, n_centers * n_voxels)


def null_of(models, n_conditions, n, comparisons, n_kept=0, seed=0, n_threads=1, own=None):
    patterns, patches = own or data(n_conditions)
    null = ConditionNull(
        models, draw_permutations(n_conditions, n, seed), comparisons, n_kept=n_kept
    )
    scores = ModelScores(models, comparisons)
    searchlight(patterns, patches, [scores, null], n_threads=n_threads)
    return scores.scores, null


def rdms_of(patterns, n_centers=40):
    own = patterns[:, 0].reshape(n_centers, -1, patterns.shape[2])
    return np.array([condensed(1 - np.corrcoef(one.T)) for one in own])


def test_all_orders_where_they_are_few_and_the_identity_once():
    few = draw_permutations(4, 24, 0)
    assert few.exhaustive and len({tuple(o) for o in few.orders}) == 24
    assert few.orders[0].tolist() == [0, 1, 2, 3]
    part, all_there = few.kept(5)
    assert not all_there and [0, 1, 2, 3] not in part.tolist() and len(part) == 5
    many = draw_permutations(5, 100, 0)
    assert not many.exhaustive and len(many.orders) == 100
    assert np.array_equal(many.orders, draw_permutations(5, 100, 0).orders)
    assert not np.array_equal(many.orders, draw_permutations(5, 100, 1).orders)


def test_cells_move_with_rows_and_columns():
    model = np.arange(10.0)
    for order in itertools.permutations(range(5)):
        cells = permuted_cells(np.array([order]))[0]
        assert np.array_equal(model[cells], permute(model, order))


@pytest.mark.parametrize(
    ("model", "n_distinct"),
    [
        (two_categories(), 35),
        (condensed(np.not_equal.outer(*[np.repeat([0, 1], 3)] * 2) * 1.0), 10),
        (condensed(np.abs(np.subtract.outer(np.arange(6.0), np.arange(6.0)))), 360),
        (condensed(np.abs(np.subtract.outer(np.arange(8.0), np.arange(8.0)))), 20160),
    ],
)
def test_the_number_of_distinct_relabelings(model, n_distinct):
    n_conditions = len(square(model))
    found = find_relabelings(model[None], draw_permutations(n_conditions, 1000, 0))
    assert (found.n_distinct, found.is_lower_bound) == (n_distinct, False)
    assert found.exhaustive == (n_distinct <= 1000)
    least = 1 / n_distinct if found.exhaustive else 1 / 1001
    assert found.smallest_p == pytest.approx(least)


@pytest.mark.parametrize("name", COMPARISONS)
def test_p_of_five_conditions_is_that_of_all_orders(name):
    rng = np.random.default_rng(1)
    models = np.array([rng.normal(size=10), rng.integers(0, 3, 10).astype(float)])
    own = data(5)
    scores, null = null_of(models, 5, 120, [name], own=own)
    rdms = rdms_of(own[0])
    found = null.results()[name]
    orders = list(itertools.permutations(range(5)))
    by_order = np.array(
        [[compare(rdm, [permute(m, o) for m in models], name) for rdm in rdms] for o in orders]
    )  # (n_orders, n_centers, n_scores)
    for number, one in enumerate(found):
        values = by_order[:, :, number]
        reach = (values >= values[0] - 1e-9).mean(axis=0)
        assert np.allclose(one.p, reach, atol=1e-12)
        assert one.exhaustive
        assert np.allclose(one.mean, values.mean(axis=0), atol=1e-10)
        spread = values.std(axis=0)
        sharp = spread > 1e-8
        assert np.allclose(one.z[sharp], ((values[0] - one.mean) / spread)[sharp], atol=1e-7)
        largest = values.max(axis=1)
        corrected = [(largest >= v - 1e-9).mean() for v in scores[name][number]]
        assert np.allclose(one.max_p, corrected, atol=1e-12)


@pytest.mark.parametrize("name", COMPARISONS)
def test_random_permutations_give_the_null_of_brute_force(name):
    """More orders than asked for: the same draws as those listed, each model moved along."""
    rng = np.random.default_rng(2)
    models = np.array([two_categories(), rng.normal(size=28)])
    own = data(8, n_centers=5)
    _, null = null_of(models, 8, 90, [name], n_kept=30, own=own)
    found = null.results()[name]
    permutations = draw_permutations(8, 90, 0)
    rdms = rdms_of(own[0], 5)
    by_order = np.array(
        [
            [compare(rdm, [permute(m, o) for m in models], name) for rdm in rdms]
            for o in permutations.orders
        ]
    )
    observed = np.array([compare(rdm, models, name) for rdm in rdms])
    for number, one in enumerate(found):
        values = by_order[:, :, number]
        assert np.allclose(one.kept, values[:30], atol=1e-6)
        if one.exhaustive:  # 35 relabelings of the categories
            assert one.n_used == one.n_distinct == 35
            continue
        assert one.n_used == 90
        reach = (values >= observed[:, number] - 1e-9).sum(axis=0)
        assert np.allclose(one.p, (reach + 1) / 91, atol=1e-12)
        assert np.allclose(one.mean, values.mean(axis=0), atol=1e-10)


def test_p_is_uniform_for_noise():
    """Each p of a continuous model is as likely as any other."""
    rng = np.random.default_rng(3)
    own = data(7, n_centers=600, n_voxels=10, seed=4)
    _, null = null_of(rng.normal(size=(1, 21)), 7, 199, ["pearson"], own=own)
    p = null.results()["pearson"][0].p
    assert np.allclose(p * 200, np.round(p * 200), atol=1e-9)
    assert stats.kstest(p - 1 / 400, "uniform").pvalue > 0.01
    assert 0.02 < (p <= 0.05).mean() < 0.09


def test_the_same_bytes_for_any_number_of_threads():
    own = data(8, n_centers=700, seed=5)
    models = np.array([two_categories(), np.random.default_rng(0).normal(size=28)])
    names = ["spearman", "partial", "whitened-cosine", "kendall-tau-a"]
    found = [
        null_of(models, 8, 70, names, n_kept=3, own=own, n_threads=n)[1].results() for n in (1, 3)
    ]
    for name in names:
        for one, other in zip(found[0][name], found[1][name], strict=True):
            for key in ("p", "z", "max_p", "mean", "sd", "kept"):
                assert getattr(one, key).tobytes() == getattr(other, key).tobytes()


def test_undefined_cells_and_centres():
    """Cells that are undefined in the data stay where they are; models move over them."""
    rng = np.random.default_rng(7)
    rdms, models = rng.normal(size=(3, 15)), rng.normal(size=(2, 15))
    rdms[0, [1, 5]], rdms[1] = np.nan, np.nan
    names = ["spearman", "partial"]
    null = ConditionNull(models, draw_permutations(6, 720, 0), names)
    null.start(3, 15)
    for block in cut_into_blocks(rdms, np.arange(3)):
        null.take(block)
    for name in names:
        found = null.results()[name][0]
        assert np.isnan([found.p[1], found.z[1], found.max_p[1]]).all()
        orders = itertools.permutations(range(6))
        values = [compare(rdms[0], [permute(m, o) for m in models], name)[0] for o in orders]
        assert found.p[0] == pytest.approx(np.mean(np.array(values) >= values[0] - 1e-9))


def test_models_with_missing_cells_are_refused():
    model = two_categories()
    model[3] = np.nan
    with pytest.raises(ValueError, match="missing cells cannot be permuted"):
        ConditionNull(model, draw_permutations(8, 10, 0))


@pytest.mark.parametrize("name", [c.name for c in COMPARISONS.values() if not c.joint])
def test_a_null_of_equal_scores_has_no_z(name):
    """All pairings of four conditions score the same: what differs is rounding."""
    pairs = condensed(np.not_equal.outer([0, 0, 1, 1], [0, 0, 1, 1]).astype(float))
    random = np.random.default_rng(8)
    # the cells of the pairings 01|23, 02|13 and 03|12 add up to the same, in ranks and in values
    rdms = np.array([1.0, 2, 3, 4, 5, 6]) * random.uniform(0.1, 9, (40, 1))
    null = ConditionNull(pairs, draw_permutations(4, 24, 0), [name])
    null.start(len(rdms), 6)
    for block in cut_into_blocks(rdms, np.arange(len(rdms))):
        null.take(block)
    (found,) = null.results()[name]
    orders = itertools.permutations(range(4))
    values = np.array([compare(rdms[0], permute(pairs, order), name)[0] for order in orders])
    if np.ptp(values) < 1e-12:
        assert np.isnan(found.z).all()
        assert (found.p == 1).all()
    else:  # the taus count pairs of cells
        np.testing.assert_allclose(found.z, (values[0] - values.mean()) / values.std())
