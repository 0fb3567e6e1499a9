"""--patch-size: the app's maps are those of the nearest voxels, found by brute force."""

import json
from itertools import combinations

import nibabel as nib
import numpy as np
import pytest
from app_process import UNDRAWN
from app_runs import image, run_app, sidecar
from scipy.stats import rankdata

SHAPE = (9, 8, 7)
AFFINE = np.array([[2.5, -0.3, 0.0, -10.0], [0.3, 2.4, 0.4, -8.0], [0.0, -0.5, 3.1, -9.0],
                   [0, 0, 0, 1.0]])  # fmt: skip
CONDITIONS = ("face", "house", "cat", "shoe", "chair")
RADIUS_MM, MOST = 5.6, 17


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One participant on an oblique grid: a mask with holes, and values missing here and there."""
    root = tmp_path_factory.mktemp("nearest") / "data"
    folder = root / "sub-01" / "func"
    folder.mkdir(parents=True)
    about = {"Name": "glm", "BIDSVersion": "1.9.0", "DatasetType": "derivative",
             "GeneratedBy": [{"Name": "glm"}]}  # fmt: skip
    (root / "dataset_description.json").write_text(json.dumps(about))
    rng = np.random.default_rng(5)
    mask = rng.random(SHAPE) < 0.8
    volumes = rng.standard_normal((len(CONDITIONS), *SHAPE)).astype(np.float32)
    volumes[rng.random(volumes.shape) < 0.03] = np.nan
    for name, volume in zip(CONDITIONS, volumes, strict=True):
        path = folder / f"sub-01_task-x_space-MNI_contrast-{name}_stat-effect_statmap.nii.gz"
        nib.save(nib.Nifti1Image(volume, AFFINE), path)
    nib.save(
        nib.Nifti1Image(mask.astype(np.uint8), AFFINE),
        folder / "sub-01_task-x_space-MNI_desc-brain_mask.nii.gz",
    )
    model = rng.random((5, 5))
    model = model + model.T
    np.fill_diagonal(model, 0)
    lines = ["\t".join(["", *CONDITIONS])]
    lines += [
        "\t".join([n, *map(repr, row.tolist())]) for n, row in zip(CONDITIONS, model, strict=True)
    ]
    (root / "model.tsv").write_text("\n".join(lines) + "\n")
    return root, mask, volumes, model


def run(data, output, *options, drawn=False):
    return run_app(
        data, output, "participant", "--model", f"m={data}/model.tsv", "--radius", RADIUS_MM,
        "--dissimilarity", "euclidean", "--comparison", "pearson", "--use-plugin", "Linear",
        *options, *(() if drawn else UNDRAWN),
    )  # fmt: skip


def brute(mask, volumes, model, center):
    """The score and the size of the patch of the nearest voxels, missing values among them."""
    voxels = np.argwhere(mask)
    distance = np.linalg.norm((voxels - center) @ AFFINE[:3, :3].T, axis=1)
    order = sorted(range(len(voxels)), key=lambda k: (round(distance[k], 6), k))
    near = [k for k in order[:MOST] if distance[k] <= RADIUS_MM]
    patch = volumes[:, *voxels[near].T].astype(np.float64)
    cells = []
    for a, b in combinations(patch, 2):
        there = np.isfinite(a) & np.isfinite(b)
        squares = (a[there] - b[there]) ** 2
        cells.append(np.sqrt(squares.sum() * len(near) / there.sum()))
    return np.corrcoef(cells, model[np.triu_indices(5, 1)])[0, 1], len(near)


def test_scores_are_those_of_brute_force(data, tmp_path):
    root, mask, volumes, model = data
    options = ("--patch-size", MOST, "--ignore-nan", "--min-voxels", "5")
    done = run(root, tmp_path / "out", *options, drawn=True)
    assert done.returncode == 0, done.stderr
    scores = image(tmp_path / "out", "01", "stat-pearson_desc-m_statmap").get_fdata()
    sizes = image(tmp_path / "out", "01", "stat-nvoxels_desc-searchlight_statmap").get_fdata()
    # voxels that are missing in every image are in no patch; here there is none
    usable = mask & np.isfinite(volumes).any(axis=0)
    for center in np.argwhere(usable):
        expected, n_near = brute(usable, volumes, model, center)
        assert sizes[tuple(center)] == (n_near if n_near >= 5 else 0)
        if n_near >= 5:
            assert scores[tuple(center)] == pytest.approx(expected, abs=2e-6)
    found = sizes[sizes > 0]
    assert found.max() == MOST and (found < MOST).any()
    written = sidecar(tmp_path / "out", "01", "stat-pearson_desc-m_statmap")
    assert written["MaxPatchSize"] == MOST and written["PatchSize"]["Max"] == MOST
    page = (tmp_path / "out" / "sub-01.html").read_text()
    assert f"the up to {MOST} nearest voxels" in page


def test_more_than_the_radius_holds_changes_nothing(data, tmp_path):
    root = data[0]
    maps = []
    for name, options in (("plain", ()), ("limited", ("--patch-size", 10_000))):
        done = run(root, tmp_path / name, "--ignore-nan", *options)
        assert done.returncode == 0, done.stderr
        maps.append(image(tmp_path / name, "01", "stat-pearson_desc-m_statmap").get_fdata())
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-6)
    assert np.ptp(rankdata(maps[0])) > 0


def test_a_patch_too_small_to_be_evaluated_is_refused(data, tmp_path):
    done = run(data[0], tmp_path / "out", "--patch-size", "5")
    assert done.returncode == 2
    assert "--patch-size 5 is smaller than --min-voxels 10" in done.stderr
    assert not (tmp_path / "out").exists()
