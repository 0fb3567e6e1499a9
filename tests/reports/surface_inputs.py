"""Participants on fsaverage5 with two kinds of conditions that differ in left occipital cortex."""

import json

import nibabel as nib
import numpy as np

from bids_rsa.spaces.gifti import maps_image

CONDITIONS = ("a1", "a2", "a3", "b1", "b2", "b3")
N_VERTICES, N_SUBJECTS = 10242, 4
EFFECT_Y_MM = -70  # the effect lies behind


def write_surface_inputs(data, middle):
    """Condition images of both hemispheres, and a model of the two kinds.

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
    cells = [[str(int(a[0] != b[0])) for b in CONDITIONS] for a in CONDITIONS]
    rows = ["\t".join(["", *CONDITIONS])]
    rows += ["\t".join([n, *own]) for n, own in zip(CONDITIONS, cells, strict=True)]
    (data / "kind.tsv").write_text("\n".join(rows) + "\n")
