"""Regions of .label.gii and .dlabel.nii files: the command's tables are those of their vertices."""

import csv
import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.cifti2 import BrainModelAxis, Cifti2Header, Cifti2Image, LabelAxis, ScalarAxis
from nibabel.gifti import (
    GiftiDataArray,
    GiftiImage,
    GiftiLabel,
    GiftiLabelTable,
    GiftiMetaData,
)

from bids_rsa.errors import ContentError
from bids_rsa.regions.vertex_atlas import cifti_labels, gifti_labels
from bids_rsa.spaces.cifti import GrayordinateLayout
from bids_rsa.spaces.gifti import STRUCTURES, maps_image
from bids_rsa.spaces.surface import VertexLayout

CONDITIONS = ("a1", "a2", "b1", "b2", "b3")
N = 240
KEYS = {"L": np.repeat([0, 1, 2, 3], N // 4), "R": np.repeat([2, 0, 1, 9], N // 4)}
NAMES = {0: "???", 1: "early visual", 2: "motor", 3: "only left", 9: "only right"}


def sheet(side):
    """A flat mesh of 12 x 20 vertices."""
    i, j = np.indices((12, 20))
    points = np.stack([i, j, 0 * i], -1).reshape(-1, 3) * 2.0 + [-60 if side == "L" else 20, 0, 0]
    number = np.arange(N).reshape(12, 20)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[:-1, 1:], number[1:, 1:]
    faces = [np.stack(k, -1).reshape(-1, 3) for k in ((a, b, d), (a, d, c))]
    return points, np.concatenate(faces).astype(np.int32)


def save_labels(path, keys, side, names=NAMES):
    table = GiftiLabelTable()
    for key, name in names.items():
        label = GiftiLabel(key, 0.5, 0.5, 0.5, 1.0)
        label.label = name
        table.labels.append(label)
    array = GiftiDataArray(keys.astype(np.int32), "NIFTI_INTENT_LABEL")
    meta = GiftiMetaData({"AnatomicalStructurePrimary": STRUCTURES[side]})
    nib.save(GiftiImage(meta=meta, darrays=[array], labeltable=table), path)


def axis():
    left, right = (
        BrainModelAxis.from_surface(np.arange(N), N, f"CIFTI_STRUCTURE_CORTEX_{name}")
        for name in ("LEFT", "RIGHT")
    )
    return left + right


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The same values as GIFTI and as CIFTI, with surfaces and atlases of both kinds."""
    root = tmp_path_factory.mktemp("surface_regions")
    rng = np.random.default_rng(1)
    values = {(s, c): rng.standard_normal(N).astype(np.float32) for s in "LR" for c in CONDITIONS}
    about = {"Name": "glm", "BIDSVersion": "1.9.0", "DatasetType": "derivative",
             "GeneratedBy": [{"Name": "nilearn"}]}  # fmt: skip
    for kind in ("gifti", "cifti"):
        func = root / kind / "sub-01" / "func"
        func.mkdir(parents=True)
        (root / kind / "dataset_description.json").write_text(json.dumps(about))
        for name in CONDITIONS:
            stem = f"sub-01_task-x{{}}_space-flat_contrast-{name}_stat-effect_statmap"
            if kind == "gifti":
                for side in "LR":
                    path = func / f"{stem.format(f'_hemi-{side}')}.gii"
                    nib.save(maps_image(values[side, name], side), path)
            else:
                both = np.concatenate([values[side, name] for side in "LR"])[None]
                header = Cifti2Header.from_axes((ScalarAxis(["effect"]), axis()))
                nib.save(Cifti2Image(both, header=header), func / f"{stem.format('')}.dscalar.nii")
    for side in "LR":
        points, triangles = sheet(side)
        arrays = [
            GiftiDataArray(points.astype(np.float32), "NIFTI_INTENT_POINTSET"),
            GiftiDataArray(triangles, "NIFTI_INTENT_TRIANGLE"),
        ]
        meta = GiftiMetaData({"AnatomicalStructurePrimary": STRUCTURES[side]})
        nib.save(GiftiImage(meta=meta, darrays=arrays), root / f"hemi-{side}_mid.surf.gii")
        save_labels(root / f"atlas-test_hemi-{side}.label.gii", KEYS[side], side)
    table = {key: (name, (0.5, 0.5, 0.5, 1.0)) for key, name in NAMES.items()}
    header = Cifti2Header.from_axes((LabelAxis(["test"], table), axis()))
    both = np.concatenate([KEYS[side] for side in "LR"])[None].astype(np.float32)
    nib.save(Cifti2Image(both, header=header), root / "atlas-test.dlabel.nii")
    rows = ["\t".join(["", *CONDITIONS])]
    for a in CONDITIONS:
        rows.append("\t".join([a, *(str(int(a[0] != b[0])) for b in CONDITIONS)]))
    (root / "kind.tsv").write_text("\n".join(rows) + "\n")
    return root, values


def run_app(root, kind, out, *options):
    command = (
        sys.executable, "-m", "bids_rsa.cli", root / kind, out, "participant", "--model",
        root / "kind.tsv", "--surface", f"{root}/hemi-{{hemi}}_mid.surf.gii", "--roi-only",
        "--dissimilarity", "euclidean", "--comparison", "pearson", "--use-plugin", "Linear",
        *options,
    )  # fmt: skip
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


def table_of(out):
    (path,) = Path(out).glob("sub-01/func/*_scores.tsv")
    with path.open() as file:
        return {row["name"]: row for row in csv.DictReader(file, delimiter="\t")}


@pytest.mark.parametrize("kind", ["gifti", "cifti"])
def test_scores_are_those_of_the_regions_vertices(data, tmp_path, kind):
    root, values = data
    atlas = "atlas-test_hemi-{hemi}.label.gii" if kind == "gifti" else "atlas-test.dlabel.nii"
    done = run_app(root, kind, tmp_path / "out", "--atlas", f"{root}/{atlas}")
    assert done.returncode == 0, done.stderr
    rows = table_of(tmp_path / "out")
    expected = {
        "L early visual": ("L", 1), "R early visual": ("R", 1), "L motor": ("L", 2),
        "R motor": ("R", 2), "only left": ("L", 3), "only right": ("R", 9),
    }  # fmt: skip
    assert set(rows) == set(expected)
    model = [float(a[0] != b[0]) for a, b in combinations(CONDITIONS, 2)]
    for name, (side, key) in expected.items():
        inside = KEYS[side] == key
        patch = [values[side, c][inside].astype(float) for c in CONDITIONS]
        rdm = [np.linalg.norm(a - b) for a, b in combinations(patch, 2)]
        assert float(rows[name]["score"]) == pytest.approx(np.corrcoef(rdm, model)[0, 1], abs=1e-5)
        assert int(rows[name]["n_voxels"]) == inside.sum()
        assert float(rows[name]["coverage"]) == 1.0


def test_an_atlas_of_another_mesh_or_kind_is_refused(data, tmp_path):
    root, _ = data
    labels = gifti_labels([str(root / "atlas-test_hemi-L.label.gii")])
    with pytest.raises(ContentError, match="240 vertices in hemi-L, and the images"):
        labels.place(VertexLayout((("L", 99),)))
    with pytest.raises(ContentError, match="no region where the images are"):
        labels.place(VertexLayout((("R", N),)))
    done = run_app(root, "gifti", tmp_path / "out", "--atlas", root / "atlas.nii.gz")
    assert done.returncode == 2 and "{hemi}" in done.stderr
    atlas = ("--atlas", f"{root}/atlas-test_hemi-{{hemi}}.label.gii")
    done = run_app(root, "gifti", tmp_path / "out", *atlas, "--center-density", "10k")
    assert done.returncode == 2 and "without --center-density" in done.stderr
    assert not (tmp_path / "out").exists()
    done = run_app(root, "gifti", tmp_path / "out", "--roi-sphere", "a:0,0,0:9")
    assert done.returncode == 2 and "lie on surfaces" in done.stderr


def test_an_atlas_with_voxels_of_another_grid_is_refused(tmp_path):
    inside = np.zeros((6, 6, 6), bool)
    inside[1:5, 1:5, 1:5] = True
    affine = np.diag([2.0, 2.0, 2.0, 1.0])

    def voxels(affine, inside=inside):
        return BrainModelAxis.from_mask(inside, "CIFTI_STRUCTURE_THALAMUS_LEFT", affine)

    table = {0: ("???", (0, 0, 0, 0)), 1: ("nucleus", (1, 0, 0, 1))}
    header = Cifti2Header.from_axes((LabelAxis(["test"], table), voxels(affine)))
    keys = (np.arange(64) < 20).astype(np.float32)
    nib.save(Cifti2Image(keys[None], header=header), tmp_path / "below.dlabel.nii")
    labels = cifti_labels(str(tmp_path / "below.dlabel.nii"))
    (members,) = labels.place(GrayordinateLayout.of_axis(voxels(affine), "images")).members
    np.testing.assert_array_equal(members, np.arange(20))
    moved, larger = affine.copy(), np.pad(inside, ((0, 1), (0, 0), (0, 0)))
    moved[0, 3] = 4.0
    for axis_of_images in (voxels(moved), voxels(affine, larger)):
        with pytest.raises(ContentError, match="on another grid"):
            labels.place(GrayordinateLayout.of_axis(axis_of_images, "images"))


def test_labels_are_read_alike_from_both_formats(data):
    root, _ = data
    paths = [str(root / f"atlas-test_hemi-{side}.label.gii") for side in "LR"]
    gifti, cifti = gifti_labels(paths), cifti_labels(str(root / "atlas-test.dlabel.nii"))
    assert [one.name for one in gifti.regions] == [one.name for one in cifti.regions]
    layout = VertexLayout((("L", N), ("R", N)))
    for a, b in zip(gifti.place(layout).members, cifti.place(layout).members, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ContentError, match="one of two of it"):
        gifti_labels([paths[0], paths[0]])
