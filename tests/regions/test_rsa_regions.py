"""The library's table of regions: equal to one region at a time, whatever the labels."""

import itertools

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from region_data import AFFINE, N_ITEMS, NAMES, SHAPE, atlas, betas, labels, models, write_table
from scipy.spatial.distance import pdist, squareform

from bids_rsa import rsa_nifti, rsa_regions
from bids_rsa.core.comparison.permutations import draw_permutations
from bids_rsa.core.condition_null import ConditionNull
from bids_rsa.core.measures import ModelScores
from bids_rsa.core.scores import ModelMeasures
from bids_rsa.core.searchlight import searchlight_rsa
from bids_rsa.errors import BidsRsaError, ContentError
from bids_rsa.regions.atlas import label_image
from bids_rsa.regions.compute import region_patches, score_regions
from bids_rsa.regions.region import make_regions
from bids_rsa.regions.shapes import SphereRegions, parse_sphere
from bids_rsa.spaces.grid import Grid

EXACT = {"rtol": 0, "atol": 1e-10}


def measures_of(rdms, null=None):
    return ModelMeasures(ModelScores(rdms, ("pearson",)), null)


def mask_of(index):
    return nib.Nifti1Image((labels() == index).astype(np.uint8), AFFINE)


@pytest.mark.parametrize("metric", ["correlation", "euclidean"])
@pytest.mark.parametrize("comparison", ["spearman", "rho-a", "regression", "whitened-cosine"])
def test_a_region_scores_as_one_patch_of_rsa_nifti(metric, comparison):
    image, brain = betas(), np.random.default_rng(5).random(SHAPE) > 0.2
    brain_mask = nib.Nifti1Image(brain.astype(np.uint8), AFFINE)
    table = rsa_regions(
        image, models(), atlas(), metric, rsa_metric=comparison, brain_mask=brain_mask,
        atlas_table=NAMES,
    )  # fmt: skip
    assert list(table["index"].unique()) == [3, 7, 12, 40]
    for index, name in NAMES.items():
        wanted = rsa_nifti(
            image, models(), None, metric, rsa_metric=comparison, brain_mask=brain_mask,
            roi_mask=mask_of(index),
        )  # fmt: skip
        own = table[table["name"] == name]
        np.testing.assert_allclose(own["score"], wanted, **EXACT)
        inside = (labels() == index) & brain
        assert (own["n_voxels"] == inside.sum()).all()
        np.testing.assert_allclose(own["coverage"], inside.sum() / (labels() == index).sum())


def test_the_rdms_are_those_of_the_regions_patterns():
    image = betas()
    table = rsa_regions(image, models(), atlas())
    for rdm, index in zip(table.attrs["rdms"], sorted(NAMES), strict=True):
        wanted = pdist(image.get_fdata()[labels() == index].T, "correlation")
        np.testing.assert_allclose(rdm, wanted, **EXACT)


def test_folds_work_in_regions():
    rng = np.random.default_rng(3)
    image = nib.Nifti1Image(rng.normal(size=(*SHAPE, 18)), AFFINE)
    y = np.tile(np.arange(6), 3)
    table = rsa_regions(image, models(1), atlas(), "sqeuclidean", y=y, n_folds=3)
    for index in NAMES:
        wanted = rsa_nifti(
            image, models(1), None, "sqeuclidean", y=y, n_folds=3, roi_mask=mask_of(index)
        )
        found = table.loc[table["index"] == index, "score"]
        np.testing.assert_allclose(found, wanted, **EXACT)


def test_one_label_of_everything_is_one_patch_of_everything():
    whole = nib.Nifti1Image(np.full(SHAPE, 5, np.int16), AFFINE)
    found = rsa_regions(betas(), models(), whole)["score"]
    np.testing.assert_allclose(found, rsa_nifti(betas(), models(), None), **EXACT)


def test_relabelled_indices_change_nothing():
    turned = {3: 9000, 7: 1, 12: 2, 40: 77}
    data = np.zeros(SHAPE, np.int32)
    for old, new in turned.items():
        data[labels() == old] = new
    first = rsa_regions(betas(), models(), atlas(), atlas_table=NAMES)
    names = {turned[index]: name for index, name in NAMES.items()}
    second = rsa_regions(betas(), models(), atlas(data), atlas_table=names)
    by_name = [t.set_index(["name", "model"]).sort_index() for t in (first, second)]
    for column in ("score", "n_voxels", "coverage"):
        np.testing.assert_array_equal(by_name[0][column], by_name[1][column])


@pytest.mark.parametrize("metric", ["correlation", "euclidean"])
def test_a_sphere_scores_as_the_searchlight_at_its_centre(metric):
    image, grid = betas(), Grid(SHAPE, AFFINE)
    mask = np.random.default_rng(2).random(SHAPE) > 0.3
    patterns = np.ascontiguousarray(image.get_fdata()[mask][:, None])
    wanted = searchlight_rsa(
        patterns, mask, mask, AFFINE, 9.0, models(), dissimilarity=metric, comparisons=("pearson",)
    ).scores["pearson"]
    chosen = np.argwhere(mask)[[0, 50, 333, 600]]
    texts = [
        f"s{k}:{','.join(repr(float(x)) for x in (AFFINE @ [*center, 1])[:3])}:9"
        for k, center in enumerate(chosen)
    ]
    spheres = tuple(map(parse_sphere, texts))
    regions = make_regions(range(1, 5), [one.name for one in spheres])
    patches = region_patches(SphereRegions(spheres, regions), grid, mask.ravel(), mask.ravel())
    found = score_regions(patterns, patches, measures_of(models()), dissimilarity=metric)
    at = [int(mask.ravel()[: np.ravel_multi_index(tuple(c), SHAPE)].sum()) for c in chosen]
    np.testing.assert_allclose(found.scores["pearson"], wanted[:, at], **EXACT)


def test_a_sphere_at_the_edge_is_covered_in_part():
    corner = (AFFINE @ [0, 0, 0, 1])[:3]
    sphere = parse_sphere(f"edge:{','.join(map(str, corner))}:3")
    found = SphereRegions((sphere,), make_regions([1], ["edge"]))
    everywhere = np.ones(np.prod(SHAPE), bool)
    patches = region_patches(found, Grid(SHAPE, AFFINE), everywhere, everywhere)
    assert patches.n_voxels[0] == 4
    np.testing.assert_allclose(patches.coverage, 4 / 7)


def test_another_grid_is_resampled_and_recorded():
    fine = atlas(labels().repeat(2, 0).repeat(2, 1).repeat(2, 2), half_voxels())
    table = rsa_regions(betas(), models(), fine)
    plain = rsa_regions(betas(), models(), atlas())
    np.testing.assert_allclose(table["score"], plain["score"], **EXACT)
    np.testing.assert_allclose(table["coverage"], 1)
    assert any("resampled" in note and "nearest" in note for note in table.attrs["notes"])


def half_voxels():
    """The affine of a grid of half the voxel size that covers the same box."""
    affine = AFFINE.copy()
    affine[:3, :3] /= 2
    affine[:3, 3] -= AFFINE[:3, :3].sum(axis=1) / 4
    return affine


def test_what_lies_outside_the_images_counts_as_not_covered():
    wide = np.zeros((20, 11, 10), np.int16)
    wide[8:16, 2:6, 2:6] = 1  # half of it lies beyond the images
    table = rsa_regions(betas(), models(1), atlas(wide))
    np.testing.assert_allclose(table["coverage"], 0.5)
    assert table["n_voxels"][0] == 4 * 4 * 4
    assert np.isnan(rsa_regions(betas(), models(1), atlas(wide), min_coverage=0.6)["score"][0])


def test_p_of_permuted_conditions_is_that_of_brute_force():
    """All 720 orders of 6 conditions, and the maximum over the regions."""
    image, grid = betas(), Grid(SHAPE, AFFINE)
    everywhere, model = np.ones(np.prod(SHAPE), bool), squareform(models(1)[0])
    patterns = np.ascontiguousarray(image.get_fdata().reshape(-1, N_ITEMS)[:, None])
    patches = region_patches(label_image(atlas()), grid, everywhere, everywhere)
    null = ConditionNull([models(1)[0]], draw_permutations(N_ITEMS, 720, 0), ("pearson",))
    found = score_regions(patterns, patches, measures_of(models(1), null))
    orders = list(itertools.permutations(range(N_ITEMS)))
    forms = np.array([squareform(model[np.ix_(order, order)]) for order in orders])
    draws = np.array([np.corrcoef(rdm, forms)[0, 1:] for rdm in found.rdms])
    observed = draws[:, :1]
    p, _, corrected = found.nulls["pearson"][:, 0]
    np.testing.assert_allclose(p, (draws >= observed - 1e-9).mean(axis=1), **EXACT)
    maxima = draws.max(axis=0)
    np.testing.assert_allclose(corrected, (maxima >= observed - 1e-9).mean(axis=1), **EXACT)


def test_regions_that_cannot_be_scored_are_rows_without_a_score():
    data = labels()
    data[0, 0, 0] = 50
    names = NAMES | {50: "tiny", 60: "absent"}
    table = rsa_regions(betas(), models(1), atlas(data), atlas_table=names, min_voxels=5)
    rows = table.set_index("name")
    assert rows["score"].isna().to_dict() == dict.fromkeys(NAMES.values(), False) | {
        "tiny": True, "absent": True,
    }  # fmt: skip
    assert rows.loc["tiny", "n_voxels"] == 1
    assert rows.loc["absent", "n_voxels"] == 0
    assert np.isnan(rows.loc["absent", "coverage"])
    told = " ".join(table.attrs["notes"])
    assert "tiny (1)" in told and "absent" in told


@pytest.mark.parametrize("scale", [1, 100])
def test_probabilistic_atlases_take_the_most_probable_region(scale):
    rng = np.random.default_rng(4)
    data = rng.random((*SHAPE, 3)) * scale
    table = rsa_regions(
        betas(), models(1), nib.Nifti1Image(data, AFFINE), atlas_threshold=0.6,
        atlas_table={1: "a", 2: "b", 3: "c"},
    )  # fmt: skip
    best = np.where(data.max(axis=-1) > 0.6 * scale, data.argmax(axis=-1) + 1, 0)
    plain = rsa_regions(betas(), models(1), atlas(best.astype(np.int16)))
    np.testing.assert_array_equal(table["n_voxels"], plain["n_voxels"])
    np.testing.assert_array_equal(table["score"], plain["score"])


def test_a_table_beside_the_atlas_names_the_regions(tmp_path):
    path = tmp_path / "tpl-MNI_res-02_atlas-X_dseg.nii.gz"
    nib.save(atlas(), path)
    write_table(tmp_path / "tpl-MNI_atlas-X_dseg.tsv", NAMES)
    assert list(rsa_regions(betas(), models(1), path)["name"]) == list(NAMES.values())
    frame = pd.DataFrame({"index": list(NAMES), "name": ["a", "b", "c", "d"]})
    assert list(rsa_regions(betas(), models(1), path, atlas_table=frame)["name"]) == list("abcd")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("number\tname\n3\tV1\n", "no column index"),
        ("index\tcolour\n3\tred\n", "no column name or label"),
        ("index\tname\n3\tV1\n7\tV1\n", "two regions are named 'V1': index 3 and index 7"),
        ("index\tname\n3\tV1\n3\tV2\n", "index 3 occurs twice"),
        ("index\tname\n3.5\tV1\n", "'3.5'; a whole number"),
        ("index\tname\nthree\tV1\n", "'three'; a whole number"),
        ("index\tname\n3\tn/a\n", "has no name"),
        ("index\tname\n3\n", "row 2 has 1 cells"),
        ("index\tname\n", "names no region"),
        ("index\tname\n3\tV1\n-3\tV2\n", "contains negative labels: -3 (1 in all)"),
    ],
)
def test_tables_that_name_no_regions_are_refused(tmp_path, text, told):
    path = tmp_path / "table.tsv"
    path.write_text(text)
    with pytest.raises(ContentError) as raised:
        rsa_regions(betas(), models(1), atlas(), atlas_table=path)
    assert told in raised.value.message
    assert str(path) in raised.value.message


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (atlas(np.zeros(SHAPE, np.int16)), "contains no region"),
        (nib.Nifti1Image(np.random.default_rng(0).random(SHAPE), AFFINE), "is not a label image"),
        (nib.Nifti1Image(np.full((*SHAPE, 2), -4.0), AFFINE), "contains no probabilities"),
        (atlas(np.full(SHAPE, 200).astype(np.int8)), "contains negative labels: -56"),
        (atlas(np.where(labels() == 0, -2, labels()).astype(np.int16)), "negative labels: -2"),
        (atlas(affine=AFFINE + np.array([[0, 0, 0, 900]] * 3 + [[0] * 4])), "shares no voxel"),
    ],
)
def test_images_that_are_no_atlas_are_refused(given, told):
    with pytest.raises(BidsRsaError) as raised:
        rsa_regions(betas(), models(1), given)
    assert told in raised.value.message


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("names", [NAMES, {**NAMES, -1: "unassigned"}, None])
def test_minus_one_is_background(dtype, names):
    marked = np.where(labels() == 0, -1, labels())
    given = rsa_regions(betas(), models(), atlas(marked.astype(dtype)), atlas_table=names)
    plain = rsa_regions(betas(), models(), atlas(), atlas_table=names and NAMES)
    pd.testing.assert_frame_equal(given, plain)
    told = [note for note in given.attrs["notes"] if note not in plain.attrs["notes"]]
    assert len(told) == 1
    assert f"contains -1 in {(labels() == 0).sum():,} voxels: taken as background" in told[0]


def test_names_make_labels_for_files_that_differ():
    names = ["ctx-lh/V1", "ctx_lh_V1", "<b>x</b>", "日本", "A", "a"]
    regions = make_regions(range(1, 7), names)
    found = [region.label for region in regions]
    assert len({label.lower() for label in found}) == 6
    assert all(label.isascii() and label.isalnum() for label in found)
    assert [region.name for region in regions] == names


@pytest.mark.parametrize(
    "text", ["FFA", "FFA:1,2:8", "FFA:1,2,x:8", "FFA:1,2,3:0", "FFA:1,2,3:-4", ":1,2,3:4", "a:,,:1"]
)
def test_spheres_that_are_none_are_refused(text):
    with pytest.raises(BidsRsaError, match="NAME:x,y,z:R"):
        parse_sphere(text)
