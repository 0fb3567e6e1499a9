"""Runs of permutations: threads, blocks, interruption, and p values."""

import numpy as np
import pytest
from scipy import ndimage, stats

from bids_rsa.core.inference.correct import (
    count_p,
    false_discovery_q,
    familywise_p,
    voxels_needed_at_floor,
)
from bids_rsa.core.inference.design import one_sample_design, slope_design, two_sample_design
from bids_rsa.core.inference.group_maps import critical_value, p_maps
from bids_rsa.core.inference.lattice import grid_adjacency
from bids_rsa.core.inference.observed import observe
from bids_rsa.core.inference.permute import Null, permutation_null
from bids_rsa.core.inference.plan import prepare_test
from bids_rsa.core.inference.region_tests import region_tests
from bids_rsa.core.inference.relabel import draw_relabelings, smallest_p

MASK = np.ones((17, 16, 15), bool)
ADJACENCY = grid_adjacency(MASK)


def smooth_data(n, seed=0, missing=False):
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.standard_normal((n, *MASK.shape)), (0, 1, 1, 1))
    data = noise[:, MASK]
    if missing:
        data[0, :50] = np.nan
    return data


def same_bytes(a, b):
    return a.counts.tobytes() == b.counts.tobytes() and all(
        a.maxima[name].tobytes() == b.maxima[name].tobytes() for name in a.maxima
    )


CASES = {
    "flips": (one_sample_design(14), False),
    "flips with covariate": (one_sample_design(14, np.arange(14.0) ** 2), False),
    "welch": (two_sample_design(np.arange(14) < 6), False),
    "slope": (slope_design(np.arange(14.0)), False),
    "missing": (one_sample_design(14), True),
}


@pytest.mark.parametrize("case", CASES)
def test_threads_blocks_and_interruptions_change_no_byte(case, monkeypatch):
    design, missing = CASES[case]
    plan = prepare_test(smooth_data(14, missing=missing), design, "two-sided")
    draws = draw_relabelings(design, 101, 3)
    whole = permutation_null(plan, draws, ADJACENCY, 2.5)
    assert set(whole.maxima) == {"t", "tfce", "cluster_size", "cluster_mass"}
    threads = permutation_null(plan, draws, ADJACENCY, 2.5, n_threads=3, block_size=7)
    assert same_bytes(whole, threads)
    monkeypatch.setattr("bids_rsa.core.inference.permute.BYTES_PER_THREAD", 1)
    assert same_bytes(whole, permutation_null(plan, draws, ADJACENCY, 2.5, block_size=50))

    class Killed(Exception):
        pass

    kept: list[Null] = []

    def keep_then_die(state):
        kept.append(state)
        if len(kept) == 3:
            raise Killed

    with pytest.raises(Killed):
        permutation_null(plan, draws, ADJACENCY, 2.5, block_size=20, on_block=keep_then_die)
    assert kept[-1].n_done == 60
    done = []
    rest = permutation_null(
        plan, draws, ADJACENCY, 2.5, state=kept[-1], on_block=lambda s: done.append(s.n_done)
    )
    assert same_bytes(whole, rest) and done == [101]


def test_voxelwise_statistics_do_not_need_neighbors():
    design = one_sample_design(14)
    plan = prepare_test(smooth_data(14), design)
    draws = draw_relabelings(design, 50, 3)
    alone = permutation_null(plan, draws)
    whole = permutation_null(plan, draws, ADJACENCY, 2.5)
    assert set(alone.maxima) == {"t"}
    np.testing.assert_array_equal(alone.maxima["t"], whole.maxima["t"])
    np.testing.assert_array_equal(alone.counts, whole.counts)


def test_voxel_order_and_scale_do_not_matter():
    design = one_sample_design(14)
    data = smooth_data(14)
    order = np.random.default_rng(0).permutation(data.shape[1])
    draws = draw_relabelings(design, 50, 3)
    one = permutation_null(prepare_test(data, design), draws)
    other = permutation_null(prepare_test(1e4 * data[:, order], design), draws)
    np.testing.assert_allclose(one.maxima["t"], other.maxima["t"], rtol=1e-10)
    np.testing.assert_array_equal(one.counts[order], other.counts)


def test_a_state_of_another_test_is_refused():
    design = one_sample_design(14)
    plan = prepare_test(smooth_data(14), design)
    draws = draw_relabelings(design, 50, 3)
    state = permutation_null(plan, draws)
    with pytest.raises(ValueError, match="another test"):
        permutation_null(plan, draws, ADJACENCY, 2.5, state=state)
    with pytest.raises(ValueError, match="another test"):
        permutation_null(plan, draw_relabelings(design, 20, 3), state=state)


def test_p_of_random_draws_counts_the_observed_labelling():
    np.testing.assert_allclose(count_p([0, 9, 99], 99, exhaustive=False), [0.01, 0.1, 1.0])
    np.testing.assert_allclose(count_p([1, 10, 100], 100, exhaustive=True), [0.01, 0.1, 1.0])


def test_familywise_p_counts_up_to_rounding():
    maxima = np.array([1.0, 2.0, 3.0, 4.0])
    observed = [2.0 * (1 + 1e-12), 2.0 + 1e-6, 5.0, -1.0]
    np.testing.assert_allclose(
        familywise_p(observed, maxima, exhaustive=False), [4 / 5, 3 / 5, 1 / 5, 1]
    )


def test_false_discovery_q_equals_scipys():
    p = np.random.default_rng(0).uniform(size=500) ** 2
    p[:20] = p[20]
    np.testing.assert_allclose(false_discovery_q(p), stats.false_discovery_control(p))


def test_voxels_needed_at_the_floor():
    """With that many voxels at the smallest p the procedure rejects them, with one less not."""
    n, floor, alpha = 1000, 1 / 1001, 0.05
    needed = voxels_needed_at_floor(n, floor, alpha)
    for count, rejected in ((needed, True), (needed - 1, False)):
        p = np.ones(n)
        p[:count] = floor
        assert (false_discovery_q(p)[0] <= alpha) == rejected


def test_a_planted_effect_is_found_and_little_else():
    design = one_sample_design(14)
    data = smooth_data(14, seed=2)
    planted = np.zeros(MASK.shape, bool)
    planted[5:9, 5:9, 5:9] = True
    data += 3 * data.std() * planted[MASK]
    plan = prepare_test(data, design)
    draws = draw_relabelings(design, 999, 0)
    null = permutation_null(plan, draws, ADJACENCY, plan.cluster_threshold(0.001))
    t = data.mean(axis=0) / data.std(axis=0, ddof=1) * np.sqrt(14)
    significant = familywise_p(t, null.maxima["t"], False) <= 0.05
    assert significant[planted[MASK]].mean() > 0.9
    assert not significant[~planted[MASK]].any()


@pytest.mark.parametrize("exhaustive", [False, True])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.3])
def test_what_lies_above_the_critical_value_is_significant(exhaustive, alpha):
    maxima = np.round(np.random.default_rng(1).gumbel(4, 1, 40), 1)  # with ties
    critical = critical_value(maxima, alpha, exhaustive)
    # of all relabelings the observed one is one; beyond random draws an observed value may lie
    observed = np.linspace(0, maxima.max() + 1, 500)
    observed = observed[observed <= maxima.max()] if exhaustive else observed
    p = familywise_p(observed, maxima, exhaustive)
    np.testing.assert_array_equal(p <= alpha + 1e-12, observed > critical)
    assert np.isinf(critical) == (alpha == 0.01)


@pytest.mark.parametrize(
    ("design", "n_draws", "smallest", "mirrored"),
    [
        (one_sample_design(5), 20, 2 / 32, True),
        (two_sample_design(np.arange(8) < 4), 40, 2 / 70, True),
        (two_sample_design(np.arange(8) < 3), 40, 1 / 41, False),
    ],
)
def test_a_random_sample_gives_no_p_that_all_relabelings_cannot_give(
    design, n_draws, smallest, mirrored
):
    """Draws may miss the observed labelling and its mirror image; p would be 1 / (draws + 1)."""
    smaller = 0
    for seed in range(12):
        data = smooth_data(design.n_subjects, seed)
        data[: 5 if design.exchange == "flip" else 4] += 5 * data.std()
        plan = prepare_test(data, design, "two-sided")
        draws = draw_relabelings(design, n_draws, seed)
        assert not draws.exhaustive and smallest_p(design, draws, True) == smallest
        null = permutation_null(plan, draws, ADJACENCY, plan.cluster_threshold(0.01))
        smaller += count_p(null.counts, n_draws, False).min() < smallest
        for name, p in p_maps(plan, observe(plan, ADJACENCY, 0.01), null, draws).items():
            assert p.min() >= smallest, name
        regions = region_tests(data[:, :20], "two-sided", n_draws, seed, design=design)
        assert np.nanmin(regions.p) >= smallest and np.nanmin(regions.p_fwe) >= smallest
        critical = critical_value(null.maxima["t"], 0.05, False, smallest)
        assert np.isinf(critical) == (smallest > 0.05)
    assert (smaller > 0) == mirrored
