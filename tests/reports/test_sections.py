"""Sections on the null, reliability, noise ceilings and regions say what the maps hold."""

import json

import nibabel as nib
import numpy as np
import pytest
from matplotlib.figure import Figure
from page_content import Page
from report_inputs import NAMES
from scipy.stats import spearmanr, t

from bids_rsa.cli import main
from bids_rsa.reports.peak_pictures import _draw_group, mean_and_interval
from bids_rsa.reports.region_view import tables_content


@pytest.fixture(scope="module")
def participant(results):
    return Page(results / "sub-01.html")


def values(results, pattern):
    """The values of a map inside the mask of centres."""
    (path,) = results.glob(pattern)
    (mask,) = results.glob("sub-01/func/*_desc-searchlight_mask.nii.gz")
    return nib.load(path).get_fdata()[nib.load(mask).get_fdata() > 0]


def test_the_null_is_summed_up(results, participant):
    (row,) = participant.rows["spearman, model halves"]
    p = values(results, "sub-01/func/*_stat-spearmanP_desc-halves_statmap.nii.gz")
    corrected = values(results, "sub-01/func/*_stat-spearmanMaxFWEp_desc-halves_statmap.nii.gz")
    # six conditions in two halves of three: ten distinct models, all of them used
    assert row[:2] == ["10 (all there are)", "10"]
    assert float(row[2]) == 0.1
    assert row[5] == f"{100 * (p <= 0.05).mean():.1f} %"
    assert row[6:] == [str((corrected <= 0.05).sum()), f"{corrected.min():.3g}"]


def test_reliability_is_summed_up(results, participant):
    r = values(results, "sub-01/func/*_stat-reliability_desc-searchlight_statmap.nii.gz")
    r = r[np.isfinite(r)]
    assert participant.rows["Median over centres"] == [[f"{np.median(r):.3f}"]]
    assert participant.rows["Highest"] == [[f"{r.max():.3f}"]]
    assert participant.rows["Centres above 0"] == [[f"{100 * (r > 0).mean():.0f} %"]]


def test_scores_are_compared_with_the_noise_ceiling(results):
    """The median mean score comes from the participants' maps themselves."""
    maps = [
        np.nan_to_num(nib.load(path).get_fdata())
        for path in sorted(results.glob("sub-*/func/*_stat-spearman_desc-halves_statmap.nii.gz"))
    ]
    (upper,) = results.glob("group/*_stat-ceilingUpper_desc-halves_statmap.nii.gz")
    ceiling = nib.load(upper).get_fdata()
    tested = np.nan_to_num(ceiling) > 0
    page = Page(results / "group.html")
    rows = page.rows["all voxels"]
    found = [
        row
        for row in rows
        if row[0] == str(tested.sum())
        and float(row[1]) == pytest.approx(np.median(np.mean(maps, axis=0)[tested]), abs=6e-4)
        and float(row[3]) == pytest.approx(np.median(ceiling[tested]), abs=6e-4)
    ]
    assert found
    assert "relabelings were used" in page.text


def test_regions_are_shown_with_few_digits(tmp_path):
    path = tmp_path / "func" / "sub-01_task-x_seg-A_scores.tsv"
    path.parent.mkdir()
    path.write_text("index\tname\tscore\n1\tV1\t0.123456789\n2\tV2\tn/a\n")
    assert tables_content(tmp_path) == []  # not finished: no JSON yet
    path.with_suffix(".json").write_text("{}")
    (table,) = tables_content(tmp_path)
    assert table["title"] == "Regions, sub-01, task x, regions A"
    assert table["rows"] == [["1", "V1", "0.1235"], ["2", "V2", "n/a"]]
    assert table["numbers"] == [0, 2]


def test_rdms_of_peaks_are_centred_and_lack_what_was_left_out(participant_call, tmp_path):
    bids = participant_call[0]
    keep = 1 - np.eye(6, dtype=int)
    keep[0, 1] = keep[1, 0] = 0
    table = tmp_path / "keep.tsv"
    lines = ["\t".join(("", *NAMES))]
    lines += ["\t".join((n, *map(str, row))) for n, row in zip(NAMES, keep, strict=True)]
    table.write_text("\n".join(lines) + "\n")
    cut = participant_call.index("--condition-permutations")
    call = [bids, str(tmp_path / "out"), *participant_call[2:cut], "--no-report"]
    call += ["--use-plugin", "Linear", "--nprocs", "1", "--participant-label", "01"]
    assert main([*call, "--center", "conditions", "--exclude-cells", str(table)]) == 0
    (path,) = tmp_path.glob("out/sub-01/figures/*_stat-spearman_desc-halves_details.json")
    details = json.loads(path.read_text())
    assert details["Peaks"]
    for peak in details["Peaks"]:
        assert peak["RDM"][0] is None
        plain = spearmanr(peak["RDM"][1:], details["ModelCells"][1:])[0]
        assert plain == pytest.approx(peak["Score"], abs=1e-4)


def test_a_peak_without_scores_is_said_to_have_none(recwarn):
    scores = np.random.default_rng(4).normal(size=(6, 3))
    scores[:, 1] = np.nan
    scores[1:, 2] = np.nan
    axes = Figure().add_subplot()
    _draw_group(axes, scores, 0.0, "")
    (text,) = axes.texts
    assert text.get_text() == "no score" and round(text.get_position()[0]) == 1
    mean, half = mean_and_interval(scores)
    assert half[0] == pytest.approx(t.ppf(0.975, 5) * np.std(scores[:, 0], ddof=1) / np.sqrt(6))
    assert mean[2] == scores[0, 2]
    np.testing.assert_array_equal(np.isnan(half), [False, True, True])
    assert not [one for one in recwarn if issubclass(one.category, RuntimeWarning)]
