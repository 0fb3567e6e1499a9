import csv

import pytest
from input_trees import CONDITIONS, describe, find, image, mask, statmaps

from bids_rsa.app.plan_table import COLUMNS, plan_rows, plan_text, write_plan
from bids_rsa.errors import InputError, OutputError, ReadWriteError
from bids_rsa.models.loading import load_models
from bids_rsa.settings import InputSettings, Selection


@pytest.fixture
def plan(tmp_path):
    root = describe(tmp_path / "data", "nilearn")
    statmaps(
        root, subs=("01", "02"), conditions=(*CONDITIONS, "button"), space="MNI", shape=(6, 5, 4)
    )
    statmaps(root, subs=("03",), conditions=CONDITIONS[:3], space="MNI")
    image(
        root / "sub-02/func/sub-02_task-x_run-3_space-MNI_contrast-cat_stat-effect_statmap.nii.gz"
    )
    for run in (1, 2):
        mask(root / f"sub-01/func/sub-01_task-x_run-{run}_space-MNI_desc-brain_mask.nii.gz")
    found = find(root, tmp_path, selection=Selection(participant_label=("01", "02", "03")))
    models = load_models(InputSettings(str(root), models=(str(tmp_path / "model.tsv"),)))
    return found, models


def test_the_text_shows_what_a_person_checks(plan):
    text = plan_text(*plan)
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line.startswith("sub-")}
    first = lines["sub-01_task-x_space-MNI"]
    assert first[1:6] == ["8", "2", "4", "effect", "nilearn"]
    assert "6 x 5 x 4, 2 x 2 x 2 mm" in text and "desc-brain_mask.nii.gz (2 files)" in text
    assert "model (" in text and "model.tsv" in text
    assert "Left out, because no model names them: button" in text
    assert "sub-03 cannot run" in text and "shoe" in text


def test_conditions_by_runs_are_counted(plan):
    text = plan_text(*plan)
    table = text.split("Images of sub-02_task-x_space-MNI:\n")[1].split("\n\n")[0].splitlines()
    assert table[0].split() == ["condition", "run", "1", "run", "2", "run", "3"]
    counts = {line.split()[0]: line.split()[1:] for line in table[1:]}
    assert counts == {c: ["1", "1", "1" if c == "cat" else "0"] for c in CONDITIONS}


def test_the_rows_sum_to_the_images(plan, tmp_path):
    found, models = plan
    rows = plan_rows(found, models)
    write_plan(rows, str(tmp_path / "plan.tsv"))
    with (tmp_path / "plan.tsv").open() as file:
        back = list(csv.DictReader(file, delimiter="\t"))
    assert back == rows and tuple(back[0]) == COLUMNS
    for analysis in found.analyses:
        own = [row for row in back if row["subject"] == analysis.subject]
        assert sum(int(row["images"]) for row in own) == len(analysis.images)
        assert len(own) == len(CONDITIONS) * len({i.run for i in analysis.images})
        assert {row["voxels"] for row in own} == {"6x5x4"}
    (failed,) = [row for row in back if row["subject"] == "03"]
    assert "shoe" in failed["status"] and "\n" not in failed["status"]


def test_subjects_that_later_checks_refuse_are_shown_as_failed(plan):
    found, models = plan
    failures = (*found.failures, ("02", InputError("runs differ")))
    text = plan_text(found, models, failures)
    assert "sub-02 cannot run: runs differ" in text and "sub-02_task-x" not in text
    rows = plan_rows(found, models, failures)
    assert {r["status"] for r in rows if r["subject"] == "02"} == {"runs differ"}


def test_a_table_that_cannot_be_written(plan, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises((OutputError, ReadWriteError), match=r"plan\.tsv"):
        write_plan(plan_rows(*plan), str(tmp_path / "file/plan.tsv"))


def test_trials_are_summed_where_known(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root)
    table = tmp_path / "n.tsv"
    table.write_text("condition\tn\nface\t6\n")
    found = find(root, tmp_path, labels=str(table))
    models = load_models(InputSettings(str(root), models=(str(tmp_path / "model.tsv"),)))
    trials = {(r["condition"], r["run"]): r["trials"] for r in plan_rows(found, models)}
    assert trials["face", "1"] == "6" and trials["house", "1"] == "n/a"
    assert all(trials[c, "2"] == "n/a" for c in CONDITIONS[1:])
