"""Small datasets as fMRIPrep leaves them, and the app run on them."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.glm.first_level import make_first_level_design_matrix

CONDITIONS = ("cat", "chair", "face", "house")
TASK, SPACE, TR = "x", "T1w", 2.0
SHAPE, N = (5, 5, 4), 100
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])


def write_json(path, content):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(content))


def events(seed=0, conditions=CONDITIONS):
    random = np.random.default_rng(seed)
    onsets = 6.0 + 9.0 * np.arange(5 * len(conditions))
    names = random.permutation(np.repeat(conditions, 5))
    return pd.DataFrame({"onset": onsets, "duration": 2.0, "trial_type": names})


def confounds(seed=0):
    random = np.random.default_rng([seed, 1])
    names = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    table = pd.DataFrame(np.cumsum(random.normal(size=(N, 6)), axis=0) * 0.05, columns=names)
    for k in range(3):
        table[f"cosine{k:02d}"] = np.cos(np.pi * (k + 1) * (np.arange(N) + 0.5) / N)
    return table


def matrix(shown, extra, start=TR / 2):
    return make_first_level_design_matrix(
        start + TR * np.arange(N), shown, hrf_model="spm", drift_model=None,
        add_regs=extra.to_numpy(), add_reg_names=list(extra.columns),
    )  # fmt: skip


def make_dataset(root, runs=(1, 2), betas=None, noise=5.0, subject="01"):
    """Raw events and fMRIPrep's derivatives; the BOLD is design @ betas around 1000, plus noise."""
    root = Path(root)
    prep = root / "derivatives" / "fmriprep"
    write_json(root / "dataset_description.json", {"Name": "t", "BIDSVersion": "1.11.1"})
    description = {"Name": "f", "BIDSVersion": "1.11.1", "DatasetType": "derivative",
                   "GeneratedBy": [{"Name": "fMRIPrep"}]}  # fmt: skip
    write_json(prep / "dataset_description.json", description)
    func, out = (folder / f"sub-{subject}" / "func" for folder in (root, prep))
    func.mkdir(parents=True, exist_ok=True)
    for run in runs:
        shown, extra = events(run), confounds(run)
        random = np.random.default_rng([run, int(subject), 7])
        series = 1000 + noise * random.normal(size=(N, *SHAPE))
        if betas is not None:
            series += np.tensordot(matrix(shown, extra)[list(CONDITIONS)].to_numpy(), betas, 1)
        stem = f"sub-{subject}_task-{TASK}_run-{run}"
        shown.to_csv(func / f"{stem}_events.tsv", sep="\t", index=False)
        write_json(func / f"{stem}_bold.json", {"TaskName": TASK, "RepetitionTime": TR})
        sidecar = {"RepetitionTime": TR, "SliceTimingCorrected": True, "StartTime": TR / 2}
        write_json(out / f"{stem}_space-{SPACE}_desc-preproc_bold.json", sidecar)
        extra.to_csv(out / f"{stem}_desc-confounds_timeseries.tsv", sep="\t", index=False)
        write_json(out / f"{stem}_desc-confounds_timeseries.json", {})
        save_bold(series, out / f"{stem}_space-{SPACE}_desc-preproc_bold.nii.gz")
        mask = nib.Nifti1Image(np.ones(SHAPE, np.uint8), AFFINE)
        nib.save(mask, out / f"{stem}_space-{SPACE}_desc-brain_mask.nii.gz")
    write_model(root / "derivatives" / "models" / "m.tsv")
    return root


def save_bold(series, path):
    image = nib.Nifti1Image(np.moveaxis(series, 0, -1).astype(np.float32), AFFINE)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((4, 4, 4, TR))
    nib.save(image, path)


def write_model(path, conditions=CONDITIONS):
    cells = np.random.default_rng(3).random((len(conditions),) * 2)
    cells = np.triu(cells, 1) + np.triu(cells, 1).T
    table = pd.DataFrame(cells, index=pd.Index(conditions, name="condition"), columns=conditions)
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t")


def arguments(root, out, *options):
    model = root / "derivatives" / "models" / "m.tsv"
    line = [root, out, "participant", "--from-bold", "--model", model, "--radius", "8.5", *options]
    return [str(part) for part in line]


def statmap(out, run, condition, stat="effect", subject="01"):
    stem = f"sub-{subject}_task-{TASK}_run-{run}_space-{SPACE}_contrast-{condition}_stat-{stat}"
    return nib.load(out / f"sub-{subject}" / "func" / f"{stem}_statmap.nii.gz")


def design_json(out, run, subject="01"):
    stem = f"sub-{subject}_task-{TASK}_run-{run}_space-{SPACE}_design.json"
    return json.loads((out / f"sub-{subject}" / "func" / stem).read_text())


def derivative(root, ending, run=1, subject="01"):
    (path,) = (root / "derivatives" / "fmriprep").glob(f"sub-{subject}/func/*run-{run}_*{ending}")
    return path


def raw(root, ending, run=1, subject="01"):
    (path,) = (root / f"sub-{subject}" / "func").glob(f"*run-{run}_*{ending}")
    return path


def copy(root, target):
    shutil.copytree(root, target)
    return Path(target)
