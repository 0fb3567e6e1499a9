"""Nothing that computes or draws is imported where there is nothing to compute or draw."""

import shutil
import subprocess
import sys

import pytest
from app_runs import RADIUS

# each takes a quarter of a second or more to import
COMPUTES = {"numba", "scipy.linalg", "scipy.ndimage", "scipy.optimize", "scipy.spatial"}
DRAWS = {"matplotlib", "PIL", "jinja2"}
RUNS = {"nipype", "networkx"}
TABLES = {"pandas", "sklearn", "nilearn", "scipy.stats", "h5py", "joblib"}
LOOK = (
    "import sys; from bids_rsa.cli import main; code = main(sys.argv[1:]); "
    "print('\\nIMPORTED', *sorted(sys.modules)); sys.exit(code)"
)


def run_and_list(*arguments):
    """Run the app in a process of its own; return its exit code, what it said, and its modules."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    shown, _, listed = done.stdout.partition("\nIMPORTED")
    return done.returncode, shown + done.stderr, set(listed.split())


@pytest.fixture
def command(small_dataset, small_run):
    """The arguments of a run that is complete."""
    return [
        small_dataset, small_run[0], "participant", "--model", small_dataset / "models/planted.tsv",
        *RADIUS, "--comparison", "spearman", "pearson",
    ]  # fmt: skip


def test_where_nothing_is_to_be_done_nothing_that_computes_is_imported(command):
    code, said, imported = run_and_list(*command)
    assert code == 0, said
    assert said.count("is complete with the same settings and inputs") == 2
    assert "bids" in imported  # the participants were looked for
    assert imported & (COMPUTES | DRAWS | RUNS | TABLES) == set()


def test_a_run_of_images_imports_no_tables_and_no_models_of_time_series(command, tmp_path):
    command[1] = tmp_path / "out"
    code, said, imported = run_and_list(*command, "--participant-label", "01")
    assert code == 0, said
    assert (tmp_path / "out" / "sub-01.html").exists()
    assert {"numba", "matplotlib"} <= imported
    assert imported & TABLES == set()


def test_a_group_run_with_nothing_to_do_draws_and_runs_nothing(small_run, small_dataset, tmp_path):
    output = shutil.copytree(small_run[0], tmp_path / "out")
    group = (small_dataset, output, "group", "--n-permutations", "4", "--comparison", "spearman")
    code, said, _ = run_and_list(*group)
    assert code == 0, said
    code, said, imported = run_and_list(*group)
    assert code == 0 and "is complete with the same settings" in said
    assert imported & (DRAWS | RUNS | TABLES) == set()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("--model", "nowhere.tsv"), "nowhere.tsv"),
        (("--participant-label", "99"), "99"),
        (("--radius", "2"), "radius"),
        (("--task-label", "other"), "other"),
    ],
    ids=["model", "participant", "radius", "task"],
)
def test_bad_input_is_said_before_anything_that_computes_is_imported(
    command, tmp_path, change, expected
):
    command[1] = tmp_path / "out"
    code, said, imported = run_and_list(*command, *change)
    assert code != 0
    assert expected in said
    assert imported & (COMPUTES | DRAWS | RUNS | TABLES) == set()
