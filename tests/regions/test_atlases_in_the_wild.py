"""Atlases as fMRIPrep, XCP-D and TemplateFlow lay them out: real names, tables and grids."""

import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from app_process import UNDRAWN
from region_runs import run_app

SPACE = "MNI152NLin2009aSym"  # that of the example's images
LINE = ("--roi-only", "--use-plugin", "Linear", "--participant-label", "01", *UNDRAWN)


def brain(root):
    image = nib.load(sorted(root.glob("sub-01/func/*desc-brain_mask.nii.gz"))[0])
    return np.asarray(image.dataobj) > 0, image.affine


def halves(root, low, high):
    """A label image of the halves of the brain, at twice the resolution of the images."""
    inside, affine = brain(root)
    left = np.arange(inside.shape[0]) < np.median(np.argwhere(inside)[:, 0])
    labels = np.where(inside, np.where(left[:, None, None], low, high), 0)
    fine = labels.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2).astype(np.int16)
    half = affine.copy()
    half[:3, :3] /= 2
    half[:3, 3] -= affine[:3, :3] @ [0.25, 0.25, 0.25]
    return nib.Nifti1Image(fine, half), labels


def save(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)


def scores(output, seg):
    (path,) = output.glob(f"sub-01/func/*_seg-{seg}_scores.tsv")
    table = pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False)
    return table[table["comparison"] == "spearman"].set_index("name")


def by_masks(root, labels, wanted, output, *options):
    """Score the same voxels given as plain masks."""
    rois = []
    for name, index in wanted.items():
        path = output.parent / f"{name}.nii.gz"
        save(nib.Nifti1Image((labels == index).astype("u1"), brain(root)[1]), path)
        rois.append(f"{name}={path}")
    done = run_app(root, output, "participant", *options, "--rois", *rois, *LINE)
    assert done.returncode == 0, done.stderr
    return scores(output, "rois")


def test_fmripreps_aparcaseg_of_the_participant(region_dataset, tmp_path):
    """In the T1w space, on the anatomical grid, with the table at the root of the dataset."""
    root = shutil.copytree(region_dataset, tmp_path / "fmriprep")
    for path in sorted(root.glob("sub-*/func/*")):
        path.rename(path.with_name(path.name.replace(f"space-{SPACE}", "space-T1w")))
    image, labels = halves(root, 1007, 2007)
    save(image, root / "sub-01/anat/sub-01_desc-aparcaseg_dseg.nii.gz")
    # the same file of the standard space must not be taken
    other, _ = halves(root, 2007, 1007)
    save(other, root / f"sub-01/anat/sub-01_space-{SPACE}_desc-aparcaseg_dseg.nii.gz")
    rows = ["0\tUnknown\t#000000", "17\tLeft-Hippocampus\t#dcd814",
            "1007\tctx-lh-fusiform\t#b4dc8c", "2007\tctx-rh-fusiform\t#b4dc8c"]  # fmt: skip
    (root / "desc-aparcaseg_dseg.tsv").write_text("\n".join(["index\tname\tcolor", *rows]) + "\n")
    options = ("--model", root / "models/planted.tsv", "--radius", "20")
    output = tmp_path / "out"
    done = run_app(root, output, "participant", *options, "--atlas", "aparcaseg", *LINE)
    assert done.returncode == 0, done.stderr
    assert "was resampled to the images' grid" in done.stderr
    found = scores(output, "aparcaseg")
    names = {"lh": 1007, "rh": 2007}
    wanted = by_masks(root, labels, names, tmp_path / "masks", *options)
    for side, index in names.items():
        own = found.loc[f"ctx-{side}-fusiform"]
        assert (own["index"], own["n_voxels"]) == (index, wanted["n_voxels"][side])
        assert own["score"] == pytest.approx(wanted["score"][side], abs=1e-12)
    assert np.isnan(found["score"]["Left-Hippocampus"])
    assert "ctx-lh-fusiform" in done.stderr or "Left-Hippocampus" in done.stderr
    only = run_app(
        root, tmp_path / "one", "participant", *options, "--atlas", "aparcaseg", "--roi",
        "ctx-rh-fusiform", *LINE,
    )  # fmt: skip
    assert only.returncode == 0
    assert list(scores(tmp_path / "one", "aparcaseg").index) == ["ctx-rh-fusiform"]


def test_templateflow_by_label_and_resolution(region_dataset, tmp_path, monkeypatch):
    home = tmp_path / "templateflow"
    folder = home / f"tpl-{SPACE}"
    image, labels = halves(region_dataset, 1, 2)
    _, affine = brain(region_dataset)
    for parcels in ("400Parcels7Networks", "100Parcels7Networks"):
        stem = f"tpl-{SPACE}_res-01_atlas-Schaefer2018_desc-{parcels}_dseg"
        save(image, folder / f"{stem}.nii.gz")
        save(nib.Nifti1Image(labels.astype(np.int16), affine),
             folder / f"{stem.replace('res-01', 'res-02')}.nii.gz")  # fmt: skip
        # TemplateFlow's tables have no res- entity
        (folder / f"tpl-{SPACE}_atlas-Schaefer2018_desc-{parcels}_dseg.tsv").write_text(
            "index\tname\tcolor\n1\t7Networks_LH_Vis_1\t#781282\n2\t7Networks_RH_Vis_1\t#781283\n"
        )
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(home))
    options = ("--model", region_dataset / "models/planted.tsv", "--radius", "20")
    line = (region_dataset, tmp_path / "out", "participant", *options)
    done = run_app(*line, "--atlas", "Schaefer2018", *LINE)
    assert done.returncode != 0  # two parcellations have that label
    assert "100Parcels7Networks" in done.stderr and "400Parcels7Networks" in done.stderr
    done = run_app(*line, "--atlas", "400Parcels7Networks", *LINE)
    assert done.returncode == 0, done.stderr
    found = scores(tmp_path / "out", "Schaefer2018400Parcels7Networks")
    wanted = by_masks(region_dataset, labels, {"a": 1, "b": 2}, tmp_path / "masks", *options)
    assert list(found.index) == ["7Networks_LH_Vis_1", "7Networks_RH_Vis_1"]
    np.testing.assert_allclose(found["score"], wanted["score"], atol=1e-12)


def test_templateflows_probabilistic_atlas_with_a_threshold(region_dataset, tmp_path, monkeypatch):
    folder = tmp_path / "templateflow" / f"tpl-{SPACE}"
    inside, affine = brain(region_dataset)
    _, labels = halves(region_dataset, 1, 2)
    near = np.abs(np.arange(inside.shape[1]) - inside.shape[1] / 2)[None, :, None] < 4
    chance = np.stack([np.where(labels == k, np.where(near, 80.0, 30.0), 5.0) for k in (1, 2)], -1)
    stem = f"tpl-{SPACE}_res-02_atlas-HOCPA_probseg"
    save(nib.Nifti1Image(chance.astype(np.float32), affine), folder / f"{stem}.nii.gz")
    (folder / f"tpl-{SPACE}_atlas-HOCPA_probseg.tsv").write_text(
        "index\tname\n1\tFrontal Pole\n2\tInsular Cortex\n"
    )
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path / "templateflow"))
    options = ("--model", region_dataset / "models/planted.tsv", "--radius", "20")
    done = run_app(
        region_dataset, tmp_path / "out", "participant", *options, "--atlas", "HOCPA",
        "--atlas-threshold", "0.5", *LINE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = scores(tmp_path / "out", "HOCPA")
    kept = np.where(near, labels, 0)
    wanted = by_masks(region_dataset, kept, {"a": 1, "b": 2}, tmp_path / "masks", *options)
    assert list(found.index) == ["Frontal Pole", "Insular Cortex"]
    np.testing.assert_array_equal(found["n_voxels"], wanted["n_voxels"])
    np.testing.assert_allclose(found["score"], wanted["score"], atol=1e-12)


def test_xcp_ds_atlas_with_labels_instead_of_names(region_dataset, tmp_path):
    xcpd = tmp_path / "xcp_d"
    folder = xcpd / "atlases" / "atlas-4S156Parcels"
    image, labels = halves(region_dataset, 1, 2)
    save(image, folder / f"atlas-4S156Parcels_space-{SPACE}_dseg.nii.gz")
    (folder / "atlas-4S156Parcels_dseg.tsv").write_text(
        "index\tlabel\tnetwork_label\n1\tLH_Vis_1\tVis\n2\tRH_Vis_1\tVis\n"
    )
    (xcpd / "dataset_description.json").write_text(
        '{"Name": "XCP-D", "BIDSVersion": "1.9.0", "DatasetType": "derivative", '
        '"GeneratedBy": [{"Name": "xcp_d"}]}'
    )
    options = ("--model", region_dataset / "models/planted.tsv", "--radius", "20")
    done = run_app(
        region_dataset, tmp_path / "out", "participant", *options, "-d", xcpd, "--atlas",
        "4S156Parcels", *LINE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = scores(tmp_path / "out", "4S156Parcels")
    wanted = by_masks(region_dataset, labels, {"a": 1, "b": 2}, tmp_path / "masks", *options)
    assert list(found.index) == ["LH_Vis_1", "RH_Vis_1"]
    np.testing.assert_allclose(found["score"], wanted["score"], atol=1e-12)
