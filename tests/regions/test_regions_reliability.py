"""Reliability, kept permutations and noise in regions, through the app."""

import json
import shutil
import subprocess

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from region_runs import SPHERE_MM, run_app

from bids_rsa.app.preflight import validator_command
from bids_rsa.core.comparison.blocks import cut_into_blocks
from bids_rsa.core.comparison.permutations import draw_permutations
from bids_rsa.core.condition_null import ConditionNull

EXTRA = ("--reliability", "--keep-null", "100", "--folds", "none", "--no-figures")


@pytest.fixture(scope="module")
def reliable(region_dataset, region_options, tmp_path_factory):
    output = tmp_path_factory.mktemp("reliable") / "out"
    done = run_app(
        region_dataset, output, "participant", *region_options, *EXTRA, "--participant-label", "01"
    )
    assert done.returncode == 0, done.stderr
    return output


def read(output, ending):
    (path,) = output.glob(f"sub-01/func/*_seg-{ending}")
    return pd.read_csv(path, sep="\t", na_values="n/a")


def only(output, pattern):
    (path,) = output.glob(pattern)
    return path


def test_the_reliability_of_a_sphere_is_that_of_the_map_at_its_centre(reliable, center_mm):
    found = read(reliable, "spheres_scores.tsv")
    for column, stat in (
        ("reliability", "reliability"), ("reliability_corrected", "reliabilitySpearmanBrown"),
    ):  # fmt: skip
        image = nib.load(only(reliable, f"sub-01/func/*_stat-{stat}_desc-searchlight*.nii.gz"))
        voxel = np.rint(np.linalg.solve(image.affine, [*center_mm, 1])[:3]).astype(int)
        value = image.get_fdata()[tuple(voxel)]
        assert np.isfinite(value) and value != 0
        np.testing.assert_allclose(found[column], value, rtol=1e-6)
    sidecar = json.loads(only(reliable, "sub-01/func/*_seg-spheres_scores.json").read_text())
    assert sidecar["Halves"] == ["run-1+run-3", "run-2"]
    assert SPHERE_MM == 20


def test_the_validator_passes_reliability_and_kept_scores(reliable):
    command = validator_command()
    if command is None:
        pytest.skip("bids-validator-deno is not installed")
    found = subprocess.run([command, reliable], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_regions_without_a_score_have_no_reliability(reliable):
    found = read(reliable, "Octants_scores.tsv").set_index("name")["reliability"]
    assert found[["tiny", "absent"]].isna().all()
    assert np.isfinite(found.drop(["tiny", "absent"])).all()


def test_the_sidecar_says_what_noise_was_used(region_dataset, region_options, tmp_path):
    line = [
        region_dataset, tmp_path / "out", "participant", *region_options, "--roi-only",
        "--no-figures", "--noise", "shrinkage", "--dissimilarity", "crossnobis", "--folds", "runs",
        "--participant-label",
    ]  # fmt: skip
    done = run_app(*line, "02")
    assert done.returncode == 0, done.stderr
    path = only(tmp_path / "out", "sub-02/func/*_seg-Octants_scores.json")
    noise = json.loads(path.read_text())["NoiseNormalization"]
    assert (noise["Method"], noise["Source"], noise["FoldsHeldOut"]) == (
        "shrinkage",
        "images",
        True,
    )
    assert 0 <= noise["ShrinkageLambda"]["Min"] <= noise["ShrinkageLambda"]["Max"] <= 1
    again = run_app(*line, "02")
    assert again.returncode == 0 and "complete" in again.stderr


def test_kept_scores_are_those_of_permuted_models(reliable, region_dataset):
    kept = read(reliable, "Octants_desc-null_scores.tsv.gz")
    scores = read(reliable, "Octants_scores.tsv")
    assert [c for c in kept.columns if c.startswith("permutation_")][-1] == "permutation_100"
    table = pd.read_csv(region_dataset / "models/planted.tsv", sep="\t", index_col=0)
    sidecar = json.loads(
        only(reliable, "sub-01/func/*_seg-Octants_desc-null_scores.json").read_text()
    )
    names = sidecar["Conditions"]
    cells = table.loc[names, names].to_numpy()[np.triu_indices(len(names), 1)]
    null = ConditionNull(cells[None], draw_permutations(len(names), 200, 0), ("rho-a",), n_kept=100)
    (path,) = reliable.glob("sub-01/func/*_seg-Octants_*_rdms.tsv.gz")
    long = pd.read_csv(path, sep="\t", na_values="n/a")
    rdms = [own["value"].to_numpy() for _, own in long.groupby("name", sort=False)]
    rdms = np.array([rdm for rdm in rdms if np.isfinite(rdm).all()])
    null.start(len(rdms), rdms.shape[1])
    for part in cut_into_blocks(rdms, np.arange(len(rdms))):
        null.take(part)
    (wanted,) = null.results()["rho-a"]
    own = kept[kept["comparison"] == "rho-a"].filter(like="permutation_").dropna().to_numpy()
    np.testing.assert_allclose(own, wanted.kept.T, atol=1e-6)
    assert sidecar["Relabelings"]["Kept"] == 100
    assert len(scores) == len(kept)


def test_regions_alone_have_a_page(region_dataset, region_options, tmp_path):
    options = [option for option in region_options if option != "--no-report"]
    done = run_app(
        region_dataset, tmp_path / "out", "participant", *options, "--roi-only",
        "--participant-label", "01",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out/sub-01.html").read_text()
    for words in ("octant 3", "p_fwe", "rho-a", "10 regions of interest (Octants)", "RDM"):
        assert words in page, words
    assert 'id="maps"' not in page and 'id="searchlight"' not in page
    again = run_app(
        region_dataset, tmp_path / "out", "participant", "--reports-only", "--use-plugin", "Linear"
    )
    assert again.returncode == 0, again.stderr
    cited = (tmp_path / "out/logs/CITATION.md").read_text()
    assert "10 regions of interest (Octants)" in cited and 'model RDM "planted"' in cited


def test_maps_and_regions_of_one_call_share_a_page_that_is_written_once(
    region_dataset, region_run, tmp_path
):
    output, _ = region_run
    shutil.copytree(output, tmp_path / "out")
    line = (region_dataset, tmp_path / "out", "group", "--use-plugin", "Linear", "--no-figures")
    done = run_app(*line)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Page: ") == 1
    page_path = tmp_path / "out/group.html"
    page = page_path.read_text()
    assert 'id="tests"' in page and 'id="tables"' in page and "octant 3" in page
    before = page_path.stat().st_mtime_ns
    again = run_app(*line)
    assert again.returncode == 0, again.stderr
    assert "Page: " not in again.stderr and page_path.stat().st_mtime_ns == before


def test_a_group_of_regions_has_a_page(region_dataset, region_run, tmp_path):
    output, _ = region_run
    shutil.copytree(output, tmp_path / "out")
    line = (region_dataset, tmp_path / "out", "group", "--use-plugin", "Linear")
    done = run_app(*line, "--roi-only")
    assert done.returncode == 0, done.stderr
    page_path = tmp_path / "out/group.html"
    page = page_path.read_text()
    for words in ("octant 3", "ceiling_upper", "regions of interest (Octants)", "p_fwe at most"):
        assert words in page, words
    assert 'id="tests"' not in page and 'id="tables"' in page
    assert "_meas-spearman_scores.tsv" in done.stdout
    cited = (tmp_path / "out/logs/CITATION.md").read_text()
    assert "scores of the regions (Octants and spheres)" in cited
    page_path.unlink()
    again = run_app(*line, "--reports-only")
    assert again.returncode == 0, again.stderr
    assert "octant 3" in page_path.read_text()
