"""
First steps in a notebook
=========================

A searchlight analysis of one participant, from condition images to a map, in a few lines.
"""

# %%
# The data
# --------
#
# `bids_rsa.example` writes a small dataset: one image for each condition and run, as a
# first-level model would leave them. With data of your own, ``image`` is the list of your
# condition images.

# sphinx_gallery_thumbnail_number = 2
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from bids_rsa import rsa_nifti
from bids_rsa.example import CONDITIONS, ExampleSettings, make_example

folder = tempfile.TemporaryDirectory()
dataset = make_example(Path(folder.name) / "bids", ExampleSettings(n_subjects=1))
func = dataset / "sub-01" / "func"
images = sorted(func.glob("*_stat-effect_statmap.nii.gz"))
names = [path.name.partition("contrast-")[2].partition("_")[0] for path in images]
print(len(images), "images of", len(set(names)), "conditions")

# %%
# The model
# ---------
#
# A model RDM holds the dissimilarity that a hypothesis predicts for each pair of
# conditions. Here two animals of one category are most alike, then two living things, then
# anything else.

from bids_rsa.plotting import plot_map, plot_mds, plot_rdm

model = pd.read_csv(dataset / "models" / "planted.tsv", sep="\t", index_col=0)
plot_rdm(model.to_numpy(), model.index, title="model")

# %%
# The searchlight
# ---------------
#
# `rsa_nifti` visits each voxel, computes the RDM of the patterns within the radius, and
# compares it with the model. The radius is in **metres**. ``y`` names the condition of each
# image; the images of one condition are averaged. The model is a DataFrame, so it is
# matched by name.

brain = next(func.glob("*_desc-brain_mask.nii.gz"))
rho = rsa_nifti([str(path) for path in images], model, 0.010, y=names, brain_mask=brain)
print("highest score:", np.nanmax(rho.get_fdata()).round(2))

# %%
# The map
# -------
#
# The effect was planted 36 mm left of the midline, in the lower part of the occipital lobe.

plot_map(rho, label="Spearman's rho", title="sub-01", threshold=0.7)

# %%
# The RDM behind the peak
# -----------------------
#
# Look at the RDM before you believe a score. `compute_dsm` makes it from the patterns of a
# patch: here of the voxels within 10 mm of the highest score.

import nibabel as nib

from bids_rsa import compute_dsm

scores = rho.get_fdata()
peak = np.unravel_index(np.nanargmax(scores), scores.shape)
millimetres = nib.affines.apply_affine(rho.affine, np.indices(scores.shape).reshape(3, -1).T)
distance = np.linalg.norm(millimetres - nib.affines.apply_affine(rho.affine, peak), axis=1)
near = (distance <= 10).reshape(scores.shape) & (nib.load(brain).get_fdata() > 0)
values = np.array([nib.load(path).get_fdata()[near] for path in images])
patterns = [values[np.array(names) == name].mean(axis=0) for name in CONDITIONS]
rdm = compute_dsm(patterns, "correlation")
plot_rdm(rdm, CONDITIONS, title="RDM at the peak", label="1 - r")

# %%
# The same RDM as an arrangement of the conditions: the shorter the way from one to another,
# the more alike their patterns are.

kinds = ["animal" if name in ("cat", "dog", "bird", "fish") else "thing" for name in CONDITIONS]
plot_mds(rdm, CONDITIONS, groups=kinds)
