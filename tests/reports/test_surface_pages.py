"""Pages of maps on surfaces: hemispheres are drawn, numbers are of both, the page is small."""

import re
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest


def run_app(*arguments):
    command = [sys.executable, "-m", "bids_rsa.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


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
