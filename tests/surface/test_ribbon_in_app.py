"""--patches ribbon: native volumes searched between white and pial surface, by the command."""

import json
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import app_process
import nibabel as nib
import numpy as np
import pytest
from shared_data import shared_path
from test_find_surfaces import save_mask, save_surface
from test_ribbon import icosphere

from bids_rsa.core.neighborhood.geodesics import geodesic_discs
from bids_rsa.core.neighborhood.mesh import surface_graph
from bids_rsa.core.neighborhood.ribbon import Cortex, ribbon_voxels

CONDITIONS = ("a1", "a2", "a3", "b1", "b2", "b3")
SHAPE = (52, 30, 28)
AFFINE = np.array([[2.9, 0.2, 0.0, -75.0], [-0.2, 2.9, 0.3, -41.0], [0.0, -0.3, 3.1, -42.0],
                   [0, 0, 0, 1.0]])  # fmt: skip
MIDDLES = {"L": -36.0, "R": 36.0}
WHITE_MM, PIAL_MM, RADIUS_MM = 24.0, 29.0, 9.0


def surfaces(side):
    """White and pial surface of a hemisphere: two spheres."""
    points, triangles = icosphere(3)
    shift = np.array([MIDDLES[side], 0.0, 0.0])
    return WHITE_MM * points + shift, PIAL_MM * points + shift, triangles


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Volumes whose two kinds of conditions differ in the upper half of the left hemisphere."""
    root = tmp_path_factory.mktemp("ribbon") / "data"
    func, anat = root / "sub-01" / "func", root / "sub-01" / "anat"
    func.mkdir(parents=True)
    about = {"Name": "fmriprep", "BIDSVersion": "1.9.0", "DatasetType": "derivative",
             "GeneratedBy": [{"Name": "glm"}]}  # fmt: skip
    (root / "dataset_description.json").write_text(json.dumps(about))
    rng = np.random.default_rng(2)
    mm = np.argwhere(np.ones(SHAPE, bool)) @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    planted = ((mm[:, 0] < 0) & (mm[:, 2] > 5)).reshape(SHAPE)
    kinds = {kind: 2 * rng.standard_normal(SHAPE) * planted for kind in "ab"}
    for name in CONDITIONS:
        volume = (rng.standard_normal(SHAPE) + kinds[name[0]]).astype(np.float32)
        path = func / f"sub-01_task-x_space-T1w_contrast-{name}_stat-effect_statmap.nii.gz"
        nib.save(nib.Nifti1Image(volume, AFFINE), path)
    for side in "LR":
        white, pial, triangles = surfaces(side)
        save_surface(anat / f"sub-01_hemi-{side}_white.surf.gii", white, triangles, side)
        save_surface(anat / f"sub-01_hemi-{side}_pial.surf.gii", pial, triangles, side)
        inside = np.arange(len(white)) >= 30
        save_mask(anat / f"sub-01_hemi-{side}_desc-cortex_mask.label.gii", inside, side)
    rows = ["\t".join(["", *CONDITIONS])]
    for a in CONDITIONS:
        rows.append("\t".join([a, *(str(int(a[0] != b[0])) for b in CONDITIONS)]))
    (root / "kind.tsv").write_text("\n".join(rows) + "\n")
    return root


def run_app(data, out, *options, drawn=False):
    words = options if drawn else (*options, *app_process.UNDRAWN)
    return app_process.run_app(
        data, out, "participant", "--model", Path(data, "kind.tsv"), "--patches", "ribbon",
        "--radius", RADIUS_MM, "--use-plugin", "Linear", "--comparison", "pearson",
        "--dissimilarity", "euclidean", *words,
    )  # fmt: skip


@pytest.fixture(scope="module")
def output(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("ribbon_out") / "out"
    done = run_app(data, out, drawn=True)
    assert done.returncode == 0, done.stderr
    return out


def map_of(out, side, stat, desc="kind"):
    name = f"sub-01_task-x_hemi-{side}_space-fsnative_stat-{stat}_desc-{desc}_statmap"
    path = Path(out, "sub-01", "func", f"{name}.shape.gii")
    return nib.load(path).darrays[0].data, json.loads(path.with_name(f"{name}.json").read_text())


@pytest.mark.parametrize("side", ["L", "R"])
def test_scores_are_those_of_the_voxels_around_each_vertex(output, data, side):
    volumes = [
        nib.load(next(data.glob(f"sub-01/func/*contrast-{name}_*.nii.gz"))).get_fdata().ravel()
        for name in CONDITIONS
    ]
    model = np.array([float(a[0] != b[0]) for a, b in combinations(CONDITIONS, 2)])
    white, pial, triangles = surfaces(side)
    inside = np.arange(len(white)) >= 30
    ribbon = ribbon_voxels(Cortex(white, pial, triangles, inside), AFFINE, SHAPE)
    graph = surface_graph((white.astype(np.float32) + pial.astype(np.float32)) / 2, triangles)
    scores, about = map_of(output, side, "pearson")
    sizes, _ = map_of(output, side, "nvoxels", "searchlight")
    for center in range(30, len(white), 41):
        disc = geodesic_discs(graph, [center], RADIUS_MM).members
        voxels = np.unique(ribbon.voxels[np.isin(ribbon.vertices, disc)])
        assert sizes[center] == len(voxels) >= 10
        patch = np.array([volume[voxels] for volume in volumes])
        rdm = [np.linalg.norm(a - b) for a, b in combinations(patch, 2)]
        assert scores[center] == pytest.approx(np.corrcoef(rdm, model)[0, 1], abs=1e-5)
    assert np.isnan(scores[:30]).all() and about["Hemisphere"] == side
    assert "white and pial" in about["SearchlightRule"]


def test_lines_hit_other_voxels(data, tmp_path):
    done = run_app(data, tmp_path / "out", "--patches", "lines")
    assert done.returncode == 0, done.stderr
    volumes = [
        nib.load(next(data.glob(f"sub-01/func/*contrast-{name}_*.nii.gz"))).get_fdata().ravel()
        for name in CONDITIONS
    ]
    model = np.array([float(a[0] != b[0]) for a, b in combinations(CONDITIONS, 2)])
    white, pial, triangles = (part.astype(np.float32) for part in surfaces("R"))
    graph = surface_graph((white + pial) / 2, triangles.astype(np.int32))
    scores, about = map_of(tmp_path / "out", "R", "pearson")
    assert "on a line" in about["SearchlightRule"]
    for center in range(30, len(white), 61):
        disc = geodesic_discs(graph, [center], RADIUS_MM).members
        disc = disc[disc >= 30]
        points = np.concatenate(
            [white[disc] + d * (pial[disc] - white[disc]) for d in np.linspace(0, 1, 6)]
        )
        places = np.rint((points - AFFINE[:3, 3]) @ np.linalg.inv(AFFINE[:3, :3]).T).astype(int)
        voxels = np.unique(np.ravel_multi_index(tuple(places.T), SHAPE))
        patch = np.array([volume[voxels] for volume in volumes])
        rdm = [np.linalg.norm(a - b) for a, b in combinations(patch, 2)]
        assert scores[center] == pytest.approx(np.corrcoef(rdm, model)[0, 1], abs=1e-5)
    mixed = run_app(data, tmp_path / "out")
    assert mixed.returncode != 0 and "settings" in mixed.stderr


def test_the_planted_effect_is_found_in_its_hemisphere(output):
    height = surfaces("L")[1][:, 2]
    left, right = map_of(output, "L", "pearson")[0], map_of(output, "R", "pearson")[0]
    assert np.nanmean(left[height > 15]) > 0.8
    assert abs(np.nanmean(left[height < -10])) < 0.15 and abs(np.nanmean(right)) < 0.15


def test_the_sidecar_names_the_cortex(output):
    about = map_of(output, "L", "pearson")[1]
    names = [f"sub-01_hemi-{side}_desc-cortex_mask.label.gii" for side in "LR"]
    assert about["CortexMask"]["Files"] == names
    assert about["CortexMask"]["Voxels"] == 2 * (len(surfaces("L")[0]) - 30)
    assert {uri.rpartition("/")[2] for uri in about["Sources"]} >= set(names)


def test_another_cortex_is_not_the_same_result(output, data, tmp_path):
    for side in "LR":
        inside = np.arange(len(surfaces(side)[0])) >= 300
        save_mask(tmp_path / f"hemi-{side}_mask.label.gii", inside, side)
    done = run_app(data, output, "--cortex-mask", tmp_path / "hemi-{hemi}_mask.label.gii")
    assert done.returncode != 0 and "settings" in done.stderr


def test_patch_size_and_noise_go_with_it(data, tmp_path):
    done = run_app(data, tmp_path / "out", "--patch-size", "20")
    assert done.returncode == 0, done.stderr
    sizes = map_of(tmp_path / "out", "R", "nvoxels", "searchlight")[0]
    assert np.nanmax(sizes) == 20


def test_what_is_missing_or_elsewhere_is_told(data, tmp_path):
    without = tmp_path / "without"
    shutil.copytree(data, without)
    (without / "sub-01/anat/sub-01_hemi-R_pial.surf.gii").unlink()
    done = run_app(without, tmp_path / "out")
    assert done.returncode == 66
    assert "right hemisphere" in done.stderr and "hemi-R_white.surf.gii" in done.stderr
    moved = tmp_path / "moved"
    shutil.copytree(data, moved)
    for side in "LR":
        white, pial, triangles = surfaces(side)
        for name, points in (("white", white), ("pial", pial)):
            path = moved / f"sub-01/anat/sub-01_hemi-{side}_{name}.surf.gii"
            save_surface(path, points + np.array([0, 400, 0]), triangles, side)
    done = run_app(moved, tmp_path / "out")
    assert done.returncode == 65 and "not in one space" in done.stderr
    done = run_app(data, tmp_path / "out", "--surface", "{hemi}_white.surf.gii")
    assert done.returncode == 2 and "WHITE PIAL" in done.stderr
    assert not (tmp_path / "out" / "sub-01").exists()


def test_regions_of_vertices_are_their_voxels_and_masks_of_centres_are_kept(data, tmp_path):
    tops, volumes = {}, {
        name: nib.load(next(data.glob(f"sub-01/func/*contrast-{name}_*"))).get_fdata().ravel()
        for name in CONDITIONS
    }  # fmt: skip
    for side in "LR":
        tops[side] = surfaces(side)[1][:, 2] > 12
        save_mask(tmp_path / f"atlas-top_hemi-{side}.label.gii", tops[side], side)
    mm = np.argwhere(np.ones(SHAPE, bool)) @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    upper = (mm[:, 2] > 12).reshape(SHAPE).astype(np.uint8)
    nib.save(nib.Nifti1Image(upper, AFFINE), tmp_path / "upper.nii.gz")
    masks = f"{tmp_path}/atlas-top_hemi-{{hemi}}.label.gii"
    options = ("--atlas", masks, "--roi-sphere", "disc:L200:9", "--rois", tmp_path / "upper.nii.gz")
    done = run_app(data, tmp_path / "out", *options, "--roi-mask", masks, "--min-coverage", "0")
    assert done.returncode == 0, done.stderr
    model = [float(a[0] != b[0]) for a, b in combinations(CONDITIONS, 2)]

    def score(voxels):
        patch = [volumes[name][voxels] for name in CONDITIONS]
        rdm = [np.linalg.norm(a - b) for a, b in combinations(patch, 2)]
        return np.corrcoef(rdm, model)[0, 1]

    rows = {}
    for path in tmp_path.glob("out/sub-01/func/*_scores.tsv"):
        lines = [line.split("\t") for line in path.read_text().splitlines()]
        rows |= {line[1]: dict(zip(lines[0], line, strict=True)) for line in lines[1:]}
    owned = []
    for side in "LR":
        white, pial, triangles = surfaces(side)
        ribbon = ribbon_voxels(
            Cortex(white, pial, triangles, np.arange(len(white)) >= 30), AFFINE, SHAPE
        )
        voxels = np.unique(ribbon.voxels[tops[side][ribbon.vertices]])
        owned.append(voxels)
        assert int(rows[f"{side} 1"]["n_voxels"]) == len(voxels) > 50
        assert float(rows[f"{side} 1"]["score"]) == pytest.approx(score(voxels), abs=1e-5)
    # a region of voxels holds those of the centres in the ROI mask
    both = np.intersect1d(np.flatnonzero(upper), np.concatenate(owned))
    assert float(rows["upper"]["score"]) == pytest.approx(score(both), abs=1e-5)
    scores = map_of(tmp_path / "out", "L", "pearson")[0]
    inside = tops["L"] & (np.arange(len(scores)) >= 30)
    np.testing.assert_array_equal(np.isfinite(scores), inside)
    whole = run_app(data, tmp_path / "whole", "--roi-sphere", "disc:L200:9")
    assert whole.returncode == 0, whole.stderr
    (path,) = tmp_path.glob("whole/sub-01/func/*_scores.tsv")
    of_disc = float(path.read_text().splitlines()[1].split("\t")[-1])
    everywhere = map_of(tmp_path / "whole", "L", "pearson")[0]
    assert of_disc == pytest.approx(everywhere[200], abs=1e-6)
    np.testing.assert_allclose(scores[inside], everywhere[inside])
    volume = run_app(data, tmp_path / "volume", "--roi-mask", tmp_path / "upper.nii.gz")
    assert volume.returncode == 0, volume.stderr
    near = map_of(tmp_path / "volume", "L", "pearson")[0]
    height = (surfaces("L")[0] + surfaces("L")[1])[:, 2] / 2
    finite = np.isfinite(near)
    assert height[finite].min() > 12 - 3 and finite.sum() > 50
    assert finite[(height > 12 + 3) & (np.arange(len(near)) >= 30)].all()


def test_an_atlas_of_voxels_is_found_by_its_label(data, tmp_path):
    """As fMRIPrep's aparcaseg: in anat/, without a space, on another grid, its table above."""
    shutil.copytree(data, tmp_path / "data")
    affine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    shape = tuple(2 * n for n in SHAPE)
    x = (np.argwhere(np.ones(shape, bool)) @ affine[:3, :3].T + affine[:3, 3])[:, 0]
    labels = np.where(x < 0, 3, 7).reshape(shape).astype(np.int16)
    path = tmp_path / "data" / "sub-01" / "anat" / "sub-01_desc-blocks_dseg.nii.gz"
    nib.save(nib.Nifti1Image(labels, affine), path)
    table = "index\tname\n3\tleft block\n7\tright block\n"
    (tmp_path / "data" / "desc-blocks_dseg.tsv").write_text(table)
    found = {}
    for given in ("blocks", "desc-blocks", str(path)):
        out = tmp_path / f"out{len(found)}"
        done = run_app(tmp_path / "data", out, "--roi-only", "--atlas", given)
        assert done.returncode == 0, done.stderr
        (scores,) = out.glob("sub-01/func/*_seg-blocks_scores.tsv")
        found[given] = scores.read_text()
    assert len(set(found.values())) == 1
    assert "left block" in found["blocks"] and "right block" in found["blocks"]
    done = run_app(tmp_path / "data", tmp_path / "none", "--roi-only", "--atlas", "other")
    assert done.returncode == 66, done.stderr
    assert "no atlas other on the mesh" in done.stderr and "blocks" in done.stderr


def copy_at(data, root, resolution):
    """Copy the images with a resolution in their names and other values."""
    for path in sorted(data.glob("sub-01/func/*.nii.gz")):
        image = nib.load(path)
        values = image.get_fdata() + len(resolution)
        name = path.name.replace("space-T1w_", f"space-T1w_res-{resolution}_")
        nib.save(nib.Nifti1Image(values.astype(np.float32), image.affine), root / name)


def test_surfaces_beside_the_brain_are_refused(data, tmp_path):
    """FreeSurfer's coordinates without the shift to the scanner's: 25 mm away."""
    moved = tmp_path / "moved"
    shutil.copytree(data, moved)
    mm = np.argwhere(np.ones(SHAPE, bool)) @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    centers = [(x, 0.0, 0.0) for x in MIDDLES.values()]
    brain = np.any([np.linalg.norm(mm - c, axis=1) < PIAL_MM + 3 for c in centers], axis=0)
    mask = tmp_path / "brain.nii.gz"
    nib.save(nib.Nifti1Image(brain.reshape(SHAPE).astype(np.uint8), AFFINE), mask)
    fine = run_app(moved, tmp_path / "out", "--brain-mask", mask, "--dry-run")
    assert fine.returncode == 0, fine.stderr
    for side in "LR":
        white, pial, triangles = surfaces(side)
        for name, points in (("white", white), ("pial", pial)):
            path = moved / f"sub-01/anat/sub-01_hemi-{side}_{name}.surf.gii"
            save_surface(path, points + np.array([0, 25, 0]), triangles, side)
    done = run_app(moved, tmp_path / "out", "--brain-mask", mask)
    assert done.returncode == 65 and "are inside the brain mask" in done.stderr
    assert "--to-scanner" in done.stderr


@pytest.mark.parametrize("option", [("--center-density", "10k"), ("--cifti-volume", "skip")])
def test_options_of_other_images_are_refused(data, tmp_path, option):
    done = run_app(data, tmp_path / "out", *option)
    assert done.returncode == 2 and option[0] in done.stderr and "ignored" in done.stderr


def test_two_analyses_of_one_name_are_refused(data, tmp_path):
    twice = tmp_path / "twice"
    shutil.copytree(data, twice)
    func = twice / "sub-01" / "func"
    copy_at(data, func, "2")
    copy_at(data, func, "native")
    done = run_app(twice, tmp_path / "out", "--res", "2", "native")
    assert done.returncode == 2 and "one name" in done.stderr and "--res" in done.stderr
    assert not (tmp_path / "out" / "sub-01").exists()


def test_real_betas_between_real_surfaces(tmp_path):
    folder = shared_path("data", "spm-betas")
    names = [f"{k:02d}" for k in range(5)]
    rows = ["\t".join(["", *names])]
    rows += ["\t".join([a, *(str(abs(int(a) - int(b))) for b in names)]) for a in names]
    (tmp_path / "kind.tsv").write_text("\n".join(rows) + "\n")
    start = f"{folder}/sub-{{subject}}_space-32k_hemi-{{hemi}}"
    command = (
        sys.executable, "-m", "bids_rsa.cli", folder, tmp_path / "out", "participant", "--betas",
        "sub-{subject}_ses-s1_run-01_reg-{condition}_beta.nii", "--model", tmp_path / "kind.tsv",
        "--patches", "ribbon", "--surface", f"{start}_white.surf.gii", f"{start}_pial.surf.gii",
        "--brain-mask", folder / "sub-02_ses-s1_mask.nii", "--radius", "10", "--no-report",
        "--use-plugin", "Linear",
    )  # fmt: skip
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"--brain-mask {folder}/sub-02_ses-s1_mask.nii" in done.stderr
    for side in "LR":
        (path,) = tmp_path.glob(f"out/sub-02/func/*hemi-{side}*_stat-spearman_*.shape.gii")
        scores = nib.load(path).darrays[0].data
        assert len(scores) == 32492 and np.isfinite(scores).sum() > 28_000
