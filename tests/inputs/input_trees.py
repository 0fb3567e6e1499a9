"""Small datasets as they lie on disks, for the tests of the input side."""

import json
from pathlib import Path
from zlib import crc32

import nibabel as nib
import numpy as np

from bids_rsa.dataset import find_analyses
from bids_rsa.models.loading import load_models
from bids_rsa.settings import InputSettings, RsaSettings, Selection

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
CONDITIONS = ("face", "house", "cat", "shoe")


def image(path, value=0.0, shape=(4, 4, 4), affine=AFFINE, dtype="float32"):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(crc32(path.name.encode())).normal(size=shape) + value
    nib.Nifti1Image(data.astype(dtype), affine).to_filename(path)
    return str(path)


def mask(path, shape=(4, 4, 4), affine=AFFINE):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(np.ones(shape, np.uint8), affine).to_filename(path)
    return str(path)


def describe(root, *made_by, kind="derivative"):
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    text = {"Name": "test", "BIDSVersion": "1.11.1", "DatasetType": kind}
    if made_by:
        text["GeneratedBy"] = [{"Name": name} for name in made_by]
    (root / "dataset_description.json").write_text(json.dumps(text))
    return root


def name(sub, *, ses=None, task="x", acq=None, run=None, space=None, res=None, **more):
    pairs = (("sub", sub), ("ses", ses), ("task", task), ("acq", acq), ("run", run),
             ("space", space), ("res", res), *more.items())  # fmt: skip
    return "_".join(f"{k}-{v}" for k, v in pairs if v is not None)


def statmaps(
    root, subs=("01",), runs=("1", "2"), conditions=CONDITIONS, stats=("effect",), folder="func",
    shape=(4, 4, 4), affine=AFFINE, **entities,
):  # fmt: skip
    paths = []
    for sub in subs:
        place = Path(root) / f"sub-{sub}"
        if entities.get("ses"):
            place = place / f"ses-{entities['ses']}"
        for run in runs or (None,):
            for condition in conditions:
                for stat in stats:
                    stem = name(sub, run=run, **entities)
                    file = (
                        place / folder / f"{stem}_contrast-{condition}_stat-{stat}_statmap.nii.gz"
                    )
                    paths.append(image(file, shape=shape, affine=affine))
    return paths


def model(path, conditions=CONDITIONS, seed=0):
    cells = np.random.default_rng(seed).random((len(conditions),) * 2)
    cells = np.triu(cells, 1) + np.triu(cells, 1).T
    lines = ["\t".join(["condition", *conditions])]
    lines += ["\t".join([c, *map(str, row)]) for c, row in zip(conditions, cells, strict=True)]
    Path(path).write_text("\n".join(lines) + "\n")
    return str(path)


def find(
    root, tmp_path, *, conditions=CONDITIONS, rsa=None, selection=None, output="out", **inputs
):
    """Run discovery with a model of the given conditions."""
    file = model(tmp_path / "model.tsv", conditions)
    settings = InputSettings(
        str(root), models=(file,), selection=selection or Selection(), **inputs
    )
    return find_analyses(
        settings, rsa or RsaSettings(), load_models(settings), str(tmp_path / output)
    )
