"""Reliability: RDMs of odd and even runs, on arrays and through the whole app."""

import json

import nibabel as nib
import numpy as np
import pytest
from app_process import UNDRAWN
from scipy import stats
from scipy.ndimage import distance_transform_edt
from scipy.spatial.distance import pdist

from bids_rsa.core.measures import RdmWriter
from bids_rsa.core.neighborhood.spheres import sphere_rows
from bids_rsa.core.plain_statistics import spearman_brown
from bids_rsa.core.reliability import split_half_reliability
from bids_rsa.core.searchlight import searchlight
from bids_rsa.core.side_by_side import PatternSet, rdms_side_by_side
from bids_rsa.spaces.volume import VolumeSpace

RADIUS = ("--radius", "16")  # voxels of 10 mm


def rho_a(a, b):
    n = len(a)
    x, y = (stats.rankdata(v) - (n + 1) / 2 for v in (a, b))
    return 12 * (x @ y) / (n**3 - n)


def test_reliability_is_the_comparison_of_both_rdms():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(5, 15))
    b = a + rng.normal(size=(5, 15))
    a[1, 4] = b[1, 6] = np.nan
    b[2] = 1.0
    for name, plain in (("rho-a", rho_a), ("pearson", lambda x, y: np.corrcoef(x, y)[0, 1])):
        found = split_half_reliability(a, b, name)
        assert np.isnan(found[2])
        for center in (0, 1, 3, 4):
            both = np.isfinite(a[center] + b[center])
            assert found[center] == pytest.approx(plain(a[center, both], b[center, both]))


def test_spearman_brown():
    assert spearman_brown(np.array([0.5, 0.0, -0.3, 1.0])) == pytest.approx([2 / 3, 0, -0.3, 1])


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("dissimilarity", ["correlation", "euclidean", "cityblock"])
def test_rdms_side_by_side_are_those_of_searchlights(dissimilarity, alike, n_threads, monkeypatch):
    """In any cut into blocks, on a sheared grid, with masks that differ or not."""
    rng = np.random.default_rng(1)
    affine = np.array([[-3, 0.4, 0, 5], [0.2, 3, 0.3, 1], [0, -0.5, 3.5, 2], [0, 0, 0, 1.0]])
    shape = (9, 8, 7)
    center_mask = rng.random(shape) < 0.5
    sets = []
    for _ in range(3):
        mask = np.ones(shape, dtype=bool) if alike else rng.random(shape) < 0.8
        patterns = rng.normal(size=(mask.sum(), 1, 5))
        sets.append(PatternSet(patterns, mask.ravel(), dissimilarity, min_voxels=4))
    found = np.full((3, center_mask.sum(), 10), np.nan)

    def take(numbers, rdms):
        found[:, numbers] = rdms

    for name in ("BLOCK_BYTES", "STEP_BYTES"):
        monkeypatch.setattr(f"bids_rsa.core.side_by_side.{name}", 8 * 10 * 3 * 20)
    space = VolumeSpace(shape, affine)
    rdms_side_by_side(sets, center_mask.ravel(), space, 7.0, take, n_threads)
    for one, rdms in zip(sets, found, strict=True):
        writer = RdmWriter()
        hood = sphere_rows(one.patch_mask.reshape(shape), center_mask, affine, 7.0)
        searchlight(one.patterns, hood, [writer], dissimilarity=dissimilarity, min_voxels=4)
        assert np.allclose(rdms, writer.rdms, rtol=1e-10, equal_nan=True)
        assert np.isfinite(rdms).any()


def maps(out, subject, stat):
    (path,) = out.glob(f"sub-{subject}/func/*stat-{stat}_desc-searchlight_statmap.nii.gz")
    sidecar = path.with_suffix("").with_suffix(".json")
    return nib.load(path).get_fdata(), json.loads(sidecar.read_text())


@pytest.fixture(scope="module")
def reliable(dataset, tmp_path_factory):
    from bids_rsa.cli import main

    out = tmp_path_factory.mktemp("reliability") / "out"
    code = main([
        str(dataset), str(out), "participant", "--model", str(dataset / "models/planted.tsv"),
        *RADIUS, "--reliability", "--participant-label", "01", "02",
        "--use-plugin", "Linear", *UNDRAWN,
    ])  # fmt: skip
    assert code == 0
    return out


def test_the_planted_patch_is_reliable_and_noise_is_not(dataset, reliable):
    core = nib.load(dataset / "sourcedata/planted_mask.nii.gz").get_fdata() > 0
    away = distance_transform_edt(~core, sampling=10) > 16 + 0.1
    for subject in ("01", "02"):
        found, sidecar = maps(reliable, subject, "reliability")
        corrected, _ = maps(reliable, subject, "reliabilitySpearmanBrown")
        inside = found != 0
        assert np.median(found[core]) > 0.3
        assert abs(found[away & inside].mean()) < 0.1
        assert np.allclose(corrected, spearman_brown(found), atol=1e-6)
        assert sidecar["ReliabilityComparison"] == "rho-a"
        assert sidecar["Halves"] == ["run-1+run-3", "run-2+run-4"]


def test_reliability_is_that_of_images_read_by_hand(dataset, reliable):
    """At one centre, from the files: patterns of odd and even runs, distances, rho-a."""
    found, sidecar = maps(reliable, "01", "reliability")
    (mask_path,) = reliable.glob("sub-01/func/*desc-searchlight_mask.nii.gz")
    mask_image = nib.load(mask_path)
    mask = mask_image.get_fdata() > 0
    conditions = sidecar["Conditions"]
    grid = np.argwhere(np.ones(mask.shape, dtype=bool)) @ mask_image.affine[:3, :3].T
    center = np.ravel_multi_index(np.argwhere(mask)[mask.sum() // 2], mask.shape)
    rdms = []

    def name_of(condition, run):
        (name,) = [n for n in data if f"_run-{run}_" in n and f"_contrast-{condition}_" in n]
        return name

    images = sorted(dataset.rglob("sub-01*stat-effect_statmap.nii.gz"))
    assert len(images) == 4 * len(conditions)
    data = {path.name: nib.load(path).get_fdata() for path in images}
    brains = [nib.load(p).get_fdata() > 0.5 for p in dataset.rglob("sub-01*desc-brain_mask.nii.gz")]
    usable = np.logical_and.reduce(brains)
    near = np.linalg.norm(grid - grid[center], axis=1) <= 16 * (1 + 1e-6)
    patch = near & usable.ravel()
    for runs in ((1, 3), (2, 4)):
        means = [
            np.mean([data[name_of(c, r)].ravel()[patch] for r in runs], axis=0) for c in conditions
        ]
        rdms.append(pdist(np.array(means), "correlation"))
    assert found.ravel()[center] == pytest.approx(rho_a(*rdms), abs=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--run-label", "1"), "--reliability compares odd and even runs"),
        (("--folds", "3", "--dissimilarity", "sqeuclidean"), "at least four folds"),
    ],
)
def test_too_few_runs_are_refused(dataset, tmp_path, call, options, words):
    code, said = call(
        dataset, tmp_path / "out", "participant", "--model", dataset / "models/planted.tsv",
        *RADIUS, "--reliability", *options,
    )  # fmt: skip
    assert code != 0 and words in said, said
    assert not list(tmp_path.glob("out/sub-*"))
