from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from volumes import ANISOTROPIC, SHAPE, noise, reoriented, volume

from bids_rsa.errors import ContentError, InputError, MissingFileError, OptionError
from bids_rsa.patterns.stacking import check_analysis, stack_analysis
from bids_rsa.records import Analysis, ConditionImage, MaskChoice
from bids_rsa.settings import RsaSettings

CONDITIONS = ("cat", "dog", "axe", "cup", "pen")
RUNS = ("1", "2", "3", "10")
RSA = RsaSettings(radius_mm=6.0)


@pytest.fixture
def data():
    """Values by run and condition; no voxel is 0 or NaN."""
    series = noise(len(RUNS) * len(CONDITIONS), dtype=np.float32, seed=4)
    keys = [(run, name) for run in RUNS for name in CONDITIONS]
    return {key: series[..., index].copy() for index, key in enumerate(keys)}


def write(folder, data, **choices):
    """A analysis of real files, one for each run and condition, in shuffled order."""
    folder.mkdir(exist_ok=True)
    images = []
    for run, name in sorted(data, key=lambda key: (key[1], key[0])):
        path = folder / f"sub-1_run-{run}_contrast-{name}_stat-effect_statmap.nii.gz"
        if not path.exists():
            nib.save(volume(data[run, name]), path)
        images.append(ConditionImage(str(path), "1", name, "effect", run=run))
    return replace(Analysis("1", tuple(images), CONDITIONS), **choices)


def matrix(data, runs, keep=None):
    """Mean over runs, (n_voxels, n_conditions) float64."""
    means = [
        np.mean([data[run, name].astype(float) for run in runs], axis=0) for name in CONDITIONS
    ]
    values = np.stack(means, axis=-1).reshape(-1, len(CONDITIONS))
    return values if keep is None else values[keep.ravel()]


def test_runs_are_averaged_in_double_precision(tmp_path, data):
    stacked = stack_analysis(write(tmp_path, data), RSA)
    assert stacked.patterns.shape == (np.prod(SHAPE), 1, len(CONDITIONS))
    np.testing.assert_allclose(stacked.patterns[:, 0], matrix(data, RUNS), rtol=0, atol=1e-14)
    assert stacked.patterns.flags.c_contiguous
    assert stacked.images_per_condition == dict.fromkeys(CONDITIONS, 4)
    assert stacked.runs_per_condition == dict.fromkeys(CONDITIONS, 4)
    assert stacked.n_images == 20
    assert len(stacked.files) == 20
    assert stacked.voxels_left_out == {"NotFinite": 0, "ZeroInARun": 0}
    assert stacked.fold_labels == ()
    assert stacked.statistics == ("effect",)


@pytest.mark.parametrize(
    ("folds", "parts"),
    [
        ("runs", [("1",), ("2",), ("3",), ("10",)]),
        ("max", [("1",), ("2",), ("3",), ("10",)]),
        ("2", [("1", "2"), ("3", "10")]),
        ("3", [("1", "2"), ("3",), ("10",)]),
    ],
)
def test_folds_are_whole_consecutive_runs(tmp_path, data, folds, parts):
    stacked = stack_analysis(write(tmp_path, data), replace(RSA, folds=folds))
    assert stacked.fold_labels == tuple("+".join(f"run-{r}" for r in part) for part in parts)
    for fold, part in enumerate(parts):
        np.testing.assert_allclose(
            stacked.patterns[:, fold], matrix(data, part), rtol=0, atol=1e-14
        )


def test_single_images_stay_as_stored(tmp_path, data):
    stacked = stack_analysis(write(tmp_path, data), replace(RSA, folds="runs"))
    assert stacked.patterns.dtype == np.float32


@pytest.mark.parametrize("n_threads", [2, 5])
def test_threads_change_nothing(tmp_path, data, n_threads):
    analysis = write(tmp_path, data)
    one, several = stack_analysis(analysis, RSA, 1), stack_analysis(analysis, RSA, n_threads)
    np.testing.assert_array_equal(one.patterns, several.patterns)


def test_the_voxel_rule(tmp_path, data):
    data["2", "dog"][1, 1, 1] = np.nan
    data["3", "cat"][2, 1, 1] = np.inf
    for name in CONDITIONS:
        data["3", name][3, 1, 1] = 0  # in all images of one run
        data["3", name][4, 1, 1] = 0 if name != "pen" else 1  # not in all
        data["1", name][1, 1, 1] = 0  # not finite elsewhere: counted once
    left_out = np.zeros(SHAPE, bool)
    left_out[[1, 2, 3], 1, 1] = True
    analysis = write(tmp_path, data)
    stacked = stack_analysis(analysis, RSA)
    assert stacked.voxels_left_out == {"NotFinite": 2, "ZeroInARun": 1}
    np.testing.assert_array_equal(stacked.patch_mask, ~left_out.ravel())
    np.testing.assert_array_equal(stacked.center_mask, ~left_out.ravel())
    np.testing.assert_allclose(stacked.patterns[:, 0], matrix(data, RUNS, ~left_out), atol=1e-14)

    relaxed = stack_analysis(analysis, replace(RSA, ignore_nan=True))
    assert relaxed.voxels_left_out == {"NotFinite": 0, "ZeroInARun": 2}
    inside = relaxed.patch_mask.reshape(SHAPE)
    assert inside[2, 1, 1]
    row = np.flatnonzero((np.argwhere(inside) == [2, 1, 1]).all(axis=1))[0]
    finite = [data[run, "cat"][2, 1, 1] for run in RUNS if run != "3"]
    assert relaxed.patterns[row, 0, 0] == pytest.approx(np.mean(finite, dtype=float), abs=1e-14)


def test_voxels_that_are_finite_nowhere_stay_out_with_ignore_nan(tmp_path, data):
    for values in data.values():
        values[0, 0, :] = np.nan  # as SPM outside the brain
    stacked = stack_analysis(write(tmp_path, data), replace(RSA, ignore_nan=True))
    assert stacked.voxels_left_out["NotFinite"] == SHAPE[2]
    assert not stacked.patch_mask.reshape(SHAPE)[0, 0].any()


def save_mask(path, inside, affine=ANISOTROPIC):
    nib.save(volume(inside.astype(np.uint8), affine), path)
    return str(path)


def test_masks_are_intersected_logged_and_recorded(tmp_path, data, caplog):
    caplog.set_level("INFO", "bids_rsa")
    rng = np.random.default_rng(0)
    first, second, roi = (rng.random(SHAPE) > 0.3 for _ in range(3))
    turned = reoriented(volume(second.astype("u1")), "PSL")
    nib.save(turned, tmp_path / "turned.nii.gz")
    paths = (save_mask(tmp_path / "a.nii.gz", first), str(tmp_path / "turned.nii.gz"))
    analysis = write(
        tmp_path,
        data,
        brain_mask=MaskChoice(paths, "runs' masks"),
        roi_mask=MaskChoice((save_mask(tmp_path / "roi.nii.gz", roi),), "given"),
    )
    stacked = stack_analysis(analysis, RSA)
    np.testing.assert_array_equal(stacked.patch_mask, (first & second).ravel())
    np.testing.assert_array_equal(stacked.center_mask, (first & second & roi).ravel())
    assert stacked.brain_mask.n_voxels == (first & second).sum()
    assert stacked.brain_mask.origin == "runs' masks"
    assert any("turned.nii.gz was reordered" in note for note in stacked.notes)
    assert "turned.nii.gz was reordered" in caplog.text
    assert set(paths) <= set(stacked.files)


def test_masks_that_leave_nothing(tmp_path, data):
    half = np.zeros(SHAPE, bool)
    half[:3] = True
    a, b = save_mask(tmp_path / "a.nii.gz", half), save_mask(tmp_path / "b.nii.gz", ~half)
    empty = save_mask(tmp_path / "empty.nii.gz", np.zeros(SHAPE, bool))
    analysis = write(tmp_path, data)
    for choices, says in [
        ({"brain_mask": MaskChoice((a, b), "x")}, "have no voxel in common"),
        ({"brain_mask": MaskChoice((a,)), "roi_mask": MaskChoice((b,))}, "shares no voxel"),
        ({"brain_mask": MaskChoice((empty,))}, r"empty.nii.gz is empty"),
    ]:
        for check in (check_analysis, stack_analysis):
            with pytest.raises(ContentError, match=says):
                check(replace(analysis, **choices), RSA)


def test_images_that_leave_no_voxel(tmp_path, data):
    analysis = write(tmp_path, {key: values * 0 for key, values in data.items()})
    with pytest.raises(ContentError, match=r"none of the 210 voxels.*210 zero in a whole run"):
        stack_analysis(analysis, RSA)


def test_images_that_hold_nothing_are_named(tmp_path, data):
    """An empty regressor's effect is 0 everywhere; a failed one's NaN."""
    data["2", "axe"] *= 0
    stacked = stack_analysis(write(tmp_path, data), RSA)
    (warning,) = [text for text in stacked.warnings if "contain nothing" in text]
    assert "run-2_contrast-axe" in warning
    assert "run-1" not in warning
    fine = write(tmp_path / "fine", {key: values + 1 for key, values in data.items()})
    assert not any("contain nothing" in text for text in stack_analysis(fine, RSA).warnings)
    data["2", "axe"] += np.nan
    with pytest.raises(ContentError, match=r"210 not finite.*run-2_contrast-axe"):
        stack_analysis(write(tmp_path / "nan", data), RSA)


def test_images_in_another_orientation_are_reordered(tmp_path, data):
    analysis = write(tmp_path, data)
    straight = stack_analysis(analysis, RSA)
    turned = reoriented(nib.load(analysis.images[7].path), "SLA")
    turned = nib.Nifti1Image(np.asarray(turned.dataobj), turned.affine)
    nib.save(turned, analysis.images[7].path)
    np.testing.assert_allclose(
        stack_analysis(analysis, RSA).patterns, straight.patterns, atol=1e-14
    )


def test_another_grid_is_refused_before_values_are_read(tmp_path, data):
    analysis = write(tmp_path, data)
    moved = ANISOTROPIC.copy()
    moved[0, 3] = 1.5
    nib.save(volume(data["2", "cup"], moved), analysis.images[11].path)
    for check in (check_analysis, stack_analysis):
        with pytest.raises(ContentError, match=r"origins.*1.5 mm") as caught:
            check(analysis, RSA)
        assert analysis.images[11].path in str(caught.value)
        assert caught.value.exit_code == 65


@pytest.mark.parametrize("cut", [0.5, 0.99])
def test_a_truncated_image_is_named(tmp_path, data, cut):
    analysis = write(tmp_path, data)
    path = tmp_path / analysis.images[3].path
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * cut)])
    with pytest.raises(ContentError, match="truncated") as caught:
        stack_analysis(analysis, RSA, n_threads=2)
    assert path.name in str(caught.value)


def test_a_missing_image_is_named(tmp_path, data):
    analysis = write(tmp_path, data)
    (tmp_path / analysis.images[3].path).unlink()
    for check in (check_analysis, stack_analysis):
        with pytest.raises(MissingFileError, match="contrast-"):
            check(analysis, RSA)


def test_a_4d_image_is_refused_and_its_volumes_are_read(tmp_path, data):
    analysis = write(tmp_path, data)
    series = np.stack([data[image.run, image.condition] for image in analysis.images], axis=-1)
    nib.save(volume(series), tmp_path / "all.nii.gz")
    path = str(tmp_path / "all.nii.gz")
    volumes = tuple(
        replace(image, path=path, volume=index) for index, image in enumerate(analysis.images)
    )
    whole = stack_analysis(replace(analysis, images=volumes), RSA, n_threads=3)
    np.testing.assert_array_equal(whole.patterns, stack_analysis(analysis, RSA).patterns)
    assert whole.files == (path,)
    with pytest.raises(ContentError, match="4D with 20 volumes"):
        stack_analysis(
            replace(analysis, images=(replace(volumes[0], volume=None), *volumes[1:])), RSA
        )


def test_effects_are_divided_by_their_standard_error(tmp_path, data):
    for values in data.values():
        values[0, 0, 0] = 1
    analysis = write(tmp_path, data)
    rng = np.random.default_rng(6)
    images, expected = [], {}
    for image in analysis.images:
        variance = rng.uniform(0.5, 2, SHAPE)
        variance[0, 0, 0] = 0
        path = tmp_path / image.path.replace("stat-effect", "stat-variance")
        nib.save(volume(variance), path)
        images.append(replace(image, variance_path=str(path)))
        with np.errstate(divide="ignore"):
            expected[image.run, image.condition] = data[image.run, image.condition] / variance**0.5
    noisy = replace(analysis, images=tuple(images))
    stacked = stack_analysis(noisy, replace(RSA, normalize="variance"), n_threads=2)
    assert stacked.voxels_left_out == {"NotFinite": 1, "ZeroInARun": 0}
    keep = stacked.patch_mask.reshape(SHAPE)
    np.testing.assert_allclose(stacked.patterns[:, 0], matrix(expected, RUNS, keep), rtol=1e-6)
    assert len(stacked.files) == 40
    with pytest.raises(InputError, match=r"No variance image was found for .*normalize"):
        stack_analysis(analysis, replace(RSA, normalize="variance"))


def without(data, *keys):
    return {key: values for key, values in data.items() if key not in keys}


def test_a_condition_missing_from_runs(tmp_path, data):
    analysis = write(tmp_path, without(data, ("2", "cup"), ("10", "cup"), ("10", "pen")))
    for check in (check_analysis, stack_analysis):
        with pytest.raises(InputError) as caught:
            check(analysis, RSA)
    text = str(caught.value)
    for part in ("2 of 4 runs", "run 2: cup\n", "run 10: cup, pen", "--missing-runs"):
        assert part in text
    complete = stack_analysis(analysis, replace(RSA, missing_runs="complete"))
    np.testing.assert_allclose(complete.patterns[:, 0], matrix(data, ("1", "3")), atol=1e-14)
    assert complete.images_per_condition == dict.fromkeys(CONDITIONS, 2)
    assert "left out" in complete.warnings[0]
    average = stack_analysis(analysis, replace(RSA, missing_runs="average"))
    assert average.images_per_condition == {"cat": 4, "dog": 4, "axe": 4, "cup": 2, "pen": 3}
    assert average.runs_per_condition == average.images_per_condition
    cup = np.mean([data[run, "cup"].astype(float) for run in ("1", "3")], axis=0)
    np.testing.assert_allclose(average.patterns[:, 0, 3], cup.ravel(), atol=1e-14)
    assert any("enter the RDM" in warning for warning in average.warnings)
    assert any("cup 2, pen 3" in warning for warning in average.warnings)


def test_no_complete_run_is_an_error(tmp_path, data):
    analysis = write(tmp_path, without(data, *[(run, "cup") for run in RUNS[:2]],
                                    *[(run, "pen") for run in RUNS[2:]]))  # fmt: skip
    with pytest.raises(InputError, match="No run has every condition"):
        check_analysis(analysis, replace(RSA, missing_runs="complete"))


def test_folds_need_every_condition(tmp_path, data):
    analysis = write(tmp_path, without(data, ("2", "cup")))
    average = replace(RSA, missing_runs="average")
    with pytest.raises(InputError, match="fold run-2: cup"):
        check_analysis(analysis, replace(average, folds="runs"))
    assert check_analysis(analysis, replace(average, folds="2")).counts.tolist()[0] == [
        2,
        2,
        2,
        1,
        2,
    ]
    with pytest.raises(InputError, match="run 2: cup"):
        check_analysis(analysis, replace(RSA, folds="2"))


def test_folds_without_runs_say_why(tmp_path, data):
    analysis = write(tmp_path, data)
    images = tuple(replace(image, run=None) for image in analysis.images if image.run == "1")
    for folds in ("runs", "max", "2"):
        with pytest.raises(OptionError, match="several runs gives only one image") as caught:
            check_analysis(replace(analysis, images=images), replace(RSA, folds=folds))
        assert f"--folds {folds}" in str(caught.value)
        assert images[0].path in str(caught.value)
    assert stack_analysis(replace(analysis, images=images), RSA).runs_per_condition["cat"] == 1


@pytest.mark.parametrize("folds", ["5", "1"])
def test_more_folds_than_runs(tmp_path, data, folds):
    with pytest.raises(OptionError, match=r"4 runs \(1, 2, 3, 10\)"):
        check_analysis(write(tmp_path, data), replace(RSA, folds=folds))


def test_dropped_and_unnamed_conditions_are_not_read(tmp_path, data):
    analysis = write(tmp_path, data, dropped=("cup",))
    extra = replace(analysis.images[0], condition="motion", path="nowhere.nii.gz")
    stacked = stack_analysis(replace(analysis, images=(*analysis.images, extra)), RSA)
    assert stacked.conditions == ("cat", "dog", "axe", "pen")
    assert stacked.patterns.shape[2] == 4


@pytest.mark.parametrize("radius_mm", [1.9, 0, -3])
def test_a_radius_smaller_than_a_voxel(tmp_path, data, radius_mm):
    says = rf"radius is {radius_mm} mm.*nii.gz are 2 x 3 x 4.5 mm"
    with pytest.raises(OptionError, match=says):
        check_analysis(write(tmp_path, data), replace(RSA, radius_mm=radius_mm))
    check_analysis(write(tmp_path, data), replace(RSA, radius_mm=2.0))


def test_trials_are_summed_where_known(tmp_path, data):
    analysis = write(tmp_path, data)
    assert stack_analysis(analysis, RSA).n_trials == {}
    counted = tuple(replace(image, n_trials=float(image.run)) for image in analysis.images)
    assert stack_analysis(replace(analysis, images=counted), RSA).n_trials["cat"] == 16


def test_the_mean_map(tmp_path, data):
    stacked = stack_analysis(write(tmp_path, data), RSA)
    expected = matrix(data, RUNS).mean(axis=1)
    np.testing.assert_allclose(stacked.mean_map(), expected, atol=1e-6)
