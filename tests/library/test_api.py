import inspect
import re

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from reference import plain_rdm, plain_rdm_cv, plain_searchlight
from scipy.spatial.distance import pdist, squareform
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedKFold,
)
from volumes import ANISOTROPIC, OBLIQUE, SHAPE, noise, reoriented, volume

import bids_rsa
from bids_rsa import compute_dsm, compute_dsm_cv, rsa_nifti

N_ITEMS = 6
MODEL = np.random.default_rng(1).permutation(15).astype(float)
RADIUS = 0.006
EVERYWHERE = np.ones(SHAPE, bool)


def image(n_volumes=N_ITEMS, affine=OBLIQUE, **kwargs):
    return volume(noise(n_volumes, **kwargs), affine)


def expected(folds, models=MODEL, affine=OBLIQUE, patch=EVERYWHERE, centers=EVERYWHERE, **kwargs):
    comparison = kwargs.pop("comparison", "spearman")
    metric = kwargs.pop("metric", "correlation")
    scores = plain_searchlight(
        folds, patch, centers, affine, 1000 * RADIUS, np.atleast_2d(models), metric, (comparison,),
        **kwargs,
    )[comparison]  # fmt: skip
    maps = np.zeros((len(scores), *SHAPE))
    maps[:, centers] = scores
    return maps


def volumes_first(series):
    return np.moveaxis(series, -1, 0)


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-10)


def test_the_parameters_and_defaults_users_know():
    signature = str(inspect.signature(rsa_nifti))
    plain = re.sub(r": [^=]*?(?= = |, \w+:|\) ->)", "", signature.split(" -> ")[0] + ") ->")
    names = list(inspect.signature(rsa_nifti).parameters)
    defaults = {
        name: p.default
        for name, p in inspect.signature(rsa_nifti).parameters.items()
        if p.default is not p.empty
    }
    assert names == [
        "image", "dsm_model", "spatial_radius", "image_dsm_metric", "image_dsm_params",
        "rsa_metric", "ignore_nan", "y", "n_folds", "roi_mask", "brain_mask", "n_jobs", "verbose",
    ], plain  # fmt: skip
    assert defaults == {
        "spatial_radius": 0.01, "image_dsm_metric": "correlation", "image_dsm_params": {},
        "rsa_metric": "spearman", "ignore_nan": False, "y": None, "n_folds": 1, "roi_mask": None,
        "brain_mask": None, "n_jobs": 1, "verbose": False,
    }  # fmt: skip
    for function, first in ((compute_dsm, "data"), (compute_dsm_cv, "folds")):
        parameters = list(inspect.signature(function).parameters.values())
        assert [p.name for p in parameters] == [first, "metric", "params"]
        assert parameters[1].default == "correlation"
        assert parameters[2].kind is inspect.Parameter.VAR_KEYWORD
    assert {"rsa_nifti", "compute_dsm", "compute_dsm_cv"} <= set(bids_rsa.__all__)


# what users hold in their hands


def _series(kind, folder):
    series = noise(N_ITEMS, dtype=np.float32)
    single = [volume(series[..., index], OBLIQUE) for index in range(N_ITEMS)]
    if kind == "nifti1":
        return volume(series, OBLIQUE)
    if kind == "nifti2":
        return nib.Nifti2Image(series, OBLIQUE)
    if kind == "mgh":
        return nib.MGHImage(series, OBLIQUE)
    if kind == "list":
        return single
    if kind == "turned":  # each in another orientation, all the first one's voxels
        codes = ("RAS", "LPI", "SRA", "PSL", "AIR")
        turned = [reoriented(one, code) for one, code in zip(single[1:], codes, strict=True)]
        return (single[0], *turned)
    if kind == "paths":
        for index, one in enumerate(single):
            nib.save(one, folder / f"{index}.nii.gz")
        return [str(folder / f"{index}.nii.gz") for index in range(N_ITEMS)]
    path = folder / kind
    nib.save(nib.MGHImage(series, OBLIQUE) if ".mg" in kind else volume(series, OBLIQUE), path)
    return str(path) if "gz" in kind else path


@pytest.mark.parametrize(
    "kind",
    ["nifti1", "nifti2", "mgh", "list", "turned", "paths", "x.nii", "x.nii.gz", "x.mgh", "x.mgz"],
)
def test_images_in_any_form(tmp_path, kind):
    found = rsa_nifti(_series(kind, tmp_path), MODEL, RADIUS)
    assert isinstance(found, nib.Nifti1Image)
    assert found.shape == SHAPE
    assert found.get_data_dtype() == np.float64
    np.testing.assert_allclose(found.affine, OBLIQUE, atol=1e-5)
    close(found.get_fdata(), expected(volumes_first(noise(N_ITEMS, dtype=np.float32))[None])[0])


@pytest.mark.parametrize("dtype", ["i2", "u1", "i4", "f4", ">f4", "f8"])
def test_the_result_is_double_whatever_the_input(tmp_path, dtype):
    series = (noise(N_ITEMS) * 20 + 120).astype(dtype)
    nib.save(nib.Nifti1Image(series, OBLIQUE), tmp_path / "x.nii.gz")
    found = rsa_nifti(tmp_path / "x.nii.gz", MODEL, RADIUS)
    assert found.get_data_dtype() == np.float64
    nib.save(found, tmp_path / "y.nii.gz")
    back = nib.load(tmp_path / "y.nii.gz")
    assert back.get_data_dtype() == np.float64
    close(back.get_fdata(), expected(volumes_first(series.astype(float))[None])[0])


def test_runs_in_a_list_follow_each_other(tmp_path, monkeypatch):
    series = noise(3 * N_ITEMS, dtype=np.float32)
    runs = [volume(series[..., start : start + N_ITEMS], OBLIQUE) for start in (0, 6, 12)]
    monkeypatch.setenv("HOME", str(tmp_path))
    for index, run in enumerate(runs):
        nib.save(run, tmp_path / f"run{index}.nii.gz")
    labels = [*range(N_ITEMS)] * 3
    wanted = rsa_nifti(volume(series, OBLIQUE), MODEL, RADIUS, y=labels, n_folds=3).get_fdata()
    mixed = [runs[0], *(volume(series[..., 6 + i], OBLIQUE) for i in range(N_ITEMS)), runs[2]]
    for given in (runs, [f"~/run{index}.nii.gz" for index in range(3)], mixed):
        found = rsa_nifti(given, MODEL, RADIUS, y=labels, n_folds=3)
        np.testing.assert_array_equal(found.get_fdata(), wanted)


SQUARE = squareform(MODEL)
FRAME = pd.DataFrame(SQUARE)


@pytest.mark.parametrize(
    ("model", "n_maps"),
    [
        (SQUARE, None),
        (MODEL, None),
        (MODEL.tolist(), None),
        (MODEL.astype(int), None),
        (FRAME, None),
        ([SQUARE], 1),
        ((MODEL,), 1),
        ([MODEL, SQUARE], 2),
        ((FRAME, MODEL.tolist(), SQUARE.astype(np.float32)), 3),
        ([MODEL.tolist(), SQUARE.tolist()], 2),
    ],
)
def test_models_in_any_form(model, n_maps):
    found = rsa_nifti(image(), model, RADIUS)
    assert isinstance(found, list) == (n_maps is not None)
    maps = found if n_maps else [found]
    assert len(maps) == (n_maps or 1)
    wanted = expected(volumes_first(noise(N_ITEMS))[None])[0]
    for one in maps:
        close(one.get_fdata(), wanted)


def test_without_a_radius_the_result_is_a_number():
    series = noise(N_ITEMS)
    rdm = plain_rdm(volumes_first(series).reshape(N_ITEMS, -1), "correlation")
    rho = pd.Series(rdm).corr(pd.Series(MODEL), method="spearman")
    found = rsa_nifti(image(), MODEL, None)
    assert isinstance(found, float)
    assert found == pytest.approx(rho, abs=1e-10)
    several = rsa_nifti(image(), [MODEL, -MODEL], None)
    assert isinstance(several, np.ndarray)
    close(several, [rho, -rho])
    assert rsa_nifti(image(), [MODEL], spatial_radius=None).shape == (1,)


@pytest.mark.parametrize("radius", [6e-3, np.float32(0.006), np.float64(0.006)])
def test_the_radius_is_any_number_of_metres(radius):
    series = noise(N_ITEMS)
    found = rsa_nifti(volume(series), MODEL, radius).get_fdata()
    close(found, expected(volumes_first(series)[None], affine=ANISOTROPIC)[0])


@pytest.mark.parametrize("radius", [10, np.int64(9), 1, 0.1])
def test_a_radius_in_millimetres_is_refused_with_the_numbers(radius):
    # voxel centres span 12 x 15 x 18 mm: the longest diagonal is 26.32 mm
    says = rf"is {radius} metres \({radius * 1000:g} mm\).*26.32 mm.* mm are {radius / 1000}"
    with pytest.raises(ValueError, match=re.compile(says, re.DOTALL)):
        rsa_nifti(volume(noise(N_ITEMS)), MODEL, radius)


def test_a_radius_as_large_as_the_brain_mask_warns_that_the_map_is_constant():
    brain = np.zeros(SHAPE)
    brain[2:4, 2:4, 2:4] = 1
    brain, series = volume(brain), volume(noise(N_ITEMS))
    whole = rsa_nifti(series, MODEL, None, brain_mask=brain)
    extent = np.sqrt(2**2 + 3**2 + 4.5**2)  # mm
    with pytest.warns(UserWarning, match=rf"within {extent:.4g} mm") as caught:
        found = rsa_nifti(series, MODEL, 0.00577, brain_mask=brain).get_fdata()
    assert caught[0].filename == __file__
    close(found[2:4, 2:4, 2:4], np.full((2, 2, 2), whole))
    found = rsa_nifti(series, MODEL, 0.00576, brain_mask=brain).get_fdata()
    assert np.ptp(found[2:4, 2:4, 2:4]) > 0


# labels and folds


Y = np.array(["dog", "cat", "axe", "pen", "cup", "hat"])


def test_repeats_are_averaged_with_equal_weight():
    order = np.random.default_rng(3).permutation(np.repeat(np.arange(N_ITEMS), [1, 2, 3, 4, 2, 3]))
    series = noise(len(order))
    means = np.stack([series[..., order == item].mean(axis=-1) for item in range(N_ITEMS)])
    found = rsa_nifti(volume(series, OBLIQUE), MODEL, RADIUS, y=order)
    close(found.get_fdata(), expected(means[None])[0])


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Series, "column", "floats"])
def test_labels_in_any_form(kind):
    labels = np.array([5, 3, 8, 1, 2, 9] * 2)
    if kind == "column":
        given = labels[:, None]
    else:
        given = labels.astype(float) if kind == "floats" else kind(labels)
    series = noise(2 * N_ITEMS)
    order = np.argsort(labels[:N_ITEMS])
    folds = volumes_first(series).reshape(2, N_ITEMS, *SHAPE)[:, order]
    found = rsa_nifti(volume(series, OBLIQUE), MODEL, RADIUS, y=given, n_folds=2)
    close(found.get_fdata(), expected(folds)[0])


def test_a_data_frame_is_matched_by_name():
    series = noise(2 * N_ITEMS)
    sorted_means = volumes_first(series).reshape(2, N_ITEMS, *SHAPE).mean(axis=0)[np.argsort(Y)]
    wanted = expected(sorted_means[None])[0]
    frame = pd.DataFrame(SQUARE, index=sorted(Y), columns=sorted(Y))
    shuffled = frame.loc[Y[[3, 1, 0, 5, 4, 2]], Y[[0, 2, 4, 1, 3, 5]]]
    labels = [*Y, *Y]
    for model in (frame, shuffled):
        close(rsa_nifti(volume(series, OBLIQUE), model, RADIUS, y=labels).get_fdata(), wanted)


@pytest.mark.parametrize("kind", [int, float, str])
def test_numeric_names_match_however_a_table_was_read(kind, tmp_path):
    numbers = [30, 4, 100, 7, 12, 1]
    frame = pd.DataFrame(SQUARE, index=sorted(numbers), columns=sorted(numbers))
    wanted = rsa_nifti(image(), frame, RADIUS, y=numbers).get_fdata()
    frame.loc[numbers, numbers].to_csv(tmp_path / "model.csv")
    read = pd.read_csv(tmp_path / "model.csv", index_col=0)  # integers by text
    found = rsa_nifti(image(), read, RADIUS, y=[kind(n) for n in numbers])
    close(found.get_fdata(), wanted)  # numbers and texts sort differently


@pytest.mark.parametrize("ignore_nan", [False, True])
def test_a_nan_cell_of_a_model_is_left_out_with_and_without_ignore_nan(ignore_nan):
    model = np.where(MODEL == 3, np.nan, MODEL)
    found = rsa_nifti(image(), model, RADIUS, rsa_metric="pearson", ignore_nan=ignore_nan)
    wanted = expected(volumes_first(noise(N_ITEMS))[None], model, comparison="pearson")[0]
    close(found.get_fdata(), wanted)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.rename(index={"dog": "cow"}, columns={"dog": "cow"}),
         r"only in y \['dog'\], only in the model \['cow'\]"),
        (lambda f: f.rename(index={"dog": "cow"}), r"different names: \['cow', 'dog'\]"),
        (lambda f: f.rename(index={"dog": "cat"}), "duplicate"),
        (lambda f: f.drop(index="dog", columns="dog"), r"only in y \['dog'\]"),
    ],
)  # fmt: skip
def test_names_that_do_not_match_are_listed(change, says):
    frame = pd.DataFrame(SQUARE, index=sorted(Y), columns=sorted(Y))
    with pytest.raises(ValueError, match=says):
        rsa_nifti(image(), change(frame), RADIUS, y=Y)


@pytest.mark.parametrize("metric", ["sqeuclidean", "correlation"])
@pytest.mark.parametrize("repeats", [2, 3])
def test_as_many_folds_as_repeats_hold_the_fth_image_of_each_item(metric, repeats):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(N_ITEMS), repeats))
    series = noise(len(labels))
    folds = np.stack(
        [
            [series[..., np.flatnonzero(labels == item)[fold]] for item in range(N_ITEMS)]
            for fold in range(repeats)
        ]
    )
    wanted = expected(folds, metric=metric)[0]
    for n_folds in (repeats, None):
        found = rsa_nifti(volume(series, OBLIQUE), MODEL, RADIUS, metric, y=labels, n_folds=n_folds)
        close(found.get_fdata(), wanted)


def _folds_of(splitter, series, labels):
    sets = [test for _, test in splitter.split(np.zeros(len(labels)), labels)]
    return np.stack(
        [
            [series[..., test[labels[test] == item]].mean(axis=-1) for item in range(N_ITEMS)]
            for test in sets
        ]
    )


@pytest.mark.parametrize("n_folds", [2, 3])
def test_an_int_means_the_test_sets_of_stratified_k_fold(n_folds):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(N_ITEMS), [3, 4, 5, 4, 3, 7]))
    series = noise(len(labels))
    with pytest.warns(UserWarning, match=f"{n_folds} folds do not divide.* 3 to 7 images"):
        found = rsa_nifti(volume(series, OBLIQUE), MODEL, RADIUS, y=labels, n_folds=n_folds)
    close(found.get_fdata(), expected(_folds_of(StratifiedKFold(n_folds), series, labels))[0])


@pytest.mark.parametrize(
    "splitter",
    [
        KFold(3),
        StratifiedKFold(2, shuffle=True, random_state=1),
        PredefinedSplit(np.repeat([0, 1, -1, 2], N_ITEMS)),
    ],
    ids=["KFold", "StratifiedKFold", "PredefinedSplit"],
)
def test_a_splitter_means_its_test_sets(splitter):
    n_repeats = 4 if isinstance(splitter, PredefinedSplit) else 6
    labels = np.tile(np.arange(N_ITEMS), n_repeats)
    series = noise(len(labels))
    found = rsa_nifti(volume(series, OBLIQUE), MODEL, RADIUS, y=labels, n_folds=splitter)
    close(found.get_fdata(), expected(_folds_of(splitter, series, labels))[0])


@pytest.mark.parametrize("form", [list, iter, "masks"])
def test_folds_as_pairs_of_train_and_test(form):
    runs = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], N_ITEMS))
    labels = np.empty(len(runs), dtype=int)
    for run in range(3):
        labels[runs == run] = np.random.default_rng(run).permutation(N_ITEMS)
    series = noise(len(runs))
    pairs = LeaveOneGroupOut().split(labels, labels, groups=runs)
    if form == "masks":
        form, pairs = list, [(runs != run, runs == run) for run in range(3)]
    found = rsa_nifti(volume(series, OBLIQUE), MODEL, RADIUS, y=labels, n_folds=form(pairs))
    wanted = expected(_folds_of(PredefinedSplit(runs), series, labels))[0]
    close(found.get_fdata(), wanted)


def test_equal_counts_that_folds_do_not_divide_are_said_once():
    labels = np.repeat(np.arange(N_ITEMS), 3)
    with pytest.warns(UserWarning, match=r"\(each item has 3 images\)") as caught:
        rsa_nifti(image(18), MODEL, RADIUS, y=labels, n_folds=2)
    assert caught[0].filename == __file__


LABELS = np.repeat(np.arange(N_ITEMS), 2)


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"n_folds": 2}, "n_folds is 2, but there is no y"),
        ({"n_folds": None}, "n_folds is None, but there is no y"),
        ({"n_folds": KFold(2)}, "KFold.*but there is no y"),
        ({"y": LABELS[:5]}, r"y has shape \(5,\), but there are 12 images"),
        ({"y": np.zeros((12, 2))}, r"y has shape \(12, 2\)"),
        ({"y": np.where(LABELS == 1, np.nan, LABELS)}, "y contains NaN"),
        ({"y": LABELS, "n_folds": 3}, "n_folds is 3, but item 0 has only 2 images.*fold 2"),
        ({"y": np.r_[LABELS[:-1], 0], "n_folds": 2}, "Item 5 has no image in fold 0"),
        ({"y": LABELS, "n_folds": 0}, "n_folds is 0"),
        ({"y": LABELS, "n_folds": 1.5}, "n_folds is 1.5"),
        ({"y": LABELS, "n_folds": "runs"}, "n_folds is 'runs'"),
        ({"y": LABELS, "n_folds": LeaveOneGroupOut()}, r"groups.*LeaveOneGroupOut\(...\).split"),
        ({"y": LABELS, "n_folds": GroupKFold(2)}, r"groups.*groups=runs"),
        ({"y": LABELS, "n_folds": np.tile([0, 1], 6)}, r"n_folds\[0\].*PredefinedSplit"),
        ({"y": LABELS, "n_folds": [([0], [1]), ([1], [12])]}, "12 to 12.*numbered 0 to 11"),
        ({"y": LABELS, "n_folds": [([0], ["a"]), ([1], [1])]}, "fold 0.*indices"),
        ({"y": [None, "a", *"bcdefghijk"]}, "y contains labels that cannot be sorted"),
        ({"y": LABELS, "n_folds": KFold(2)}, "Item . has no image in fold 0"),
        ({"y": LABELS, "n_folds": ShuffleSplit(2, test_size=0.9)}, "test sets of Shuff.* overlap"),
        ({"y": LABELS, "n_folds": RepeatedKFold(n_splits=2)}, "overlap.*disjoint"),
        ({"y": LABELS, "n_folds": ShuffleSplit(1)}, "at least two are needed"),
        ({"y": np.arange(12)}, r"dsm_model has shape \(15,\), but the data contain 12 items"),
        ({}, r"\(15,\), but the data contain 12 items: \(12, 12\) or condensed \(66,\)"),
        ({"y": np.zeros(12)}, "only 1 item"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*folds do not divide")
def test_labels_and_folds_that_do_not_fit(kwargs, says):
    with pytest.raises(ValueError, match=re.compile(says, re.DOTALL)):
        rsa_nifti(image(12), MODEL, RADIUS, **kwargs)


# masks


def test_patches_reach_out_of_the_roi_but_not_of_the_brain():
    rng = np.random.default_rng(0)
    brain, roi = rng.random(SHAPE) > 0.3, rng.random(SHAPE) > 0.7
    folds = volumes_first(noise(N_ITEMS))[None]
    as_mask = [volume(mask.astype("u1"), OBLIQUE) for mask in (brain, roi)]
    for masks, patch, centers in (
        ({"brain_mask": as_mask[0]}, brain, brain),
        ({"roi_mask": as_mask[1]}, EVERYWHERE, roi),
        ({"brain_mask": as_mask[0], "roi_mask": as_mask[1]}, brain, brain & roi),
    ):
        found = rsa_nifti(image(), MODEL, RADIUS, **masks).get_fdata()
        close(found, expected(folds, patch=patch, centers=centers)[0])
        assert not found[~centers].any()


def test_without_a_radius_the_patch_is_what_both_masks_share():
    rng = np.random.default_rng(0)
    brain, roi = rng.random(SHAPE) > 0.3, rng.random(SHAPE) > 0.5
    as_mask = [volume(mask.astype("u1"), OBLIQUE) for mask in (brain, roi)]
    patterns = volumes_first(noise(N_ITEMS))[:, brain & roi]
    found = rsa_nifti(
        image(), MODEL, None, roi_mask=as_mask[1], brain_mask=as_mask[0], rsa_metric="pearson"
    )
    assert found == pytest.approx(np.corrcoef(pdist(patterns, "correlation"), MODEL)[0, 1])


@pytest.mark.parametrize("codes", ["SRP", "LAI"])
def test_masks_are_matched_by_affine(tmp_path, caplog, codes):
    caplog.set_level("INFO", "bids_rsa")
    brain = np.random.default_rng(0).random(SHAPE) > 0.3
    mask = volume(brain.astype("u1"), OBLIQUE)
    straight = rsa_nifti(image(), MODEL, RADIUS, brain_mask=mask).get_fdata()
    nib.save(reoriented(mask, codes), tmp_path / "mask.nii.gz")
    turned = rsa_nifti(image(), MODEL, RADIUS, brain_mask=tmp_path / "mask.nii.gz").get_fdata()
    np.testing.assert_array_equal(turned, straight)
    # a mask of half the voxel size, stored in this other orientation, names the same voxels
    halves = OBLIQUE @ np.diag([0.5, 0.5, 0.5, 1])
    halves[:3, 3] = (OBLIQUE @ [-0.25, -0.25, -0.25, 1])[:3]
    fine = reoriented(volume(np.kron(brain, np.ones((2, 2, 2), "u1")), halves), codes)
    resampled = rsa_nifti(image(), MODEL, RADIUS, brain_mask=fine).get_fdata()
    np.testing.assert_array_equal(resampled, straight)
    assert ["reordered" in caplog.text, "resampled" in caplog.text] == [True, True]


@pytest.mark.parametrize("codes", ["SRP", "LAI", "PIL"])
@pytest.mark.parametrize("metric", ["correlation", "cityblock"])
def test_the_orientation_of_the_grid_changes_nothing(codes, metric):
    straight = rsa_nifti(image(), MODEL, RADIUS, metric)
    turned = rsa_nifti(reoriented(image(), codes), MODEL, RADIUS, metric)
    back = reoriented(turned, "".join(nib.aff2axcodes(OBLIQUE)))
    close(back.get_fdata(), straight.get_fdata())


# parameters


def test_parameters_that_do_not_fit():
    n = int(np.prod(SHAPE))
    for metric, params, radius, says in (
        ("seuclidean", {"V": np.ones(7)}, RADIUS, rf"V has shape \(7,\).*\({n},\)"),
        ("euclidean", {"w": np.ones((2, n))}, RADIUS, "w has shape"),
        ("mahalanobis", {"VI": np.eye(n)}, RADIUS, "VI requires spatial_radius=None"),
        ("mahalanobis", {"VI": np.eye(7)}, None, rf"VI has shape \(7, 7\); \({n}, {n}\)"),
        ("correlation", {"p": 3}, RADIUS, "p"),
        ("minkowski", {"q": 3}, RADIUS, "q"),
        ("minkowski", {"p": 0}, RADIUS, "p needs a number above 0; given: 0"),
        ("minkowski", {"p": "three"}, RADIUS, "p needs a number above 0; given: 'three'"),
        ("euclidean", {"w": -np.ones(n)}, RADIUS, "w needs numbers that are not negative"),
        ("seuclidean", {"V": -np.ones(n)}, RADIUS, "V needs numbers that are not negative"),
        ("corelation", {}, RADIUS, "unknown dissimilarity 'corelation'.*correlation"),
    ):
        with pytest.raises(ValueError, match=re.compile(says, re.DOTALL)):
            rsa_nifti(image(), MODEL, radius, metric, params)
    with pytest.raises(ValueError, match=r"unknown comparison 'rank'.*spearman"):
        rsa_nifti(image(), MODEL, RADIUS, rsa_metric="rank")


@pytest.mark.parametrize("cut", [False, True], ids=["grid", "masked"])
@pytest.mark.parametrize("n_folds", [1, 2])
def test_mahalanobis_with_a_matrix_over_one_patch(cut, n_folds):
    rng = np.random.default_rng(0)
    mask = rng.random(SHAPE) > 0.6
    n, inside = int(np.prod(SHAPE)), np.flatnonzero(mask)
    root = rng.normal(size=(n, n))
    vi = root @ root.T / n
    folds = volumes_first(noise(n_folds * N_ITEMS)).reshape(n_folds, N_ITEMS, *SHAPE)[..., mask]
    inner = vi[np.ix_(inside, inside)]
    if n_folds == 1:
        rdm = pdist(folds[0], "mahalanobis", VI=inner)
    else:
        rdm = plain_rdm_cv(folds, "mahalanobis", VI=inner)
    found = rsa_nifti(
        image(n_folds * N_ITEMS), MODEL, None, "mahalanobis", {"VI": inner if cut else vi},
        "pearson", y=np.tile(np.arange(N_ITEMS), n_folds), n_folds=n_folds,
        brain_mask=volume(mask.astype("u1"), OBLIQUE),
    )  # fmt: skip
    assert found == pytest.approx(np.corrcoef(rdm, MODEL)[0, 1], abs=1e-10)


def test_weights_may_have_the_shape_of_the_grid():
    weights = np.random.default_rng(0).uniform(size=SHAPE)
    flat = rsa_nifti(image(), MODEL, RADIUS, "euclidean", {"w": weights.ravel()}).get_fdata()
    shaped = rsa_nifti(image(), MODEL, RADIUS, "euclidean", {"w": weights}).get_fdata()
    np.testing.assert_array_equal(flat, shaped)


# bad input


def _square(change):
    square = SQUARE.copy()
    change(square)
    return square


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (np.ones((5, 6)), r"shape \(5, 6\)"),
        (_square(lambda s: s.__setitem__((0, 1), 99)), r"not symmetric: \[0, 1\] is 99"),
        (_square(lambda s: s.__setitem__((2, 2), 0.5)), "non-zero diagonal: 0.5 in row 2"),
        (1 - SQUARE, "non-zero diagonal: 1 in row 0.*similarities"),
        (MODEL[:-1], r"shape \(14,\)"),
        ([], "empty list"),
        ([MODEL, MODEL[:3]], r"dsm_model\[1\] has shape \(3,\)"),
        (np.full(15, np.nan), "All 15 cells of dsm_model are NaN"),
        (np.where(MODEL == 3, np.inf, MODEL), "infinite"),
        (np.array(list("abcdefghijklmno")), "not an array of numbers"),
        (np.zeros(15), "undefined at every one of 210 centres"),
    ],
)
def test_models_that_cannot_be_used(model, says):
    with pytest.raises(ValueError, match=re.compile(says, re.DOTALL)):
        rsa_nifti(image(), model, RADIUS)


def test_rounding_in_a_model_is_no_asymmetry():
    square = SQUARE * (1 + 1e-14 * np.random.default_rng(0).normal(size=SQUARE.shape))
    square[np.diag_indices(6)] = 1e-16
    close(rsa_nifti(image(), square, RADIUS, rsa_metric="pearson").get_fdata(),
          rsa_nifti(image(), MODEL, RADIUS, rsa_metric="pearson").get_fdata())  # fmt: skip


@pytest.mark.parametrize("comparison", ["partial", "partial-spearman"])
def test_partial_needs_another_model(comparison):
    with pytest.raises(ValueError, match="at least 2 models, 1 given"):
        rsa_nifti(image(), MODEL, RADIUS, rsa_metric=comparison)


def test_dependent_models_in_a_regression_warn_and_give_the_minimum_norm():
    models = [MODEL, MODEL * 2 + 1]
    with pytest.warns(UserWarning, match="linearly dependent"):
        first, second = rsa_nifti(image(), models, RADIUS, rsa_metric="regression")
    alone = rsa_nifti(image(), MODEL, RADIUS, rsa_metric="regression").get_fdata()
    close(first.get_fdata(), alone / 5)  # weights (b, 2b) with 5 b = the slope on one alone
    close(second.get_fdata(), 2 * alone / 5)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        (np.zeros((3, 3, 3, 6)), TypeError, "ndarray.*Nifti1Image"),
        ([], ValueError, "empty list"),
        (volume(np.zeros(SHAPE)), ValueError, r"shape \(7, 6, 5\); a 4D image"),
        ([volume(noise(2))] * 6, ValueError, "the data contain 12 items"),
        (volume(noise(6).reshape(*SHAPE, 2, 3)), ValueError, r"shape \(7, 6, 5, 2, 3\).*order"),
        ("nowhere.nii.gz", FileNotFoundError, "no file .*nowhere.nii.gz"),
        ([volume(np.ones(SHAPE)), volume(np.ones((7, 6, 4)))] * 3, ValueError, "different grids"),
    ],
)
def test_images_that_cannot_be_used(given, error, says):
    with pytest.raises(error, match=re.compile(says, re.DOTALL)):
        rsa_nifti(given, MODEL, RADIUS)


@pytest.mark.parametrize("radius", [0, -0.01, np.nan, np.inf])
def test_a_radius_that_is_none(radius):
    with pytest.raises(ValueError, match="metres above 0"):
        rsa_nifti(image(), MODEL, radius)


@pytest.mark.parametrize("radius", ["0.01", True, [0.01]])
def test_a_radius_that_is_no_number(radius):
    with pytest.raises(TypeError, match="number of metres"):
        rsa_nifti(image(), MODEL, radius)


def test_arguments_of_the_wrong_kind():
    with pytest.raises(TypeError, match=r"rsa_metric is .* one name"):
        rsa_nifti(image(), MODEL, RADIUS, rsa_metric=["spearman", "pearson"])
    with pytest.raises(TypeError, match="ROI mask is a ndarray; a path or a nibabel image"):
        rsa_nifti(image(), MODEL, RADIUS, roi_mask=np.ones(SHAPE))
    with pytest.raises(ValueError, match="complex128 values; real numbers"):
        compute_dsm(np.ones((3, 4)) * 1j)


@pytest.mark.parametrize("n_jobs", [0, 1.5, "all"])
def test_a_number_of_jobs_that_is_none(n_jobs):
    with pytest.raises(ValueError, match="n_jobs"):
        rsa_nifti(image(), MODEL, RADIUS, n_jobs=n_jobs)


def test_masks_without_common_voxels():
    half = np.zeros(SHAPE)
    half[:3] = 1
    with pytest.raises(ValueError, match="no voxel in common"):
        rsa_nifti(
            image(), MODEL, RADIUS, roi_mask=volume(half, OBLIQUE),
            brain_mask=volume(1 - half, OBLIQUE),
        )  # fmt: skip


# undefined scores


def test_undefined_centres_are_nan_and_the_others_are_not():
    series = noise(N_ITEMS)
    series[:4, :, :, 2] = 7.0  # a constant pattern, at the centres whose patch lies in here
    found = rsa_nifti(volume(series, OBLIQUE), MODEL, RADIUS).get_fdata()
    wanted = expected(volumes_first(series)[None])[0]
    assert np.isnan(wanted).any()
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-10)


def test_a_patch_too_small_for_the_metric_is_undefined():
    lonely = np.zeros(SHAPE)
    lonely[0, 0, 0] = lonely[4:, 3:] = 1
    mask = volume(lonely, OBLIQUE)
    found = rsa_nifti(image(), MODEL, RADIUS, brain_mask=mask).get_fdata()
    assert np.isnan(found[0, 0, 0])
    assert np.isfinite(found[4:, 3:]).all()
    assert np.isfinite(
        rsa_nifti(image(), MODEL, RADIUS, "euclidean", brain_mask=mask).get_fdata()
    ).all()


@pytest.mark.parametrize("radius", [RADIUS, None])
def test_nothing_defined_is_an_error_that_gives_reasons(radius):
    series = noise(N_ITEMS)
    series[..., 3] = np.nan
    with pytest.raises(ValueError, match=r"undefined at every one.*ignore_nan=True"):
        rsa_nifti(volume(series), MODEL, radius)
    series[..., 3] = 1.0
    with pytest.raises(ValueError, match=r"undefined at every one.*constant"):
        rsa_nifti(volume(series), MODEL, radius)


def test_two_items_are_too_few_cells():
    with pytest.raises(ValueError, match=r"undefined at every one.*too few items"):
        rsa_nifti(image(2), np.array([1.0]), RADIUS)


# running


@pytest.mark.parametrize("metric", ["correlation", "sqeuclidean", "cityblock"])
@pytest.mark.parametrize("comparison", ["spearman", "regression"])
def test_jobs_change_nothing(metric, comparison):
    brain = volume((np.random.default_rng(0).random(SHAPE) > 0.2).astype("u1"), OBLIQUE)
    one, *others = (
        rsa_nifti(image(), MODEL, RADIUS, metric, rsa_metric=comparison, brain_mask=brain, n_jobs=n)
        for n in (1, 2, 3, -1)
    )
    for other in others:
        assert other.get_fdata().tobytes() == one.get_fdata().tobytes()


def test_a_bar_counts_finished_centres(capfd):
    roi = volume((np.random.default_rng(0).random(SHAPE) > 0.5).astype("u1"), OBLIQUE)
    n_centers = int(roi.get_fdata().sum())
    rsa_nifti(image(), MODEL, RADIUS, roi_mask=roi, verbose=True, n_jobs=2)
    shown = capfd.readouterr().err
    assert f"{n_centers}/{n_centers}" in shown
    assert "100%" in shown
    rsa_nifti(image(), MODEL, RADIUS, roi_mask=roi)
    assert capfd.readouterr().err == ""


def test_the_input_is_left_as_it_was():
    series = noise(N_ITEMS)
    series[0, 0, 0] = np.nan
    given, params = volume(series.copy(), OBLIQUE), {"w": np.ones(SHAPE)}
    models = [SQUARE.copy(), MODEL.copy()]
    rsa_nifti(given, models, RADIUS, "euclidean", params, ignore_nan=True)
    np.testing.assert_array_equal(np.asarray(given.dataobj), series)
    np.testing.assert_array_equal(models[0], SQUARE)
    assert list(params) == ["w"]
    assert params["w"].shape == SHAPE


# RDMs of arrays


@pytest.mark.parametrize("metric", ["correlation", "euclidean", "cityblock", "mahalanobis"])
def test_compute_dsm_is_pdist(metric):
    data = np.random.default_rng(0).normal(size=(30, 5))
    close(compute_dsm(data, metric), pdist(data, metric))
    close(compute_dsm(data.tolist(), metric), pdist(data, metric))


def test_compute_dsm_passes_parameters_on():
    data = np.random.default_rng(0).normal(size=(4, 9))
    close(compute_dsm(data, "minkowski", p=3), pdist(data, "minkowski", p=3))
    close(compute_dsm(data, lambda u, v: abs(u - v).max()), pdist(data, "chebyshev"))
    with pytest.raises(ValueError, match="q"):
        compute_dsm(data, "minkowski", q=3)
    with pytest.raises(ValueError, match=r"shape \(4,\)"):
        compute_dsm(data[:, 0])
    with pytest.raises(ValueError, match="unknown dissimilarity"):
        compute_dsm(data, "nearness")


def test_constant_patterns_are_undefined():
    data = np.random.default_rng(0).normal(size=(4, 9)) + 1e4
    data[1] = 1e4 + 0.1
    cells = squareform(compute_dsm(data))
    assert np.isnan(cells[1, [0, 2, 3]]).all()
    assert np.isfinite(cells[np.ix_([0, 2, 3], [0, 2, 3])]).all()


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "correlation", "cityblock"])
def test_compute_dsm_cv_by_its_definition(metric):
    folds = np.random.default_rng(0).normal(size=(4, 5, 12))
    close(compute_dsm_cv(folds, metric), plain_rdm_cv(folds, metric))


def test_cross_validated_distances_are_unbiased():
    rng = np.random.default_rng(0)
    cells = np.array(
        [compute_dsm_cv(rng.normal(size=(3, 4, 20)), "sqeuclidean") for _ in range(1500)]
    ).mean(axis=1)
    # the mean over many nulls lies within four standard errors of 0
    assert abs(cells.mean()) < 4 * cells.std() / np.sqrt(len(cells))


def test_compute_dsm_cv_needs_folds():
    with pytest.raises(ValueError, match="at least two folds; there is 1"):
        compute_dsm_cv(np.ones((1, 3, 4)))
    with pytest.raises(ValueError, match=r"\(n_folds, n_items, n_features\)"):
        compute_dsm_cv(np.ones((3, 4)))
