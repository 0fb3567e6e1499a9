"""Clusters of random combinations of null maps, from participants' null maps on disk."""

import numpy as np
import pytest
from group_trees import (
    group_file,
    group_map,
    group_sidecar,
    group_table,
    inside_volume,
    planted_volume,
    subject_scores,
)
from test_null_of_conditions import M, N, fisher, null_volumes, write_subjects

from bids_rsa.core.inference.lattice import grid_adjacency
from bids_rsa.core.inference.stelzer import stelzer_test

DRAWS = 4000
OPTIONS = ("--null", "stelzer", "--cluster-p", "0.005", "--n-permutations", str(DRAWS))


@pytest.fixture
def folders(tmp_path):
    """An empty dataset, and an output folder with the maps and null maps of all subjects."""
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    write_subjects(out)
    return bids, out


def expected(tail):
    """The same test on arrays that never were files."""
    numbers = range(1, N + 1)
    scores = np.array([fisher(subject_scores(i, effect=0.3)) for i in numbers])
    nulls = np.array([fisher(null_volumes(i)).T for i in numbers]).astype(np.float32)
    adjacency = grid_adjacency(inside_volume())
    return stelzer_test(scores, nulls, adjacency, DRAWS, 0, tail, 0.005)


@pytest.mark.parametrize("tail", ["greater", "two-sided"])
def test_the_planted_cluster_is_found_and_p_from_files_equals_p_from_arrays(call, folders, tail):
    bids, out = folders
    code, said = call(bids, out, "group", *OPTIONS, "--tail", tail)
    assert code == 0, said
    found = expected(tail)
    for name, values in found.p_maps().items():
        np.testing.assert_allclose(group_map(out, name), values, rtol=1e-5, err_msg=name)
    planted = planted_volume()[inside_volume()]
    significant = group_map(out, "tThr") != 0
    assert significant[planted].mean() > 0.9
    assert significant[~planted].mean() < 0.02
    (row,) = group_table(out, "clusters")
    q = found.q[found.clusters.sizes.argmax()]
    assert float(row["p"]) == pytest.approx(q, rel=1e-4)
    assert int(row["size_voxels"]) == significant.sum()
    sidecar = group_sidecar(out, "clusterSizefdrq")
    assert (sidecar["Null"], sidecar["PrimaryMethod"]) == ("stelzer", "cluster-fdr")
    assert (sidecar["RelabelingsUsed"], sidecar["NullMapsPerMap"]) == (DRAWS, M)
    assert sidecar["NullClusters"] == len(found.null_sizes)
    assert (sidecar["Role"], group_sidecar(out, "fdrq")["Role"]) == ("primary", "secondary")
    assert "not over participants" in sidecar["Interpretation"]
    assert not [*out.glob("group/*FWEp*"), *out.glob("group/*stat-tfce*")]
    assert group_file(out, "_clusters", ".tsv").is_file()


def test_the_recommended_number_of_draws_is_used_unless_another_is_given(call, folders):
    bids, out = folders
    code, said = call(bids, out, "group", "--null", "stelzer", "--no-report")
    assert code == 0, said
    sidecar = group_sidecar(out, "p")
    assert (sidecar["Permutations"], sidecar["ClusterFormingP"]) == (100_000, 0.001)
    assert group_map(out, "p").min() == pytest.approx(1 / 100_001, rel=1e-4)
    planted = planted_volume()[inside_volume()]
    assert (group_map(out, "tThr") != 0)[planted].mean() > 0.9


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        (("--null", "stelzer", "--primary", "tfce"), 2, "do not go together"),
        (("--null", "conditions", "--primary", "cluster-fdr"), 2, "do not go together"),
        (("--null", "stelzer", "--fwe-over", "models"), 2, "false discovery rate over the"),
        (("--null", "stelzer", "--n-permutations", "500"), 2, "at least --n-permutations 999"),
        (("--null", "stelzer", "--coverage", "0.5"), 2, "--null stelzer tests mean scores"),
        (("--null", "stelzer", "--covariates", "age"), 2, "--null stelzer tests mean scores"),
    ],
)
def test_options_that_do_not_fit_are_refused(call, folders, options, code, named):
    bids, out = folders
    got, said = call(bids, out, "group", *options)
    assert got == code, said
    assert named in said
    assert not (out / "group").exists()


def test_null_maps_that_cannot_reach_the_threshold_are_refused(call, tmp_path):
    bids, out = tmp_path / "bids", tmp_path / "out"
    bids.mkdir()
    write_subjects(out, n_maps=2)
    code, said = call(bids, out, "group", "--null", "stelzer")
    assert code == 65, said
    assert "make 128 group maps, too few" in said and "--keep-null" in said
    assert not (out / "group").exists()
