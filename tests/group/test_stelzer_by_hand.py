"""Stelzer's group test from the files of the participant level, every step by hand."""

import nibabel as nib
import numpy as np
import pytest
from group_trees import group_map, group_sidecar, inside_volume
from scipy import ndimage
from test_null_of_conditions import M, N, write_subjects

DRAWS, SEED, VOXEL_P = 600, 11, 0.03
FACES = ndimage.generate_binary_structure(3, 1)


def transformed(out, kind):
    """Fisher's z of each subject's images of a kind, (n_subjects, n_images, n_voxels)."""
    found = []
    for path in sorted(out.glob(f"sub-*/func/*_stat-spearman_desc-planted_{kind}.nii.gz")):
        values = nib.load(path).get_fdata(dtype=np.float32)[inside_volume()]
        found.append(np.arctanh(values.astype(np.float64)).reshape(len(values), -1).T)
    return np.array(found)


def labelled(voxels):
    """Number the clusters of some voxels that share faces; return each voxel's, and the sizes."""
    volume = np.zeros(inside_volume().shape, bool)
    volume[inside_volume()] = voxels
    labels = ndimage.label(volume, FACES)[0][inside_volume()]
    return labels, np.bincount(labels)[1:]


def adjusted(p):
    """Benjamini and Hochberg's q: the smallest p m / k of those at least as large."""
    return np.array([min(x * len(p) / (p <= x).sum() for x in p[p >= own]) for own in p])


@pytest.mark.parametrize("tail", ["greater", "less", "two-sided"])
def test_every_map_equals_the_steps_of_the_paper(call, tmp_path, tail):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    write_subjects(out, effect=-0.3 if tail == "less" else 0.3)
    code, said = call(
        bids, out, "group", "--null", "stelzer", "--cluster-p", str(VOXEL_P), "--n-permutations",
        str(DRAWS), "--random-seed", str(SEED), "--tail", tail, "--connectivity", "6",
    )  # fmt: skip
    assert code == 0, said
    scores, nulls = transformed(out, "statmap")[:, 0], transformed(out, "nullmaps")
    assert nulls.shape[:2] == (N, M)
    observed = scores.mean(axis=0)
    draw = np.random.default_rng(SEED)
    chance = []
    for picks in draw.integers(0, M, (DRAWS, N)):
        chance.append(np.mean([nulls[s, picks[s]] for s in range(N)], axis=0))
    chance = np.array(chance)
    # scores are stored in single precision: means so close count as equal
    near = 1e-6 * np.sqrt((scores**2).mean())
    sides = {"greater": (1,), "less": (-1,), "two-sided": (1, -1)}[tail]
    level = VOXEL_P / len(sides)
    reached = {side: (side * chance >= side * observed - near).sum(axis=0) + 1 for side in sides}
    p = np.min([n / (DRAWS + 1) for n in reached.values()], axis=0)
    # a draw's voxel belongs to a cluster where its own p, among all draws, is small enough
    null_sizes = []
    for side in sides:
        ranks = np.array([(side * chance >= side * one).sum(axis=0) for one in chance])
        for above in ranks / (DRAWS + 1) <= level + 1e-12:
            null_sizes += labelled(above)[1].tolist()
    null_sizes = np.array(null_sizes)
    own_labels, sizes = np.zeros(len(p), int), []
    for side in sides:
        labels, found = labelled(reached[side] / (DRAWS + 1) <= level + 1e-12)
        own_labels[labels > 0] = labels[labels > 0] + len(sizes)
        sizes += found.tolist()
    cluster_p = np.array([((null_sizes >= n).sum() + 1) / (len(null_sizes) + 1) for n in sizes])
    assert len(sizes) > 1
    expected = {
        "p": np.minimum(len(sides) * p, 1.0),
        "clusterSizep": np.r_[1.0, cluster_p][own_labels],
        "clusterSizefdrq": np.r_[1.0, adjusted(cluster_p)][own_labels],
    }
    expected["fdrq"] = adjusted(expected["p"])
    for name, values in expected.items():
        np.testing.assert_allclose(group_map(out, name), values, rtol=1e-5, err_msg=name)
    assert group_sidecar(out, "p")["NullClusters"] == len(null_sizes)
    significant = expected["clusterSizefdrq"] <= 0.05
    np.testing.assert_array_equal(group_map(out, "tThr") != 0, significant)
    assert 0 < significant.sum() < len(p)
