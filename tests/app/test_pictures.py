"""Pictures of maps: what they are drawn on, and that a background is no reason to fail."""

import logging

import matplotlib.image
import nibabel as nib
import numpy as np
import pytest
from app_runs import RADIUS, files_under, run_app

from bids_rsa.dataset import find_analyses
from bids_rsa.models.loading import load_models
from bids_rsa.patterns.stacking import stack_analysis
from bids_rsa.reports.map_words import VOXELS
from bids_rsa.reports.participant_pictures import draw_map, find_background
from bids_rsa.reports.slices import cuts_through, lay_out, read_anatomy
from bids_rsa.settings import InputSettings, RsaSettings, Selection

SPACE = "MNI152NLin2009aSym"
REFERENCE = f"func/sub-01_task-objects_run-1_space-{SPACE}_boldref.nii.gz"
T1W = f"anat/sub-01_space-{SPACE}_desc-preproc_T1w.nii.gz"
RSA = RsaSettings(radius_mm=16)


def analysis_of(dataset):
    """The first subject's analysis, and its patterns."""
    inputs = InputSettings(
        str(dataset),
        models=(str(dataset / "models/planted.tsv"),),
        selection=Selection(participant_label=("01",)),
    )
    (analysis,) = find_analyses(inputs, RSA, load_models(inputs), str(dataset / "out")).analyses
    return analysis, stack_analysis(analysis, RSA)


def anatomy(path, shape=(20, 24, 22, 1)):
    """A picture with structure, finer and larger than the maps, and with a fourth axis."""
    path.parent.mkdir(exist_ok=True)
    data = np.random.default_rng(3).uniform(100, 900, shape).astype(np.float32)
    affine = np.diag([10.5, 10.5, 9.5, 1])
    affine[:3, 3] = -100, -130, -80
    nib.save(nib.Nifti1Image(data, affine), path)
    return data[..., 0], affine


@pytest.mark.parametrize("place", [REFERENCE, T1W])
def test_maps_are_drawn_on_the_reference_or_the_t1w(place, dataset):
    data, affine = anatomy(dataset / "sub-01" / place)
    image, words = find_background(*analysis_of(dataset))
    np.testing.assert_array_equal(np.asarray(image.dataobj), data)
    np.testing.assert_array_equal(image.affine, affine)
    assert words == (dataset / "sub-01" / place).name


def test_without_an_anatomy_mni_spaces_have_the_template_and_others_the_mean(dataset):
    analysis, stacked = analysis_of(dataset)
    assert find_background(analysis, stacked)[1] == "the MNI template"
    for path in list(dataset.rglob("*.*")):
        path.rename(path.with_name(path.name.replace(SPACE, "T1w")))
    analysis, stacked = analysis_of(dataset)
    image, words = find_background(analysis, stacked)
    assert words == "the mean image"
    shown = np.asarray(image.dataobj)
    mean = stacked.mean_map()
    assert np.isin(shown, mean).all()
    assert np.count_nonzero(shown) == np.count_nonzero(mean)


@pytest.mark.parametrize("spoil", ["text", "link"])
def test_a_background_that_cannot_be_read_costs_a_warning_only(spoil, dataset, tmp_path):
    path = dataset / "sub-01" / REFERENCE
    if spoil == "text":
        path.write_text("this is no image")
    else:
        path.symlink_to("../.git/annex/objects/gone")
    done = run_app(
        dataset, tmp_path / "out", "participant", "--participant-label", "01",
        "--model", dataset / "models/planted.tsv", *RADIUS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WARNING" in done.stderr
    assert path.name in done.stderr
    assert sum(name.endswith(".png") for name in files_under(tmp_path / "out")) == 2


def draw(image, background, path, title, unit, kind="symmetric"):
    """Draw a map on a background, and read the picture."""
    shown = np.asarray(image.dataobj) != 0
    cuts = cuts_through(shown, image.affine)
    mosaic = lay_out(read_anatomy(background), shown, image.affine, cuts)
    draw_map(mosaic, image, path, title, unit, kind)
    return matplotlib.image.imread(path)[..., :3]


@pytest.mark.parametrize(
    ("unit", "kind"), [("Spearman's rho", "symmetric"), (VOXELS, "positive"), ("r2", "share")]
)
def test_a_picture_shows_map_and_background(unit, kind, tmp_path):
    """Scores are in colours, the anatomy around them in grey."""
    anatomy(tmp_path / "anatomy.nii.gz")
    background = nib.load(tmp_path / "anatomy.nii.gz").slicer[..., 0]
    scores = np.zeros(background.shape, dtype=np.float32)
    scores[6:12, 8:14, 6:12] = np.linspace(0.2, 1, 6)
    corners = np.zeros_like(scores)
    corners[0, 0, 0] = corners[-1, -1, -1] = 1  # the same field of view
    hollow = nib.Nifti1Image(corners, background.affine)
    empty = nib.Nifti1Image(np.zeros_like(scores), background.affine)
    pixels = {}
    for name, image, behind in (
        ("both", nib.Nifti1Image(scores, background.affine), background),
        ("map", nib.Nifti1Image(scores, background.affine), hollow),
        ("anatomy", empty, background),
    ):
        picture = draw(image, behind, tmp_path / f"{name}.png", name, unit, kind)
        picture = picture[:, : picture.shape[1] * 9 // 10]  # without the colour bar
        spread = np.ptp(picture, axis=-1)
        pixels[name] = (spread > 0.2).mean(), ((spread < 0.02) & (picture.max(-1) < 0.9)).mean()
    assert pixels["both"][0] == pytest.approx(pixels["map"][0], rel=0.5)
    assert pixels["both"][0] > 0.01
    assert pixels["anatomy"][0] == 0
    assert pixels["both"][1] > 5 * pixels["map"][1]


def test_an_oblique_background_is_as_large_as_a_straight_one(tmp_path):
    """Interpolation with splines would draw a rim of almost nothing around it."""
    data = np.zeros((30, 30, 30), np.float32)
    data[10:20, 10:20, 10:20] = np.random.default_rng(1).uniform(-1, 1, (10, 10, 10))
    turned = np.diag([3.0, 3, 3, 1])
    turned[:2, :2] = 3 * np.array([[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]])
    grey = {}
    for name, affine in (("straight", np.diag([3.0, 3, 3, 1])), ("turned", turned)):
        image = nib.Nifti1Image(data, affine)
        nothing = nib.Nifti1Image(np.zeros_like(data), affine)
        picture = draw(nothing, image, tmp_path / f"{name}.png", "", VOXELS, "positive")
        area = picture[60:, : picture.shape[1] * 9 // 10]
        grey[name] = (area.max(axis=-1) < 0.97).mean()
    assert grey["turned"] == pytest.approx(grey["straight"], rel=0.4)


def test_a_map_of_nothing_is_drawn_without_a_word(tmp_path, recwarn, caplog):
    nothing = nib.Nifti1Image(np.zeros((5, 6, 7), np.float32), np.eye(4))
    with caplog.at_level(logging.WARNING):
        draw(nothing, nothing, tmp_path / "nothing.png", "nothing", "Pearson's r")
    assert (tmp_path / "nothing.png").exists()
    assert not [w for w in recwarn if "empty" in str(w.message)]
    assert not caplog.records


def test_a_voxel_is_drawn_where_it_lies_in_mm(tmp_path):
    """On an oblique grid too: the pixels of one voxel are those whose place rounds to it."""
    affine = np.diag([3.0, 4, 5, 1])
    affine[:2, :2] = affine[:2, :2] @ np.array(
        [[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]]
    )
    affine[:3, 3] = -20, 11, 7
    data = np.zeros((12, 11, 10), np.float32)
    data[3, 7, 4] = 1
    place = nib.affines.apply_affine(affine, (3, 7, 4))
    anatomy = read_anatomy(nib.Nifti1Image(np.ones_like(data), affine))
    mosaic = lay_out(
        anatomy,
        np.ones(data.shape, bool),
        affine,
        {a: [p] for a, p in zip("xyz", place, strict=True)},
    )
    picture = mosaic.sample(data, affine)
    shown = picture[mosaic.rows, mosaic.columns] == 1
    indices = nib.affines.apply_affine(np.linalg.inv(affine), mosaic.mm.T)
    np.testing.assert_array_equal(shown, (np.abs(indices - (3, 7, 4)) < 0.5).all(axis=1))
    assert 0 < shown.sum() < 0.2 * shown.size


def test_the_same_map_gives_the_same_bytes(tmp_path):
    image = nib.Nifti1Image(
        np.random.default_rng(0).normal(size=(6, 7, 8)), np.diag([3.0, 3, 3, 1])
    )
    for name in ("a", "b"):
        draw(image, image, tmp_path / f"{name}.png", "title", "Pearson's r")
    for end in ("png", "svg"):
        assert (tmp_path / f"a.{end}").read_bytes() == (tmp_path / f"b.{end}").read_bytes()
    assert "<text" in (tmp_path / "a.svg").read_text()
