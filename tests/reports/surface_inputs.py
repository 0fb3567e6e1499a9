"""Participants on fsaverage5 with two kinds of conditions that differ in left occipital cortex."""

import json

import nibabel as nib
import numpy as np

from bids_rsa.spaces.gifti import maps_image

CONDITIONS = ("a1", "a2", "a3", "b1", "b2", "b3")
N_VERTICES, N_SUBJECTS = 10242, 4
EFFECT_Y_MM = -70  # the effect lies behind


def write_surface_inputs(data, middle):
    """Condition images of both hemispheres, a model of the two kinds, and one of steps.

    Parameters
    ----------
    data : Path
    middle : dict of (n_vertices, 3)
        Coordinates of each side.
    """
    data.mkdir()
    about = {"Name": "glm", "BIDSVersion": "1.9.0", "DatasetType": "derivative",
             "GeneratedBy": [{"Name": "nilearn"}]}  # fmt: skip
    (data / "dataset_description.json").write_text(json.dumps(about))
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
    kind, place = np.array([name[0] for name in CONDITIONS]), np.arange(len(CONDITIONS))
    models = {"kind": kind[:, None] != kind, "steps": abs(place[:, None] - place)}
    for name, cells in models.items():
        rows = ["\t".join(["", *CONDITIONS])]
        rows += [
            "\t".join([n, *map(str, own.astype(int))])
            for n, own in zip(CONDITIONS, cells, strict=True)
        ]
        (data / f"{name}.tsv").write_text("\n".join(rows) + "\n")
