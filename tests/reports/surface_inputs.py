"""Participants on fsaverage5 with two kinds of conditions that differ in left occipital cortex."""

import json

import nibabel as nib
import numpy as np
from nibabel.cifti2 import BrainModelAxis, Cifti2Header, Cifti2Image, ScalarAxis

from bids_rsa.spaces.gifti import maps_image

CONDITIONS = ("a1", "a2", "a3", "b1", "b2", "b3")
N_VERTICES, N_SUBJECTS = 10242, 4
EFFECT_Y_MM = -70  # the effect lies behind
VOXELS = np.array([[3.0, 0, 0, -21], [0, 3, 0, -30], [0, 0, 3, 0], [0, 0, 0, 1]])


def write_surface_inputs(data, middle):
    """Condition images of both hemispheres, a model of the two kinds, and one of steps.

    Parameters
    ----------
    data : Path
    middle : dict of (n_vertices, 3)
        Coordinates of each side.
    """
    start_dataset(data)
    rng = np.random.default_rng(4)
    for number in range(1, N_SUBJECTS + 1):
        func = data / f"sub-{number:02d}" / "func"
        func.mkdir(parents=True)
        for side in "LR":
            here = (middle[side][:, 1] < EFFECT_Y_MM) * (side == "L")
            effect = rng.standard_normal((2, N_VERTICES)) * here
            for name in CONDITIONS:
                values = rng.standard_normal(N_VERTICES) + 2 * effect["ab".index(name[0])]
                values[:500] = np.nan if side == "L" else values[:500]
                stem = f"sub-{number:02d}_task-x_hemi-{side}_space-fsaverage5_contrast-{name}"
                image = maps_image(values.astype(np.float32), side)
                nib.save(image, func / f"{stem}_stat-effect_statmap.gii")
    write_models(data)


def write_grayordinate_inputs(data, middle):
    """The same participants in grayordinates, with two blocks of voxels, an effect in the left one.

    Parameters
    ----------
    data : Path
    middle : dict of (n_vertices, 3)
        Coordinates of each side.
    """
    start_dataset(data)
    axis = brain_axis()
    n_cortex = 2 * (N_VERTICES - 500)
    points = np.concatenate([middle[side][500:] for side in "LR"])
    here = np.zeros(len(axis), bool)
    here[:n_cortex] = (points[:, 1] < EFFECT_Y_MM) & (points[:, 0] < 0)
    here[n_cortex:] = axis.name[n_cortex:] == "CIFTI_STRUCTURE_THALAMUS_LEFT"
    rng = np.random.default_rng(5)
    for number in range(1, N_SUBJECTS + 1):
        func = data / f"sub-{number:02d}" / "func"
        func.mkdir(parents=True)
        effect = rng.standard_normal((2, len(axis))) * here
        for name in CONDITIONS:
            values = rng.standard_normal(len(axis)) + 2 * effect["ab".index(name[0])]
            header = Cifti2Header.from_axes((ScalarAxis(["effect"]), axis))
            stem = f"sub-{number:02d}_task-x_space-fsLR_contrast-{name}_stat-effect_statmap"
            image = Cifti2Image(values[None].astype(np.float32), header=header)
            nib.save(image, func / f"{stem}.dscalar.nii")
    write_models(data)


def brain_axis():
    """Both hemispheres without a part of each, and a block of voxels in each thalamus."""
    inside = np.arange(500, N_VERTICES)
    cortex = [
        BrainModelAxis.from_surface(inside, N_VERTICES, f"CIFTI_STRUCTURE_CORTEX_{side}")
        for side in ("LEFT", "RIGHT")
    ]
    below = []
    for side, columns in (("LEFT", slice(0, 6)), ("RIGHT", slice(9, 15))):
        block = np.zeros((15, 9, 7), bool)
        block[columns] = True
        name = f"CIFTI_STRUCTURE_THALAMUS_{side}"
        below.append(BrainModelAxis.from_mask(block, name=name, affine=VOXELS))
    return cortex[0] + cortex[1] + below[0] + below[1]


def start_dataset(data):
    """Write the description of a dataset of condition images."""
    data.mkdir()
    about = {"Name": "glm", "BIDSVersion": "1.9.0", "DatasetType": "derivative",
             "GeneratedBy": [{"Name": "nilearn"}]}  # fmt: skip
    (data / "dataset_description.json").write_text(json.dumps(about))


def write_models(data):
    """Write a model of the two kinds, and one of steps."""
    kind, place = np.array([name[0] for name in CONDITIONS]), np.arange(len(CONDITIONS))
    models = {"kind": kind[:, None] != kind, "steps": abs(place[:, None] - place)}
    for name, cells in models.items():
        rows = ["\t".join(["", *CONDITIONS])]
        rows += [
            "\t".join([n, *map(str, own.astype(int))])
            for n, own in zip(CONDITIONS, cells, strict=True)
        ]
        (data / f"{name}.tsv").write_text("\n".join(rows) + "\n")
