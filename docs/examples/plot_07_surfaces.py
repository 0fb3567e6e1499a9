"""
Searchlights on the cortical surface
====================================

On a surface, patches are discs measured along the cortex, so that they do not reach across a
sulcus. The app finds the surface by the name of the space.
"""

# %%
# Condition images on a surface
# -----------------------------
#
# Noise for each hemisphere, and patterns that follow the model within 20 mm of a vertex on the
# left side. The mesh is fsaverage5, which comes with nilearn. Images are GIFTI files, one for
# each condition, run and hemisphere.

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from matplotlib import pyplot as plt
from nilearn import plotting
from nilearn.datasets import load_fsaverage

from bids_rsa.example import CONDITIONS, planted_patterns, write_model

temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
func = folder / "bids" / "sub-01" / "func"
func.mkdir(parents=True)
description = {"Name": "surfaces", "BIDSVersion": "1.10.0", "DatasetType": "derivative"}
(folder / "bids" / "dataset_description.json").write_text(json.dumps(description))
write_model(folder / "models" / "planted.tsv")

pial = load_fsaverage("fsaverage5")["pial"]
rng = np.random.default_rng(7)
for side, name in (("left", "L"), ("right", "R")):
    vertices = pial.parts[side].coordinates
    seed = np.argmin(np.linalg.norm(vertices - [-38, -56, -14], axis=1))
    near = np.linalg.norm(vertices - vertices[seed], axis=1) <= 20
    patterns = planted_patterns(rng, near.sum()) if side == "left" else 0
    for run in (1, 2, 3):
        for number, condition in enumerate(CONDITIONS):
            values = rng.standard_normal(len(vertices)).astype("float32")
            if side == "left":
                values[near] += 0.5 * patterns[number]
            structure = "CortexLeft" if side == "left" else "CortexRight"
            array = nib.gifti.GiftiDataArray(
                values, intent="NIFTI_INTENT_NONE", meta={"AnatomicalStructurePrimary": structure}
            )
            stem = f"sub-01_task-objects_run-{run}_hemi-{name}_space-fsaverage5"
            path = func / f"{stem}_contrast-{condition}_stat-effect_statmap.gii"
            nib.save(nib.gifti.GiftiImage(darrays=[array]), path)
print(len(list(func.glob("*.gii"))), "files")

# %%
# The searchlight
# ---------------
#
# The command is the same as for volumes. On the command line::
#
#     bids_rsa bids results participant --model models/planted.tsv --radius 10
#
# The radius is a distance along the surface.

done = subprocess.run(
    [
        sys.executable, "-m", "bids_rsa", "bids", "results", "participant",
        "--model", "models/planted.tsv", "--radius", "10",
    ],
    cwd=folder, check=True, text=True, capture_output=True,
)  # fmt: skip
print(done.stdout)

# %%
# The map
# -------
#
# There is one map for each hemisphere, with a JSON file for each.

results = folder / "results" / "sub-01" / "func"
scores = {}
for side, name in (("left", "L"), ("right", "R")):
    path = next(results.glob(f"*_hemi-{name}_*_stat-spearman_desc-planted_statmap.shape.gii"))
    scores[side] = np.nan_to_num(nib.load(path).agg_data())
inflated = load_fsaverage("fsaverage5")["inflated"]
figure, axes = plt.subplots(1, 2, figsize=(10, 5), subplot_kw={"projection": "3d"})
for ax, side in zip(axes, scores):
    plotting.plot_surf_stat_map(
        inflated.parts[side], scores[side], hemi=side, view="ventral", threshold=0.4, vmax=1.0,
        title=side, axes=ax, colorbar=True,
    )  # fmt: skip
    ax.set_box_aspect(None, zoom=1.3)

# %%
# Where the scores are highest
# ----------------------------

best = int(np.argmax(scores["left"]))
place = pial.parts["left"].coordinates[best].round().astype(int).tolist()
print(
    "highest score, left:",
    scores["left"][best].round(2),
    "at",
    place,
    "mm (planted: -38, -56, -14)",
)
print("highest score, right:", scores["right"].max().round(2))

# %%
# Surfaces of your own, grayordinates (CIFTI) and masks of the cortex are described in
# :doc:`/surfaces`.
