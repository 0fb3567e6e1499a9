"""Datasets whose parts are named differently."""

import json

import numpy as np
import pytest
from input_trees import CONDITIONS, describe, find, mask, name, statmaps

from bids_rsa.errors import BidsRsaError
from bids_rsa.patterns.stack_plan import plan_stack
from bids_rsa.settings import RsaSettings, Selection


def test_runs_named_1_and_01_are_one(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, conditions=CONDITIONS[:2], runs=("1", "2"))
    statmaps(root, conditions=CONDITIONS[2:], runs=("01", "02"))
    (analysis,) = find(root, tmp_path).analyses
    assert {image.run for image in analysis.images} == {"01", "02"}
    plan = plan_stack(analysis, RsaSettings(folds="runs"))
    np.testing.assert_array_equal(plan.counts, np.ones((2, 4)))


def test_variances_of_runs_named_otherwise_are_paired(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, runs=("1", "2"))
    statmaps(root, runs=("01", "02"), stats=("variance",))
    (analysis,) = find(root, tmp_path, rsa=RsaSettings(normalize="variance")).analyses
    assert all(image.variance_path for image in analysis.images)


@pytest.mark.parametrize(
    ("lower", "upper"), [({"task": "x"}, {"task": None}), ({"task": "x"}, {"task": "x"})]
)
def test_fitlins_with_one_run_that_has_no_number(tmp_path, lower, upper):
    root = describe(tmp_path / "data", "fitlins")
    statmaps(root / "node-runLevel", folder=".", runs=None, **lower)
    statmaps(root / "node-subjectLevel", folder=".", runs=None, **upper)
    found = find(root, tmp_path)
    (analysis,) = found.analyses
    assert analysis.label == "sub-01_task-x" and len(analysis.images) == 4
    assert all("node-runLevel" in image.path for image in analysis.images)
    assert any("node-runLevel has those they are made of" in note for note in found.notes)


def test_nodes_that_nothing_tells_apart_are_chosen_by_the_filter(tmp_path):
    root = describe(tmp_path / "data", "fitlins")
    for node in ("first", "second"):
        statmaps(root / f"node-{node}", folder=".", runs=None)
    with pytest.raises(BidsRsaError, match="node: first and second") as caught:
        find(root, tmp_path)
    file = tmp_path / "filter.json"
    file.write_text("{" + caught.value.hint.partition("{")[2].rstrip("."))
    assert json.loads(file.read_text()) == {"statmap": {"node": "first"}}
    (analysis,) = find(root, tmp_path, selection=Selection(bids_filter_file=str(file))).analyses
    assert all("node-first" in image.path for image in analysis.images)


@pytest.mark.parametrize(
    ("condition", "label"),
    [
        ("faces-upright", "facesMinusUpright"),
        ("faces_upright-houses", "facesUprightMinusHouses"),
        ("a+b", "aPlusB"),
        ("left>right", "leftGtRight"),
    ],
)
def test_nilearn_writes_signs_in_words(tmp_path, condition, label):
    from nilearn.glm._base import _clean_contrast_name

    with pytest.warns(UserWarning, match="changed to"):
        assert _clean_contrast_name(condition) == label
    root = describe(tmp_path / "data")
    statmaps(root, conditions=(label, "house", "cat"))
    (analysis,) = find(root, tmp_path, conditions=(condition, "house", "cat")).analyses
    assert {image.condition for image in analysis.images} == {condition, "house", "cat"}


def test_a_mask_of_an_echo_fits_images_that_write_its_number_otherwise(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, runs=("1",), echo="1")
    for echo in ("01", "02"):
        mask(root / f"sub-01/func/{name('01', run='1', echo=echo)}_desc-brain_mask.nii.gz")
    (analysis,) = find(root, tmp_path).analyses
    assert [path.rpartition("/")[2] for path in analysis.brain_mask.paths] == [
        "sub-01_task-x_run-1_echo-01_desc-brain_mask.nii.gz"
    ]
