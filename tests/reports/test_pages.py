"""The pages hold what the sidecars say, in one file, escaped, small, and can be made again."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from page_content import Page
from report_inputs import FAST, NAMES

from bids_rsa.cli import main
from bids_rsa.reports.group_page import write_group_page

MB = 1_000_000


@pytest.fixture(scope="module", params=["sub-01", "group"])
def page_file(request, results):
    """The file of a participant's page, and of the group's."""
    return results / f"{request.param}.html"


@pytest.fixture(scope="module")
def page(page_file):
    return Page(page_file)


def as_shown(cell):
    """A cell of a table with four digits, as pages show numbers."""
    try:
        return f"{float(cell):.4g}"
    except ValueError:
        return cell


def sidecar_of(results, stat="spearman", model="halves"):
    (path,) = results.glob(f"sub-01/func/*_stat-{stat}_desc-{model}_statmap.json")
    return json.loads(path.read_text())


def test_nothing_is_loaded_from_elsewhere(page, page_file):
    assert all(value.startswith("data:") for value in page.attributes("src"))
    assert all(value.startswith(("#", "data:")) for value in page.attributes("href"))
    text = page_file.read_text()
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|WebSocket", text)
    assert "default-src 'none'" in text


def test_pages_are_small(results):
    assert (results / "sub-01.html").stat().st_size < 6 * MB
    assert (results / "group.html").stat().st_size < 15 * MB


def test_ids_are_unique_and_pictures_have_alternative_texts(page):
    assert max(Counter(page.attributes("id")).values()) == 1
    images = [attrs for tag, attrs in page.elements if tag == "img"]
    assert images
    assert all(attrs.get("alt", "").strip() for attrs in images)
    drawn = [attrs for tag, attrs in page.elements if tag == "svg"]
    assert all(attrs.get("aria-label") for attrs in drawn)


def test_names_that_look_like_markup_are_shown_as_text(page, page_file):
    for name in NAMES:
        assert name in page.text
    tags = Counter(tag for tag, _ in page.elements)
    own_scripts = 2 + sum("viewer" in (attrs.get("class") or "") for _, attrs in page.elements)
    assert tags["script"] == own_scripts
    assert "<script>alert" not in page_file.read_text()


def test_numbers_of_a_participant_are_the_sidecars(results):
    page, sidecar = Page(results / "sub-01.html"), sidecar_of(results)
    rows = {name: rows[0][0] for name, rows in page.rows.items() if rows[0]}
    assert float(rows["Searchlight radius (mm)"]) == sidecar["SearchlightRadius"]
    assert int(rows["Centres evaluated"]) == sidecar["CentersEvaluated"]
    assert int(rows["Centres without a score"]) == sidecar["CentersUndefined"]
    assert int(rows["Smallest patch evaluated (voxels)"]) == sidecar["MinVoxels"]
    sizes = [float(n) for n in re.findall(r"[\d.]+", rows["Patch size"])]
    assert sizes == [sidecar["PatchSize"][key] for key in ("Min", "Median", "Max")]
    for name in NAMES:
        images, runs, trials = page.rows[name][0]
        assert int(images) == sidecar["ImagesPerCondition"][name]
        assert int(runs) == sidecar["RunsPerCondition"][name]
        assert trials == "not known"
    _, cells, _ = page.rows["halves"][0]
    assert int(cells) == sidecar["CellsUsed"]


def test_peaks_are_local_maxima_of_the_map_with_the_rdm_of_their_patch(results):
    """The RDM of the first peak, compared with the model by plain scipy, gives the peak's score."""
    import nibabel as nib
    import numpy as np
    from scipy.stats import spearmanr

    (path,) = results.glob("sub-01/figures/*_stat-spearman_desc-halves_details.json")
    details = json.loads(path.read_text())
    (image,) = map(nib.load, results.glob("sub-01/func/*_stat-spearman_desc-halves_statmap.nii.gz"))
    data = np.nan_to_num(image.get_fdata())
    peaks = details["Peaks"]
    assert peaks[0]["Score"] == pytest.approx(data.max(), abs=1e-5)
    inverse = np.linalg.inv(image.affine)
    for peak in peaks:
        at = tuple(np.rint(nib.affines.apply_affine(inverse, peak["Place"])).astype(int))
        assert data[at] == pytest.approx(peak["Score"], abs=1e-5)
        plain = spearmanr(peak["RDM"], details["ModelCells"])[0]
        assert plain == pytest.approx(peak["Score"], abs=1e-4)
    places = np.array([peak["Place"] for peak in peaks])
    distances = np.linalg.norm(places[:, None] - places, axis=-1)[np.triu_indices(len(places), 1)]
    assert distances.min() >= 24
    page = Page(results / "sub-01.html")
    place = ", ".join(f"{x:g}" for x in peaks[0]["Place"])
    score = f"{peaks[0]['Score']:.4g}"
    assert any(row[:2] == [place, score] for row in page.rows["1"])


def test_numbers_of_the_group_are_the_sidecars_and_tables(results):
    page = Page(results / "group.html")
    for model in ("halves", "steps"):
        (path,) = results.glob(f"group/*_stat-t_desc-{model}_statmap.json")
        sidecar = json.loads(path.read_text())
        shown = {name: [row[0] for row in rows] for name, rows in page.rows.items() if rows[0]}
        assert str(sidecar["VoxelsTested"]) in shown["Voxels tested"]
        assert str(sidecar["VoxelsSignificant"]) in shown["Voxels significant"]
        assert str(sidecar["RelabelingsUsed"]) in shown["Relabelings used"]
        (table,) = results.glob(f"group/*_desc-{model}_clusters.tsv")
        for line in table.read_text().splitlines()[1:]:
            number, *cells = line.split("\t")
            digits = [cell if cell.lstrip("-").isdigit() else as_shown(cell) for cell in cells]
            assert digits in page.rows[number]
    assert sidecar["Tried"] in page.text


def test_warnings_come_first(results):
    page = Page(results / "group.html")
    sidecar = json.loads(next(results.glob("group/*_stat-t_desc-halves_statmap.json")).read_text())
    assert sidecar["Warnings"]
    for text in sidecar["Warnings"]:
        assert text in page.text
        assert page.text.index(text) < page.text.index("In short")


def test_a_warning_of_one_test_names_the_test(results, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(results, out)
    for path in out.glob("group/*_desc-halves_statmap.json"):
        sidecar = json.loads(path.read_text())
        sidecar["Warnings"] = [*sidecar.get("Warnings", ()), "Seen in one test alone."]
        path.write_text(json.dumps(sidecar))
    page = Page(write_group_page(out))
    assert re.search(r"Model halves, [^:]*: Seen in one test alone\.", page.text)
    assert not re.search(r"Model steps, [^:]*: Seen", page.text)


def test_all_participants_are_on_one_page_and_on_one_scale(results):
    page = Page(results / "group.html")
    texts = [attrs["alt"] for tag, attrs in page.elements if tag == "img"]
    shown = [text for text in texts if "mean score" in text]
    for number in range(1, 6):
        assert sum(text.startswith(f"sub-{number:02d}:") for text in shown) == 2  # models
    assert page.text.count("All participants on one colour scale") == 2


def without_time(text):
    """A page without the time at which it was written."""
    return re.sub("<time.*?>.*?</time>", "", text)


def test_reports_only_makes_the_same_bytes_but_for_the_time(results, participant_call, capsys):
    def pages():
        return {path.name: without_time(path.read_text()) for path in results.glob("*.html")}

    before = pages()
    written = {path: path.stat().st_mtime_ns for path in results.glob("*.html")}
    bids, out = participant_call[:2]
    for level in ("participant", "group"):
        assert main([bids, out, level, "--reports-only", "--use-plugin", "Linear"]) == 0
    assert len(before) == 6
    assert pages() == before
    assert all(path.stat().st_mtime_ns != time for path, time in written.items())
    assert not list(results.glob(".work/*/reports*"))


def test_a_page_that_is_gone_or_old_is_written_by_the_same_command(results, participant_call):
    one, two = results / "sub-02.html", results / "sub-03.html"
    text = two.read_text()
    one.unlink()
    two.write_text(text.replace('bids-rsa-made-from" content="', 'bids-rsa-made-from" content="0'))
    kept = (results / "sub-04.html").stat().st_mtime_ns
    assert main(participant_call) == 0
    assert one.exists()
    assert without_time(two.read_text()) == without_time(text)
    assert (results / "sub-04.html").stat().st_mtime_ns == kept


def test_reports_only_without_results_says_so(tmp_path, capsys):
    (tmp_path / "bids").mkdir()
    for level in ("participant", "group"):
        code = main([str(tmp_path / "bids"), str(tmp_path / "out"), level, "--reports-only"])
        assert code == 66
        assert "no finished" in capsys.readouterr().err


def test_no_report_writes_no_page(participant_call, tmp_path):
    call = [*participant_call, "--participant-label", "01", "--no-report"]
    call[1] = str(tmp_path / "out")
    assert main(call) == 0
    assert not list((tmp_path / "out").glob("*.html"))
    assert list((tmp_path / "out").glob("sub-01/figures/*.png"))


def pictures(folder):
    return sorted(path for kind in ("png", "svg") for path in Path(folder).rglob(f"*.{kind}"))


def test_without_figures_pages_say_so_and_the_same_command_with_figures_adds_them(
    participant_call, tmp_path
):
    call = [*participant_call, "--participant-label", "01", "02"]
    call[1] = out = str(tmp_path / "out")
    group = [call[0], out, "group", "--assume-common-space", *FAST]
    for one in (call, group):
        assert main([*one, "--no-figures"]) == 0
    pages = [tmp_path / "out" / name for name in ("sub-01.html", "group.html")]
    maps = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*_statmap.nii.gz")}
    assert pictures(out) == [] and len(maps) > 10
    for page in pages:
        assert "were drawn (<code>--no-figures</code>)" in page.read_text()
    assert "Peaks" in Page(pages[0]).text and "<canvas" in pages[0].read_text()
    times = {page: page.stat().st_mtime_ns for page in pages}
    for one in (call, group):
        assert main([*one, "--no-figures"]) == 0  # complete: nothing is made again
    assert times == {page: page.stat().st_mtime_ns for page in pages}
    for one in (call, group):
        assert main(one) == 0
    assert len(pictures(out)) > 10
    for page in pages:
        assert "--no-figures" not in page.read_text()
    assert maps == {path: path.read_bytes() for path in maps}


def test_scores_come_before_their_null_and_are_told_apart(results):
    text = (results / "sub-01.html").read_text()
    score = "Spearman&#39;s rank correlation, model halves"
    maps = text.split('<section id="maps"')[1].split("</section>")[0]
    titles = re.findall(r"<h3>([^<]*model halves)</h3>", maps)
    assert titles[0] == score
    assert len(titles) == len(set(titles)) == 4
    assert f"p, not corrected: {score}" in titles


def test_the_group_says_how_many_voxels_are_significant_beside_a_noise_ceiling(results):
    assert list(results.glob("group/*_stat-ceilingLower_*_statmap.nii.gz"))
    page = Page(results / "group.html")
    assert "not known voxels" not in page.text
