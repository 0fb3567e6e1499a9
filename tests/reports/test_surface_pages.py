"""Pages of maps on surfaces: hemispheres are drawn, numbers are of both, the page is small."""

import re
from pathlib import Path

import app_process
import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from surface_inputs import VOXELS, brain_axis

from bids_rsa.reports.grayordinate_voxels import with_voxels
from bids_rsa.reports.surface_view import SurfaceMosaic
from bids_rsa.spaces.cifti import GrayordinateLayout


def run_app(*arguments):
    return app_process.run_app(*arguments)


@pytest.fixture
def output(surface_results):
    return surface_results


def figure(output, part):
    (path,) = Path(output, "sub-01", "figures").glob(f"*{part}*_statmap.svg")
    return path


def test_both_hemispheres_are_in_one_picture(output):
    text = figure(output, "stat-pearson_desc-kind").read_text()
    for words in ("left, lateral", "left, medial", "right, lateral", "right, medial", "Drawn on"):
        assert words in text
    assert "vertices in the patch" in figure(output, "stat-nvertices").read_text()
    assert "mm" in figure(output, "stat-area").read_text()


def test_the_effect_is_seen_where_it_is(output, middle):
    scores = {
        side: nib.load(
            next(output.glob(f"sub-01/func/*hemi-{side}*_stat-pearson_desc-kind_*.shape.gii"))
        )
        .darrays[0]
        .data
        for side in "LR"
    }
    behind = middle["L"][:, 1] < -78
    assert np.nanmean(scores["L"][behind]) > 0.5
    assert abs(np.nanmean(scores["R"])) < 0.05


def test_the_page_counts_both_hemispheres_and_stays_small(output):
    page = (output / "sub-01.html").read_text()
    assert len(page) < 6_000_000
    assert page.count("<img") >= 3
    scores = [
        nib.load(path).darrays[0].data
        for path in sorted(output.glob("sub-01/func/*_stat-pearson_desc-kind_*.shape.gii"))
    ]
    mean = np.nanmean(np.concatenate(scores))
    assert f"{mean:.3g}" in page
    assert '<th scope="col" class="number">vertices</th>' in page
    assert "vertices in the patch" in page and "http://" not in page.replace("http://www.w3", "")


def test_the_page_can_be_written_again(output):
    before = (output / "sub-01.html").read_text()
    (output / "sub-01.html").unlink()
    done = run_app(output.parent / "data", output, "participant", "--reports-only")
    assert done.returncode == 0, done.stderr
    assert len((output / "sub-01.html").read_text()) == pytest.approx(len(before), rel=0.01)


def read_by_people(output):
    """What a reader sees of the output: pages without scripts, the methods text, and the logs."""
    pages = [
        re.sub(r"(?s)<(script|style).*?</\1>", "", p.read_text()) for p in output.glob("*.html")
    ]
    others = [*output.glob("logs/*.md"), *output.glob("*/log/*/*.log")]
    assert len(pages) > 1 and len(others) > 2
    return [*pages, *(path.read_text() for path in others)]


def test_vertices_are_not_called_voxels(output):
    for text in read_by_people(output):
        assert "vertices" in text
        found = re.search(r"(?i).{60}\bvoxels?\b.{60}", text)
        assert found is None, found[0]
    page = (output / "sub-01.html").read_text()
    for words in ("Masks and vertices", "Vertices left out", "Smallest patch evaluated (vertices)",
                  "Vertices in the patch", "Patch sizes (number of vertices)"):  # fmt: skip
        assert words in page
    assert "Number of vertices tested" in (output / "group.html").read_text()


def test_grayordinates_are_called_so(grayordinate_results):
    page = (grayordinate_results / "sub-01.html").read_text()
    for words in ("Masks and grayordinates", "Grayordinates left out",
                  "Smallest patch evaluated (grayordinates)", "Grayordinates in the patch",
                  "Cortex mask"):  # fmt: skip
        assert words in page
    assert "Voxels left out" not in page and "Voxels: " not in page


def test_pictures_of_grayordinates_show_the_voxels_below_the_hemispheres(grayordinate_results):
    """The effect is in the left block; each pixel of a slice has the value of the nearest voxel."""
    figures = grayordinate_results / "sub-01" / "figures"
    (svg,) = figures.glob("*_stat-pearson_desc-kind_statmap.svg")
    text = svg.read_text()
    for words in ("left, lateral", "z = ", "y = ", "x = ", "voxels below the cortex are drawn on"):
        assert words in text
    assert "not shown" not in text
    (group,) = grayordinate_results.glob("group/figures/*_mosaic.svg")
    assert "z = " in group.read_text() and "voxels below the cortex" in group.read_text()
    with Image.open(svg.with_suffix(".png")) as picture:
        pixels = np.asarray(picture.convert("RGB"), dtype=int)[:, :1120]
    red = pixels[..., 0] - pixels[..., 2] > 60
    lower = red[pixels.shape[0] * 2 // 3 :]  # the rows of slices
    panel = 1120 // 7
    n_axial = next(k for k in range(len(lower)) if lower[k].any())
    first_row = lower[n_axial : n_axial + 40]
    halves = [first_row[:, k * panel + panel // 2 * side :][:, : panel // 2].sum()
              for k in range(7) for side in (0, 1)]  # fmt: skip
    assert sum(halves[::2]) > 20 * max(sum(halves[1::2]), 1) > 0


def test_each_pixel_of_a_slice_is_the_nearest_voxel():
    """No voxel of the cortex' vertices is drawn in slices, and no vertex elsewhere."""
    axis = brain_axis()
    layout = GrayordinateLayout.of_axis(axis, "x")
    n_cortex = int(axis.surface_mask.sum())
    flat = SurfaceMosaic((10, 1120), np.full((10, 1120), 3), np.ones((10, 1120), np.float32), ())
    mosaic = with_voxels(flat, layout, None)
    values = np.where(np.arange(len(axis)) < n_cortex, np.nan, np.arange(len(axis)) + 1.0)
    values[3] = -7
    shown = mosaic.sample(values)
    assert shown.shape == mosaic.shape == mosaic.grey.shape
    assert (shown[:10] == -7).all()
    slices, found = mosaic.slices, shown[10:]
    drawn = found[slices.rows, slices.columns]
    assert set(np.unique(found)) - {0} <= set(values[n_cortex:])
    voxels = np.rint(nib.affines.apply_affine(np.linalg.inv(VOXELS), slices.mm.T)).astype(int)
    numbers = {tuple(ijk): value for ijk, value in
               zip(axis.voxel[n_cortex:].tolist(), values[n_cortex:], strict=True)}  # fmt: skip
    np.testing.assert_array_equal(drawn, [numbers.get(tuple(ijk), 0) for ijk in voxels.tolist()])
    assert (drawn != 0).sum() > 5000
    assert {label.text[0] for label in mosaic.labels} == set("zyxLR")
    assert min(label.y for label in mosaic.labels) > 10
    assert with_voxels(flat, layout, "fsLR").slices.anatomy.words == "the MNI template"
