"""The surface viewer in a real browser: what it draws and says is what the maps hold."""

import json
import re

import nibabel as nib
import numpy as np
import pytest
from nilearn.datasets import load_fsaverage
from surface_inputs import EFFECT_Y_MM

from bids_rsa.reports.drawing import scale_of

CANVAS = "document.querySelector('.surfaces canvas')"
BOX = f"""(() => {{
  const box = {CANVAS}.getBoundingClientRect(), {{clientLeft, clientTop}} = {CANVAS};
  return [box.left + clientLeft, box.top + clientTop, {CANVAS}.clientWidth, {CANVAS}.clientHeight];
}})()"""
POINT = f"""(() => {{
  const canvas = {CANVAS}, [left, top, width, height] = {BOX}, said = [];
  for (let x = 15; x < 900; x += 30) for (let y = 10; y < 460; y += 20) {{
    const clientX = left + (x + 0.5) * width / 900, clientY = top + (y + 0.5) * height / 460;
    canvas.dispatchEvent(new PointerEvent('pointermove', {{clientX, clientY}}));
    const pixel = canvas.getContext('2d').getImageData(x, y, 1, 1).data;
    said.push([document.querySelector('.surfaces .pointer').textContent, [...pixel].slice(0, 3)]);
  }}
  return said;
}})()"""
SAID = re.compile(r"(left|right) vertex (\d+) at \((.*), (.*), (.*)\) mm: (no value|\S+)")
PICTURE = f"""(() => {{
  const {{data}} = {CANVAS}.getContext('2d').getImageData(0, 0, 900, 460);
  let sum = 0, red = 0, drawn = 0;
  for (let k = 0; k < data.length; k += 4) {{
    red += data[k] - data[k + 2] > 60;
    drawn += data[k] < 250;
    sum = (sum * 31 + data[k] + 3 * data[k + 1] + 7 * data[k + 2]) % 1000000007;
  }}
  return [sum, red, drawn];
}})()"""


def scores(output, pattern):
    """The values of both hemispheres of a map."""
    paths = {side: output.glob(pattern.format(side)) for side in "LR"}
    return {side: nib.load(next(own)).darrays[0].data for side, own in paths.items()}


@pytest.fixture
def participant(browser, surface_results):
    browser.open(surface_results / "sub-01.html")
    browser.run(f"{CANVAS}.scrollIntoView({{block: 'center'}})")
    return browser


def choose(browser, control, value):
    browser.run(
        f"{{const x = document.querySelector('.surfaces {control}'); x.value = {json.dumps(value)};"
        "x.dispatchEvent(new Event('change'))}"
    )
    browser.run("new Promise(requestAnimationFrame).then(() => 0)")


def text(browser, selector):
    return browser.run(f"document.querySelector('.surfaces {selector}').textContent")


def points_at(browser):
    """Move the pointer over the canvas: side, vertex, mm, value, colour at each place it is on."""
    found = []
    for said, colour in browser.run(POINT):
        if match := SAID.search(said):
            side, vertex, *mm, value = match.groups()
            number = np.nan if value == "no value" else float(value)
            found.append((side[0].upper(), int(vertex), list(map(float, mm)), number, colour))
    return found


def hide_mark(browser, middle, view):
    """Mark a vertex that a view does not show, so that the ring lies on no colour."""
    away = {"lateral": (middle["L"][:, 0]), "medial": -middle["L"][:, 0]}[view]
    choose(browser, "input[type=number]", int(np.argmax(away)))
    choose(browser, "select.views", view)
    assert "not visible" in text(browser, "[role=status]")


@pytest.mark.parametrize("surface", ["inflated", "folded"])
def test_the_pointer_tells_the_value_of_the_map_and_its_place(
    participant, surface_results, middle, surface
):
    choose(participant, "select.surface", surface)
    hide_mark(participant, middle, "lateral")
    held = scores(surface_results, "sub-01/func/*hemi-{}*_stat-pearson_desc-kind_*.shape.gii")
    scale = scale_of(np.nan_to_num(np.concatenate([*held.values()])), "r", "symmetric")
    found = points_at(participant)
    assert len(found) > 120
    assert {side for side, *_ in found} == {"L", "R"}
    n_opaque = 0
    for side, vertex, mm, value, colour in found:
        assert value == pytest.approx(held[side][vertex], abs=6e-3, nan_ok=True)
        assert mm == pytest.approx(list(middle[side][vertex]), abs=0.51)
        if abs(value) > 0.62 * scale.high:  # opaque, as in the pictures
            expected = 255 * np.array(scale.colours((value - scale.low) / (2 * scale.high))[:3])
            assert colour == pytest.approx(expected, abs=6)
            n_opaque += 1
    assert n_opaque > 10


def test_colour_above_the_threshold_is_where_the_effect_was_planted(participant):
    participant.run("document.querySelector('.surfaces input[type=checkbox]').checked = true")
    slider = "document.querySelector('.surfaces input[type=range]')"
    participant.run(f"{slider}.value = 0.9; {slider}.dispatchEvent(new Event('input'))")
    for view in ("posterior", "medial"):
        choose(participant, "select.views", view)
        assert participant.run(PICTURE)[1] > 1500
        found = points_at(participant)
        red = [(side, mm[1]) for side, _, mm, _, colour in found if colour[0] - colour[2] > 60]
        assert len(red) > 10
        assert all(side == "L" and y < EFFECT_Y_MM + 10 for side, y in red)


def test_hemisphere_surface_view_and_map_are_chosen(participant):
    seen = [participant.run(PICTURE)]
    for control, value in (
        ("select.views", "dorsal"), ("select.surface", "folded"), ("select.sides", "R"),
    ):  # fmt: skip
        choose(participant, control, value)
        seen.append(participant.run(PICTURE))
    assert {side for side, *_ in points_at(participant)} == {"R"}
    names = participant.run(
        "[...document.querySelectorAll('.surfaces .map option')].map(x => x.value)"
    )
    for name in names[1:]:
        choose(participant, "select.map", name)
        seen.append(participant.run(PICTURE))
    assert len(names) == 3 and len({one[0] for one in seen}) == len(seen)
    assert all(drawn > 30_000 for *_, drawn in seen)
    label = participant.run(f"{CANVAS}.getAttribute('aria-label')")
    assert label == f"right hemisphere, folded, dorsal view. {names[-1]}"


def test_it_works_by_keyboard(participant):
    vertex = "Number(document.querySelector('.surfaces input[type=number]').value)"
    choose(participant, "select.views", "lateral")
    participant.run(f"{CANVAS}.focus()")
    start = participant.run(PICTURE)
    seen = [start[0]]
    for key in ("ArrowRight", "ArrowUp", "+", "+"):
        participant.press(key)
        participant.run("new Promise(requestAnimationFrame).then(() => 0)")
        seen.append(participant.run(PICTURE)[0])
    assert len(set(seen)) == len(seen)
    assert "turned" in participant.run(f"{CANVAS}.getAttribute('aria-label')")
    participant.press("Home")
    participant.run("new Promise(requestAnimationFrame).then(() => 0)")
    assert participant.run(PICTURE) == start
    faces = load_fsaverage("fsaverage5")["inflated"].parts["left"].faces
    for key in ("ArrowRight", "ArrowUp", "ArrowLeft"):
        before = participant.run(vertex)
        participant.press(key, modifiers=8)
        participant.run("new Promise(requestAnimationFrame).then(() => 0)")
        after = participant.run(vertex)
        assert after != before
        assert ((faces == before).any(axis=1) & (faces == after).any(axis=1)).sum() == 2


def test_zooming_keeps_the_vertex_marked_in_view_and_says_where_it_is_not(participant):
    choose(participant, "input[type=number]", 4321)
    for _ in range(8):
        participant.run("document.querySelector('.surfaces button[data-zoom]').click()")
    participant.run("new Promise(requestAnimationFrame).then(() => 0)")
    assert "not visible" not in text(participant, "[role=status]")
    assert participant.run(PICTURE)[2] > 100_000
    participant.run(f"{CANVAS}.focus()")
    for _ in range(12):
        participant.press("ArrowRight")
    participant.run("new Promise(requestAnimationFrame).then(() => 0)")
    assert "not visible" in text(participant, "[role=status]")


def test_dragging_turns_and_a_click_marks(participant, surface_results):
    box = participant.run(BOX)
    choose(participant, "select.views", "lateral")
    start = participant.run(PICTURE)
    place = (box[0] + 0.25 * box[2], box[1] + 0.5 * box[3])
    participant.drag(place, (place[0] + 40, place[1] + 10))
    participant.run("new Promise(requestAnimationFrame).then(() => 0)")
    assert participant.run(PICTURE) != start
    participant.drag(place, place)
    participant.run("new Promise(requestAnimationFrame).then(() => 0)")
    participant.mouse("mouseMoved", place)
    side, vertex, *_, value = SAID.search(text(participant, ".pointer")).groups()
    assert SAID.search(text(participant, "[role=status]")).groups()[:2] == (side, vertex)
    held = scores(surface_results, "sub-01/func/*hemi-{}*_stat-pearson_desc-kind_*.shape.gii")
    assert text(participant, "dd") == value
    assert float(value) == pytest.approx(held[side[0].upper()][int(vertex)], abs=6e-3)


def test_a_vertex_and_a_peak_are_found(participant, surface_results):
    choose(participant, "select.sides", "L")
    choose(participant, "input[type=number]", 4321)
    held = scores(surface_results, "sub-01/func/*hemi-{}*_stat-pearson_desc-kind_*.shape.gii")
    said = SAID.search(text(participant, "[role=status]")).groups()
    assert said[:2] == ("left", "4321")
    assert float(said[-1]) == pytest.approx(held["L"][4321], abs=6e-3)
    (path,) = surface_results.glob("sub-01/figures/*_desc-kind_details.json")
    peaks = json.loads(path.read_text())["Peaks"]
    for number in (1, 3):
        button = f'button[data-map$="kind"][aria-label^="Show peak {number} "]'
        participant.run(f"document.querySelector('{button}').click()")
        participant.run("new Promise(requestAnimationFrame).then(() => 0)")
        said = SAID.search(text(participant, "[role=status]")).groups()
        assert float(said[-1]) == pytest.approx(peaks[number - 1]["Score"], abs=6e-3)
        assert "not visible" not in text(participant, "[role=status]")


def test_the_group_page_shows_its_maps_of_t(browser, surface_results):
    browser.open(surface_results / "group.html")
    browser.run(f"{CANVAS}.scrollIntoView({{block: 'center'}})")
    choose(browser, "select.views", "medial")
    held = scores(surface_results, "group/**/*hemi-{}*_stat-t_desc-kind_*.shape.gii")
    found = points_at(browser)
    assert len(found) > 120
    step = float(max(np.nanmax(np.abs(held[side])) for side in "LR")) / 8000
    for side, vertex, _, value, _ in found:
        assert value == pytest.approx(held[side][vertex], rel=6e-3, abs=step, nan_ok=True)
    assert browser.run(PICTURE)[1] > 500


def test_all_tests_on_the_same_surfaces_share_a_viewer(browser, surface_results):
    browser.open(surface_results / "group.html")
    assert browser.run("document.querySelectorAll('.surfaces').length") == 1
    names = browser.run(
        "[...document.querySelectorAll('.surfaces .map option')].map((x) => x.value)"
    )
    assert len(names) == len(set(names))
    for stat in ("t, ", "mean score, "):
        for model in ("kind", "steps"):
            assert sum(n.startswith(stat) and f"odel {model}" in n for n in names) == 1
    browser.run(f"{CANVAS}.scrollIntoView({{block: 'center'}})")
    (name,) = [one for one in names if one.startswith("mean") and "odel steps" in one]
    choose(browser, "select.map", name)
    held = scores(surface_results, "group/**/*hemi-{}*_stat-mean_desc-steps_*.shape.gii")
    found = points_at(browser)
    assert len(found) > 120
    for side, vertex, _, value, _ in found:
        assert value == pytest.approx(held[side][vertex], abs=6e-3, nan_ok=True)


def test_surfaces_are_in_a_page_once_and_small(surface_results):
    for name, limit in (("sub-01", 1_300_000), ("group", 1_500_000)):
        page = (surface_results / f"{name}.html").read_text()
        assert page.count('id="geometry-') == 1
        assert len(page) < limit
