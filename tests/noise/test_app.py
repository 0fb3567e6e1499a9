"""The app with --noise: residuals found by themselves, the maps, sidecars and messages."""

import json

import nibabel as nib
import numpy as np
import pytest
from app_process import UNDRAWN

from bids_rsa.cli import main
from bids_rsa.core.noise.model import noise_from_images, noise_from_residuals
from bids_rsa.core.searchlight import searchlight_rsa

SHAPE, N_CONDITIONS, RUNS, N_VOLUMES = (6, 5, 5), 5, ("1", "2", "3"), 40
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
NAMES = [f"c{k}" for k in range(N_CONDITIONS)]


def save(path, data, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data.astype(np.float32), affine), path)


def smooth(rng, n):
    white = rng.normal(size=(n, *SHAPE))
    return white + 0.8 * np.roll(white, 1, axis=2) + 0.5 * np.roll(white, 1, axis=3)


def make_dataset(root, residual_runs=RUNS, n_volumes=N_VOLUMES, shape=SHAPE):
    """Effects of five conditions in three runs as nilearn names them, and residuals."""
    rng = np.random.default_rng(0)
    root.mkdir(parents=True, exist_ok=True)
    description = {"Name": "glm", "BIDSVersion": "1.9.0", "DatasetType": "derivative",
                   "GeneratedBy": [{"Name": "nilearn"}]}  # fmt: skip
    (root / "dataset_description.json").write_text(json.dumps(description))
    images, residuals = {}, {}
    for run in RUNS:
        stem = f"sub-01_task-x_run-{run}_space-S"
        for name in NAMES:
            images[run, name] = smooth(rng, 1)[0].astype(np.float32)
            file = root / "sub-01" / f"{stem}_contrast-{name}_stat-effect_statmap.nii.gz"
            save(file, images[run, name])
        if run in residual_runs:
            values = smooth(rng, n_volumes).astype(np.float32)
            residuals[run] = np.moveaxis(values, 0, -1)[tuple(slice(n) for n in shape)]
            save(root / "sub-01" / f"{stem}_stat-errorts_statmap.nii.gz", residuals[run])
    model = np.abs(np.subtract.outer(np.arange(N_CONDITIONS), np.arange(N_CONDITIONS)))
    rows = ["\t".join(["", *NAMES])]
    rows += ["\t".join([n, *map(str, row)]) for n, row in zip(NAMES, model, strict=True)]
    (root / "model.tsv").write_text("\n".join(rows))
    return images, residuals


def run_app(root, out, *options, drawn=False):
    words = options if drawn else (*options, *UNDRAWN)
    return main([
        str(root), str(out), "participant", "--model", f"m={root / 'model.tsv'}",
        "--radius", "7", "--use-plugin", "Linear", "--min-voxels", "5", *words,
    ])  # fmt: skip


CROSSNOBIS = ("--dissimilarity", "crossnobis", "--folds", "runs")


def result(out, what):
    stem = out / "sub-01" / "func" / f"sub-01_task-x_space-S_{what}_statmap"
    return nib.load(f"{stem}.nii.gz").get_fdata(), json.loads(stem.with_suffix(".json").read_text())


def wanted(images, noise, n_folds=3, metric="crossnobis"):
    folds = np.array([[images[run, name].ravel() for name in NAMES] for run in RUNS])
    folds = folds if n_folds > 1 else folds.mean(axis=0, keepdims=True, dtype=np.float64)
    model = np.abs(np.subtract.outer(np.arange(N_CONDITIONS), np.arange(N_CONDITIONS)))
    everywhere = np.ones(SHAPE, bool)
    return searchlight_rsa(
        np.ascontiguousarray(folds.transpose(2, 0, 1)), everywhere, everywhere, AFFINE, 7.0,
        model[np.triu_indices(N_CONDITIONS, 1)].astype(float), dissimilarity=metric, noise=noise,
        min_voxels=5,
    )  # fmt: skip


def test_residuals_are_found_and_used(tmp_path, capsys):
    images, residuals = make_dataset(tmp_path / "in")
    options = ("--noise", "shrinkage", *CROSSNOBIS)
    assert run_app(tmp_path / "in", tmp_path / "out", *options, drawn=True) == 0
    rows = np.concatenate([residuals[run].reshape(-1, N_VOLUMES) for run in RUNS], axis=1)
    noise = noise_from_residuals(rows, np.repeat(np.arange(3), N_VOLUMES))
    found = wanted(images, noise)
    scores, sidecar = result(tmp_path / "out", "stat-spearman_desc-m")
    np.testing.assert_allclose(scores.ravel(), found.scores["spearman"][0], atol=1e-6)
    shrinkage, beside = result(tmp_path / "out", "stat-shrinkage_desc-searchlight")
    np.testing.assert_allclose(shrinkage.ravel(), found.shrinkage, atol=1e-6)
    told = sidecar["NoiseNormalization"]
    assert told == beside["NoiseNormalization"]
    assert (told["Method"], told["Source"], told["Samples"]) == ("shrinkage", "residuals", 120)
    assert told["DegreesOfFreedom"] == 117
    assert told["DegreesOfFreedomFrom"] == "volumes minus one for each run"
    assert told["WhitenedInTime"] is False
    assert len(told["Files"]) == 3
    assert told["ShrinkageLambda"]["Max"] == pytest.approx(found.shrinkage.max())
    assert sum("stat-errorts" in uri for uri in sidecar["Sources"]) == 3
    assert "from the residuals of 3 runs (not whitened in time)" in " ".join(
        capsys.readouterr().err.split()
    )


@pytest.mark.parametrize("residual_runs", [(), ("1", "2")])
def test_without_residuals_of_every_run_images_are_used(tmp_path, capsys, residual_runs):
    images, _ = make_dataset(tmp_path / "in", residual_runs)
    assert run_app(tmp_path / "in", tmp_path / "out", "--noise", "shrinkage", *CROSSNOBIS) == 0
    rows = np.stack([images[run, name].ravel() for run in RUNS for name in NAMES], axis=1)
    noise = noise_from_images(rows, np.tile(np.arange(5), 3), np.repeat(np.arange(3), 5))
    found = wanted(images, noise)
    scores, sidecar = result(tmp_path / "out", "stat-spearman_desc-m")
    np.testing.assert_allclose(scores.ravel(), found.scores["spearman"][0], atol=1e-6)
    told = sidecar["NoiseNormalization"]
    assert (told["Source"], told["Samples"], told["DegreesOfFreedom"]) == ("images", 15, 5)
    assert told["FoldsHeldOut"] is True
    assert not any("bias" in warning for warning in sidecar["Warnings"])
    lacking = "runs 1, 2, 3" if not residual_runs else "run 3"
    assert f"no residuals of {lacking} were found" in " ".join(capsys.readouterr().err.split())


def test_images_of_all_folds_are_pooled_where_that_is_asked_for(tmp_path, capsys):
    images, _ = make_dataset(tmp_path / "in", ())
    options = ("--noise", "shrinkage", "--noise-from", "pooled-images", *CROSSNOBIS)
    assert run_app(tmp_path / "in", tmp_path / "out", *options) == 0
    rows = np.stack([images[run, name].ravel() for run in RUNS for name in NAMES], axis=1)
    noise = noise_from_images(
        rows, np.tile(np.arange(5), 3), np.repeat(np.arange(3), 5), held_out=False
    )
    found = wanted(images, noise)
    scores, sidecar = result(tmp_path / "out", "stat-spearman_desc-m")
    np.testing.assert_allclose(scores.ravel(), found.scores["spearman"][0], atol=1e-6)
    told = sidecar["NoiseNormalization"]
    assert (told["From"], told["DegreesOfFreedom"]) == ("pooled-images", 10)
    assert told["FoldsHeldOut"] is False
    assert any("above 0 on average" in warning for warning in sidecar["Warnings"])
    assert "have no such bias" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("folds", ["runs", "none"])
def test_centred_patterns_do_not_depend_on_what_a_run_shares(tmp_path, folds):
    images, _ = make_dataset(tmp_path / "in", ())
    options = (
        "--noise", "shrinkage", "--dissimilarity", "correlation", "--center", "conditions",
        "--folds", folds,
    )  # fmt: skip
    drawn = run_app(tmp_path / "in", tmp_path / "out", *options, "--no-figures", drawn=True)
    assert drawn == 0
    plain, sidecar = result(tmp_path / "out", "stat-spearman_desc-m")
    told = sidecar["NoiseNormalization"]
    assert told["DegreesOfFreedom"] == (4 if folds == "runs" else 8)  # (runs - 1) x (images - 1)
    assert told["RunMeansSubtracted"] is True
    assert "of a run share was not counted as noise" in " ".join(
        (tmp_path / "out" / "sub-01.html").read_text().split()
    )
    rng = np.random.default_rng(5)
    for run in RUNS:
        shared = 5 * smooth(rng, 1)[0]
        for name in NAMES:
            stem = f"sub-01_task-x_run-{run}_space-S_contrast-{name}_stat-effect_statmap.nii.gz"
            save(tmp_path / "in" / "sub-01" / stem, images[run, name] + shared)
    assert run_app(tmp_path / "in", tmp_path / "shared", *options) == 0
    np.testing.assert_allclose(
        result(tmp_path / "shared", "stat-spearman_desc-m")[0], plain, atol=1e-6
    )


def test_the_methods_text_tells_of_the_noise(tmp_path):
    make_dataset(tmp_path / "in", ())
    options = ("--noise", "shrinkage", "--no-figures", *CROSSNOBIS)
    assert run_app(tmp_path / "in", tmp_path / "out", *options, drawn=True) == 0
    text = " ".join((tmp_path / "out" / "sub-01.html").read_text().split())
    assert "shrunk towards its diagonal" in text
    assert "from the deviations of images from the mean of their condition" in text
    assert "weighted by the noise of the other folds" in text


def test_nothing_calls_distances_with_pooled_noise_unbiased(tmp_path):
    """Neither the warning of unequal counts nor the methods text."""
    make_dataset(tmp_path / "in", ())
    next((tmp_path / "in").rglob("*run-1*contrast-c0_*")).unlink()
    shared = ("--dissimilarity", "crossnobis", "--folds", "2", "--missing-runs", "average",
              "--no-figures")  # fmt: skip
    for noise in ((), ("--noise", "shrinkage", "--noise-from", "pooled-images")):
        out, biased = tmp_path / f"out{len(noise)}", bool(noise)
        assert run_app(tmp_path / "in", out, *shared, *noise, drawn=True) == 0
        told = result(out, "stat-spearman_desc-m")[1]["Warnings"]
        (warning,) = [text for text in told if "unequal numbers" in text]
        assert ("noise alone then creates structure" in warning) == biased
        assert ("0 on average" in warning) != biased
        text = " ".join((out / "sub-01.html").read_text().split())
        assert ("biased upwards by noise from the images of all folds" in text) == biased
        assert ("over all pairs of 2 folds and unbiased" in text) != biased


def test_a_pattern_names_residuals_and_their_dof(tmp_path):
    images, residuals = make_dataset(tmp_path / "in")
    for path in (tmp_path / "in" / "sub-01").glob("*errorts*"):
        run = path.name.split("_run-")[1][0]
        path.rename(tmp_path / "in" / f"left_01_{run}.nii.gz")
    code = run_app(
        tmp_path / "in", tmp_path / "out", "--noise", "shrinkage-identity", "--dissimilarity",
        "mahalanobis", "--residuals", "left_{subject}_{run}.nii.gz", "--residual-dof", "100",
    )  # fmt: skip
    assert code == 0
    rows = np.concatenate([residuals[run].reshape(-1, N_VOLUMES) for run in RUNS], axis=1)
    noise = noise_from_residuals(
        rows, np.repeat(np.arange(3), N_VOLUMES), 100.0, "shrinkage-identity"
    )
    found = wanted(images, noise, 1, "mahalanobis")
    scores, sidecar = result(tmp_path / "out", "stat-spearman_desc-m")
    np.testing.assert_allclose(scores.ravel(), found.scores["spearman"][0], atol=1e-6)
    assert sidecar["NoiseNormalization"]["DegreesOfFreedomFrom"] == "--residual-dof"


def test_without_noise_mahalanobis_is_the_mean_square(tmp_path):
    make_dataset(tmp_path / "in", ())
    outs = {}
    for metric in ("mahalanobis", "sqeuclidean"):
        assert run_app(tmp_path / "in", tmp_path / metric, "--dissimilarity", metric) == 0
        outs[metric] = result(tmp_path / metric, "stat-spearman_desc-m")
    np.testing.assert_allclose(outs["mahalanobis"][0], outs["sqeuclidean"][0], atol=1e-6)
    assert "NoiseNormalization" not in outs["mahalanobis"][1]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--noise", "shrinkage"], 0, ""),
        (["--noise", "ledoit"], 2, "invalid choice"),
        (["--noise", "shrinkage", "--dissimilarity", "cityblock"], 2, "cannot be used with"),
        (["--noise-from", "images"], 2, "--noise is none"),
        (["--residual-dof", "12"], 2, "--noise is none"),
        (["--noise", "shrinkage", "--residual-dof", "0"], 2, "of degrees of freedom above 0"),
        (["--noise", "shrinkage", "--residual-dof", "121"], 2, "more than the 120 volumes"),
        (
            ["--noise", "shrinkage", "--noise-from", "images", "--residual-dof", "9"],
            2,
            "--residual-dof is for residuals",
        ),
        (["--noise", "shrinkage", "--residuals", "no_{subject}_{run}.nii"], 18, "matches nothing"),
        (["--noise", "shrinkage", "--normalize", "variance"], 2, "Remove --normalize"),
        (["--dissimilarity", "crossnobis"], 2, "--folds runs"),
        (["--dissimilarity", "mahalanobis", "--folds", "runs"], 2, "--dissimilarity crossnobis"),
        ([*CROSSNOBIS, "--run-label", "1"], 2, "cannot be made of 1 run"),
        (["--noise", "full", "--residual-dof", "7"], 2, "full noise covariance of 57 voxels"),
        (["--noise", "full", "--noise-from", "images", "--run-label", "1"], 66, "has a single"),
        (
            [*CROSSNOBIS, "--noise", "full", "--noise-from", "images", "--run-label", "1", "2"],
            66,
            "Without one of the 2 folds no condition has two images",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_and_writes_nothing(tmp_path, capsys, options, code, message):
    make_dataset(tmp_path / "in")
    assert run_app(tmp_path / "in", tmp_path / "out", *options) == code
    if code:
        assert message in " ".join(capsys.readouterr().err.split())
        assert not list((tmp_path / "out").rglob("*.nii.gz"))


@pytest.mark.parametrize(
    ("changed", "code", "message"),
    [
        ({"shape": (5, 5, 5)}, 65, "another grid than the images: the shapes differ"),
        ({"n_volumes": 1}, 65, "contain 1 volume"),
        ({"residual_runs": ("1", "2")}, 66, "no residuals of run 3"),
    ],
)
def test_residuals_that_do_not_fit(tmp_path, capsys, changed, code, message):
    make_dataset(tmp_path / "in", **changed)
    options = ("--noise", "shrinkage", "--noise-from", "residuals", *CROSSNOBIS)
    assert run_app(tmp_path / "in", tmp_path / "out", *options) == code
    assert message in " ".join(capsys.readouterr().err.split())
    assert not list((tmp_path / "out").rglob("*.nii.gz"))
