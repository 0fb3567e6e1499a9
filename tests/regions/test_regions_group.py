"""Regions across participants: numbers of scipy, of brute force and of rsatoolbox; the files."""

import itertools
import json
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from app_process import UNDRAWN
from region_data import models
from region_runs import OCTANTS, run_app
from scipy import stats
from watched import start_until, wait_until_stopped

from bids_rsa.app.preflight import validator_command
from bids_rsa.core.comparison.ceilings import noise_ceiling
from bids_rsa.core.comparison.plans import compare
from bids_rsa.core.inference.region_tests import region_tests
from bids_rsa.group.region_data import RegionData
from bids_rsa.group.region_find import find_region_groups
from bids_rsa.group.region_tests import ceilings_of_regions, compare_regions
from bids_rsa.group.region_write import score_rows
from bids_rsa.settings import GroupSettings, RegionSettings, Selection

EXACT = {"rtol": 0, "atol": 1e-12}
OPTIONS = ("group", "--use-plugin", "Linear", *UNDRAWN)


def test_a_run_killed_while_it_replaces_a_test_leaves_no_old_picture(
    region_dataset, region_run, tmp_path
):
    out, clean = (shutil.copytree(region_run[0], tmp_path / name) for name in ("out", "clean"))
    options = ("group", "--no-report", "--roi-only", "--atlas", "Octants", "--roi", "octant 1")
    of_two = run_app(region_dataset, out, *options, "--participant-label", "01", "02")
    assert of_two.returncode == 0, of_two.stderr
    of_all = (*options, "--overwrite")
    process = start_until(
        out, [region_dataset, out, *of_all], before="group/figures/.partial-*.png"
    )
    wait_until_stopped(process)
    process.kill()
    process.communicate()
    for folder in (out, clean):
        done = run_app(region_dataset, folder, *of_all)
        assert done.returncode == 0, done.stderr
    found, expected = (
        {path.name: path.read_bytes() for path in folder.glob("group/figures/*")}
        for folder in (out, clean)
    )
    assert len(expected) >= 4
    assert found == expected


def scores_of(n=7, columns=5, missing=()):
    values = np.random.default_rng(8).normal(0.3, 1, (n, columns))
    for subject, column in missing:
        values[subject, column] = np.nan
    return values


@pytest.mark.parametrize("tail", ["greater", "less", "two-sided"])
@pytest.mark.parametrize("missing", [(), ((0, 1), (3, 1), (2, 4))])
def test_t_is_scipys(tail, missing):
    values = scores_of(missing=missing)
    found = region_tests(values, tail)
    wanted = stats.ttest_1samp(values, 0, nan_policy="omit")
    np.testing.assert_allclose(found.t, np.asarray(wanted.statistic), rtol=1e-12)
    np.testing.assert_array_equal(found.df, np.isfinite(values).sum(axis=0) - 1)
    d = np.nanmean(values, axis=0) / np.nanstd(values, axis=0, ddof=1)
    np.testing.assert_allclose(found.d, d, rtol=1e-12)


@pytest.mark.parametrize("tail", ["greater", "less", "two-sided"])
def test_p_is_that_of_all_sign_flips(tail):
    values = scores_of()
    found = region_tests(values, tail, families=[[0, 1, 2], [3, 4]])
    assert found.exhaustive
    sign = -1 if tail == "less" else 1
    pick = np.abs if tail == "two-sided" else lambda t: sign * t
    flips = np.array(list(itertools.product((1, -1), repeat=7)))
    draws = np.array([pick(stats.ttest_1samp(f[:, None] * values, 0).statistic) for f in flips])
    observed = pick(found.t)
    np.testing.assert_allclose(found.p, (draws >= observed - 1e-9).mean(axis=0), **EXACT)
    for family in ([0, 1, 2], [3, 4]):
        maxima = draws[:, family].max(axis=1)
        wanted = [(maxima >= observed[column] - 1e-9).mean() for column in family]
        np.testing.assert_allclose(found.p_fwe[family], wanted, **EXACT)
        adjusted = stats.false_discovery_control(found.p[family])
        np.testing.assert_allclose(found.q_fdr[family], adjusted, **EXACT)


def test_no_spread_over_subjects_is_taken_to_be_below_the_resolution_of_scores():
    """Without the bound t of a column whose scores are all the same is infinite."""
    values = scores_of()
    values[:, 1] = 0.8
    known = np.array([0.01, 0.2, 0.3, 5.0, 0.0])
    found = region_tests(values, "greater", resolution=known)
    flips = np.array(list(itertools.product((1, -1), repeat=7)))
    signed = flips[:, :, None] * values
    sd = np.maximum(signed.std(axis=1, ddof=1), known)
    draws = signed.mean(axis=1) / sd * np.sqrt(7)
    np.testing.assert_allclose(found.t, draws[0], rtol=1e-12)
    np.testing.assert_allclose(found.d, draws[0] / np.sqrt(7), rtol=1e-12)
    assert found.t[1] == pytest.approx(0.8 / 0.2 * np.sqrt(7))
    np.testing.assert_allclose(found.p, (draws >= draws[0] - 1e-9).mean(axis=0), **EXACT)
    most = draws.max(axis=1)
    corrected = [(most >= t - 1e-9).mean() for t in draws[0]]
    np.testing.assert_allclose(found.p_fwe, corrected, **EXACT)


def test_a_column_with_one_subject_has_no_test():
    values = scores_of(missing=[(subject, 2) for subject in range(1, 7)])
    found = region_tests(values)
    assert found.n[2] == 1
    assert np.isnan([found.t[2], found.p[2], found.p_fwe[2]]).all()
    assert np.isfinite(found.p[[0, 1, 3, 4]]).all()


def data_of(n_subjects=6, n_regions=3, comparison="cosine", lacking=()):
    rng = np.random.default_rng(4)
    rdms = np.abs(rng.normal(2, 1, (n_subjects, n_regions, 15)) + rng.normal(0, 1, 15))
    for subject, region in lacking:
        rdms[subject, region] = np.nan
    wanted = np.array(models(2))
    scores = np.stack(
        [[compare(rdm, wanted, comparison) for rdm in subject] for subject in rdms]
    ).transpose(0, 2, 1)
    names = tuple(f"region {number}" for number in range(n_regions))
    return RegionData(
        names, tuple(range(1, n_regions + 1)), {comparison: ("a", "b")}, {comparison: scores}, rdms
    )


@pytest.mark.parametrize(
    ("comparison", "method"), [("cosine", "cosine"), ("pearson", "corr"), ("rho-a", "rho-a")]
)
def test_ceilings_are_rsatoolboxs(comparison, method):
    rsatoolbox = pytest.importorskip("rsatoolbox")
    data = data_of(comparison=comparison)
    lower, upper = ceilings_of_regions(data.rdms, comparison)
    for region in range(3):
        rdms = rsatoolbox.rdm.RDMs(
            data.rdms[:, region],
            rdm_descriptors={"subject": np.arange(len(data.rdms))},
        )
        wanted = rsatoolbox.inference.boot_noise_ceiling(rdms, method, rdm_descriptor="subject")
        np.testing.assert_allclose([lower[:, region].mean(), upper[region]], wanted, **EXACT)


def test_who_lacks_a_region_is_left_out_of_it_alone():
    whole = data_of(comparison="rho-a")
    data = data_of(comparison="rho-a", lacking=[(1, 2)])
    found = compare_regions(data, "rho-a", GroupSettings())
    full = compare_regions(whole, "rho-a", GroupSettings())
    others = [0, 2, 3, 4, 5]
    lower, upper = ceilings_of_regions(whole.rdms[others], "rho-a")
    np.testing.assert_allclose(found.lower[2], lower[:, 2].mean(), **EXACT)
    np.testing.assert_allclose(found.upper[2], upper[2], **EXACT)
    np.testing.assert_allclose(found.lower[:2], full.lower[:2], **EXACT)
    assert found.tests.n.tolist() == [6, 6, 5] * 2
    wanted = stats.ttest_1samp(np.arctanh(whole.scores["rho-a"][others, 0, 2]), 0).statistic
    np.testing.assert_allclose(found.tests.t[2], wanted, rtol=1e-10)
    rows = score_rows(data, found)
    assert [row[1] for row in rows] == [name for name in data.names for _ in range(2)]


def test_models_are_corrected_together_where_asked():
    data = data_of(comparison="pearson")
    alone = compare_regions(data, "pearson", GroupSettings(n_permutations=64)).tests
    joint = compare_regions(data, "pearson", GroupSettings(n_permutations=64, fwe_over="models"))
    np.testing.assert_array_equal(alone.p, joint.tests.p)
    assert (joint.tests.p_fwe >= alone.p_fwe).all()
    assert (joint.tests.p_fwe > alone.p_fwe).any()


@pytest.fixture(scope="module")
def group_run(region_run, region_dataset, tmp_path_factory):
    output = tmp_path_factory.mktemp("group") / "out"
    shutil.copytree(region_run[0], output)
    (scores,) = output.glob("sub-03/func/*_seg-Octants_scores.tsv")
    table = pd.read_csv(scores, sep="\t", dtype=str, keep_default_na=False)
    table[table["name"] != "octant 4"].to_csv(scores, sep="\t", index=False)  # one lacks a region
    done = run_app(
        region_dataset, output, "group", "--use-plugin", "Linear", "--no-report", "--roi-only"
    )
    assert done.returncode == 0, done.stderr
    return output


def read(folder, ending):
    (path,) = folder.glob(f"group/*_seg-Octants_{ending}")
    return pd.read_csv(path, sep="\t", na_values="n/a")


def test_the_tables_of_the_group(group_run):
    long = read(group_run, "desc-participants_scores.tsv")
    assert len(long) == 3 * len(OCTANTS) * 2
    table = read(group_run, "meas-rhoa_scores.tsv").set_index("name")
    assert list(table.index) == list(OCTANTS.values())
    for name in ("octant 1", "octant 4", "octant 8"):
        own = long[(long["name"] == name) & (long["comparison"] == "rho-a")]
        scores = own["score"].dropna()
        assert len(scores) == table["n"][name] == (2 if name == "octant 4" else 3)
        np.testing.assert_allclose(table["mean"][name], scores.mean(), **EXACT)
        np.testing.assert_allclose(table["sd"][name], scores.std(), **EXACT)
        wanted = stats.ttest_1samp(np.arctanh(scores), 0).statistic
        np.testing.assert_allclose(table["t"][name], wanted, rtol=1e-9)
    assert table.loc["absent"][["mean", "t", "p", "p_fwe"]].isna().all()
    assert (table["ceiling_lower"].dropna() <= table["ceiling_upper"].dropna()).all()
    assert table["mean"].max() > 0.4  # where the effect was planted


def test_mean_rdms_and_pictures(group_run):
    (path,) = group_run.glob("group/*_seg-Octants_label-octant2_*_desc-mean_relmat.tsv")
    mean = pd.read_csv(path, sep="\t", index_col=0)
    own = [
        pd.read_csv(one, sep="\t", index_col=0).to_numpy()
        for one in group_run.glob("sub-*/func/*_seg-Octants_label-octant2_*_relmat.tsv")
    ]
    assert len(own) == 3
    np.testing.assert_allclose(mean, np.mean(own, axis=0), **EXACT)
    figures = {path.name for path in group_run.glob("group/figures/*_seg-Octants_*.png")}
    assert sum(name.endswith("_rdm.png") for name in figures) == len(OCTANTS)
    assert sum(name.endswith("_meas-rhoa_scores.png") for name in figures) == len(OCTANTS)
    sidecar = json.loads(next(group_run.glob("group/*Octants_meas-rhoa_scores.json")).read_text())
    assert sidecar["Participants"] == ["sub-01", "sub-02", "sub-03"]
    assert sidecar["FWEOver"] == "regions"


def test_tables_are_matched_by_the_number_of_an_echo(region_run, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(region_run[0], output)
    for path in sorted(output.glob("sub-*/func/*")):
        echo = "1" if "sub-01" in path.name else "01"
        path.rename(path.with_name(path.name.replace("_space-", f"_echo-{echo}_space-")))

    groups = find_region_groups(str(output), (), Selection(), RegionSettings())
    assert {group.subjects for group in groups} == {("01", "02", "03")}
    assert all(dict(group.key)["echo"] == "01" for group in groups)


def test_the_group_is_not_tested_twice(group_run, region_dataset):
    again = run_app(region_dataset, group_run, *OPTIONS, "--roi-only")
    assert again.returncode == 0
    assert again.stderr.count("is complete with the same settings") == 2
    refused = run_app(region_dataset, group_run, *OPTIONS, "--roi-only", "--fwe-over", "models")
    assert refused.returncode == 73
    assert "FWEOver" in refused.stderr


def test_options_of_maps_are_named_where_regions_are_tested_alone(group_run, region_dataset):
    line = (region_dataset, group_run, *OPTIONS, "--roi-only")
    done = run_app(*line, "--noise-ceiling", "--connectivity", "26")
    assert done.returncode == 0
    for option in ("--noise-ceiling", "--connectivity"):
        assert f"{option} has no effect on tests of regions" in done.stderr
    for option, value in (("--smoothing-fwhm", "6"), ("--group-mask", "mask.nii.gz")):
        refused = run_app(*line, option, value)
        assert refused.returncode == 2
        assert f"{option} is for maps, and this call tests regions alone" in refused.stderr


def test_the_validator_passes_the_group(group_run):
    command = validator_command()
    if command is None:
        pytest.skip("bids-validator-deno is not installed")
    found = subprocess.run([command, group_run], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_an_atlas_or_region_that_is_not_there_is_refused(group_run, region_dataset):
    for options, code in ((("--atlas", "AAL"), 18), (("--roi", "octant 9"), 2)):
        done = run_app(region_dataset, group_run, *OPTIONS, "--roi-only", *options)
        assert done.returncode == code
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ExcludedCells", {"File": "cells.tsv", "SHA256": "1f"}),
        ("NuisanceModels", ["motion"]),
        ("ConditionCovariance", "design"),
    ],
)
def test_participants_whose_tables_were_made_in_other_ways_are_refused(
    region_run, region_dataset, tmp_path, key, value
):
    output = shutil.copytree(region_run[0], tmp_path / "out")
    others = {"NuisanceModels": [], "ConditionCovariance": "none"}
    for subject, own in (("02", others.get(key)), ("03", value)):
        (sidecar,) = output.glob(f"sub-{subject}/func/*_seg-Octants_scores.json")
        changed = json.loads(sidecar.read_text()) | ({key: own} if own is not None else {})
        sidecar.write_text(json.dumps(changed))
    done = run_app(region_dataset, output, *OPTIONS, "--roi-only")
    assert done.returncode == 65, done.stderr
    assert key in done.stderr and "for sub-03" in done.stderr
    assert not (output / "group").exists()


@pytest.fixture(scope="module")
def excluded_run(region_dataset, region_options, tmp_path_factory):
    """Scores without four cells that a table excludes; the kept cells, condensed."""
    folder = tmp_path_factory.mktemp("excluded")
    names = list(pd.read_csv(region_dataset / "models/planted.tsv", sep="\t", index_col=0).columns)
    names.reverse()  # the table has an order of its own
    kept = np.ones((len(names), len(names)), dtype=int)
    for i, j in ((0, 1), (0, 2), (3, 4), (2, 5)):
        kept[i, j] = kept[j, i] = 0
    cells = pd.DataFrame(kept, names, names)
    cells.to_csv(folder / "kept.tsv", sep="\t")
    covariance = np.eye(len(names)) + 0.3
    pd.DataFrame(covariance, names, names).to_csv(folder / "covariance.tsv", sep="\t")
    output = folder / "out"
    done = run_app(
        region_dataset, output, "participant", *region_options, "--roi-only", *UNDRAWN,
        "--exclude-cells", folder / "kept.tsv", "--comparison", "spearman", "whitened-pearson",
        "--condition-covariance", folder / "covariance.tsv", "--condition-permutations", "0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return output, cells


def test_ceilings_are_of_the_cells_that_were_compared(excluded_run, region_dataset, tmp_path):
    output = shutil.copytree(excluded_run[0], tmp_path / "out")
    done = run_app(region_dataset, output, *OPTIONS, "--roi-only")
    assert done.returncode == 0, done.stderr
    found = read(output, "meas-spearman_scores.tsv").set_index("name")
    own = [
        pd.read_csv(path, sep="\t", index_col=0)
        for path in sorted(output.glob("sub-*/func/*_seg-Octants_label-octant2_*_relmat.tsv"))
    ]
    names = list(own[0].columns)
    used = excluded_run[1].loc[names, names].to_numpy()[np.triu_indices(len(names), 1)] == 1
    rdms = np.array([one.to_numpy()[np.triu_indices(len(names), 1)] for one in own])
    lower, upper = noise_ceiling(rdms[:, used], "spearman")
    ceilings = found.loc["octant 2", ["ceiling_lower", "ceiling_upper"]].astype(float)
    np.testing.assert_allclose(ceilings, [lower, upper], **EXACT)
    assert upper != pytest.approx(noise_ceiling(rdms, "spearman")[1], abs=1e-3)
    # the covariance of the conditions is not in the tables
    whitened = read(output, "meas-whitenedpearson_scores.tsv")
    columns = ["ceiling_lower", "ceiling_upper", "p_ceiling"]
    assert whitened[columns].isna().all(axis=None) and whitened["t"].notna().any()
    assert "gets no noise ceiling: the covariance of the conditions" in done.stderr


def test_fishers_limit_is_of_the_cells_that_were_compared(excluded_run, region_dataset, tmp_path):
    output = shutil.copytree(excluded_run[0], tmp_path / "out")
    (path,) = output.glob("sub-02/func/*_seg-Octants_scores.tsv")
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    perfect = (table["name"] == "octant 2") & (table["comparison"] == "spearman")
    table.loc[perfect, "score"] = "1.0"
    table.to_csv(path, sep="\t", index=False)
    done = run_app(region_dataset, output, *OPTIONS, "--roi-only")
    assert done.returncode == 0, done.stderr
    long = read(output, "desc-participants_scores.tsv").query("comparison == 'spearman'")
    own = long[(long["name"] == "octant 2") & (long["participant_id"] == "sub-02")]
    n_all = excluded_run[1].shape[0] * (excluded_run[1].shape[0] - 1) // 2
    m = n_all - 4
    assert own["transformed"].item() == pytest.approx(np.arctanh(1 - 6 / (m * (m**2 - 1))))


def test_no_ceiling_where_tables_do_not_say_which_cells_were_excluded(
    excluded_run, region_dataset, tmp_path
):
    output = shutil.copytree(excluded_run[0], tmp_path / "out")
    for path in output.glob("sub-*/func/*_scores.json"):
        sidecar = json.loads(path.read_text())
        del sidecar["CellsCompared"]
        path.write_text(json.dumps(sidecar))
    done = run_app(region_dataset, output, *OPTIONS, "--roi-only")
    assert done.returncode == 0, done.stderr
    found = read(output, "meas-spearman_scores.tsv")
    assert found[["ceiling_lower", "ceiling_upper", "p_ceiling"]].isna().all(axis=None)
    assert "the tables do not say which cells were excluded" in done.stderr


def test_a_model_that_lacks_cells_alone_has_no_ceiling():
    data = data_of(comparison="pearson")
    only_b = replace(data, no_ceiling={"pearson": {"a": "it lacks cells that other models have"}})
    whole, found = (compare_regions(one, "pearson", GroupSettings()) for one in (data, only_b))
    rows = [score_rows(one, kind) for one, kind in ((data, whole), (only_b, found))]
    for before, after in zip(*rows, strict=True):
        assert after[:-3] == before[:-3]
        assert after[-3:] == (["n/a"] * 3 if after[2] == "a" else before[-3:])


def test_maps_and_regions_of_one_call_have_logs_from_its_beginning(
    region_run, region_dataset, tmp_path
):
    output = shutil.copytree(region_run[0], tmp_path / "out")
    done = run_app(region_dataset, output, *OPTIONS, "--n-permutations", "8")
    assert done.returncode == 0, done.stderr
    of_maps, of_regions = sorted(output.glob("group/log/*/bids_rsa.log"))
    texts = [path.read_text() for path in (of_maps, of_regions)]
    machine = next(line for line in done.stderr.splitlines() if "CPU" in line).split(" INFO ")[1]
    assert all(machine in text for text in texts)
    assert [text.count("INFO Regions ") for text in texts] == [
        0,
        done.stderr.count("INFO Regions "),
    ]
    assert "INFO Regions " in texts[1]
