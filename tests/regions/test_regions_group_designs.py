"""Regions across participants: groups, covariates, the null of conditions, averaged sessions."""

import itertools
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from app_process import UNDRAWN
from region_runs import run_app
from scipy import stats

from bids_rsa.core.inference.design import one_sample_design, slope_design, two_sample_design
from bids_rsa.core.inference.region_tests import condition_region_tests, region_tests
from bids_rsa.group.region_columns import difference_columns, score_columns
from bids_rsa.group.region_people import RegionPeople
from bids_rsa.settings import GroupSettings

OPTIONS = ("group", "--use-plugin", "Linear", "--roi-only", *UNDRAWN)
EXACT = {"rtol": 0, "atol": 1e-12}


def scores(n=8, columns=4, seed=2):
    return np.random.default_rng(seed).normal(0.2, 1, (n, columns))


def test_two_groups_are_welchs_and_p_that_of_all_permutations():
    values = scores()
    first = np.array([1, 1, 1, 0, 0, 0, 0, 1], bool)
    found = region_tests(values, "two-sided", 10_000, design=two_sample_design(first))
    wanted = stats.ttest_ind(values[first], values[~first], equal_var=False)
    np.testing.assert_allclose(found.t, wanted.statistic, rtol=1e-10)
    draws = []
    for chosen in itertools.combinations(range(8), 4):
        own = np.isin(np.arange(8), chosen)
        draws.append(stats.ttest_ind(values[own], values[~own], equal_var=False).statistic)
    draws = np.abs(draws)
    np.testing.assert_allclose(found.p, (draws >= abs(found.t) - 1e-9).mean(axis=0), **EXACT)
    maxima = draws.max(axis=1)
    np.testing.assert_allclose(
        found.p_fwe, [(maxima >= t - 1e-9).mean() for t in abs(found.t)], **EXACT
    )


def test_a_slope_and_a_mean_with_a_covariate_are_those_of_least_squares():
    values, age = scores(), np.random.default_rng(1).normal(40, 9, 8)
    found = region_tests(values, design=slope_design(age))
    for column in range(4):
        wanted = stats.linregress(age, values[:, column])
        assert found.t[column] == pytest.approx(wanted.slope / wanted.stderr, rel=1e-9)
    found = region_tests(values, design=one_sample_design(8, age[:, None]))
    x = np.column_stack([np.ones(8), age - age.mean()])
    for column in range(4):
        beta, squares, _, _ = np.linalg.lstsq(x, values[:, column], rcond=None)
        error = np.sqrt(squares[0] / 6 * np.linalg.inv(x.T @ x)[0, 0])
        assert found.t[column] == pytest.approx(beta[0] / error, rel=1e-9)
    assert (found.df == 6).all()


def test_a_column_that_lacks_a_subject_has_no_test_of_groups():
    values = scores()
    values[2, 1] = np.nan
    found = region_tests(values, design=two_sample_design([1, 1, 1, 1, 0, 0, 0, 0]))
    assert np.isnan(found.p[1]) and np.isfinite(found.p[[0, 2, 3]]).all()


@pytest.mark.parametrize("tail", ["greater", "less", "two-sided"])
def test_the_null_of_conditions_counts_draws(tail):
    rng = np.random.default_rng(5)
    values, nulls = rng.normal(0.3, 1, (6, 3)), rng.normal(0, 1, (6, 40, 3))
    values[1, 2] = np.nan
    nulls[1, :, 2] = np.nan
    found = condition_region_tests(values, nulls, tail)
    pick = {"greater": lambda x: x, "less": lambda x: -x, "two-sided": np.abs}[tail]
    means, draws = pick(np.nanmean(values, axis=0)), pick(np.nanmean(nulls, axis=0))
    wanted = ((draws >= means - 1e-9).sum(axis=0) + 1) / 41
    np.testing.assert_allclose(found.p, wanted, **EXACT)
    corrected = [((draws.max(axis=1) >= mean - 1e-9).sum() + 1) / 41 for mean in means]
    np.testing.assert_allclose(found.p_fwe, corrected, **EXACT)
    assert found.n.tolist() == [6, 6, 5]


@pytest.mark.parametrize(
    ("people", "settings", "t", "p"),
    [
        (RegionPeople(), GroupSettings(), "Student's t of the transformed scores against 0",
         "One-sided p (greater); under the null hypothesis, signs of participants' scores are "
         "flipped"),
        (RegionPeople(groups=("old", "young")), GroupSettings(),
         "Welch's t of the transformed scores, old minus young",
         "Two-sided p; under the null hypothesis, participants are permuted"),
        (RegionPeople(groups=("old", "young"), covariates=(("age", (1.0, 2.0)),)),
         GroupSettings(tail="less"),
         "Pooled t of the transformed scores, old minus young, adjusted for age",
         "One-sided p (less); under the null hypothesis, participants are permuted"),
    ],
)  # fmt: skip
def test_columns_are_described_as_they_were_made(people, settings, t, p):
    columns = score_columns(people, settings)
    assert (columns["t"], columns["p"]) == (t, p)
    assert difference_columns(people, settings)["p"].startswith("Two-sided p; ")


@pytest.fixture(scope="module")
def kept_run(region_dataset, region_options, tmp_path_factory):
    output = tmp_path_factory.mktemp("kept") / "out"
    done = run_app(
        region_dataset, output, "participant", *region_options, "--roi-only", "--keep-null", "200"
    )
    assert done.returncode == 0, done.stderr
    return output


def table(output, ending="meas-rhoa_scores.tsv"):
    (path,) = output.glob(f"group/*_seg-Octants_{ending}")
    return pd.read_csv(path, sep="\t", na_values="n/a").set_index("name")


def test_the_planted_region_is_found_against_a_null_of_conditions(
    region_dataset, kept_run, tmp_path
):
    output = shutil.copytree(kept_run, tmp_path / "out")
    done = run_app(region_dataset, output, *OPTIONS, "--null", "conditions")
    assert done.returncode == 0, done.stderr
    found = table(output)
    best = found["mean"].idxmax()
    # three participants: sign flips could not go below .125
    assert found["p_fwe"][best] < 0.02
    assert found.loc[["tiny", "absent"], "p"].isna().all()
    sidecar = json.loads(next(output.glob("group/*Octants_meas-rhoa_scores.json")).read_text())
    assert sidecar["Null"] == "permuted conditions"
    assert sidecar["p"]["Description"] == (
        "One-sided p (greater); under the null hypothesis, the conditions of the models are "
        "permuted"
    )
    assert "(permuted conditions)" in done.stderr


def test_null_scores_that_are_missing_or_of_another_seed_are_refused(
    region_dataset, region_options, kept_run, tmp_path
):
    output = shutil.copytree(kept_run, tmp_path / "out")
    again = run_app(
        region_dataset, output, "participant", *region_options, "--roi-only", "--keep-null", "200",
        "--random-seed", "5", "--participant-label", "02", "--overwrite",
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    done = run_app(region_dataset, output, *OPTIONS, "--null", "conditions")
    assert done.returncode == 65 and "RandomSeed" in done.stderr and "sub-02" in done.stderr
    for path in output.glob("sub-03/func/*_desc-null_scores.tsv.gz"):
        path.unlink()
    done = run_app(region_dataset, output, *OPTIONS, "--null", "conditions")
    assert done.returncode == 66 and "not there for sub-03" in done.stderr
    done = run_app(region_dataset, output, *OPTIONS, "--null", "stelzer")
    assert done.returncode == 2 and "regions have none" in done.stderr
    assert not (output / "group").exists()


def test_a_covariate_from_the_table_of_participants(region_dataset, kept_run, tmp_path):
    output = shutil.copytree(kept_run, tmp_path / "out")
    people = tmp_path / "people.tsv"
    people.write_text("participant_id\tage\nsub-01\t20\nsub-02\t31\nsub-03\t45\n")
    options = ("--test-covariate", "age", "--participants-file", people)
    done = run_app(region_dataset, output, *OPTIONS, *options)
    assert done.returncode == 0, done.stderr
    found = table(output)
    long = table(output, "desc-participants_scores.tsv")
    own = long[(long["comparison"] == "rho-a")].loc["octant 3", "transformed"]
    wanted = stats.linregress([20, 31, 45], own)
    assert found["t"]["octant 3"] == pytest.approx(wanted.slope / wanted.stderr, rel=1e-8)
    assert found["df"]["octant 3"] == 1
    sidecar = json.loads(next(output.glob("group/*Octants_meas-rhoa_scores.json")).read_text())
    assert (sidecar["Test"], sidecar["Tail"]) == ("slope of age", "two-sided")
    told = {name: sidecar[name]["Description"] for name in ("t", "p", "d")}
    assert told["t"] == "t of the slope of the transformed scores on age"
    assert told["p"] == "Two-sided p; under the null hypothesis, participants are permuted"
    assert "slope" in told["d"] and found["d"].isna().all()
    people.write_text("participant_id\tage\nsub-01\t20\nsub-02\t31\n")
    done = run_app(region_dataset, output, *OPTIONS, *options, "--label", "two")
    assert done.returncode == 65 and "no row for sub-03" in done.stderr


def test_sessions_are_averaged(region_dataset, kept_run, tmp_path):
    """The same tables as two sessions, one with other scores: the mean of both is tested."""
    output = tmp_path / "out"
    shutil.copytree(kept_run, output)
    for folder in sorted(output.glob("sub-*/func")):
        for session, shift in (("1", 0.0), ("2", 0.1)):
            own = folder.parent / f"ses-{session}" / "func"
            own.mkdir(parents=True)
            for path in folder.glob("*_seg-Octants_*"):
                new = own / path.name.replace("_task-", f"_ses-{session}_task-")
                shutil.copy(path, new)
                if path.name.endswith("Octants_scores.tsv"):
                    scores = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
                    known = scores["score"] != "n/a"
                    values = scores.loc[known, "score"].astype(float) * (1 - shift)
                    scores.loc[known, "score"] = values.map(repr)
                    scores.to_csv(new, sep="\t", index=False)
        shutil.rmtree(folder)
    done = run_app(region_dataset, output, *OPTIONS, "--average-sessions")
    assert done.returncode == 0, done.stderr
    long = table(output, "desc-participants_scores.tsv")
    assert len(long) == 3 * 10 * 2
    single = pd.read_csv(
        next(kept_run.glob("sub-02/func/*_seg-Octants_scores.tsv")), sep="\t", na_values="n/a"
    )
    one = single[(single["comparison"] == "rho-a") & (single["name"] == "octant 5")]["score"].item()
    own = long[(long["comparison"] == "rho-a") & (long["participant_id"] == "sub-02")]
    assert own["score"]["octant 5"] == pytest.approx(one * 0.95)
    wanted = (np.arctanh(one) + np.arctanh(one * 0.9)) / 2
    assert own["transformed"]["octant 5"] == pytest.approx(wanted)
    assert table(output)["ceiling_lower"].isna().all()


@pytest.mark.parametrize("ending", ["Octants_scores.tsv", "Octants_*_rdms.tsv.gz"])
def test_a_table_that_was_damaged_is_named(region_dataset, kept_run, tmp_path, ending):
    output = shutil.copytree(kept_run, tmp_path / "out")
    (path,) = output.glob(f"sub-02/func/*_seg-{ending}")
    if path.suffix == ".gz":
        path.write_bytes(path.read_bytes()[:60])
    else:
        scores = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        scores.loc[3, "score"] = "much"
        scores.to_csv(path, sep="\t", index=False)
    done = run_app(region_dataset, output, *OPTIONS)
    assert done.returncode == 65, done.stderr
    assert path.name in done.stderr and "--overwrite" in done.stderr
    assert not (output / "group").exists()


@pytest.mark.parametrize("size", [1e-8, 1.0])
def test_relabelings_equal_to_the_observed_one_count_though_they_are_of_single_precision(size):
    """All 24 orders of four conditions: a model of two pairs has three different labellings."""
    cells = list(itertools.combinations(range(4), 2))
    model = np.array([(a < 2) != (b < 2) for a, b in cells], float)
    rng = np.random.default_rng(3)
    rdms = model * 3 + rng.random((6, 2, 6))
    orders = list(itertools.permutations(range(4)))

    def score(rdm, order):
        own = [model[cells.index(tuple(sorted((order[a], order[b]))))] for a, b in cells]
        return size * np.corrcoef(rdm, own)[0, 1]

    values = np.array([[score(one, range(4)) for one in row] for row in rdms])
    exact = np.array([[[score(one, o) for one in row] for o in orders] for row in rdms])
    found = condition_region_tests(values, exact.astype(np.float32), exhaustive=True)
    assert np.all(found.p == 8 / 24)
    assert np.all(found.p_fwe == 8 / 24)


def test_degrees_of_freedom_of_two_groups_are_welchs():
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.normal(0, 4, (5, 3)), rng.normal(0, 1, (15, 3))])
    first = np.arange(20) < 5
    found = region_tests(values, n_permutations=10, design=two_sample_design(first))
    wanted = stats.ttest_ind(values[first], values[~first], equal_var=False)
    np.testing.assert_allclose(found.df, wanted.df, rtol=1e-10)
