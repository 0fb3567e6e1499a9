"""Nulls of conditions: exact by enumeration, as computed plainly, and a planted effect found."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from bids_rsa.core.comparison.plans import compare
from bids_rsa.core.inference.condition_null import condition_test, smallest_condition_p
from bids_rsa.core.inference.correct import false_discovery_q
from bids_rsa.core.inference.lattice import grid_adjacency
from bids_rsa.core.inference.stelzer import stelzer_test
from bids_rsa.core.inference.tfce import tfce

SHAPE = (9, 8, 7)
MASK = np.ones(SHAPE, bool)
ADJACENCY = grid_adjacency(MASK)
STRUCTURE = ndimage.generate_binary_structure(3, 1)


def smooth(rng, *leading):
    noise = ndimage.gaussian_filter(
        rng.standard_normal((*leading, *SHAPE)), (0,) * len(leading) + (1, 1, 1)
    )
    return (noise / noise.std()).reshape(*leading, -1)


@pytest.mark.parametrize("tail", ["greater", "less", "two-sided"])
@pytest.mark.parametrize("exhaustive", [False, True])
def test_p_equals_the_plain_computation(tail, exhaustive):
    rng = np.random.default_rng(1)
    scores, null = smooth(rng, 6) * 0.1 + 0.02, smooth(rng, 40) * 0.04
    if exhaustive:
        null[0] = scores.mean(axis=0)
    found = condition_test(scores, null, ADJACENCY, tail, 0.05, exhaustive=exhaustive)
    sign, pick = -1 if tail == "less" else 1, np.abs if tail == "two-sided" else np.asarray
    mean, draws = sign * scores.mean(axis=0), sign * null
    everything = np.vstack([mean, draws])
    cut = np.quantile(pick(everything), 0.95)

    def p_of(value, maxima):
        reached = (np.asarray(maxima)[:, None] >= np.ravel(value) * (1 - 1e-6) - 1e-9).sum(axis=0)
        return reached / 40 if exhaustive else (reached + 1) / 41

    def sizes_and_masses(row):
        sizes, masses = [0.0], [0.0]
        labelled = np.zeros(row.shape, int)
        for side in (1, -1) if tail == "two-sided" else (1,):
            labels, n = ndimage.label((side * row > cut).reshape(SHAPE), STRUCTURE)
            for k in range(1, n + 1):
                inside = labels.ravel() == k
                labelled[inside] = len(sizes)
                sizes.append(inside.sum())
                masses.append((np.abs(row[inside]) - cut).sum())
        return np.array(sizes), np.array(masses), labelled

    p = found.p_maps()
    voxelwise = (pick(draws) >= pick(mean) - 1e-9).sum(axis=0)
    np.testing.assert_allclose(p["p"], voxelwise / 40 if exhaustive else (voxelwise + 1) / 41)
    np.testing.assert_allclose(p["tFWEp"], p_of(pick(mean), pick(draws).max(axis=1)))
    enhanced = [pick(tfce(row, ADJACENCY)).max() for row in draws]
    np.testing.assert_allclose(p["tfceFWEp"], p_of(pick(tfce(mean, ADJACENCY)), enhanced))
    of_draws = [sizes_and_masses(row) for row in draws]
    sizes, masses, labelled = sizes_and_masses(mean)
    for name, values, place in (("Size", sizes, 0), ("Mass", masses, 1)):
        expected = p_of(values, [one[place].max() for one in of_draws])
        expected[0] = 1.0
        np.testing.assert_allclose(p[f"cluster{name}FWEp"], expected[labelled], err_msg=name)
    assert len(sizes) > 3
    np.testing.assert_allclose(found.observed.t * found.scale, scores.mean(axis=0))


def permuted_scores(rdms, model, orders):
    """Fisher's z of every RDM with the model under every order of conditions, (orders, RDMs)."""
    upper = np.triu_indices(len(model), 1)
    cells = [model[np.ix_(order, order)][upper] for order in orders]
    return np.arctanh(np.clip([compare(rdm, cells, "spearman") for rdm in rdms], -0.999, 0.999)).T


def test_all_orders_of_five_conditions_give_exact_p():
    """Whatever labelling is the observed one, its p are the ranks among all: uniform exactly."""
    rng = np.random.default_rng(2)
    orders = np.array(list(itertools.permutations(range(5))))
    model = np.abs(np.subtract.outer(np.arange(5), np.arange(5))) + 0.0
    model[0, 3] = model[3, 0] = 7  # no order of conditions leaves it as it is
    row = grid_adjacency(np.ones((4, 1, 1), bool))
    z = np.array([permuted_scores(rng.random((4, 10)), model, orders) for _ in range(3)])
    means = z.mean(axis=0)
    smallest = []
    for k in range(len(orders)):
        found = condition_test(z[:, k], means, row, "greater", 0.1, exhaustive=True)
        by_hand = (means.max(axis=1) >= means[k].max() - 1e-9).mean()
        p = found.p_maps()
        assert p["tFWEp"].min() == pytest.approx(by_hand)
        smallest.append(p["tFWEp"].min())
    np.testing.assert_allclose(np.sort(smallest), np.arange(1, 121) / 120)
    assert smallest_condition_p(120, 120, True) == pytest.approx(min(smallest))


def test_an_effect_that_all_share_is_found_and_nothing_else():
    rng = np.random.default_rng(3)
    planted = np.zeros(SHAPE, bool)
    planted[3:6, 3:6, 2:5] = True
    scores = smooth(rng, 10) * 0.2 + 0.4 * planted.ravel()
    null = smooth(rng, 10, 99) * 0.2
    p = condition_test(scores, null.mean(axis=0), ADJACENCY).p_maps()
    inside = planted.ravel()
    for name in ("tFWEp", "tfceFWEp"):
        assert (p[name][inside] <= 0.05).mean() > 0.9
        assert (p[name][~inside] <= 0.05).mean() < 0.1
    clusters = stelzer_test(scores, null.astype(np.float32), ADJACENCY, 5000, voxel_p=0.01)
    largest = int(np.argmax(clusters.clusters.sizes)) + 1
    assert clusters.q[largest - 1] <= 0.05
    assert (clusters.clusters.labels[inside] == largest).mean() > 0.9


def test_stelzers_test_does_not_depend_on_the_unit_of_the_scores():
    rng = np.random.default_rng(9)
    scores, nulls = smooth(rng, 6) + 0.1, smooth(rng, 6, 20)
    one, small = (
        stelzer_test(scores * unit, (nulls * unit).astype(np.float32), ADJACENCY, 999, voxel_p=0.05)
        for unit in (1.0, 2.0**-30)
    )
    np.testing.assert_array_equal(one.counts, small.counts)
    np.testing.assert_array_equal(one.clusters.labels, small.clusters.labels)
    np.testing.assert_array_equal(one.q, small.q)


@pytest.mark.parametrize("tail", ["greater", "less", "two-sided"])
def test_stelzers_clusters_equal_the_plain_computation(tail):
    rng = np.random.default_rng(4)
    scores = smooth(rng, 5)
    nulls = smooth(rng, 5, 12).astype(np.float32)
    found = stelzer_test(scores, nulls, ADJACENCY, 400, seed=6, tail=tail, voxel_p=0.05)
    picks = np.random.default_rng(6).integers(0, 12, (400, 5))
    draws = np.array([nulls[np.arange(5), pick].astype(float).mean(axis=0) for pick in picks])
    sides = {"greater": (1,), "less": (-1,), "two-sided": (1, -1)}[tail]
    rank = int(0.05 / len(sides) * 401)
    sizes, own = [], []
    for side, limits in zip(sides, found.thresholds, strict=True):
        expected = np.sort(side * draws, axis=0)[-rank]
        np.testing.assert_allclose(limits, expected, rtol=1e-12)
        for row in draws:
            labels, _ = ndimage.label((side * row >= limits).reshape(SHAPE), STRUCTURE)
            sizes += np.bincount(labels.ravel())[1:].tolist()
        # p by all draws, voxel by voxel
        p = ((side * draws >= side * scores.mean(axis=0)).sum(axis=0) + 1) / 401
        labels, _ = ndimage.label((p <= 0.05 / len(sides) + 1e-12).reshape(SHAPE), STRUCTURE)
        own += np.bincount(labels.ravel())[1:].tolist()
    np.testing.assert_array_equal(found.null_sizes, np.sort(sizes))
    np.testing.assert_array_equal(np.sort(found.clusters.sizes), np.sort(own))
    p = (np.array(sizes)[:, None] >= found.clusters.sizes).sum(axis=0) + 1
    np.testing.assert_allclose(found.p, p / (len(sizes) + 1))
    np.testing.assert_allclose(found.q, false_discovery_q(found.p))
    assert len(own) >= 2


def test_clusters_of_noise_are_significant_as_often_as_they_should():
    """Observed maps that are draws themselves: p of a random cluster is uniform."""
    rng = np.random.default_rng(5)
    p = []
    for seed in range(25):
        nulls = smooth(rng, 4, 9)
        found = stelzer_test(
            nulls[:, 0], nulls[:, 1:].astype(np.float32), ADJACENCY, 300, seed, "greater", 0.05
        )
        p += found.p.tolist()
    assert len(p) > 80
    assert np.mean(np.array(p) <= 0.1) < 0.2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, n: condition_test(s, n[:, :5], ADJACENCY), "null means must be"),
        (lambda s, n: condition_test(s, n[:0], ADJACENCY), "null means must be"),
        (lambda s, n: condition_test(s, n * np.nan, ADJACENCY), "finite"),
        (lambda s, n: condition_test(s, n, ADJACENCY, "both"), "tail must be"),
        (lambda s, n: stelzer_test(s, n[None], ADJACENCY), "do not fit"),
        (lambda s, n: stelzer_test(s, n[None].repeat(3, 0), ADJACENCY, 900), "at least 999"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, message):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=message):
        change(smooth(rng, 3), smooth(rng, 8).astype(np.float32))


def test_the_smallest_p_of_few_distinct_relabelings():
    assert smallest_condition_p(35, 35, True) == pytest.approx(1 / 35)
    assert smallest_condition_p(999, 35, False) == pytest.approx(1 / 35)
    assert smallest_condition_p(99, 40_320, False) == pytest.approx(0.01)


@pytest.mark.parametrize("tail", ["greater", "less", "two-sided"])
def test_no_p_is_below_the_share_of_draws_that_repeat_the_observed_relabeling(tail):
    """A model of few distinct relabelings, whose maps are files of float32."""
    random = np.random.default_rng(5)
    shape, n_distinct = (4, 3, 3), 6
    adjacency = grid_adjacency(np.ones(shape, bool), 6)
    for _ in range(20):
        own = random.normal(size=(7, n_distinct, np.prod(shape))).astype(np.float32)
        drawn = random.integers(0, n_distinct, 30)
        means = own.astype(np.float64).mean(axis=0)[drawn].astype(np.float32)
        for observed in range(n_distinct):
            least = ((drawn == observed).sum() + 1) / (len(drawn) + 1)
            for cluster_p in (0.001, 0.01, 0.05):
                test = condition_test(
                    own[:, observed].astype(np.float64), means, adjacency, tail, cluster_p
                )
                for name, p in test.p_maps().items():
                    assert p.min() >= least - 1e-12, name
