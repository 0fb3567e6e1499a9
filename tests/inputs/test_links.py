"""Links to folders are followed, and what cannot be read is said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from input_trees import describe, find, mask, model, statmaps

from bids_rsa.errors import BidsRsaError
from bids_rsa.settings import Selection

# root may read everything: its privileges are taken away for these
PLAIN = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] if os.getuid() == 0 else []


def moved(path, to):
    """Move a folder and leave a link, as DataLad and HCP layouts do."""
    to.parent.mkdir(parents=True, exist_ok=True)
    Path(path).rename(to)
    Path(path).symlink_to(to)


def found_in(root, tmp_path, **more):
    return {g.label: [i.path for i in g.images] for g in find(root, tmp_path, **more).analyses}


@pytest.mark.parametrize("link", ["sub-01", "sub-01/ses-1", "sub-01/ses-1/func"])
def test_links_to_folders_change_nothing(tmp_path, link):
    root = describe(tmp_path / "data")
    statmaps(root, subs=("01", "02"), ses="1")
    mask(root / "sub-01/ses-1/func/sub-01_ses-1_task-x_desc-brain_mask.nii.gz")
    before = found_in(root, tmp_path)
    assert len(before) == 2
    moved(root / link, tmp_path / "store" / link.replace("/", "_"))
    assert found_in(root, tmp_path) == before
    assert found_in(root, tmp_path, bids_database_dir=str(tmp_path / "db")) == before


def test_cycles_of_links_end(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root)
    before = found_in(root, tmp_path)
    (root / "sub-01/func/up").symlink_to("../../sub-01")
    (root / "sub-01/self").symlink_to(".")
    (root / "sub-01/whole").symlink_to(root)
    assert found_in(root, tmp_path) == before


@pytest.mark.parametrize("place", ["sub-02", "sub-02/ses-1", "sub-02/ses-1/func"])
def test_a_link_that_leads_nowhere_fails_its_participant_alone(tmp_path, place):
    root = describe(tmp_path / "data")
    statmaps(root, subs=("01", "02"), ses="1")
    moved(root / place, tmp_path / "store")
    (tmp_path / "store").rename(tmp_path / "gone")
    found = find(root, tmp_path)
    assert [g.subject for g in found.analyses] == ["01"]
    ((subject, error),) = found.failures
    assert (subject, error.exit_code) == ("02", 74)
    assert f"{root / place} is a broken link" in error.message
    assert "datalad get" in error.hint
    with pytest.raises(BidsRsaError, match="is a broken link"):
        find(root, tmp_path, selection=Selection(participant_label=("02",)))
    chosen = Selection(exclude_participant_label=("02",))
    assert not find(root, tmp_path, selection=chosen).failures


@pytest.mark.parametrize("place", ["sub-02", "sub-02/ses-1", "sub-02/ses-1/func"])
def test_a_folder_without_permission_fails_its_participant_alone(tmp_path, place):
    root = describe(tmp_path / "data")
    statmaps(root, subs=("01", "02"), ses="1")
    file = model(tmp_path / "model.tsv")
    (root / place).chmod(0)
    try:
        done = subprocess.run(
            [*PLAIN, sys.executable, "-m", "bids_rsa.cli", root, tmp_path / "out", "participant",
             "--model", file, "--dry-run", "--min-voxels", "1", "--radius", "4"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        (root / place).chmod(0o755)
    assert done.returncode == 1, done.stderr
    assert f"sub-02: {root / place} cannot be read: Permission denied." in done.stdout
    assert "sub-01_ses-1_task-x" in done.stdout and "Traceback" not in done.stderr


def test_what_cannot_be_read_in_a_raw_dataset_is_a_note(tmp_path):
    root = describe(tmp_path / "data", kind="raw")
    statmaps(describe(root / "derivatives/glm"))
    (root / "sub-01").mkdir()
    (root / "sub-01/func").symlink_to("../../annex")
    found = find(root, tmp_path)
    assert [g.subject for g in found.analyses] == ["01"] and not found.failures
    assert any("sub-01/func is a broken link" in note for note in found.notes)


def test_what_macos_leaves_beside_files_is_passed_over(tmp_path):
    root = describe(tmp_path / "data")
    for path in statmaps(root):
        Path(path).with_name(f"._{Path(path).name}").write_bytes(b"\0\5\x16\7")
    before = found_in(root, tmp_path)
    assert [len(paths) for paths in before.values()] == [8]
    pattern = "sub-{subject}/func/*run-{run}_contrast-{condition}_stat-effect_statmap.nii.gz"
    (analysis,) = find(root, tmp_path, betas=(pattern,)).analyses
    assert len(analysis.images) == 8 and not any("/._" in i.path for i in analysis.images)


def test_participants_directly_in_derivatives_are_found(tmp_path):
    root = describe(tmp_path / "data", kind="raw")
    statmaps(root / "derivatives")
    assert list(found_in(root, tmp_path)) == ["sub-01_task-x"]


def test_a_folder_of_surfaces_is_described(tmp_path):
    root = describe(tmp_path / "data")
    for hemi in "LR":
        for part, ending in (("thickness", "shape.gii"), ("midthickness", "surf.gii")):
            path = root / f"sub-01/func/sub-01_hemi-{hemi}_space-fsaverage_{part}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("<GIFTI/>")
    (root / "sub-01/func/sub-01_space-fsLR_den-91k_myelinw.dscalar.nii").write_text("")
    with pytest.raises(BidsRsaError) as caught:
        find(root, tmp_path)
    for words in ("GIFTI files by kind: 2 midthickness, 2 thickness", "CIFTI files by kind: 1 mye"):
        assert words in str(caught.value)
