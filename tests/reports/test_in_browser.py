"""The pages in a real browser without a network: the viewer works, nothing is complained about."""

import json
import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PLACES = (os.environ.get("AXE_CORE"), ROOT / ".venv/node_modules/axe-core/axe.min.js")
CANVASES = """[...document.querySelectorAll('.viewer canvas')].map((canvas) => {
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0, coloured = 0, dark = 0;
  for (let k = 0; k < data.length; k += 4) {
    const pixel = data.slice(k, k + 3), spread = Math.max(...pixel) - Math.min(...pixel);
    coloured += spread > 40;
    dark += data[k] < 230;
    sum = (sum * 31 + data[k] + 3 * data[k + 1] + 7 * data[k + 2]) % 1000000007;
  }
  return [sum, coloured, dark];
})"""
INPUTS = "document.querySelectorAll('.viewer input[type=number]')"
STATUS = "document.querySelector('.viewer [role=status]').textContent"
CHANGE = "element => element.dispatchEvent(new Event('change'))"


@pytest.fixture(params=["results/sub-01", "results/group", "surface_results/sub-01",
                        "surface_results/group", "grayordinate_results/sub-01",
                        "grayordinate_results/group"])  # fmt: skip
def any_page(request, browser):
    """The browser with a page of volumes or of surfaces open."""
    fixture, _, name = request.param.partition("/")
    browser.open(request.getfixturevalue(fixture) / f"{name}.html")
    return browser


@pytest.fixture(params=["sub-01", "group"])
def opened(request, browser, results):
    """The browser with a page open."""
    browser.open(results / f"{request.param}.html")
    return browser


def test_a_page_asks_for_nothing_and_complains_about_nothing(any_page):
    outside = [url for url in any_page.requests if not url.startswith("data:")]
    assert len(outside) == 1  # the page itself
    assert outside[0].startswith("file:")
    assert any_page.complaints == []


def test_a_mailed_page_opens_anywhere(browser, results, tmp_path):
    shutil.copy(results / "sub-01.html", tmp_path / "a page.html")
    browser.open(tmp_path / "a page.html")
    assert browser.run("[...document.images].every((image) => image.naturalWidth > 0)")
    assert browser.complaints == []


def test_the_viewer_shows_something_and_follows_its_controls(opened):
    first = opened.run(CANVASES)
    assert all(coloured > 20 and dark > 50 for _, coloured, dark in first)
    opened.run("document.querySelector('.viewer select').selectedIndex = 1")
    opened.run(f"({CHANGE})(document.querySelector('.viewer select'))")
    second = opened.run(CANVASES)
    assert all(one != two for one, two in zip(first[:3], second[:3], strict=True))
    assert second[3:] == first[3:]  # another viewer is left alone
    slider = "document.querySelector('.viewer input[type=range]')"
    opened.run("document.querySelector('.viewer input[type=checkbox]').checked = true")
    opened.run(f"{slider}.value = {slider}.max; {slider}.dispatchEvent(new Event('input'))")
    hidden = opened.run(CANVASES)
    assert sum(one[1] for one in hidden[:3]) < 0.5 * sum(one[1] for one in second[:3])


def test_the_crosshair_moves_by_key_and_tells_the_maps_value(browser, results):
    browser.open(results / "sub-01.html")
    place = (
        "[...document.querySelectorAll('.viewer input[type=number]')].map((x) => Number(x.value))"
    )
    start = browser.run(place)
    canvas = "document.querySelector('.viewer canvas[data-axis=z]')"
    press = canvas + ".dispatchEvent(new KeyboardEvent('keydown', {key: '%s'}))"
    for key in ("ArrowRight", "ArrowUp", "PageUp"):
        browser.run(press % key)
    assert browser.run(place) == [x + 2 for x in start]
    names = browser.run("[...document.querySelectorAll('.viewer option')].map((x) => x.value)")
    # two models: the scores, three maps each of their null, and two of reliability
    assert len(names) == len(set(names)) == 2 + 2 * 3 + 2
    (image,) = map(nib.load, results.glob("sub-01/func/*_stat-spearman_desc-halves_statmap.nii.gz"))
    data = image.get_fdata()
    i, j, k = np.argwhere(data != 0)[400]
    goal = nib.affines.apply_affine(image.affine, (i, j, k))
    for axis, value in enumerate(goal):
        browser.run(
            f"{{const x = {INPUTS}[{axis}]; x.value = {value};"
            "x.dispatchEvent(new Event('change'))}"
        )
    shown = browser.run("[...document.querySelectorAll('.viewer dd')].map((x) => x.textContent)")
    row = next(n for n, name in enumerate(names) if "halves" in name)
    assert float(shown[row]) == pytest.approx(data[i, j, k], abs=2e-3)
    assert (
        shown[row] in browser.run("document.querySelector('.viewer [role=status]').textContent")
        or row
    )


def test_a_peak_is_shown_by_its_button(browser, results):
    browser.open(results / "sub-01.html")
    (path,) = results.glob("sub-01/figures/*_desc-steps_details.json")
    peak = json.loads(path.read_text())["Peaks"][1]
    browser.run(
        'document.querySelector(\'button[data-map$="steps"][aria-label^="Show peak 2"]\').click()'
    )
    said = browser.run(STATUS)
    assert f"{peak['Score']:.3f}"[:5] in said


def test_names_are_text_and_run_nothing(opened):
    assert opened.run("document.body.innerText.includes('<script>alert(1)</script>')")
    assert opened.run("document.body.innerText.includes('a\"b')")
    assert opened.run("typeof alerted") == "undefined"


def test_a_page_prints(any_page):
    assert any_page.print_pdf()[:5] == b"%PDF-"


def test_axe_finds_no_error(any_page):
    axe = next((Path(place) for place in PLACES if place and Path(place).exists()), None)
    if axe is None:
        pytest.skip("axe-core is not installed (npm install --prefix .venv axe-core)")
    any_page.run(f"{axe.read_text(encoding='utf-8')}; 0")
    found = any_page.run(
        "axe.run({resultTypes: ['violations']}).then((result) => result.violations.map("
        "(one) => [one.id, one.nodes[0].html, one.nodes[0].failureSummary]))"
    )
    assert found == []
