"""Folders and files under names that BIDS does not allow are named, and change nothing."""

import dataclasses
import shutil
from pathlib import Path

import pytest
from input_trees import describe, find, image, statmaps

from bids_rsa.entities import odd_part
from bids_rsa.errors import BidsRsaError


@pytest.mark.parametrize(
    ("stem", "part"),
    [
        ("sub-01_ses-a_task-x_acq-b_run-02_space-S_res-2_desc-c", None),
        ("sub-01_task-x+y_contrast-face-left_echo-1", None),
        ("sub-01_foo-a-b", None),
        ("sub-_task-x", "sub-"),
        ("sub-0-1_task-x", "sub-0-1"),
        ("sub-01_ses-_task-x", "ses-"),
        ("sub-01_task-face-house", "task-face-house"),
        ("sub-01_task-x_run-1b", "run-1b"),
        ("sub-01_res-1.5", "res-1.5"),
        ("sub-01_space-T1 w", "space-T1 w"),
        ("sub-01_echo-", "echo-"),
        ("sub-01_contrast-face_left_stat-effect", "contrast-face_left"),
        ("sub-01_task-x_old", "task-x_old"),
        ("left", None),
        ("brain_old", None),
    ],
)
def test_values_that_would_be_cut_are_odd(stem, part):
    assert odd_part(stem) == part


def everything(found):
    return [dataclasses.astuple(one) for one in found.analyses]


@pytest.mark.parametrize("with_database", [False, True])
def test_misnamed_folders_and_files_change_nothing_and_are_named(tmp_path, with_database):
    root = describe(tmp_path / "data")
    statmaps(root, subs=("01", "02"))
    more = {"bids_database_dir": str(tmp_path / "db")} if with_database else {}
    plain = find(root, tmp_path)
    assert not plain.warnings
    folders = ["sub-", "sub-0-1", "sub-01 copy", "sub-01_old"]
    for folder in folders:
        shutil.copytree(root / "sub-01", root / folder)
    func = root / "sub-02" / "func"
    rest = "contrast-face_stat-effect_statmap.nii.gz"
    odd = [
        root / "sub-02" / "ses-" / "func" / f"sub-02_ses-_task-x_run-1_{rest}",
        func / f"sub-02_task-x-y_run-1_{rest}",
        func / f"sub-02_task-x_run-1a_{rest}",
    ]
    elsewhere = func / f"sub-01_task-x_run-9_{rest}"
    for path in (*odd, elsewhere):
        image(path)
    found = find(root, tmp_path, **more)
    assert everything(found) == everything(plain)
    assert found.notes == plain.notes and found.failures == plain.failures
    told = "\n".join(found.warnings)
    assert len(found.warnings) == 3
    for folder in folders[:3]:
        assert str(root / folder) in told
    assert "and 1 more" in found.warnings[0]
    for path, part in zip(odd, ("ses-", "task-x-y", "run-1a"), strict=True):
        assert f"{path} ({part})" in told
    assert str(elsewhere) in found.warnings[2] and "another participant" in found.warnings[2]


def test_two_conditions_are_not_made_one_by_an_underscore(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root)
    plain = find(root, tmp_path)
    stem = "sub-01_task-x_run-1_space-S_contrast-face_{}_stat-effect_statmap.nii.gz"
    for side in ("left", "right"):
        image(root / "sub-01" / "func" / stem.format(side))
    found = find(root, tmp_path)
    assert everything(found) == everything(plain)
    assert "contrast-face_left" in found.warnings[0] and "Rename" in found.warnings[0]


@pytest.mark.parametrize("folder", ["sub-", "sub-01 copy"])
def test_where_nothing_else_lies_the_error_names_them(tmp_path, folder):
    root = describe(tmp_path / "data")
    statmaps(root)
    Path(root / "sub-01").rename(root / folder)
    with pytest.raises(BidsRsaError) as raised:
        find(root, tmp_path)
    assert str(root / folder) in raised.value.message
    assert "may contain only letters and digits" in raised.value.message
    assert raised.value.exit_code == 66
