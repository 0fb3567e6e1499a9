"""The slice viewer of the voxels of grayordinates, in a real browser."""

import json

import nibabel as nib
import numpy as np
import pytest
from surface_inputs import N_VERTICES, VOXELS, brain_axis

ROOT = "document.querySelector('.slices')"
N_CORTEX = 2 * (N_VERTICES - 500)


def values_of(output, pattern):
    """The values of a map at its voxels, and where these are in mm."""
    (path,) = output.glob(pattern)
    voxels = brain_axis().voxel[N_CORTEX:]
    data = np.asarray(nib.load(path).dataobj)[0, N_CORTEX:]
    return data, nib.affines.apply_affine(VOXELS, voxels)


def go_to(browser, place):
    """Write a place into the fields of the viewer."""
    for axis, value in enumerate(place):
        browser.run(
            f"{{const x = {ROOT}.querySelectorAll('input[type=number]')[{axis}];"
            f"x.value = {value}; x.dispatchEvent(new Event('change'))}}"
        )


def status(browser):
    return browser.run(f"{ROOT}.querySelector('[role=status]').textContent")


@pytest.mark.parametrize(
    ("page", "pattern"),
    [
        ("sub-01", "sub-01/func/*_stat-pearson_desc-kind_statmap.dscalar.nii"),
        ("group", "group/*_stat-t_desc-kind_statmap.dscalar.nii"),
    ],
)
def test_the_voxels_below_the_cortex_are_shown_with_their_values(
    browser, grayordinate_results, page, pattern
):
    browser.open(grayordinate_results / f"{page}.html")
    assert browser.run("document.querySelectorAll('.surfaces').length") == 1
    assert browser.run("document.querySelectorAll('.slices').length") == 1
    data, places = values_of(grayordinate_results, pattern)
    step = max(6e-3, float(np.abs(data).max()) / 8000)
    for voxel in (5, 200, 450, 700):
        go_to(browser, places[voxel])
        at = ", ".join(f"{x:.0f}" for x in places[voxel])
        said = status(browser)
        assert said.startswith(f"At ({at}) mm: ")
        assert float(said.split(": ")[1].split()[0]) == pytest.approx(
            data[voxel], abs=step, rel=6e-3
        )
    go_to(browser, (0, 0, 40))
    assert "no value" in status(browser)


def test_the_planted_voxels_are_coloured(browser, grayordinate_results):
    """The effect lies in the left block; radiological pages would show it on the other side."""
    browser.open(grayordinate_results / "sub-01.html")
    browser.run(f"{ROOT}.querySelector('input[type=checkbox]').checked = true")
    slider = f"{ROOT}.querySelector('input[type=range]')"
    browser.run(f"{slider}.value = 0.8; {slider}.dispatchEvent(new Event('input'))")
    go_to(browser, (-12, -18, 9))
    red = browser.run(f"""(() => {{
      const canvas = {ROOT}.querySelector('canvas[data-axis=z]'), {{width, height}} = canvas;
      const {{data}} = canvas.getContext('2d').getImageData(0, 0, width, height), found = [0, 0];
      for (let k = 0; k < data.length; k += 4)
        if (data[k] - data[k + 2] > 60) found[+((k / 4) % width > width / 2)] += 1;
      return found;
    }})()""")
    assert red[0] > 500 and red[1] == 0


def test_a_peak_in_a_voxel_opens_the_slices(browser, grayordinate_results):
    browser.open(grayordinate_results / "sub-01.html")
    (path,) = grayordinate_results.glob("sub-01/figures/*_desc-kind_details.json")
    peaks = json.loads(path.read_text())["Peaks"]
    below = [n for n, peak in enumerate(peaks) if "thalamus" in peak["Structure"]]
    on_cortex = [n for n, peak in enumerate(peaks) if peak["Structure"] == "cortex L"]
    assert below and on_cortex
    for number, kind in ((below[0], ".slices"), (on_cortex[0], ".surfaces")):
        browser.run(
            'document.querySelector(\'button[data-map$="kind"]'
            f'[aria-label^="Show peak {number + 1} "]\').click()'
        )
        browser.run("new Promise(requestAnimationFrame).then(() => 0)")
        said = browser.run(f"document.querySelector('{kind} [role=status]').textContent")
        shown = float(said.rpartition("mm: ")[2].split()[0])
        assert shown == pytest.approx(peaks[number]["Score"], abs=6e-3)
    text = browser.run("document.getElementById('peaks').innerText")
    assert "thalamus left" in text and "cortex L" in text
