"""Residuals are found beside the images of every producer, with their dof and whitening."""

import nibabel as nib
import numpy as np
import pytest
from input_trees import describe, find
from program_trees import (
    NAMES,
    SHAPE,
    afni,
    bucket,
    feat,
    one,
    planted,
    save,
    spm_folder,
)

from bids_rsa.errors import BidsRsaError
from bids_rsa.producers.residuals import find_residuals
from bids_rsa.settings import RsaSettings

NOISE = RsaSettings(noise="shrinkage", folds="runs", radius_mm=3.0)
SERIES = np.random.default_rng(0).normal(size=(*SHAPE, 6))


def test_feat_res4d_with_its_dof(tmp_path):
    root = describe(tmp_path / "data")
    for run in ("1", "2"):
        folder = root / f"feat/sub-01/run-{run}.feat"
        feat(folder, planted(), run)
        save(folder / "stats/res4d.nii.gz", SERIES)
        (folder / "stats/dof").write_text(f"{10 + int(run)}\n")
    analysis = one(tmp_path, root, betas=("feat/sub-{subject}",), rsa=NOISE)
    assert [(r.run, r.dof, r.whitened) for r in analysis.residuals] == [
        ("1", 11.0, True),
        ("2", 12.0, True),
    ]
    assert all(
        r.paths[0].endswith(f"run-{r.run}.feat/stats/res4d.nii.gz") for r in analysis.residuals
    )


def test_spm_residuals_are_cut_into_sessions(tmp_path):
    root = describe(tmp_path / "data")
    folder = spm_folder(root / "spm/sub-01", planted(), nan=False, n_volumes=(3, 4), dof=7.0)
    for volume in range(7):
        save(folder / f"Res_{volume + 1:04d}.nii", SERIES[..., 0])
    analysis = one(tmp_path, root, betas=("spm/sub-{subject}",), rsa=NOISE)
    first, second = analysis.residuals
    assert (first.run, second.run) == ("1", "2")
    numbers = [[int(p[-8:-4]) for p in r.paths] for r in analysis.residuals]
    assert numbers == [[1, 2, 3], [4, 5, 6, 7]]
    assert (first.dof, second.dof) == (3.0, 4.0)
    assert first.whitened is True
    (folder / "Res_0007.nii").unlink()
    with pytest.raises(
        BidsRsaError, match=r"contains 6 Res_ images, and SPM.mat counts 7"
    ) as error:
        one(tmp_path, root, betas=("spm/sub-{subject}",), rsa=NOISE)
    assert error.value.exit_code == 65


@pytest.mark.parametrize(("name", "whitened"), [("errts.S01", False), ("wherr.S01", True)])
def test_afni_errts(tmp_path, name, whitened):
    root = describe(tmp_path / "data")
    for run in ("1", "2"):
        folder = root / f"afni/S01.run{run}.results"
        afni(folder, "stats.S01+tlrc", bucket(planted(), run))
        afni(folder, f"{name}+tlrc", {f"#{v}": SERIES[..., v] for v in range(6)})
        afni(folder, f"{name}+orig", {f"#{v}": SERIES[..., v] for v in range(6)})
    analysis = one(tmp_path, root, betas=("afni/S{subject}.run{run}.results",), rsa=NOISE)
    assert [r.run for r in analysis.residuals] == ["1", "2"]
    assert {r.whitened for r in analysis.residuals} == {whitened}
    assert all(r.paths[0].endswith(f"{name}+tlrc.HEAD") for r in analysis.residuals)
    assert nib.load(analysis.residuals[0].paths[0]).shape == (*SHAPE, 6)


def test_several_files_are_refused(tmp_path):
    root = describe(tmp_path / "data")
    for run in ("1", "2"):
        folder = root / f"afni/S01.run{run}.results"
        afni(folder, "stats.S01+tlrc", bucket(planted(), run))
        for name in ("errts.a", "errts.b"):
            afni(folder, f"{name}+tlrc", {"#0": SERIES[..., 0], "#1": SERIES[..., 1]})
    with pytest.raises(BidsRsaError, match="2 files may be the residuals of") as error:
        one(tmp_path, root, betas=("afni/S{subject}.run{run}.results",), rsa=NOISE)
    assert error.value.exit_code == 66


def test_nothing_is_looked_for_without_need(tmp_path):
    root = describe(tmp_path / "data")
    for run in ("1", "2"):
        folder = root / f"feat/sub-01/run-{run}.feat"
        feat(folder, planted(), run)
        save(folder / "stats/res4d.nii.gz", SERIES)
    for rsa in (RsaSettings(), RsaSettings(noise="shrinkage", noise_from="images")):
        analysis = one(tmp_path, root, betas=("feat/sub-{subject}",), rsa=rsa)
        assert analysis.residuals == ()
        assert len(find_residuals(analysis.images, ())) == 2
    assert len(NAMES) > 1


@pytest.mark.parametrize(
    ("key", "labels"),
    [("echo", ("1", "2")), ("dir", ("AP", "PA")), ("rec", ("a", "b")), ("part", ("mag", "phase"))],
)
def test_residuals_of_another_echo_or_direction_are_not_taken(tmp_path, key, labels):
    root = describe(tmp_path / "data")
    stems = [f"sub-01/func/sub-01_task-x_{key}-{label}_space-S" for label in labels]
    for run in ("1", "2"):
        for stem in stems:
            named = stem.replace("_space", f"_run-{run}_space")
            for name in NAMES:
                rng = np.random.default_rng(len(name) + int(run))
                save(
                    root / f"{named}_contrast-{name}_stat-effect_statmap.nii.gz",
                    rng.normal(size=SHAPE),
                )
            if stem == stems[1]:
                save(root / f"{named}_stat-errorts_statmap.nii.gz", SERIES)
    found = find(root, tmp_path, conditions=NAMES, rsa=NOISE)
    assert len(found.analyses) == 2
    for analysis in found.analyses:
        own = dict(analysis.others)[key]
        paths = [one.paths[0] for one in analysis.residuals]
        assert len(paths) == (2 if own == labels[1] else 0)
        assert all(f"_{key}-{own}_" in path for path in paths)
    for run in ("1", "2"):
        save(root / f"{stems[0].replace('_space', f'_run-{run}_space')}_errts.nii.gz", SERIES)
        save(root / f"{stems[1].replace('_space', f'_run-{run}_space')}_errts.nii.gz", SERIES)
    given = ("sub-{subject}/func/*_run-{run}_*_errts.nii.gz",)
    found = find(root, tmp_path, conditions=NAMES, rsa=NOISE, residuals=given)
    for analysis in found.analyses:
        own = f"_{key}-{dict(analysis.others)[key]}_"
        assert [len(one.paths) for one in analysis.residuals] == [1, 1]
        assert all(own in one.paths[0] for one in analysis.residuals)


def test_residuals_of_several_echoes_are_not_one_series(tmp_path):
    root = describe(tmp_path / "data")
    stem = "sub-01/func/sub-01_task-x_run-1_space-S"
    for name in NAMES:
        save(
            root / f"{stem}_contrast-{name}_stat-effect_statmap.nii.gz",
            np.random.default_rng(0).normal(size=SHAPE),
        )
    for echo in "12":
        save(root / f"{stem.replace('_space', f'_echo-{echo}_space')}_errts.nii.gz", SERIES)
    given = ("sub-{subject}/func/*_run-{run}_*_errts.nii.gz",)
    with pytest.raises(BidsRsaError, match=r"differ in echo- \(1, 2\)"):
        find(root, tmp_path, conditions=NAMES, rsa=RsaSettings(noise="shrinkage"), residuals=given)
