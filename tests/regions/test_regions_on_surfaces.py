"""Regions of .label.gii and .dlabel.nii files: the command's tables are those of their vertices."""

import csv
import json
import shutil
from itertools import combinations
from pathlib import Path

import app_process
import nibabel as nib
import numpy as np
import pytest
from meshes import flat_mesh, save_surface
from nibabel.cifti2 import BrainModelAxis, Cifti2Header, Cifti2Image, LabelAxis, ScalarAxis
from nibabel.freesurfer import write_annot
from nibabel.gifti import (
    GiftiDataArray,
    GiftiImage,
    GiftiLabel,
    GiftiLabelTable,
    GiftiMetaData,
)

from bids_rsa.errors import ContentError
from bids_rsa.regions.label_files import cifti_labels, gifti_labels
from bids_rsa.spaces.gifti import maps_image
from bids_rsa.spaces.grayordinate_layout import GrayordinateLayout
from bids_rsa.spaces.hemispheres import STRUCTURES
from bids_rsa.spaces.vertex_layout import VertexLayout

CONDITIONS = ("a1", "a2", "b1", "b2", "b3")
N = 240
KEYS = {"L": np.repeat([0, 1, 2, 3], N // 4), "R": np.repeat([2, 0, 1, 9], N // 4)}
NAMES = {0: "???", 1: "early visual", 2: "motor", 3: "only left", 9: "only right"}


def sheet(side):
    """A flat mesh of 12 x 20 vertices."""
    return flat_mesh((12, 20), 2.0, (-60 if side == "L" else 20, 0, 0))


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
        save_surface(root / f"hemi-{side}_mid.surf.gii", *sheet(side), side)
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


def run_app(root, kind, out, *options, drawn=False):
    words = options if drawn else (*options, *app_process.UNDRAWN)
    return app_process.run_app(
        root / kind, out, "participant", "--model", root / "kind.tsv", "--surface",
        f"{root}/hemi-{{hemi}}_mid.surf.gii", "--roi-only", "--dissimilarity", "euclidean",
        "--comparison", "pearson", *words,
    )  # fmt: skip


def table_of(out):
    (path,) = Path(out).glob("sub-01/func/*_scores.tsv")
    with path.open() as file:
        return {row["name"]: row for row in csv.DictReader(file, delimiter="\t")}


@pytest.mark.parametrize("kind", ["gifti", "cifti"])
def test_scores_are_those_of_the_regions_vertices(data, tmp_path, kind):
    root, values = data
    atlas = "atlas-test_hemi-{hemi}.label.gii" if kind == "gifti" else "atlas-test.dlabel.nii"
    done = run_app(root, kind, tmp_path / "out", "--atlas", f"{root}/{atlas}", drawn=True)
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


@pytest.mark.parametrize("pattern", ["hemi-{hemi}_parts.label.gii", "{hemi}.parts.annot",
                                     "sub-{subject}_parts.{hemi}.label.gii"])  # fmt: skip
def test_tables_are_not_named_after_a_hemisphere_or_a_participant(data, tmp_path, pattern):
    root, _ = data
    for side, named in (("L", "lh"), ("R", "rh")):
        path = tmp_path / pattern.format(hemi="{hemi}", subject="01").replace(
            "{hemi}", named if pattern.endswith("annot") else side
        )
        if path.suffix == ".annot":
            colours = np.array([[k, k, k, 0] for k in range(1, 5)])
            write_annot(path, np.minimum(KEYS[side], 3), colours, ["???", "v1", "m1", "x"])
        else:
            save_labels(path, KEYS[side], side)
    done = run_app(root, "gifti", tmp_path / "out", "--atlas", f"{tmp_path}/{pattern}")
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "out" / "sub-01" / "func").glob("*_scores.tsv")
    assert "_seg-parts_" in path.name
    assert "no region in the" not in done.stderr


@pytest.mark.parametrize("kind", ["gifti", "cifti"])
def test_a_hemisphere_without_regions_is_named(data, tmp_path, kind):
    root, _ = data
    path = root / "atlas-test_hemi-R.label.gii"
    done = run_app(root, kind, tmp_path / "out", "--atlas", path)
    assert done.returncode == 0, done.stderr
    (table,) = (tmp_path / "out" / "sub-01" / "func").glob("*_scores.json")
    for told in (done.stderr, *json.loads(table.read_text())["Warnings"][-1:]):
        assert "has no region in the left hemisphere" in told
    assert "right hemisphere" not in done.stderr


def test_small_regions_are_counted_in_vertices(data, tmp_path):
    root, _ = data
    atlas = f"{root}/atlas-test_hemi-{{hemi}}.label.gii"
    done = run_app(root, "gifti", tmp_path / "out", "--atlas", atlas, "--min-voxels", "61")
    assert done.returncode == 0, done.stderr
    assert "fewer than 61 usable vertices: L early visual (60)" in done.stderr
    assert "voxel" not in done.stderr


def test_masks_of_single_hemispheres_are_not_warned_about(data, tmp_path):
    """A region in one hemisphere is usual; its name says which."""
    root, _ = data
    save_labels(tmp_path / "hemi-R_V1.label.gii", (KEYS["R"] == 1).astype(int), "R")
    done = run_app(root, "gifti", tmp_path / "out", "--rois", f"{tmp_path}/hemi-R_V1.label.gii")
    assert done.returncode == 0, done.stderr
    assert set(table_of(tmp_path / "out")) == {"R V1"}
    assert "WARNING" not in done.stderr


def test_an_atlas_of_another_mesh_or_kind_is_refused(data, tmp_path):
    root, _ = data
    labels = gifti_labels([str(root / "atlas-test_hemi-L.label.gii")])
    with pytest.raises(ContentError, match="240 vertices in hemi-L, and the images"):
        labels.place(VertexLayout((("L", 99),)))
    with pytest.raises(ContentError, match="no region where the images are"):
        labels.place(VertexLayout((("R", N),)))
    done = run_app(root, "gifti", tmp_path / "out", "--atlas", root / "atlas.nii.gz")
    assert done.returncode == 2 and "{hemi}" in done.stderr
    done = run_app(root, "gifti", tmp_path / "out", "--rois", root / "mask.nii.gz")
    assert done.returncode == 66 and "mask.nii.gz" in done.stderr
    done = run_app(root, "gifti", tmp_path / "out", "--roi-sphere", "a:0,0,90:9")
    assert done.returncode == 65 and "more than the radius" in done.stderr
    done = run_app(root, "gifti", tmp_path / "out", "--roi-sphere", "a:L999:9")
    assert done.returncode == 65 and "no vertex 999 in hemi-L" in done.stderr
    done = run_app(root, "gifti", tmp_path / "out", "--atlas", "nothing")
    assert done.returncode == 66 and "no atlas nothing" in done.stderr


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


def test_negative_keys_are_no_regions(tmp_path):
    def read(shift):
        for side in "LR":
            keys = np.where(KEYS[side] == 0, shift, KEYS[side])
            save_labels(tmp_path / f"{shift}_hemi-{side}.label.gii", keys, side)
        return gifti_labels([str(tmp_path / f"{shift}_hemi-{side}.label.gii") for side in "LR"])

    plain, marked = read(0), read(-1)
    assert marked.regions == plain.regions
    for side in "LR":
        np.testing.assert_array_equal(marked.by_side[side], plain.by_side[side])
    with pytest.raises(ContentError, match=r"contains negative labels: -7 \(120 in all\)"):
        read(-7)


def score_of(values, side, inside):
    """The score of a patch by the definition."""
    patch = [values[side, c][inside].astype(float) for c in CONDITIONS]
    rdm = [np.linalg.norm(a - b) for a, b in combinations(patch, 2)]
    model = [float(a[0] != b[0]) for a, b in combinations(CONDITIONS, 2)]
    return np.corrcoef(rdm, model)[0, 1]


@pytest.mark.parametrize("kind", ["gifti", "cifti"])
def test_masks_are_regions(data, tmp_path, kind):
    root, values = data
    rng = np.random.default_rng(3)
    insides = {side: rng.random(N) < 0.3 for side in "LR"}
    for side, inside in insides.items():
        nib.save(maps_image(inside.astype(np.float32), side), tmp_path / f"m_hemi-{side}.shape.gii")
    right = np.flatnonzero(insides["R"])
    lines = [f"{v} 0 0 0 0" for v in right]
    (tmp_path / "rh.V1.label").write_text("\n".join(["#!ascii label", str(len(right)), *lines]))
    both = np.concatenate([insides[side] for side in "LR"])[None].astype(np.float32)
    header = Cifti2Header.from_axes((ScalarAxis(["mask"]), axis()))
    nib.save(Cifti2Image(both, header=header), tmp_path / "both.dscalar.nii")
    rois = [f"two={tmp_path}/m_hemi-{{hemi}}.shape.gii", f"left={tmp_path}/m_hemi-L.shape.gii",
            tmp_path / "rh.V1.label", f"same={tmp_path}/both.dscalar.nii"]  # fmt: skip
    done = run_app(root, kind, tmp_path / "out", "--rois", *rois[: 3 if kind == "gifti" else 4])
    assert done.returncode == 0, done.stderr
    rows = {name: float(row["score"]) for name, row in table_of(tmp_path / "out").items()}
    assert rows["left"] == pytest.approx(score_of(values, "L", insides["L"]), abs=1e-5)
    assert rows["R V1"] == pytest.approx(score_of(values, "R", insides["R"]), abs=1e-5)
    joined = {c: np.concatenate([values["L", c], values["R", c]]) for c in CONDITIONS}
    everything = {("B", c): joined[c] for c in CONDITIONS}
    two = score_of(everything, "B", np.concatenate([insides["L"], insides["R"]]))
    assert rows["two"] == pytest.approx(two, abs=1e-5)
    assert rows.get("same", rows["two"]) == rows["two"]


@pytest.mark.parametrize("kind", ["gifti", "cifti"])
def test_a_sphere_is_the_disc_of_the_searchlight_at_its_centre(data, tmp_path, kind):
    root, _ = data
    points, _ = sheet("R")
    place = ",".join(map(str, points[87] + [0.4, -0.3, 1.0]))
    done = app_process.run_app(
        root / kind, tmp_path / "out", "participant", "--model", root / "kind.tsv", "--surface",
        f"{root}/hemi-{{hemi}}_mid.surf.gii", "--dissimilarity", "euclidean", "--comparison",
        "pearson", "--radius", "7", "--roi-sphere", "a:L100:7", f"b:{place}:7",
        *app_process.UNDRAWN,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = table_of(tmp_path / "out")
    if kind == "cifti":
        (path,) = tmp_path.glob("out/sub-01/func/*stat-pearson*.dscalar.nii")
        maps = dict(zip("LR", np.split(nib.load(path).get_fdata()[0], 2), strict=True))
    else:
        paths = {s: next(tmp_path.glob(f"out/sub-01/func/*hemi-{s}*pearson*.gii")) for s in "LR"}
        maps = {side: nib.load(path).darrays[0].data for side, path in paths.items()}
    assert float(rows["a"]["score"]) == pytest.approx(maps["L"][100], abs=1e-6)
    assert float(rows["b"]["score"]) == pytest.approx(maps["R"][87], abs=1e-6)
    assert 20 < int(rows["a"]["n_voxels"]) < 45


@pytest.mark.parametrize(("option", "told"), [
    (("--roi-sphere", "a:L99999:7"), ("no vertex 99999 in hemi-L", "counted from 0")),
    (("--roi-sphere", "a:0,0,900:7"), ("more than the radius of 7 mm", "NAME:L1234:8")),
    (("--rois", "MASK"), ("the mask sub-02_hemi-L_mask.shape.gii",)),
])  # fmt: skip
def test_shapes_that_are_elsewhere_are_refused(data, tmp_path, option, told):
    root, _ = data
    mask = tmp_path / "sub-02_hemi-L_mask.shape.gii"
    nib.save(maps_image(np.ones(N, np.float32), "L"), mask)
    words = [str(mask) if word == "MASK" else word for word in option]
    done = run_app(root, "gifti", tmp_path / "out", *words)
    assert done.returncode in (65, 66) and "Traceback" not in done.stderr
    for text in told:
        assert text in " ".join(done.stderr.split())


def test_annotations_and_atlases_by_name_are_read_as_label_files(data, tmp_path):
    root, _ = data
    colors = np.array([[k, 9, 9, 0, k] for k in range(10)])
    names = [NAMES.get(k, f"none {k}") for k in range(10)]
    for side, own in (("L", "lh"), ("R", "rh")):
        path = tmp_path / f"{own}.test.annot"
        write_annot(path, KEYS[side].astype(np.int32), colors, names, fill_ctab=True)
    found = gifti_labels([str(tmp_path / f"{own}.test.annot") for own in ("lh", "rh")])
    plain = gifti_labels([str(root / f"atlas-test_hemi-{side}.label.gii") for side in "LR"])
    assert [one.name for one in found.regions] == [one.name for one in plain.regions]
    layout = VertexLayout((("L", N), ("R", N)))
    for a, b in zip(found.place(layout).members, plain.place(layout).members, strict=True):
        np.testing.assert_array_equal(a, b)
    by_name = tmp_path / "data"
    shutil.copytree(root / "gifti", by_name)
    (by_name / "atlases").mkdir()
    for side in "LR":
        stem = f"tpl-flat_hemi-{side}_atlas-test"
        save_labels(by_name / "atlases" / f"{stem}_dseg.label.gii", KEYS[side], side)
        save_labels(by_name / "atlases" / f"{stem}2_dseg.label.gii", KEYS[side][:90], side)
    tables = []
    for name, atlas in (("name", "test"), ("file", f"test={tmp_path}/{{hemi}}.test.annot")):
        done = app_process.run_app(
            by_name, tmp_path / name, "participant", "--model", root / "kind.tsv", "--surface",
            f"{root}/hemi-{{hemi}}_mid.surf.gii", "--roi-only", "--atlas", atlas,
            *app_process.UNDRAWN,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        tables.append(table_of(tmp_path / name))
    assert [(r["name"], r["score"]) for r in tables[0].values()] == [
        (r["name"], r["score"]) for r in tables[1].values()
    ]
