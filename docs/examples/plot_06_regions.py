"""
Regions in place of a searchlight
=================================

One RDM and one score for each region of an atlas.
"""

# %%
# An atlas
# --------
#
# Any label image will do. Here it has two regions: where the example dataset has its
# effect, and the same place on the other side of the brain.

import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from bids_rsa import rsa_regions
from bids_rsa.example import CONDITIONS, ExampleSettings, make_example
from bids_rsa.plotting import plot_rdms

folder = tempfile.TemporaryDirectory()
dataset = make_example(Path(folder.name) / "bids", ExampleSettings(n_subjects=1))
planted = nib.load(dataset / "sourcedata" / "planted_mask.nii.gz")
labels = np.asarray(planted.dataobj).astype("uint8")
labels[(labels == 0) & (labels[::-1] == 1)] = 2
atlas = nib.Nifti1Image(labels, planted.affine)

# %%
# The table
# ---------
#
# `rsa_regions` takes the arguments of `rsa_nifti`, with the atlas in place of a radius.

func = dataset / "sub-01" / "func"
images = sorted(func.glob("*_stat-effect_statmap.nii.gz"))
names = [path.name.partition("contrast-")[2].partition("_")[0] for path in images]
model = pd.read_csv(dataset / "models" / "planted.tsv", sep="\t", index_col=0)
table = rsa_regions(
    [str(path) for path in images],
    model,
    atlas,
    y=names,
    brain_mask=next(func.glob("*_desc-brain_mask.nii.gz")),
    atlas_table={1: "left", 2: "right"},
)
table.round(3)

# %%
# The RDMs
# --------
#
# The regions' RDMs come with the table, with the conditions in the order of `numpy.unique`.

order = sorted(CONDITIONS)
plot_rdms(dict(zip(table["name"], table.attrs["rdms"])), order, label="1 - r", shared=True)

# %%
# In the app
# ----------
#
# Regions can be an atlas, masks, or spheres (:doc:`/regions`)::
#
#     bids_rsa bids results participant --model planted.tsv --atlas atlas.nii.gz
#     bids_rsa bids results participant --model planted.tsv --roi-only \
#         --rois FFA=ffa.nii.gz --roi-sphere PPA:28,-45,-10:8
#
# ``bids_rsa bids results group`` then tests each region across participants.
