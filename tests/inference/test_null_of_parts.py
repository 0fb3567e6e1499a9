"""Null maps where parts of the locations share no measure: vertices in mm2, voxels below them."""

import numpy as np
import pytest

from bids_rsa.core.inference.adjacency import join_adjacencies, mesh_adjacency, parted
from bids_rsa.core.inference.clusters import find_clusters
from bids_rsa.core.inference.condition_null import condition_test
from bids_rsa.core.inference.lattice import grid_adjacency
from bids_rsa.core.inference.stelzer import stelzer_test
from bids_rsa.core.inference.tfce import tfce

SIDE, BOX = 12, (6, 5, 5)


@pytest.fixture(scope="module")
def adjacency():
    """Two sheets of vertices of unequal areas, and a box of voxels."""
    number = np.arange(SIDE**2).reshape(SIDE, SIDE)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[:-1, 1:], number[1:, 1:]
    faces = [np.stack(k, -1).reshape(-1, 3) for k in ((a, b, d), (a, d, c))]
    areas = np.random.default_rng(0).uniform(3, 9, SIDE**2)
    sheet = mesh_adjacency(np.concatenate(faces), areas, np.ones(SIDE**2, bool))
    cortex, voxels = join_adjacencies(sheet, sheet), grid_adjacency(np.ones(BOX, bool))
    where = np.arange(cortex.n_locations + voxels.n_locations) < cortex.n_locations
    return parted((where, cortex), (~where, voxels))


def noise(adjacency, rng, *leading):
    """Noise that neighbours share."""
    values = rng.standard_normal((*leading, adjacency.n_locations))
    tails = np.repeat(np.arange(adjacency.n_locations), np.diff(adjacency.starts))
    counts = np.diff(adjacency.starts) + 1
    for _ in range(3):
        flat = values.reshape(-1, values.shape[-1])
        sums = np.array([np.bincount(tails, row[adjacency.neighbors]) for row in flat]) + flat
        values = (sums / counts).reshape(values.shape)
    return values / values.std()


@pytest.mark.parametrize("tail", ["greater", "two-sided"])
def test_maxima_of_permuted_conditions_are_those_of_each_part(adjacency, tail):
    rng = np.random.default_rng(1)
    scores, means = noise(adjacency, rng, 6) * 0.1 + 0.02, noise(adjacency, rng, 30) * 0.04
    found = condition_test(scores, means, adjacency, tail, 0.05)
    pick = np.abs if tail == "two-sided" else np.asarray
    masks = [own for own, _ in adjacency.parts]
    p = found.p_maps(parts=masks)
    for k, (own, part) in enumerate(adjacency.parts):
        suffix = f"_{k + 1}" if k else ""
        draws = means[:, own] / found.scale
        enhanced = [pick(tfce(row, part)).max() for row in draws]
        np.testing.assert_allclose(found.null.maxima[f"tfce{suffix}"], enhanced)
        threshold = found.observed.cluster_threshold
        of_draws = [find_clusters(row, part, threshold, tail == "two-sided") for row in draws]
        sizes = [one.sizes.max(initial=0.0) for one in of_draws]
        np.testing.assert_allclose(found.null.maxima[f"cluster_size{suffix}"], sizes)
        observed = pick(tfce(scores.mean(axis=0)[own] / found.scale, part))
        reached = (np.array(enhanced)[:, None] >= observed * (1 - 1e-6) - 1e-6).sum(axis=0)
        np.testing.assert_allclose(p["tfceFWEp"][own], np.minimum(1, 2 * (reached + 1) / 31))
    largest = pick(means / found.scale).max(axis=1)
    np.testing.assert_allclose(found.null.maxima["t"], largest)


@pytest.mark.parametrize("tail", ["greater", "less", "two-sided"])
def test_random_combinations_in_parts_are_those_of_each_part_alone(adjacency, tail):
    rng = np.random.default_rng(2)
    scores = noise(adjacency, rng, 5) * 0.1 + 0.06
    nulls = (noise(adjacency, rng, 5, 20) * 0.1).astype(np.float32)
    found = stelzer_test(scores, nulls, adjacency, 800, 3, tail, 0.05)
    q, p = found.p_maps()["clusterSizefdrq"], found.p_maps()["clusterSizep"]
    assert len(np.unique(p)) > 2 and (q >= p).all()
    for k, (own, part) in enumerate(adjacency.parts):
        alone = stelzer_test(
            scores[:, own], np.ascontiguousarray(nulls[:, :, own]), part, 800, 3, tail, 0.05
        )
        np.testing.assert_allclose(alone.p_maps()["clusterSizep"], p[own])
        np.testing.assert_allclose(found.null_sizes[found.null_parts == k], alone.null_sizes)


def test_noise_is_rarely_significant(adjacency):
    """In 300 groups of noise: the family-wise error of permuted conditions, and q of clusters."""
    rng = np.random.default_rng(4)
    masks = [own for own, _ in adjacency.parts]
    n_groups, n_subjects, n_maps = 300, 6, 39
    significant = {"tfceFWEp": 0, "clusterSizeFWEp": 0, "tFWEp": 0}
    by_size = 0
    for _ in range(n_groups):
        maps = noise(adjacency, rng, n_maps + 1, n_subjects) * 0.1
        p = condition_test(maps[0], maps[1:].mean(axis=1), adjacency, "greater", 0.02).p_maps(
            parts=masks
        )
        for name in significant:
            significant[name] += bool((p[name] <= 0.05).any())
        nulls = np.ascontiguousarray(maps[1:].swapaxes(0, 1), dtype=np.float32)
        found = stelzer_test(maps[0], nulls, adjacency, 400, 0, "greater", 0.01)
        by_size += bool((found.q <= 0.05).any())
    # .05 and three standard errors of 300 groups
    for name, count in significant.items():
        assert 0.01 <= count / n_groups <= 0.088, (name, count)
    assert by_size / n_groups <= 0.088, by_size
