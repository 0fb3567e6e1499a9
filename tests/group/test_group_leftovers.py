"""A group run clears away what killed runs were writing, and nothing that a living one writes."""

import shutil

import pytest
from group_trees import group_bytes
from half_written import die_writing, partial_files, writing
from watched import start_until, wait_until_stopped

OPTIONS = ("--n-permutations", "100")


def folders(out, work):
    """Every folder that the group level writes to."""
    below = [path for path in (out / "group").rglob("*") if path.is_dir()]
    return [out, out / "logs", out / "group", *below, *work.glob("group/*/permutations")]


@pytest.mark.parametrize("state", ["complete", "unfinished"])
def test_a_group_run_clears_every_folder_it_writes_to(call, places, tmp_path, state):
    bids, out = places
    work = tmp_path / "work"
    code, said = call(bids, out, "group", *OPTIONS, "-w", work)
    assert code == 0, said
    expected = group_bytes(out)
    if state == "unfinished":
        next(out.glob("group/*_statmap.json")).unlink()
    names = [folder / "model_stat-t_desc-planted_statmap.nii.gz" for folder in folders(out, work)]
    assert len(names) >= 5
    participants = out / "sub-01" / "func"
    with writing(names) as process:
        living = partial_files(tmp_path)
        die_writing([*names, participants / "sub-01_x.json"])
        code, said = call(bids, out, "group", *OPTIONS, "-w", work)
        assert code == 0, said
        assert ("skipped" in said) == (state == "complete")
        (not_ours,) = partial_files(tmp_path) - living
        assert not_ours.parent == participants
        assert partial_files(tmp_path) >= living
        process.communicate(timeout=60)
        assert process.returncode == 0
    for name in names:
        name.unlink()
    assert group_bytes(out) == expected


def test_tables_have_their_sidecars_also_where_a_run_was_killed_before_them(call, places, tmp_path):
    """Without pictures, nothing else comes after the sidecars."""
    bids, out = places
    options = (*OPTIONS, "--no-figures", "--no-report")
    clean = shutil.copytree(out, tmp_path / "clean")
    assert call(bids, clean, "group", *options)[0] == 0
    process = start_until(out, [bids, out, "group", *options], before="group/*_clusters.json")
    wait_until_stopped(process)
    process.kill()
    process.communicate()
    code, said = call(bids, out, "group", *options)
    assert code == 0, said
    assert group_bytes(out) == group_bytes(clean)


def test_a_map_that_is_not_whole_is_no_input_of_the_group(call, places):
    bids, out = places
    maps = sorted(out.glob("sub-01/func/*_stat-spearman_desc-planted_statmap.nii.gz"))
    die_writing([path.with_name(path.name.replace("planted", "other")) for path in maps])
    code, said = call(bids, out, "group", "--dry-run", *OPTIONS)
    assert code == 0, said
    assert "other" not in said


def test_what_describes_the_dataset_is_written_also_where_all_else_is_there(call, places):
    bids, out = places
    described = ("dataset_description.json", "descriptions.tsv", "descriptions.json")
    assert call(bids, out, "group", *OPTIONS)[0] == 0
    expected = {name: (out / name).read_bytes() for name in described}
    for name in described:
        (out / name).unlink()
    code, said = call(bids, out, "group", *OPTIONS)
    assert code == 0, said
    assert "skipped" in said
    assert {name: (out / name).read_bytes() for name in described} == expected
