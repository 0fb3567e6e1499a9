"""Noise ceilings of --patches ribbon: subjects with grids of their own, surfaces of one mesh."""

import json
from itertools import combinations

import app_process
import nibabel as nib
import numpy as np
import pytest
from test_find_surfaces import save_surface
from test_ribbon import icosphere

from bids_rsa.core.comparison.ceilings import noise_ceiling
from bids_rsa.core.neighborhood.geodesics import geodesic_discs
from bids_rsa.core.neighborhood.mesh import surface_graph
from bids_rsa.core.neighborhood.ribbon import Cortex, ribbon_voxels

CONDITIONS = ("a1", "a2", "a3", "b1", "b2", "b3")
SUBJECTS, RADIUS_MM = ("01", "02", "03", "04"), 10.0
MIDDLES = {"L": -30.0, "R": 30.0}


def grid_of(number):
    """Shape and affine, another for each subject."""
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = [-66 - number, -36, -36 + number]
    return (45 + number, 25, 25), affine


def surfaces(side, number):
    points, triangles = icosphere(3)
    stretched = points * [1, 1 + 0.02 * number, 1] + 0.0
    shift = np.array([MIDDLES[side], 0.0, 0.0])
    return 22 * stretched + shift, 27 * stretched + shift, triangles


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Volumes of each subject, with an effect in the upper half of the left hemisphere."""
    root = tmp_path_factory.mktemp("ribbon_ceilings") / "data"
    root.mkdir()
    about = {"Name": "glm", "BIDSVersion": "1.9.0", "DatasetType": "derivative",
             "GeneratedBy": [{"Name": "nilearn"}]}  # fmt: skip
    (root / "dataset_description.json").write_text(json.dumps(about))
    rng, volumes = np.random.default_rng(5), {}
    for number, subject in enumerate(SUBJECTS):
        func = root / f"sub-{subject}" / "func"
        func.mkdir(parents=True)
        shape, affine = grid_of(number)
        mm = np.argwhere(np.ones(shape, bool)) @ affine[:3, :3].T + affine[:3, 3]
        planted = ((mm[:, 0] < 0) & (mm[:, 2] > 5)).reshape(shape)
        kinds = {kind: rng.standard_normal(shape) * planted for kind in "ab"}
        for name in CONDITIONS:
            volume = (rng.standard_normal(shape) + kinds[name[0]]).astype(np.float32)
            volumes[subject, name] = volume.ravel()
            stem = f"sub-{subject}_task-x_space-T1w_contrast-{name}_stat-effect_statmap.nii.gz"
            nib.save(nib.Nifti1Image(volume, affine), func / stem)
        for side in "LR":
            white, pial, triangles = surfaces(side, number)
            start = root / f"sub-{subject}_space-ico_hemi-{side}"
            save_surface(f"{start}_white.surf.gii", white, triangles, side)
            save_surface(f"{start}_pial.surf.gii", pial, triangles, side)
    rows = ["\t".join(["", *CONDITIONS])]
    for a in CONDITIONS:
        rows.append("\t".join([a, *(str(int(a[0] != b[0])) for b in CONDITIONS)]))
    (root / "kind.tsv").write_text("\n".join(rows) + "\n")
    return root, volumes


def run(*arguments):
    done = app_process.run_app(*arguments)
    assert done.returncode == 0, done.stderr


def test_ceilings_are_those_of_the_voxels_between_each_subjects_surfaces(made, tmp_path):
    root, volumes = made
    start = f"{root}/sub-{{subject}}_space-ico_hemi-{{hemi}}"
    run(
        *(root, tmp_path, "participant", "--model", root / "kind.tsv", "--patches", "ribbon"),
        *("--surface", f"{start}_white.surf.gii", f"{start}_pial.surf.gii", "--radius", RADIUS_MM),
        *("--comparison", "pearson", "--dissimilarity", "euclidean", "--use-plugin", "Linear"),
        *("--no-figures", "--no-report"),
        *("--roi-sphere", "disc:L100:10"),
    )
    middle = f"{root}/sub-01_space-ico_hemi-{{hemi}}_white.surf.gii"
    run(
        *(root, tmp_path, "group", "--noise-ceiling", "--n-permutations", "16", "--no-figures"),
        *("--surface", middle, "--use-plugin", "Linear"),
    )
    # regions are tested too, and keep the maps from nothing
    assert list(tmp_path.glob("group/*_seg-spheres_*meas-pearson_scores.tsv"))
    for side in "LR":
        found = {}
        for stat in ("ceilingLower", "ceilingUpper"):
            (path,) = tmp_path.glob(f"group/*hemi-{side}*_stat-{stat}_*.shape.gii")
            found[stat] = nib.load(path).darrays[0].data
        for center in range(5, len(found["ceilingLower"]), 97):
            rdms = np.array([rdm_of(volumes, n, side, center) for n in range(len(SUBJECTS))])
            lower, upper = noise_ceiling(rdms[:, None], "pearson", None)
            assert found["ceilingLower"][center] == pytest.approx(lower[0], abs=1e-5)
            assert found["ceilingUpper"][center] == pytest.approx(upper[0], abs=1e-5)
    assert np.nanmax(found["ceilingUpper"]) <= 1


def rdm_of(volumes, number, side, center):
    """The RDM of the voxels around a vertex, by the definition."""
    shape, affine = grid_of(number)
    white, pial, triangles = surfaces(side, number)
    mid = (white.astype(np.float32) + pial.astype(np.float32)) / 2
    disc = geodesic_discs(surface_graph(mid, triangles), [center], RADIUS_MM).members
    ribbon = ribbon_voxels(
        Cortex(white.astype(np.float32), pial.astype(np.float32), triangles), affine, shape
    )
    voxels = np.unique(ribbon.voxels[np.isin(ribbon.vertices, disc)])
    patch = [volumes[SUBJECTS[number], name][voxels].astype(float) for name in CONDITIONS]
    return [np.linalg.norm(a - b) for a, b in combinations(patch, 2)]
