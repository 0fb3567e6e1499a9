"""Regions in the app: numbers, files, what is refused, and that nothing is done twice."""

import json
import subprocess

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from app_process import UNDRAWN
from region_data import write_table
from region_runs import OCTANTS, run_app
from scipy.spatial.distance import squareform

from bids_rsa import rsa_regions
from bids_rsa.app.preflight import validator_command

ROI_ONLY = ("--roi-only", "--use-plugin", "Linear", *UNDRAWN)


def table(output, subject, seg, suffix="scores.tsv"):
    (path,) = output.glob(f"sub-{subject}/func/*_seg-{seg}_*{suffix}")
    return pd.read_csv(path, sep="\t", na_values="n/a")


def only(folder, pattern):
    (path,) = folder.glob(pattern)
    return path


def test_scores_are_those_of_the_library(region_dataset, region_run, atlas_path):
    output, _ = region_run
    found = table(output, "01", "Octants")
    model = pd.read_csv(region_dataset / "models/planted.tsv", sep="\t", index_col=0)
    images, functional = [], region_dataset / "sub-01/func"
    for condition in model.columns:
        runs = sorted(functional.glob(f"*contrast-{condition}_*effect_statmap.nii*"))
        assert len(runs) == 3
        data = np.mean([nib.load(run).get_fdata() for run in runs], axis=0)
        images.append(nib.Nifti1Image(data, nib.load(runs[0]).affine))
    masks = [nib.load(path).get_fdata() for path in sorted(functional.glob("*_mask.nii*"))]
    mask = nib.Nifti1Image(np.all(masks, axis=0).astype("u1"), images[0].affine)
    for comparison in ("spearman", "rho-a"):
        wanted = rsa_regions(
            images, model.to_numpy(), atlas_path, rsa_metric=comparison, brain_mask=mask,
            min_voxels=10, min_coverage=0.5,
        )  # fmt: skip
        own = found[found["comparison"] == comparison]
        assert list(own["name"]) == list(OCTANTS.values())
        np.testing.assert_allclose(own["score"], wanted["score"], rtol=0, atol=1e-6)
        np.testing.assert_array_equal(own["n_voxels"], wanted["n_voxels"])
        assert own["score"].notna().sum() == 8
    scores = found[found["comparison"] == "spearman"].set_index("name")["score"]
    assert scores.max() > 0.5  # where the effect was planted
    assert scores[["tiny", "absent"]].isna().all()


def test_permutations_of_conditions_work_in_regions(region_run):
    found = table(region_run[0], "01", "Octants").query("comparison == 'rho-a'").set_index("name")
    scored = found[found["score"].notna()]
    assert len(scored) == 8
    assert found.loc[["tiny", "absent"], ["p", "z", "p_fwe"]].isna().all(axis=None)
    assert (scored["p"] >= 1 / 201 - 1e-12).all()
    assert (scored["p_fwe"] >= scored["p"] - 1e-12).all()
    assert scored["p_fwe"][scored["score"].idxmax()] < 0.05  # where the effect was planted


def test_a_sphere_scores_as_the_map_at_its_centre(region_run, center_mm):
    output, _ = region_run
    found = table(output, "02", "spheres").set_index("comparison")["score"]
    for comparison, label in (("spearman", "spearman"), ("rho-a", "rhoa")):
        image = nib.load(only(output, f"sub-02/func/*_stat-{label}_desc-planted_statmap.nii.gz"))
        voxel = np.rint(np.linalg.solve(image.affine, [*center_mm, 1])[:3]).astype(int)
        score = image.get_fdata()[tuple(voxel)]
        assert found[comparison].astype(np.float32) == np.float32(score)
        assert np.isfinite(score)


def test_rdms_agree_in_both_forms(region_run):
    output, _ = region_run
    long = table(output, "01", "Octants", "rdms.tsv.gz")
    square = pd.read_csv(
        only(output, "sub-01/func/*_seg-Octants_label-octant3_stat-correlation_relmat.tsv"),
        sep="\t", index_col=0,
    )  # fmt: skip
    assert list(square.columns) == list(square.index)
    own = long[long["name"] == "octant 3"]
    np.testing.assert_array_equal(own["value"], squareform(square.to_numpy()))
    assert set(own["condition_1"]) | set(own["condition_2"]) == set(square.index)
    assert "absent" not in set(long["name"])
    assert long[long["name"] == "tiny"]["value"].isna().all()


def test_sidecars_say_what_was_done(region_run):
    output, done = region_run
    sidecar = json.loads(only(output, "sub-01/func/*_seg-Octants_scores.json").read_text())
    assert sidecar["Regions"]["Name"] == "Octants"
    assert [one["File"][-8:] for one in sidecar["Regions"]["Files"]] == ["g.nii.gz", "dseg.tsv"]
    assert any("tiny" in text for text in sidecar["RegionsLeftOut"])
    assert any("absent" in text for text in sidecar["RegionsLeftOut"])
    assert any(uri.endswith("_dseg.nii.gz") for uri in sidecar["Sources"])
    assert "tiny" in done.stderr and "absent" in done.stderr
    named = json.loads(only(output, "sub-01/func/*_label-octant3_*_relmat.json").read_text())
    assert named["Region"] == {"Index": 3, "Name": "octant 3"}
    assert len(list(output.glob("sub-01/figures/*_seg-*_rdms.png"))) == 2


def test_the_validator_passes_the_output(region_run):
    command = validator_command()
    if command is None:
        pytest.skip("bids-validator-deno is not installed")
    output, _ = region_run
    found = subprocess.run([command, output], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_what_is_complete_is_left_alone(region_dataset, region_options, region_run):
    output, _ = region_run
    files = [path for path in output.rglob("*_seg-*") if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in files}
    again = run_app(region_dataset, output, "participant", *region_options)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("is complete with the same settings and inputs") == 3
    assert {path: path.stat().st_mtime_ns for path in files} == before


def test_regions_alone_in_part_and_again(own_dataset, tmp_path):
    """--roi-only, --roi, a file that was lost, another atlas, --overwrite."""
    output = tmp_path / "out"
    first = ["--model", own_dataset / "models/planted.tsv", "--participant-label", "01", *ROI_ONLY]
    first += ["--atlas", "Octants"]
    done = run_app(own_dataset, output, "participant", *first, "--roi", "octant 2", "octant5")
    assert done.returncode == 0, done.stderr
    assert list(table(output, "01", "Octants")["name"]) == ["octant 2", "octant 5"]
    assert not list(output.rglob("*_statmap.nii.gz"))
    relmat = only(output, "sub-01/func/*_label-octant5_*_relmat.tsv")
    content = relmat.read_bytes()
    relmat.unlink()
    run_app(own_dataset, output, "participant", *first, "--roi", "octant 2", "octant5")
    assert relmat.read_bytes() == content
    refused = run_app(own_dataset, output, "participant", *first)
    assert refused.returncode == 73
    assert "RegionNames" in refused.stderr and "--overwrite" in refused.stderr
    assert relmat.read_bytes() == content
    replaced = run_app(own_dataset, output, "participant", *first, "--overwrite")
    assert replaced.returncode == 0, replaced.stderr
    assert len(table(output, "01", "Octants")) == len(OCTANTS)


def masks_of(root, atlas_path, folder):
    image = nib.load(atlas_path)
    path = folder / "hemi-L_label-two.nii.gz"
    data = (np.asarray(image.dataobj) == 2).astype(np.uint8)
    nib.save(nib.Nifti1Image(data, image.affine), path)
    return path


def test_masks_score_as_the_regions_of_the_atlas(region_dataset, region_run, atlas_path, tmp_path):
    mask = masks_of(region_dataset, atlas_path, tmp_path)
    done = run_app(
        region_dataset, tmp_path / "out", "participant", *ROI_ONLY, "--participant-label", "01",
        "--model", region_dataset / "models/planted.tsv", "--rois", mask, f"named={mask}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = table(tmp_path / "out", "01", "rois").set_index("name")["score"]
    assert set(found.index) == {"L two", "named"}
    wanted = table(region_run[0], "01", "Octants").query("comparison == 'spearman'")
    np.testing.assert_array_equal(found, float(wanted.set_index("name")["score"]["octant 2"]))


BAD = {
    "no such label": (["--atlas", "Nowhere"], 66, "Available labels: Octants"),
    "no such file": (["--atlas", "/no/such_dseg.nii.gz"], 66, "no file"),
    "no such region": (["--atlas", "Octants", "--roi", "octant 9"], 2, "Did you mean"),
    "no regions": (["--roi", "V1"], 2, "needs regions"),
    "two tables": (["--atlas", "Octants", "--atlas-table", "a", "b"], 2, "names 2 tables"),
    "a bad sphere": (["--roi-sphere", "x:1,2:3"], 2, "NAME:x,y,z:R"),
    "far away": (["--roi-sphere", "x:9000,0,0:5"], 65, "No sphere contains a voxel"),
    "two of one name": (["--roi-sphere", "x:0,0,0:9", "x:9,9,9:9"], 2, "two are named 'x'"),
    "a coverage above 1": (["--atlas", "Octants", "--min-coverage", "2"], 2, "at most 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options_are_refused_before_anything_is_written(region_dataset, tmp_path, case):
    options, code, told = BAD[case]
    done = run_app(
        region_dataset, tmp_path / "out", "participant", "--participant-label", "01", *ROI_ONLY,
        "--model", region_dataset / "models/planted.tsv", *options,
    )  # fmt: skip
    assert told in done.stderr
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out").rglob("*_scores.tsv"))


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("tpl-MNI152NLin6Asym_atlas-A_dseg.nii.gz", 65, "in the space MNI152NLin6Asym"),
        ("sub-02_atlas-A_dseg.nii.gz", 65, "belongs to sub-02"),
        ("atlas-A_dseg.nii.gz", 65, "no column index"),
    ],
)
def test_bad_atlases_are_refused(region_dataset, atlas_path, tmp_path, name, code, told):
    nib.save(nib.load(atlas_path), tmp_path / name)
    write_table(tmp_path / name.replace(".nii.gz", ".tsv"), OCTANTS, "number\tname")
    done = run_app(
        region_dataset, tmp_path / "out", "participant", "--participant-label", "01", *ROI_ONLY,
        "--model", region_dataset / "models/planted.tsv", "--atlas", tmp_path / name,
    )  # fmt: skip
    assert told in done.stderr
    assert done.returncode == code
    assert "Traceback" not in done.stderr
