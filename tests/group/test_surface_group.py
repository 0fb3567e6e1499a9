"""The group level on surfaces: both hemispheres in one maximum, areas in mm2, files of GIFTI."""

import json
import re
import shutil
from pathlib import Path

import app_process
import nibabel as nib
import numpy as np
import pytest
from group_trees import CONDITIONS, N_CELLS
from PIL import Image
from scipy.sparse import csr_array, diags_array

from bids_rsa.core.inference.mesh_smoothing import mesh_smoother
from bids_rsa.core.neighborhood.geodesics import geodesic_discs
from bids_rsa.core.neighborhood.mesh import neighbors_of, surface_graph, vertex_areas
from bids_rsa.spaces.gifti import maps_image, mask_image

STRUCTURES = {"L": "CortexLeft", "R": "CortexRight"}
N_SUBJECTS, N_VERTICES = 12, 10242
CENTER, RADIUS_MM = 5000, 18.0


def middle(side):
    """The mean of white and pial surface of fsaverage5."""
    from nilearn.datasets import load_fsaverage

    surfaces, name = load_fsaverage("fsaverage5"), {"L": "left", "R": "right"}[side]
    white, pial = surfaces["white_matter"].parts[name], surfaces["pial"].parts[name]
    return (white.coordinates.astype(float) + pial.coordinates) / 2, np.asarray(white.faces)


def run_group(out, *options):
    """Run the group level on an output folder."""
    return app_process.run_app(out, out, "group", *options)


@pytest.fixture(scope="module")
def brain():
    """For each hemisphere: coordinates, triangles, and the matrix that smooths maps."""
    found = {}
    for side in "LR":
        points, triangles = middle(side)
        starts, neighbors = neighbors_of(triangles, N_VERTICES)
        edges = csr_array((np.ones(len(neighbors)), neighbors, starts), (N_VERTICES, N_VERTICES))
        mean = diags_array(1 / (edges.sum(axis=1) + 1)) @ (edges + diags_array(np.ones(N_VERTICES)))
        found[side] = points, triangles, mean
    return found


@pytest.fixture(scope="module")
def planted(brain):
    """A disc of the left hemisphere."""
    points, triangles, _ = brain["L"]
    disc = geodesic_discs(surface_graph(points, triangles), [CENTER], RADIUS_MM)
    inside = np.zeros(N_VERTICES, bool)
    inside[disc.members] = True
    return inside


def write_map(out, subject, side, scores, inside, desc="planted"):
    """Write one hemisphere's map, its mask and their sidecars as the participant level does."""
    func = Path(out, f"sub-{subject}", "func")
    func.mkdir(parents=True, exist_ok=True)
    stem = f"sub-{subject}_task-x_hemi-{side}_space-fsaverage5_den-10k"
    shared = {"SearchlightRadius": 8.0, "SearchlightRadiusUnits": "mm", "MinVoxels": 10,
              "Hemisphere": side}  # fmt: skip
    sidecar = {
        "Dissimilarity": "correlation", "DissimilarityParameters": {}, "Comparison": "spearman",
        "Folds": "none", "IgnoreNaN": False, "Conditions": CONDITIONS, "CellsUsed": N_CELLS,
        "Model": {"Name": desc, "File": "m.tsv", "SHA256": "0" * 64}, "Warnings": [],
        "InputStatistic": ["effect"], **shared,
    }  # fmt: skip
    image = func / f"{stem}_stat-spearman_desc-{desc}_statmap.shape.gii"
    mask = func / f"{stem}_desc-searchlight_mask.label.gii"
    nib.save(maps_image(np.where(inside, scores, np.nan).astype(np.float32), side), image)
    nib.save(mask_image(inside, side), mask)
    Path(str(image).replace(".shape.gii", ".json")).write_text(json.dumps(sidecar))
    Path(str(mask).replace(".label.gii", ".json")).write_text(json.dumps({"Type": "ROI", **shared}))


@pytest.fixture(scope="module")
def output(brain, planted, tmp_path_factory):
    """Maps of smooth noise, with an effect in a disc of the left hemisphere; the group's output."""
    out = tmp_path_factory.mktemp("surface_group") / "out"
    rng = np.random.default_rng(8)
    for number in range(1, N_SUBJECTS + 1):
        for side in "LR":
            noise = rng.standard_normal(N_VERTICES)
            for _ in range(6):
                noise = brain[side][2] @ noise
            scores = 0.1 * noise / noise.std() + 0.2 * planted * (side == "L")
            inside = np.ones(N_VERTICES, bool)
            inside[: 40 + number] = False  # the wall, and a few vertices more
            write_map(out, f"{number:02d}", side, np.clip(scores, -0.9, 0.9), inside)
    for number in range(1, N_SUBJECTS):  # the last one has none
        figures = out / f"sub-{number:02d}" / "figures"
        figures.mkdir()
        stem = f"sub-{number:02d}_task-x_space-fsaverage5_den-10k_stat-spearman_desc-planted"
        Image.new("RGB", (900, 700), (number, 90, 90)).save(figures / f"{stem}_statmap.png")
    done = run_group(out, "--n-permutations", "400", "--random-seed", "3")
    assert done.returncode == 0, done.stderr
    return out


def group_map(out, side, stat):
    """The values of one hemisphere's map."""
    name = f"*_hemi-{side}_space-fsaverage5_den-10k_meas-spearman_stat-{stat}_desc-planted_statmap"
    (path,) = Path(out, "group").glob(f"{name}.shape.gii")
    image = nib.load(path)
    assert image.meta["AnatomicalStructurePrimary"] == STRUCTURES[side]
    return image.darrays[0].data


def test_the_planted_effect_is_found_and_nothing_else(output, planted, brain):
    found = group_map(output, "L", "tfceFWEp") <= 0.05
    assert found[planted].mean() > 0.9
    # smoothing spreads nothing of the effect; TFCE lends a little to the neighbours
    points, triangles, _ = brain["L"]
    reach = geodesic_discs(surface_graph(points, triangles), [CENTER], RADIUS_MM + 9)
    near = np.zeros(N_VERTICES, bool)
    near[reach.members] = True
    assert not found[~near].any()
    assert not (group_map(output, "R", "tfceFWEp") <= 0.05).any()


def test_clusters_are_measured_in_mm2(output, brain):
    (table,) = Path(output, "group").glob("*_clusters.tsv")
    header, *rows = (line.split("\t") for line in table.read_text().splitlines())
    first = dict(zip(header, rows[0], strict=True))
    shown = group_map(output, "L", "tThr")
    areas = vertex_areas(*brain["L"][:2])
    inside = np.nan_to_num(shown) != 0
    assert int(first["size_vertices"]) == inside.sum() and len(rows) == 1
    assert float(first["size_mm2"]) == pytest.approx(areas[inside].sum(), rel=1e-5)
    assert first["structure"] == "cortex L"
    peak = int(first["vertex"])
    assert shown[peak] == np.nanmax(shown)
    place = [float(first[f"peak_{axis}"]) for axis in "xyz"]
    np.testing.assert_allclose(place, brain["L"][0][peak], atol=1e-3)


def test_vertices_that_a_subject_lacks_are_not_tested(output):
    for side in "LR":
        t = group_map(output, side, "t")
        assert np.isnan(t[: 40 + N_SUBJECTS]).all()
        assert np.isfinite(t[40 + N_SUBJECTS :]).all()
    (mask,) = Path(output, "group").glob("*_hemi-R_*_mask.label.gii")
    assert nib.load(mask).darrays[0].data.sum() == N_VERTICES - 40 - N_SUBJECTS


def test_both_hemispheres_share_one_maximum(output):
    """The p of a map's maximum is the same wherever it is counted from: of both hemispheres."""
    t = np.concatenate([group_map(output, side, "t") for side in "LR"])
    p = np.concatenate([group_map(output, side, "tFWEp") for side in "LR"])
    there = np.isfinite(t)
    order = np.argsort(-t[there], kind="stable")
    assert (np.diff(p[there][order]) >= 0).all()


def test_sidecars_name_the_surface(output):
    for side in "LR":
        (path,) = Path(output, "group").glob(f"*_hemi-{side}_*_stat-t_desc-planted_statmap.json")
        written = json.loads(path.read_text())
        assert "nilearn" in written["SurfaceGeometry"] and written["Hemisphere"] == side
        assert len(written["Sources"]) == 4 * N_SUBJECTS
        assert "NaN outside the mask" in written["Description"]


def test_the_picture_shows_hemispheres(output):
    (picture,) = Path(output, "group", "figures").glob("*_mosaic.svg")
    text = picture.read_text()
    for words in ("left, lateral", "right, medial", "vertices in 1 cluster"):
        assert words in text


def test_the_page_shows_the_test_on_hemispheres(output):
    page = (output / "group.html").read_text()
    assert "cortex L" in page and "size (mm²)" in page and len(page) < 15_000_000
    assert page.count("<img") >= 3 + N_SUBJECTS - 1


def test_all_participants_are_shown_on_one_colour_scale(output):
    """It ends at the largest score of any participant, but for outliers."""
    page = (output / "group.html").read_text()
    assert "own colour scale" not in page
    maps = [np.concatenate([nib.load(path).darrays[0].data for path in pair]) for pair in (
        sorted(output.glob(f"sub-{number:02d}/func/*_desc-planted_statmap.shape.gii"))
        for number in range(1, N_SUBJECTS + 1)
    )]  # fmt: skip
    ends = [np.nanpercentile(np.abs(one), 99.5) for one in maps]
    ((low, high),) = re.findall(r"one colour scale, from (\S+) to (\S+) \(", page)
    assert float(high) == pytest.approx(max(ends), rel=0.01) and float(low) == -float(high)
    section = page.partition('class="thumbs"')[2].partition("</div>")[0]
    assert section.count("<img") == N_SUBJECTS


def test_a_missing_hemisphere_is_told(output, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(output, out, ignore=shutil.ignore_patterns("group*"))
    for path in out.glob("sub-03/func/*_hemi-R_*_statmap.*"):
        path.unlink()
    done = run_group(out)
    assert done.returncode == 66
    assert "sub-03" in done.stderr and "has no hemi-R" in done.stderr


def test_maps_are_smoothed_along_the_surface(output, brain):
    done = run_group(
        output, "--smoothing-fwhm", "6", "--n-permutations", "50", "--label", "smooth",
        "--no-report", "--no-figures",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = output / "group" / "analysis-smooth"
    for side in "LR":
        (path,) = folder.glob(f"*_hemi-{side}_*_stat-meanFisherz_*.shape.gii")
        found, tested = nib.load(path).darrays[0].data, np.arange(40 + N_SUBJECTS, N_VERTICES)
        smooth = mesh_smoother(*brain[side][:2], tested, 6.0)
        maps = [
            nib.load(path).darrays[0].data.astype(float)[tested]
            for path in output.glob(f"sub-*/func/*_hemi-{side}_*_desc-planted_statmap.shape.gii")
        ]
        assert len(maps) == N_SUBJECTS
        expected = smooth(np.arctanh(maps).mean(axis=0), np.ones(len(tested), bool))
        np.testing.assert_allclose(found[tested], expected, atol=1e-6)
    sidecar = json.loads(Path(str(path).replace(".shape.gii", ".json")).read_text())
    assert sidecar["SmoothingFWHM"] == 6 and "along the surface" in sidecar["SmoothingMethod"]


def test_axes_of_null_distributions_have_plain_numbers(output):
    """Formulas are off in pictures, because names may hold dollars."""
    for picture in Path(output, "group", "figures").glob("*.svg"):
        assert "mathdefault" not in picture.read_text(), picture
    (null,) = Path(output, "group", "figures").glob("*_null.svg")
    assert "10000" in null.read_text() or "1e+0" in null.read_text()
