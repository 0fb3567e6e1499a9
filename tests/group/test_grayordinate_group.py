"""The group level on grayordinates: cortex and voxels below it have maxima of their own."""

import json
from pathlib import Path

import app_process
import nibabel as nib
import numpy as np
import pytest
from group_trees import CONDITIONS, N_CELLS
from meshes import flat_mesh, save_surface
from nibabel.cifti2 import BrainModelAxis

from bids_rsa.core.inference.design import one_sample_design
from bids_rsa.core.inference.group_scores import smooth_inside
from bids_rsa.core.inference.mesh_smoothing import mesh_smoother
from bids_rsa.core.inference.permute import permutation_null
from bids_rsa.core.inference.plan import prepare_test
from bids_rsa.core.inference.relabel import draw_relabelings
from bids_rsa.core.inference.tfce import tfce
from bids_rsa.spaces.cifti import scalar_image
from bids_rsa.spaces.gifti import Mesh
from bids_rsa.spaces.grayordinate_layout import GrayordinateLayout
from bids_rsa.spaces.grayordinates import GrayordinateSpace
from bids_rsa.spaces.surface_part import SurfacePart

SIDE, N_SUBJECTS = 15, 10  # vertices along each edge of a hemisphere
N_VERTICES = SIDE**2
BOX = (6, 7, 5)
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])


def sheet(side):
    """A flat hemisphere, 3 mm between vertices."""
    return flat_mesh((SIDE, SIDE), 3.0, (-80 if side == "L" else 40, 0, 0))


@pytest.fixture(scope="module")
def layout():
    """Both hemispheres without a corner, and a box of voxels of the left thalamus."""
    inside = np.arange(20, N_VERTICES)
    axes = [
        BrainModelAxis.from_surface(inside, N_VERTICES, f"CIFTI_STRUCTURE_CORTEX_{name}")
        for name in ("LEFT", "RIGHT")
    ]
    voxels = BrainModelAxis.from_mask(
        np.ones(BOX, bool), name="CIFTI_STRUCTURE_THALAMUS_LEFT", affine=AFFINE
    )
    return GrayordinateLayout.of_axis(axes[0] + axes[1] + voxels, "test")


@pytest.fixture(scope="module")
def space(layout):
    inside = np.arange(20, N_VERTICES)
    parts = tuple(SurfacePart.of_mesh(Mesh(*sheet(side), side, ""), side, inside) for side in "LR")
    return GrayordinateSpace(layout, parts)


def cortex_of(layout):
    n = 2 * (N_VERTICES - 20)
    return np.arange(layout.n_locations) < n


def test_each_part_has_its_own_powers_and_maxima(space, layout):
    everywhere = np.ones(layout.n_locations, bool)
    everywhere[[5, 300, 420]] = False
    adjacency = space.adjacency(everywhere)
    cortex = cortex_of(layout)[everywhere]
    (own, on_surface), (below, in_voxels) = adjacency.parts
    np.testing.assert_array_equal(own, cortex)
    np.testing.assert_array_equal(below, ~cortex)
    assert (on_surface.extent_power, in_voxels.extent_power) == (1.0, 0.5)
    values = np.random.default_rng(0).standard_normal(everywhere.sum())
    together = tfce(values, adjacency)
    np.testing.assert_allclose(together[own], tfce(values[own], on_surface))
    np.testing.assert_allclose(together[below], tfce(values[below], in_voxels))
    design = one_sample_design(8)
    data = np.random.default_rng(1).standard_normal((8, everywhere.sum()))
    draws = draw_relabelings(design, 60, 0)
    null = permutation_null(prepare_test(data, design, "greater"), draws, adjacency, 1.5)
    for k, (chosen, part) in enumerate(adjacency.parts):
        plan = prepare_test(np.ascontiguousarray(data[:, chosen]), design, "greater")
        alone = permutation_null(plan, draws, part, 1.5)
        for name in ("tfce", "cluster_size", "cluster_mass"):
            found = null.maxima[name if k == 0 else f"{name}_2"]
            np.testing.assert_allclose(found, alone.maxima[name], rtol=1e-12)
        np.testing.assert_array_equal(null.counts[chosen], alone.counts)


@pytest.fixture(scope="module")
def output(layout, tmp_path_factory):
    """Maps with an effect in the middle of the left hemisphere, and in half of the voxels."""
    root = tmp_path_factory.mktemp("grayordinates")
    for side in "LR":
        save_surface(root / f"hemi-{side}_mid.surf.gii", *sheet(side), side)
    planted = effect(layout)
    rng = np.random.default_rng(6)
    shared = {"SearchlightRadius": 8.0, "SearchlightRadiusUnits": "mm", "MinVoxels": 10}
    for number in range(1, N_SUBJECTS + 1):
        func = root / "out" / f"sub-{number:02d}" / "func"
        func.mkdir(parents=True)
        scores = 0.1 * rng.standard_normal(layout.n_locations) + 0.3 * planted
        stem = f"sub-{number:02d}_task-x_space-fsLR"
        sidecar = {
            "Dissimilarity": "correlation", "DissimilarityParameters": {}, "Folds": "none",
            "Comparison": "spearman", "IgnoreNaN": False, "Conditions": CONDITIONS,
            "CellsUsed": N_CELLS, "Model": {"Name": "m", "File": "m.tsv", "SHA256": "0" * 64},
            "InputStatistic": ["effect"], "Warnings": [], **shared,
        }  # fmt: skip
        for name, values, text in (
            ("_stat-spearman_desc-m_statmap", scores, sidecar),
            ("_desc-searchlight_mask", np.ones(layout.n_locations), {"Type": "ROI", **shared}),
        ):
            nib.save(scalar_image(values, layout), func / f"{stem}{name}.dscalar.nii")
            (func / f"{stem}{name}.json").write_text(json.dumps(text))
    done = run_group(root, "--n-permutations", "500")
    assert done.returncode == 0, done.stderr
    return root / "out"


def effect(layout):
    """Where there is an effect."""
    points = sheet("L")[0][20:]
    near = np.linalg.norm(points - sheet("L")[0][N_VERTICES // 2], axis=1) < 12
    planted = np.zeros(layout.n_locations, bool)
    planted[: len(near)] = near
    planted[~cortex_of(layout)] = np.argwhere(np.ones(BOX, bool))[:, 0] < 3
    return planted


def run_group(root, *options):
    out = root / "out"
    surface = ("--surface", f"{root}/hemi-{{hemi}}_mid.surf.gii")
    return app_process.run_app(out, out, "group", *surface, *options)


def group_map(out, stat):
    (path,) = Path(out, "group").glob(f"*_stat-{stat}_desc-m_statmap.dscalar.nii")
    return np.asarray(nib.load(path).dataobj)[0]


def test_the_planted_effect_is_found_and_nothing_else(output, layout):
    planted = effect(layout)
    found = group_map(output, "tfceFWEp") <= 0.05
    assert found[planted].mean() > 0.95
    assert found[~planted].mean() < 0.03  # neighbours alone
    (path,) = Path(output, "group").glob("*_clusters.tsv")
    text = path.read_text()
    assert "cortex L" in text and "thalamus_left" in text and "cortex R" not in text


def test_corrected_p_counts_both_parts(output, layout):
    """Counts of draws are doubled for TFCE and clusters, and not for t, which has one maximum."""
    for stat in ("tfceFWEp", "clusterSizeFWEp", "clusterMassFWEp"):
        p = group_map(output, stat)
        counts = p[p < 1] * 501.0
        np.testing.assert_allclose(counts, 2 * np.rint(counts / 2), atol=1e-3)
        assert counts.min() >= 2
    counts = np.rint(group_map(output, "tFWEp") * 501.0)
    assert (counts % 2 == 1).any()
    (path,) = Path(output, "group").glob("*_stat-tfceFWEp_desc-m_statmap.json")
    assert json.loads(path.read_text())["PartsCorrectedFor"] == 2


def test_smoothing_stays_within_structures(space, layout):
    """A structure's values do not reach another, and are smoothed as on its own."""
    mask = np.ones(layout.n_locations, bool)
    mask[[3, 500]] = False
    smooth = space.smoother(mask, 8.0)
    rng = np.random.default_rng(4)
    values = rng.standard_normal(layout.n_locations)
    found = smooth(values, mask)
    np.testing.assert_array_equal(np.isfinite(found), mask)
    for _, own, part in space.structures():
        other = rng.standard_normal(layout.n_locations)
        other[own] = values[own]
        np.testing.assert_array_equal(smooth(other, mask)[own], found[own])
        if isinstance(part, SurfacePart):
            alone = mesh_smoother(
                part.coordinates_mm, part.triangles, part.vertices[mask[own]], 8.0
            )
            expected = alone(values[own][mask[own]], np.ones(mask[own].sum(), bool))
            np.testing.assert_allclose(found[own][mask[own]], expected)
    voxels = slice(layout.n_locations - int(np.prod(BOX)), None)
    volume = smooth_inside(values[voxels].reshape(BOX), mask[voxels].reshape(BOX), 8.0, [3.0] * 3)
    np.testing.assert_allclose(found[voxels], volume.ravel())


def test_null_maps_that_are_not_there_are_told(output):
    done = run_group(output.parent, "--null", "conditions", "--label", "null")
    assert done.returncode == 66, done.stderr
    assert "--keep-null" in done.stderr


NOTHING = "nothing can be significant"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        # 1/501 = .002 is below alpha, twice that is not
        (("--n-permutations", "500"), ("0.00399", "666 are needed")),
        (("--n-permutations", "666"), ()),  # 2/667 is not above alpha
        (("--n-permutations", "500", "--primary", "cluster-size"), ("0.00399", "666 are needed")),
        (("--n-permutations", "500", "--primary", "maxt"), ()),  # one maximum over all
        (("--n-permutations", "500", "--group-mask", "{cortex}"), ()),  # one part
        (("--n-permutations", "2000", "--tail", "two-sided"), ("0.00391", "11 participants")),
    ],
)
def test_a_corrected_p_that_cannot_reach_alpha_is_warned_about(output, layout, options, told):
    """10 participants have 1,024 sign flips; alpha is .003."""
    cortex = output.parent / "cortex.dscalar.nii"
    nib.save(scalar_image(cortex_of(layout).astype(np.float32), layout), cortex)
    asked = [option.format(cortex=cortex) for option in options]
    done = run_group(output.parent, "--alpha", "0.003", "--dry-run", "--label", "dry", *asked)
    assert done.returncode == 0, done.stderr
    assert (NOTHING in done.stderr) == bool(told), done.stderr
    for text in told:
        assert text in done.stderr


def test_the_sidecar_states_the_smallest_corrected_p(output):
    options = ("--alpha", "0.003", "--n-permutations", "500", "--label", "few")
    done = run_group(output.parent, *options)
    assert done.returncode == 0, done.stderr
    (path,) = Path(output, "group", "analysis-few").glob("*_stat-tfceFWEp_desc-m_statmap.json")
    sidecar = json.loads(path.read_text())
    assert sidecar["SmallestP"] == pytest.approx(1 / 501)
    assert sidecar["SmallestCorrectedP"] == pytest.approx(2 / 501)
    assert sidecar["VoxelsSignificant"] == 0
    assert any(NOTHING in text for text in sidecar["Warnings"])
    p = np.asarray(nib.load(str(path).replace(".json", ".dscalar.nii")).dataobj)
    assert p.min() >= 2 / 501 * (1 - 1e-6)
    assert "corrected for 2 parts not below 0.00399" in Path(output, "group.html").read_text()
