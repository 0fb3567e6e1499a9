"""The command line: spellings, the configuration file, the pages made from the parser."""

import re
import subprocess
import sys

import pytest
from app_runs import COMMAND, run_app

from bids_rsa._version import __version__
from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.core.dissimilarity.table import DISSIMILARITIES
from bids_rsa.errors import OptionError
from bids_rsa.options.arguments import as_toml, parse
from bids_rsa.options.options_page import options_page
from bids_rsa.settings import RsaSettings

BASE = ("in", "out", "participant", "--model", "m.tsv")


def test_underscores_and_dashes_mean_the_same():
    dashes = parse([*BASE, "--participant-label", "01", "--min-voxels", "5", "--n-cpus=2"])
    scores = parse([*BASE, "--participant_label", "01", "--min_voxels", "5", "--n_cpus=2"])
    assert dashes == scores
    assert dashes.inputs.selection.participant_label == ("01",)
    assert (dashes.rsa.min_voxels, dashes.run.n_procs) == (5, 2)


def test_values_keep_their_underscores():
    assert parse([*BASE, "--conditions", "my_cat", "dog"]).inputs.conditions == ("my_cat", "dog")


def test_entities_are_stripped_from_labels():
    settings = parse(
        [*BASE, "--participant-label", "sub-01", "02", "--session-label", "ses-a",
         "--task-label", "task-x", "--space", "space-T1w", "--run-label", "run-1"]
    )  # fmt: skip
    selection = settings.inputs.selection
    assert selection.participant_label == ("01", "02")
    assert (selection.session_label, selection.task_label) == (("a",), ("x",))
    assert (selection.space, selection.run_label) == (("T1w",), ("1",))


def test_without_options_the_defaults_hold():
    assert parse(BASE).rsa == RsaSettings()


def test_the_command_line_wins_over_the_configuration(tmp_path):
    config = tmp_path / "rsa.toml"
    config.write_text(
        'radius = 8\ncomparison = ["pearson"]\nignore_nan = true\nmodel = ["a.tsv", "b.tsv"]\n'
        'dissimilarity-params = {p = 3}\ndissimilarity = "minkowski"\n'
    )
    base = ["in", "out", "participant", "--config-file", str(config)]
    found = parse(base)
    assert (found.rsa.radius_mm, found.rsa.comparisons) == (8.0, ("pearson",))
    assert found.rsa.ignore_nan
    assert found.rsa.dissimilarity_params == '{"p": 3}'
    assert found.inputs.models == ("a.tsv", "b.tsv")
    won = parse([*base, "--radius", "6", "--comparison", "spearman", "--model", "c.tsv"])
    assert (won.rsa.radius_mm, won.rsa.comparisons) == (6.0, ("spearman",))
    assert won.inputs.models == ("c.tsv",)
    assert won.rsa.ignore_nan


@pytest.mark.parametrize(
    "line",
    [
        BASE,
        (*BASE, "--radius", "7.5", "--comparison", "pearson", "spearman", "--folds", "runs"),
        (*BASE, "--participant-label", "01", "--ignore-nan", "--dissimilarity", "minkowski",
         "--dissimilarity-params", '{"p": 3}', "-d", "glm=/data/glm", "--space", "T1w"),
        ("in", "out", "group", "--model", "animacy", "--n-permutations", "99"),
    ],
)  # fmt: skip
def test_settings_written_as_toml_read_back_the_same(line, tmp_path):
    settings = parse(line)
    config = tmp_path / "rsa.toml"
    config.write_text(as_toml(settings))
    assert parse([*line[:3], "--config-file", str(config)]) == settings


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("radius = -1", "--radius -1"),
        ("folds = 'some'", "--folds some"),
        ("folds = 'runs'\nignore_nan = 'yes'", "--ignore-nan yes"),
        ("folds = 'runs'\nradius = [8, 9]", "--radius 8 9"),
        ("[rsa]\nradius = 3", r"table \[rsa\]"),
        ("radius = ", "not TOML"),
        ("bids_dir = 'x'", "--bids-dir x"),
        ("config_file = 'other.toml'", "another configuration file"),
    ],
)
def test_a_bad_configuration_is_told_with_its_name(text, says, tmp_path):
    config = tmp_path / "rsa.toml"
    config.write_text(text)
    with pytest.raises(OptionError, match=says) as caught:
        parse(["in", "out", "participant", "--config-file", str(config)])
    assert str(caught.value).count("rsa.toml") == 1


def test_a_configuration_saved_with_a_byte_order_mark_is_read(tmp_path):
    config = tmp_path / "rsa.toml"
    config.write_text("radius = 8", encoding="utf-8-sig")
    assert parse([*BASE, "--config-file", str(config)]).rsa.radius_mm == 8


def test_options_are_not_guessed_from_their_beginnings():
    with pytest.raises(OptionError, match="--rad"):
        parse([*BASE, "--rad", "8"])


@pytest.mark.parametrize(
    ("unknown", "meant"),
    [
        ("--task", ["--task-label"]),
        ("--modle", ["--model"]),
        ("--mask", ["--brain-mask", "--roi-mask"]),
        ("--metric=x", ["--dissimilarity", "--comparison"]),
        ("--zzzzz", []),
    ],
)
def test_an_unknown_option_is_named_with_similar_ones(unknown, meant):
    with pytest.raises(OptionError) as caught:
        parse([*BASE, unknown])
    told = str(caught.value)
    assert f"Unknown option {unknown.partition('=')[0]}." in told
    assert all(option in told for option in meant)
    assert ("Did you mean" in told) == bool(meant)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["participant", "in", "out"], "third argument, but got 'out'"),
        (["in", "participant", "out"], "BIDS_DIR OUTPUT_DIR"),
        (["in", "out", "Participants"], "Did you mean participant"),
        (["in", "out", "group", "more"], "Unexpected argument: more"),
    ],
)
def test_positional_arguments_in_another_order_are_told(line, says):
    with pytest.raises(OptionError, match=says):
        parse([*line, "--radius", "8"])


@pytest.mark.parametrize(
    ("level", "options", "without"),
    [
        ("group", ["--radius", "8", "--model", "a", "-d", "x"], ["--radius"]),
        ("group", ["--atlas", "A", "--roi-only", "--folds", "runs"], ["--folds"]),
        ("participant", ["--model", "m.tsv", "--n-permutations", "9"], ["--n-permutations"]),
        (
            "participant",
            ["--model", "m.tsv", "--condition-permutations", "9", "--alpha", ".01", "--space", "S"],
            [],
        ),
        ("participant", ["--model", "m.tsv", "--random-seed", "1"], ["--random-seed"]),
        ("group", ["--null", "conditions", "--n-permutations", "9"], ["--n-permutations"]),
        (
            "participant",
            [
                "--model",
                "m",
                "--roi-only",
                "--atlas",
                "a",
                "--radius",
                "8",
                "--patch-size",
                "20",
                "--min-voxels",
                "9",
                "--roi-mask",
                "m.nii",
                "--min-coverage",
                ".1",
            ],
            ["--radius", "--patch-size"],
        ),
        ("participant", ["--model", "m", "--atlas", "a", "--radius", "8"], []),
    ],
)
def test_options_without_effect_are_named(level, options, without, caplog):
    parse(["in", "out", level, *options])
    assert [record.args[0] for record in caplog.records] == without


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--dry-run-table", "plan.tsv"], "is written by --dry-run"),
        (["--rois", "mask.nii", "--atlas-threshold", ".5"], "is for atlases, and none was given"),
    ],
)
def test_options_that_need_others_are_refused_without(options, says):
    with pytest.raises(OptionError, match=says):
        parse(["in", "out", "participant", "--model", "m.tsv", *options])


def test_help_shows_each_value_once_and_breaks_no_name(capsys):
    with pytest.raises(SystemExit):
        parse(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("BIDS_DIR OUTPUT_DIR {participant,group} [options]")
    assert not lines[1]
    assert any(line.strip().startswith("-w, --work-dir DIR") for line in lines)
    assert any(line.strip().startswith("--model [NAME=]FILE ...") for line in lines)
    assert not [line for line in lines if re.search(r"--[a-z-]+-$", line)]


def test_help_and_bad_options_need_no_heavy_library():
    code = (
        "import sys; from bids_rsa.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "main(['a', 'b', 'participant', '--radius', '0'])\n"
        "heavy = {'numpy', 'scipy', 'numba', 'nibabel', 'nipype', 'pandas', 'bids', 'nilearn'}\n"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--dissimilarity" in done.stdout


def test_version():
    done = run_app("--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"bids_rsa {__version__}")


def test_no_arguments_at_all():
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "BIDS_DIR" in done.stderr


def test_help_offers_every_name_of_the_tables(capsys):
    with pytest.raises(SystemExit):
        parse(["--help"])
    offered = " ".join(capsys.readouterr().out.split())
    assert ", ".join(DISSIMILARITIES) in offered.replace("- ", "-")
    assert ", ".join(COMPARISONS) in offered.replace("- ", "-")


def test_the_options_page_is_the_parsers(pytestconfig):
    page = (pytestconfig.rootpath / "docs" / "options.md").read_text()
    assert page == options_page(), "python -m bids_rsa.options.options_page > docs/options.md"
