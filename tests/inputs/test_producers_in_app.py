"""Images of other programs through the whole app, as a user runs it."""

import os
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from app_process import UNDRAWN
from input_trees import describe, mask, model
from program_trees import NAMES, glmsingle, label_table, planted, spm_folder, trials

from bids_rsa import rsa_nifti


def run_app(*arguments, cwd):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "bids_rsa.cli", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, env=environment, timeout=600, check=False,
    )  # fmt: skip


OPTIONS = ("--radius", "5", "--min-voxels", "3", "--use-plugin", "Linear", *UNDRAWN)


def map_of(out, subject, name="m"):
    path = out / f"sub-{subject}/func/sub-{subject}_stat-spearman_desc-{name}_statmap.nii.gz"
    return nib.load(path)


@pytest.mark.slow
def test_spm_folders_run_and_a_corrupt_one_does_not_stop_the_others(tmp_path):
    root = describe(tmp_path / "data")
    values = {sub: planted(seed=i) for i, sub in enumerate(("01", "02", "03"))}
    for sub, arrays in values.items():
        spm_folder(root / f"spm/sub-{sub}", arrays, nan=False)
    (root / "spm/sub-02/SPM.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(200))
    table = model(tmp_path / "m.tsv", NAMES)
    done = run_app(root, "out", "participant", "--betas", "spm/sub-{subject}", "--model", table,
                   *OPTIONS, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "spm/sub-02/SPM.mat" in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "out").glob("sub-02/func/*"))
    for sub in ("01", "03"):
        means = [np.mean([values[sub][r, c][..., 0] for r in "12"], axis=0) for c in NAMES]
        betas = nib.Nifti1Image(np.stack(means, axis=3), map_of(tmp_path / "out", sub).affine)
        cells = np.loadtxt(table, skiprows=1, usecols=(1, 2, 3))
        expected = rsa_nifti(betas, cells, spatial_radius=0.005).get_fdata()
        found = map_of(tmp_path / "out", sub).get_fdata()
        evaluated = found != 0
        assert evaluated.sum() > 20
        np.testing.assert_allclose(found[evaluated], expected[evaluated], atol=1e-6)


@pytest.mark.slow
def test_glmsingle_runs_through_the_app(tmp_path):
    root = describe(tmp_path / "data")
    values = planted(n=3)
    betas, order = trials(values)
    glmsingle(root / "glm/sub-01", betas)
    labels = label_table(tmp_path / "labels.tsv", order)
    reference = mask(tmp_path / "ref.nii.gz", shape=betas.shape[:3])
    done = run_app(root, "out", "participant", "--betas", "glm/sub-{subject}", "--labels", labels,
                   "--reference-image", reference, "--model", model(tmp_path / "m.tsv", NAMES),
                   "--folds", "runs", *OPTIONS, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Condition images found: 18 of glmsingle" in done.stderr
    image = map_of(tmp_path / "out", "01")
    np.testing.assert_array_equal(image.affine, nib.load(reference).affine)
    assert np.isfinite(image.get_fdata()).all() and (image.get_fdata() != 0).sum() > 20


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--betas", "spm/sub-{subjekt}"), 2, ["{subjekt}", "{subject}"]),
        (("--betas", "spn/sub-{subject}"), 18, ["spn/sub-{subject}", "contains: "]),
        (("--source", "spm"), 2, ["--betas was not given"]),
    ],
)
def test_bad_options_end_with_one_message(tmp_path, arguments, code, words):
    root = describe(tmp_path / "data")
    spm_folder(root / "spm/sub-01", planted())
    table = model(tmp_path / "m.tsv", NAMES)
    done = run_app(root, "out", "participant", *arguments, "--model", table, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("ERROR") == 1
    for word in words:
        assert word in done.stderr
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").rglob("*.nii.gz"))
