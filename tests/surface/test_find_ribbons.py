"""White, pial and cortex of a ribbon are of the images' space, and lie where the brain is."""

from dataclasses import replace

import numpy as np
import pytest
from test_find_surfaces import save_mask, save_surface, sphere

from bids_rsa.discovery.datasets import Dataset
from bids_rsa.discovery.index import Index
from bids_rsa.discovery.ribbons import with_ribbon
from bids_rsa.errors import ContentError, OptionError
from bids_rsa.patterns.places import ribbon_space
from bids_rsa.records import Analysis, HemisphereSurfaces
from bids_rsa.settings import InputSettings
from bids_rsa.spaces.volume import VolumeSpace

POINTS, TRIANGLES = sphere(8, radius=30.0)
CENTERS = {"L": (-32.0, 0.0, 0.0), "R": (32.0, 0.0, 0.0)}


@pytest.fixture
def data(tmp_path):
    """fMRIPrep's anatomy of a participant, with masks of the cortex in two spaces."""
    anat = tmp_path / "data" / "sub-01" / "anat"
    for side, center in CENTERS.items():
        for name, factor in (("white", 0.9), ("pial", 1.0)):
            path = anat / f"sub-01_hemi-{side}_{name}.surf.gii"
            save_surface(path, factor * POINTS + center, TRIANGLES, side)
        save_mask(
            anat / f"sub-01_hemi-{side}_desc-cortex_mask.label.gii",
            np.arange(len(POINTS)) > 5, side,
        )  # fmt: skip
        save_mask(
            anat / f"sub-01_hemi-{side}_space-MNI152NLin6Asym_desc-cortex_mask.label.gii",
            np.arange(len(POINTS)) > 50, side,
        )  # fmt: skip
    return tmp_path / "data"


def find(root, space, **options):
    files = Index([Dataset("fmriprep", str(root))], "/nowhere").files("01")
    inputs = InputSettings(str(root), patches="ribbon", **options)
    return with_ribbon(Analysis("01", (), (), space=space), files, [str(root)], inputs)


@pytest.mark.parametrize("space", [None, "T1w", "individual"])
def test_images_of_the_own_space_take_the_own_surfaces_and_cortex(data, space):
    found = find(data, space)
    assert found.space == "fsnative"
    for one in found.surfaces:
        assert one.cortex == (
            str(data / f"sub-01/anat/sub-01_hemi-{one.hemisphere}_desc-cortex_mask.label.gii"),
        )


def test_images_of_a_template_are_refused(data):
    with pytest.raises(OptionError, match="space-MNI152NLin6Asym") as error:
        find(data, "MNI152NLin6Asym")
    assert "own space" in str(error.value) and "T1w" in str(error.value)
    given = tuple(
        f"{data}/sub-{{subject}}/anat/sub-{{subject}}_hemi-{{hemi}}_{name}.surf.gii"
        for name in ("white", "pial")
    )
    with pytest.raises(OptionError, match="own space"):
        find(data, "MNI152NLin6Asym", surface=given)


def test_the_cortex_is_that_of_the_mesh(data):
    anat = data / "sub-01" / "anat"
    for side in "LR":  # sorts before the other
        name = f"sub-01_hemi-{side}_den-10k_desc-cortex_mask.label.gii"
        save_mask(anat / name, np.arange(40) > 3, side)
    for one in find(data, "T1w").surfaces:
        assert "den-10k" not in one.cortex[0]


@pytest.mark.parametrize("options", [
    {"surface": ("white.surf.gii", "{hemi}_pial.surf.gii")}, {"cortex_mask": "cortex.label.gii"},
])  # fmt: skip
def test_one_file_for_both_hemispheres_is_refused(data, options):
    with pytest.raises(OptionError, match=r"both hemispheres") as error:
        find(data, "T1w", **options)
    assert "{hemi}" in str(error.value)


def ribbon(tmp_path, volume, shift):
    surfaces = []
    for side, center in CENTERS.items():
        paths = [
            save_surface(
                tmp_path / f"hemi-{side}_{name}.surf.gii", f * POINTS + center + shift,
                TRIANGLES, side,
            )
            for name, f in (("white", 0.9), ("pial", 1.0))
        ]  # fmt: skip
        surfaces.append(HemisphereSurfaces(side, tuple(paths), "given"))
    return ribbon_space(volume, surfaces)


def brain_of(volume):
    """Voxels in one of the hemispheres, with 2 mm around them."""
    mm = np.argwhere(np.ones(volume.shape, bool)) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    return np.any([np.linalg.norm(mm - c, axis=1) < 32 for c in CENTERS.values()], axis=0)


def grid(n):
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = -4.0 * (n - 1) / 2
    return VolumeSpace((n, n, n), affine)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("sign", [-1, 1])
def test_surfaces_beside_the_brain_are_refused(tmp_path, axis, sign):
    volume = grid(44)
    brain = brain_of(volume)
    ribbon(tmp_path, volume, np.zeros(3)).check_position(brain, "x.nii")
    moved = ribbon(tmp_path, volume, 25.0 * sign * np.eye(3)[axis])
    with pytest.raises(ContentError, match=r"brain mask \(x.nii\).*not in one space") as error:
        moved.check_position(brain, "x.nii")
    assert "--to-scanner" in str(error.value)


def test_without_a_mask_the_images_are_the_brain(tmp_path):
    everything = np.ones(44**3, bool)
    ribbon(tmp_path, grid(44), np.zeros(3)).check_position(everything, "x.nii")
    moved = ribbon(tmp_path, grid(44), np.array([0, 80.0, 0]))
    with pytest.raises(ContentError, match=r"the images \(x.nii\)"):
        moved.check_position(everything, "x.nii")


def test_only_the_vertices_of_the_cortex_have_to_be_inside(tmp_path):
    space = ribbon(tmp_path, grid(44), np.zeros(3))
    brain = brain_of(space.volume) & (np.indices(space.volume.shape)[2].ravel() > 25)
    with pytest.raises(ContentError, match="--cortex-mask"):
        space.check_position(brain, "x.nii")
    parts = tuple(replace(p, inside=p.pial_mm[:, 2] > 20) for p in space.ribbons)
    replace(space, ribbons=parts).check_position(brain, "x.nii")
