"""Flat meshes, and surfaces as GIFTI files; the two sheets that several folders' tests search."""

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData

from bids_rsa.spaces.hemispheres import STRUCTURES

STEP_MM = 2.0
SHAPES = {"L": (14, 12), "R": (12, 13)}
ORIGINS = {"L": (-60.0, 0.0, 0.0), "R": (20.0, 0.0, 0.0)}


def flat_mesh(shape, step_mm=1.0, origin=(0.0, 0.0, 0.0)):
    """A flat grid of right triangles, (coordinates, triangles)."""
    i, j = np.indices(shape)
    points = np.stack([i, j, np.zeros_like(i)], axis=-1).reshape(-1, 3) * step_mm + origin
    number = np.arange(i.size).reshape(shape)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[:-1, 1:], number[1:, 1:]
    faces = [np.stack(corners, axis=-1).reshape(-1, 3) for corners in ((a, b, d), (a, d, c))]
    return points, np.concatenate(faces).astype(np.int32)


def flat(side):
    """The sheet of a hemisphere."""
    return flat_mesh(SHAPES[side], STEP_MM, ORIGINS[side])


def save_surface(path, points, triangles, side):
    """Write a .surf.gii."""
    arrays = [
        GiftiDataArray(np.asarray(points, np.float32), "NIFTI_INTENT_POINTSET"),
        GiftiDataArray(np.asarray(triangles, np.int32), "NIFTI_INTENT_TRIANGLE"),
    ]
    meta = GiftiMetaData({"AnatomicalStructurePrimary": STRUCTURES[side]})
    nib.save(GiftiImage(meta=meta, darrays=arrays), path)


def save_flat_surfaces(folder):
    """Write both sheets; return the value of --surface."""
    for side in "LR":
        save_surface(Path(folder) / f"hemi-{side}_midthickness.surf.gii", *flat(side), side)
    return f"{folder}/hemi-{{hemi}}_midthickness.surf.gii"
