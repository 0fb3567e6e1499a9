"""Group level: participants named with and without an entity, and those without maps."""

import json
import shutil

import pytest
from group_trees import subject_scores, write_map, write_participants

from bids_rsa.errors import BidsRsaError
from bids_rsa.group.find import find_maps
from bids_rsa.group.plan import plan_tests
from bids_rsa.group.select import select_maps
from bids_rsa.settings import GroupSettings, Selection


def planned(tmp_path, group=None, **selected):
    selection, group = Selection(**selected), group or GroupSettings()
    maps, subjects = find_maps(str(tmp_path / "bids"), str(tmp_path / "out"), selection)
    chosen = select_maps(maps, selection, group)
    return plan_tests(chosen, subjects, str(tmp_path / "bids"), group, selection)


@pytest.fixture
def mixed(tmp_path):
    """Four participants without a session, three with."""
    for number in range(1, 8):
        session = "1" if number > 4 else None
        write_map(tmp_path / "out", f"{number:02d}", subject_scores(number), session=session)
    return tmp_path


def test_participants_with_and_without_sessions_are_not_split_silently(mixed):
    with pytest.raises(BidsRsaError, match="sub-05, sub-06, sub-07 carry ses-1") as caught:
        planned(mixed)
    assert caught.value.exit_code == 2
    assert "--average-sessions" in caught.value.hint
    (together,) = planned(mixed, GroupSettings(average_sessions=True))
    assert len(together.subjects) == 7
    (without,) = planned(mixed, session_label=("none",))
    assert len(without.subjects) == 4
    assert len(planned(mixed, session_label=("none", "1"))) == 2


def renamed(tmp_path, subject, old, new):
    for path in (tmp_path / "out" / f"sub-{subject}").rglob("*"):
        if path.is_file():
            path.rename(path.with_name(path.name.replace(old, new)))


def test_cohorts_are_tested_apart_and_selected(tmp_path):
    for number in range(1, 7):
        write_map(tmp_path / "out", f"{number:02d}", subject_scores(number))
        cohort = 1 + number % 2
        renamed(tmp_path, f"{number:02d}", "cAsym_", f"cAsym_cohort-{cohort}_")
    tests = planned(tmp_path)
    assert [test.subjects for test in tests] == [("02", "04", "06"), ("01", "03", "05")]
    assert "space-MNI152NLin2009cAsym_cohort-1" in tests[0].label
    for member in tests[0].members:
        assert all("cohort-1" in one.path and "cohort-1" in one.mask_path
                   for one in member.all_maps)  # fmt: skip
    file = tmp_path / "filter.json"
    file.write_text(json.dumps({"statmap": {"cohort": "2"}}))
    (test,) = planned(tmp_path, bids_filter_file=str(file))
    assert test.subjects == ("01", "03", "05")
    (test,) = planned(tmp_path, space=("MNI152NLin2009cAsym:cohort-1",))
    assert test.subjects == ("02", "04", "06")
    file.write_text(json.dumps({"statmap": {"cohort": "9"}}))
    with pytest.raises(BidsRsaError, match="none of the 6 maps") as caught:
        planned(tmp_path, bids_filter_file=str(file))
    assert caught.value.exit_code == 18


def test_participants_without_a_map_are_in_the_table(tmp_path):
    for number in range(1, 5):
        write_map(tmp_path / "out", f"{number:02d}", subject_scores(number))
    write_participants(tmp_path / "bids", [f"sub-{n:02d}\t20\ta" for n in (1, 2, 3, 4, 5)])
    (tmp_path / "bids/sub-06/func").mkdir(parents=True)
    (test,) = planned(tmp_path)
    assert dict(test.left_out).keys() == {"05", "06"}


def test_two_sessions_that_are_one_file_are_refused(tmp_path):
    for number in range(1, 5):
        for session in ("1", "2"):
            scores = subject_scores(10 * number + int(session))
            write_map(tmp_path / "out", f"{number:02d}", scores, session=session)
    folder = tmp_path / "out/sub-03"
    for one in (folder / "ses-1/func").iterdir():
        shutil.copy(one, folder / "ses-2/func" / one.name.replace("ses-1", "ses-2"))
    with pytest.raises(BidsRsaError, match="sub-03 has the same map twice") as caught:
        planned(tmp_path, GroupSettings(average_sessions=True))
    assert caught.value.exit_code == 65


@pytest.mark.parametrize("key", ["echo", "flip", "chunk"])
def test_indices_are_matched_by_number(tmp_path, key):
    for number in range(1, 8):
        write_map(tmp_path / "out", f"{number:02d}", subject_scores(number))
        label = "1" if number > 4 else "01"
        renamed(tmp_path, f"{number:02d}", "task-x_", f"task-x_{key}-{label}_")
    (test,) = planned(tmp_path)
    assert len(test.subjects) == 7
    assert f"{key}-01" in test.label
    write_map(tmp_path / "out", "01", subject_scores(1))
    renamed(tmp_path, "01", "task-x_space", f"task-x_{key}-1_space")
    with pytest.raises(BidsRsaError, match="sub-01 exists twice"):
        planned(tmp_path)


def test_labels_that_are_no_indices_are_matched_as_they_are(tmp_path):
    for number in range(1, 9):
        write_map(tmp_path / "out", f"{number:02d}", subject_scores(number))
        label = "1" if number > 4 else "01"
        renamed(tmp_path, f"{number:02d}", "task-x_", f"task-x_rec-{label}_")
    assert len(planned(tmp_path)) == 2
