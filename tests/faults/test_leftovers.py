"""What a killed run was writing is cleared away by the next; what a living one writes is not."""

import shutil
from pathlib import Path

import pytest
from fault_runs import command, results
from half_written import die_writing, partial_files, writing

from bids_rsa.cli import main
from bids_rsa.outputs.whole_files import remove_leftovers

ONE = ("--participant-label", "01")


def test_only_what_nobody_writes_any_more_is_removed(tmp_path):
    below = tmp_path / "below"
    with writing([tmp_path / "a.json", below / "b.nii.gz"]) as process:
        living = partial_files(tmp_path)
        assert len(living) == 2
        die_writing([tmp_path / "a.json", below / "b.nii.gz"])
        assert len(partial_files(tmp_path)) == 4
        remove_leftovers(tmp_path)
        assert partial_files(tmp_path) == living
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert partial_files(tmp_path) == set()
    assert {path.name for path in tmp_path.rglob("*.*")} == {"a.json", "b.nii.gz"}


def test_subfolders_and_files_of_others_are_left_alone(tmp_path):
    others = [tmp_path / ".partial-notes.txt", tmp_path / ".partial-0123456789ab"]
    for path in others:
        path.touch()
    die_writing([tmp_path / "a.json", tmp_path / "below" / "b.json"])
    remove_leftovers(tmp_path, with_subfolders=False)
    (left,) = partial_files(tmp_path) - set(others)
    assert left.parent == tmp_path / "below"


@pytest.fixture
def call(dataset, capsys):
    """Run one participant in this process; return the exit code and what was logged."""

    def run(out: Path, *options: str, bids: Path = dataset) -> tuple[int, str]:
        """Run it."""
        capsys.readouterr()
        code = main([*command(bids, out, *ONE, *options)[3:]])
        return code, capsys.readouterr().err

    return run


def folders(out: Path) -> list[Path]:
    """Every folder that a participant's run writes to."""
    return [out, *(path for path in out.rglob("*") if path.is_dir())]


@pytest.mark.parametrize(
    ("state", "exit_code"), [("complete", 0), ("unfinished", 0), ("of other settings", 73)]
)
def test_a_participant_run_clears_every_folder_it_writes_to(call, tmp_path, state, exit_code):
    out = tmp_path / "out"
    code, said = call(out)
    assert code == 0, said
    expected = results(out)
    if state == "unfinished":
        next((out / "sub-01").rglob("*_statmap.json")).unlink()
    names = [folder / "sub-01_desc-planted_statmap.png" for folder in folders(out)]
    assert len(names) >= 5
    with writing(names) as process:
        living = partial_files(out)
        die_writing(names)
        assert len(partial_files(out)) == 2 * len(living) == 2 * len(names)
        code, said = call(out, *(("--min-voxels", "11") if exit_code else ()))
        assert code == exit_code, said
        assert ("skipped" in said) == (state == "complete")
        assert partial_files(out) == living
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert partial_files(out) == set()
    for name in names:
        name.unlink()
    assert results(out) == expected


def test_what_describes_the_dataset_is_written_also_where_all_else_is_there(call, tmp_path):
    """A run may be killed after its last map, and before it describes the dataset."""
    out = tmp_path / "out"
    assert call(out)[0] == 0
    expected = results(out)
    described = [path for path in out.iterdir() if path.is_file()]
    assert {"dataset_description.json", "descriptions.tsv"} < {path.name for path in described}
    for path in described:
        path.unlink()
    code, said = call(out)
    assert code == 0, said
    assert "skipped" in said
    assert results(out) == expected


def test_the_table_of_a_dry_run_and_an_index_are_begun_again(call, dataset, tmp_path):
    table, database = tmp_path / "plan [1].tsv", tmp_path / "database"
    options = ("--dry-run", "--dry-run-table", table, "--bids-database-dir", database)
    assert call(tmp_path / "out", *options)[0] == 0
    expected = table.read_bytes()
    (index,) = (path for path in database.iterdir() if path.is_dir())
    index.rename(database / f".{index.name}.99999")
    die_writing([table])
    assert partial_files(tmp_path)
    assert call(tmp_path / "out", *options)[0] == 0
    assert table.read_bytes() == expected
    assert partial_files(tmp_path) == set()
    assert {path.name for path in database.iterdir()} == {index.name, f"{index.name}.lock"}


def test_what_is_not_whole_is_no_input(call, dataset, tmp_path):
    bids, out, clean = tmp_path / "bids", tmp_path / "out", tmp_path / "clean"
    shutil.copytree(dataset, bids)
    assert call(clean, bids=bids)[0] == 0
    image = min((bids / "sub-01").rglob("*_statmap.nii.gz"))
    one_more_condition = image.with_name(image.name.replace("_stat-", "X_stat-"))
    die_writing([one_more_condition])
    code, said = call(out, bids=bids)
    assert code == 0, said
    assert results(out) == results(clean)
