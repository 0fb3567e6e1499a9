"""Nuisance regressors: strategies, names, cosines never twice, spikes, missing values."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_rsa.errors import ContentError, InputError, OptionError, SelectionError
from bids_rsa.estimation.confounds import choose_nuisance
from bids_rsa.options.arguments import parse
from bids_rsa.settings import BoldSettings

N = 40
AXES = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]


@pytest.fixture
def table():
    random = np.random.default_rng(1)
    found = {}
    for name in (*AXES, "csf", "white_matter"):
        values = random.normal(size=N)
        found[name] = values
        found[f"{name}_derivative1"] = np.concatenate([[np.nan], np.diff(values)])
        found[f"{name}_power2"] = values**2
        found[f"{name}_derivative1_power2"] = np.concatenate([[np.nan], np.diff(values) ** 2])
    found["global_signal"] = random.normal(size=N)
    for k in range(2):
        found[f"cosine{k:02d}"] = np.cos(np.pi * (np.arange(N) + 0.5) * (k + 1) / N)
    for k in range(8):
        found[f"a_comp_cor_{k:02d}"] = random.normal(size=N)
    found["framewise_displacement"] = np.concatenate([[np.nan], np.full(N - 1, 0.1)])
    found["framewise_displacement"][[7, 20]] = 0.9
    found["std_dvars"] = np.ones(N)
    found["non_steady_state_outlier00"] = np.eye(N)[0]
    found["non_steady_state_outlier01"] = np.eye(N)[1]
    return pd.DataFrame(found)


@pytest.fixture
def write(tmp_path):
    def write(table):
        path = tmp_path / "sub-01_task-x_run-1_desc-confounds_timeseries.tsv"
        table.to_csv(path, sep="\t", index=False, na_rep="n/a")
        retained = {
            name: {"Method": "aCompCor", "Mask": "combined", "Retained": True}
            for name in table.columns
            if name.startswith("a_comp_cor")
        }
        path.with_suffix(".json").write_text(json.dumps(retained))
        return str(path)

    return write


def names(path, *confounds, **more):
    nuisance = choose_nuisance(path, N, BoldSettings(confounds=confounds or ("motion6",), **more))
    assert nuisance.values.shape == (N, len(nuisance.names))
    return [name for name in nuisance.names if not name.startswith(("cosine", "spike"))]


def test_strategies_take_the_columns_that_they_are_named_after(table, write):
    path = write(table)
    full = {f"{a}{b}" for a in AXES for b in ("", "_derivative1", "_power2", "_derivative1_power2")}
    assert set(names(path)) == set(AXES)
    assert set(names(path, "motion24")) == full
    assert set(names(path, "motion24+wmcsf")) == full | {"csf", "white_matter"}
    assert set(names(path, "acompcor")) == {*AXES, *(f"a_comp_cor_{k:02d}" for k in range(5))}
    assert names(path, "none") == []


def test_names_and_regular_expressions_match_whole_columns(table, write):
    path = write(table)
    assert names(path, "csf", "trans_[xy]") == ["csf", "trans_x", "trans_y"]
    assert set(names(path, "motion6", "csf", "rot_x")) == {*AXES, "csf"}
    with pytest.raises(SelectionError, match="--confounds sinus") as error:
        names(path, "sinus")
    assert error.value.exit_code == 18
    assert "trans_x" in error.value.hint


def test_the_files_cosines_and_own_ones_never_come_together(table, write):
    for confounds in (("motion6",), ("acompcor",), ("none",), ("cosine.*", "csf")):
        nuisance = choose_nuisance(write(table), N, BoldSettings(confounds=confounds))
        cosines = [name for name in nuisance.names if name.startswith("cosine")]
        assert cosines == ["cosine00", "cosine01"]
        assert nuisance.high_pass_s is None
        asked = BoldSettings(confounds=confounds, high_pass=60.0)
        own = choose_nuisance(write(table), N, asked)
        assert not [name for name in own.names if name.startswith("cosine")]
        assert own.high_pass_s == 60.0
    none = choose_nuisance(write(table), N, BoldSettings(high_pass=0.0))
    assert none.high_pass_s is None and "cosine00" not in none.names
    without = table.drop(columns=["cosine00", "cosine01"])
    assert choose_nuisance(write(without), N, BoldSettings()).high_pass_s == 128.0


def test_volumes_are_taken_out_by_spikes_each_once(table, write):
    path = write(table)
    assert choose_nuisance(path, N, BoldSettings()).spikes == (0, 1)
    assert choose_nuisance(path, N, BoldSettings(dummy_scans=4)).spikes == (0, 1, 2, 3)
    nuisance = choose_nuisance(path, N, BoldSettings(fd_threshold=0.5))
    assert nuisance.spikes == (0, 1, 7, 20)
    spikes = [i for i, name in enumerate(nuisance.names) if name.startswith("spike")]
    np.testing.assert_array_equal(nuisance.values[:, spikes].T, np.eye(N)[[0, 1, 7, 20]])


def test_a_derivatives_missing_first_value_is_0_before_standardising(table, write):
    nuisance = choose_nuisance(write(table), N, BoldSettings(confounds=("trans_x_derivative1",)))
    expected = table["trans_x_derivative1"].fillna(0.0).to_numpy()
    expected = (expected - expected.mean()) / expected.std()
    column = nuisance.names.index("trans_x_derivative1")
    np.testing.assert_allclose(nuisance.values[:, column], expected, atol=1e-9)


def test_values_missing_further_down_are_an_error(table, write):
    table.loc[5, "csf"] = np.nan
    with pytest.raises(ContentError, match="csf"):
        names(write(table), "csf")


def test_a_table_of_another_run_is_an_error(table, write):
    with pytest.raises(ContentError, match="39 rows, and the BOLD image has 40 volumes"):
        names(write(table.iloc[:-1]))


def test_no_table_is_an_error_unless_none_is_needed():
    with pytest.raises(InputError, match="--confounds motion6 needs"):
        names(None)
    nuisance = choose_nuisance(None, N, BoldSettings(confounds=("none",), dummy_scans=2))
    assert nuisance.names == ("spike_000", "spike_001")
    assert nuisance.high_pass_s == 128.0


LACKING = [
    ("motion6", ["rot_x"], "it has no column rot_x."),
    ("motion24", ["rot_x_power2", "trans_y"], "it has no column trans_y, rot_x_power2."),
    ("motion24+wmcsf", ["csf"], "it has no column csf."),
    ("acompcor", [f"a_comp_cor_{k:02d}" for k in range(8)], "no column a_comp_cor_00"),
]


@pytest.mark.parametrize(("strategy", "gone", "told"), LACKING)
def test_a_strategy_whose_columns_are_missing_names_them(table, write, strategy, gone, told):
    path = write(table.drop(columns=gone))
    with pytest.raises(ContentError) as caught:
        names(path, strategy)
    assert f"--confounds {strategy} cannot be used with {path}" in caught.value.message
    assert told in caught.value.message
    assert "trans_z_power2" in caught.value.hint and "acompcor" in caught.value.hint
    assert "nilearn" not in str(caught.value) and "keywords" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "_desc-confounds_timeseries.json, which describes"),
        ("{}", "does not describe its columns a_comp_cor_00"),
        ('{"a_comp_cor_00": {"Mask": "CSF"}}', "does not describe its columns a_comp_cor_00"),
        ('{"a_comp_cor_00": 1}', "does not describe its columns a_comp_cor_00"),
        ("no JSON", "does not describe its columns a_comp_cor_00"),
    ],
)
def test_components_that_nothing_describes_are_refused(table, write, content, told):
    path = Path(write(table))
    beside = path.with_suffix(".json")
    beside.unlink()
    if content is not None:
        beside.write_text(content)
    with pytest.raises(ContentError) as caught:
        names(str(path), "acompcor")
    assert told in caught.value.message


def test_column_names_of_old_versions_are_named(table, write):
    with pytest.raises(ContentError, match="the column names RotX, stdDvars are not those of"):
        names(write(table.assign(RotX=1.0, stdDvars=1.0)), "motion6")


def test_the_threshold_of_displacement_needs_no_other_column(table, write):
    settings = BoldSettings(fd_threshold=0.5)
    alone = table.drop(columns=[name for name in table if name.endswith("dvars")])
    assert choose_nuisance(write(alone), N, settings).spikes == (0, 1, 7, 20)
    without = table.drop(columns=["framewise_displacement"])
    with pytest.raises(ContentError, match="needs the column framewise_displacement"):
        choose_nuisance(write(without), N, settings)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--high-pass", "0.008"], ["0.008 Hz is 125 seconds", "--high-pass 128"]),
        (["--confounds", "motion6", "none"], ["none was given together"]),
    ],
)
def test_options_that_contradict_are_refused(options, words):
    with pytest.raises(OptionError) as caught:
        parse(["bids", "out", "participant", "--model", "m.tsv", "--from-bold", *options])
    for word in words:
        assert word in str(caught.value)
