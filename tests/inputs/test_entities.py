"""Every entity of a BIDS name: keeps analyses apart, is selectable, stands in output names."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from input_trees import CONDITIONS, describe, find, mask, statmaps

from bids_rsa.discovery.datasets import Dataset
from bids_rsa.discovery.index import parse_name
from bids_rsa.entities import ENTITIES, FIELDS
from bids_rsa.errors import BidsRsaError
from bids_rsa.outputs.derivatives import derivative_path
from bids_rsa.settings import Selection

# those that no option or field is there for; "foo" is no entity of BIDS
OTHERS = [key for key in ENTITIES if key not in FIELDS and key not in ("tpl", "sample")]
INDICES = ("echo", "flip", "inv", "split", "chunk")


def two_of(key):
    return ("1", "2") if key in INDICES else ("A", "B")


def filtered(tmp_path, query):
    file = tmp_path / "filter.json"
    file.write_text(json.dumps(query))
    return Selection(bids_filter_file=str(file))


@pytest.mark.parametrize("key", [*OTHERS, "foo"])
def test_an_entity_keeps_analyses_apart_and_stands_in_their_names(tmp_path, key):
    root = describe(tmp_path / "data")
    for value in two_of(key):
        statmaps(root, space="MNI", runs=("1",), **{key: value})
    groups = find(root, tmp_path).analyses
    assert [dict(analysis.others) for analysis in groups] == [{key: value} for value in two_of(key)]
    assert all(len(analysis.images) == len(CONDITIONS) for analysis in groups)
    for analysis, value in zip(groups, two_of(key), strict=True):
        path = derivative_path(analysis, "m", stat="spearman")
        assert f"_{key}-{value}_" in path
        # and is read again from there
        file = parse_name(path, Dataset("", ""), "")
        assert file.others == analysis.others and file.stat == "spearman" and file.desc == "m"


@pytest.mark.parametrize("key", [*OTHERS, "acq", "res"])
def test_an_entity_is_selected_by_a_filter_under_each_of_its_names(tmp_path, key):
    root = describe(tmp_path / "data")
    first, second = two_of(key)
    for value in (first, second):
        statmaps(root, space="MNI", **{key: value})
    for name in {key, ENTITIES[key]}:
        found = find(root, tmp_path, selection=filtered(tmp_path, {"statmap": {name: second}}))
        (analysis,) = found.analyses
        assert f"{key}-{second}" in analysis.label
    with pytest.raises(BidsRsaError) as caught:
        find(root, tmp_path, selection=filtered(tmp_path, {"statmap": {key: "none-such"}}))
    assert caught.value.exit_code == 18


def test_names_stand_in_the_order_of_bids(tmp_path):
    root = describe(tmp_path / "data")
    entities = {"label": "l", "dir": "AP", "ce": "g", "cohort": "1", "echo": "2", "rec": "r"}
    statmaps(root, ses="1", acq="a", space="MNI", res="2", **entities)
    (analysis,) = find(root, tmp_path).analyses
    assert analysis.label == (
        "sub-01_ses-1_task-x_acq-a_ce-g_rec-r_dir-AP_echo-2_space-MNI_cohort-1_res-2_label-l"
    )


@pytest.mark.parametrize(
    ("key", "kept", "none"),
    [
        ("desc", "smooth", "other"),
        ("datatype", "func", "anat"),
        ("suffix", "statmap", "bold"),
        ("extension", ".nii.gz", ".nii"),
        ("extension", "nii.gz", "nii"),
        ("stat", "effect", "z"),
        ("contrast", list(CONDITIONS), ["nobody"]),
    ],
)
def test_facts_of_a_file_are_honoured_by_the_filter(tmp_path, key, kept, none):
    root = describe(tmp_path / "data")
    statmaps(root, desc="smooth")
    query = {"statmap": {key: kept}}
    (analysis,) = find(root, tmp_path, selection=filtered(tmp_path, query)).analyses
    assert len(analysis.images) == 8
    with pytest.raises(BidsRsaError) as caught:
        find(root, tmp_path, selection=filtered(tmp_path, {"statmap": {key: none}}))
    assert caught.value.exit_code == 18


def test_two_descriptions_of_one_record_are_refused_with_the_filter_that_chooses(tmp_path):
    root = describe(tmp_path / "data")
    for desc in ("a", "b"):
        statmaps(root, desc=desc)
    with pytest.raises(BidsRsaError) as caught:
        find(root, tmp_path)
    assert caught.value.exit_code == 65
    query = json.loads("{" + caught.value.hint.partition("{")[2].rstrip("."))
    assert query == {"statmap": {"desc": "a"}}
    (analysis,) = find(root, tmp_path, selection=filtered(tmp_path, query)).analyses
    assert all("desc-a" in image.path for image in analysis.images)


def test_cohorts_have_their_own_masks(tmp_path):
    root = describe(tmp_path / "data")
    own = {}
    for cohort in ("1", "2"):
        statmaps(root, space="MNIInfant", runs=("1",), cohort=cohort)
        stem = f"sub-01_task-x_run-1_space-MNIInfant_cohort-{cohort}_desc-brain_mask.nii.gz"
        own[cohort] = mask(root / "sub-01/func" / stem)
    for analysis in find(root, tmp_path).analyses:
        assert analysis.brain_mask.paths == (own[dict(analysis.others)["cohort"]],)


def test_masks_of_two_cohorts_are_never_intersected(tmp_path):
    """Where the images do not say their cohort, a mask of each would fit."""
    root = describe(tmp_path / "data")
    statmaps(root, space="MNIInfant", runs=("1",))
    for cohort in ("1", "2"):
        stem = f"sub-01_task-x_run-1_space-MNIInfant_cohort-{cohort}_desc-brain_mask.nii.gz"
        mask(root / "sub-01/func" / stem)
    with pytest.raises(BidsRsaError, match=r"differ in cohort- \(1, 2\)") as caught:
        find(root, tmp_path)
    query = json.loads("{" + caught.value.hint.partition("{")[2].rstrip("."))
    (analysis,) = find(root, tmp_path, selection=filtered(tmp_path, query)).analyses
    assert "cohort-1" in analysis.brain_mask.paths[0] and len(analysis.brain_mask.paths) == 1


def test_masks_of_two_structures_are_never_intersected(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, space="MNI")
    for label in ("left", "right"):
        mask(root / f"sub-01/anat/sub-01_space-MNI_label-{label}_desc-ffa_mask.nii.gz")
    with pytest.raises(BidsRsaError, match=r"differ in label- \(left, right\)"):
        find(root, tmp_path, roi_mask="ffa")
    chosen = filtered(tmp_path, {"mask": {"label": "right"}})
    (analysis,) = find(root, tmp_path, roi_mask="ffa", selection=chosen, brain_mask=None).analyses
    (path,) = analysis.roi_mask.paths
    assert "label-right" in path


def test_a_space_may_be_written_with_its_resolution_as_for_fmriprep(tmp_path):
    root = describe(tmp_path / "data")
    for res in ("1", "2"):
        statmaps(root, space="MNI", res=res)
    statmaps(root, space="Infant", cohort="3")
    (analysis,) = find(root, tmp_path, selection=Selection(space=("MNI:res-2",))).analyses
    assert (analysis.space, analysis.resolution) == ("MNI", "2")
    (analysis,) = find(root, tmp_path, selection=Selection(space=("Infant:cohort-3",))).analyses
    assert analysis.others == (("cohort", "3"),)
    with pytest.raises(BidsRsaError, match="MNI:res-4 matches no condition image") as caught:
        find(root, tmp_path, selection=Selection(space=("MNI:res-4",)))
    assert caught.value.exit_code == 18


def test_what_is_there_is_listed_with_further_entities(tmp_path):
    root = describe(tmp_path / "data")
    for value in ("AP", "PA"):
        statmaps(root, dir=value)
    with pytest.raises(BidsRsaError, match="dir-: AP, PA"):
        find(root, tmp_path, selection=Selection(task_label=("y",)))


def test_a_subject_level_over_all_directions_gives_way_to_the_runs(tmp_path):
    root = describe(tmp_path / "data")
    for value in ("AP", "PA"):
        statmaps(root, dir=value)
    statmaps(root, runs=None)
    assert [dict(g.others) for g in find(root, tmp_path).analyses] == [{"dir": "AP"}, {"dir": "PA"}]


def test_the_page_lists_every_entity():
    page = (Path(__file__).parents[2] / "docs/inputs.md").read_text()
    for key in ENTITIES:
        assert f"`{key}-`" in page, key


def test_labels_of_records_made_by_hand_are_in_order():
    from bids_rsa.records import Analysis

    analysis = replace(Analysis("01", (), ()), space="MNI", others=(("dir", "AP"),))
    assert analysis.label == "sub-01_dir-AP_space-MNI"
