"""
Group inference
===============

Participants' maps are tested against 0 across participants, by flipping the signs of whole maps.
"""

# %%
# Participants
# ------------
#
# Eight participants of the example dataset, in voxels of 8 mm so that this example is fast.
# On the command line::
#
#     bids_rsa bids results participant --model bids/models/planted.tsv

import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import pandas as pd

from bids_rsa.example import ExampleSettings, make_example
from bids_rsa.plotting import plot_map

temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
make_example(folder / "bids", ExampleSettings(n_subjects=8, voxel_mm=8, signal=1.0))


def bids_rsa(*arguments):
    """Run the app as on the command line, and show what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "bids_rsa", *arguments],
        cwd=folder, check=True, text=True, capture_output=True,
    )  # fmt: skip
    print(done.stdout)


bids_rsa("bids", "results", "participant", "--model", "bids/models/planted.tsv", "--radius", "16")

# %%
# The test
# --------
#
# With eight participants there are 256 sign flips, and all of them are used. The default
# correction is by the maximum of TFCE over the brain. On the command line::
#
#     bids_rsa bids results group

bids_rsa("bids", "results", "group")

# %%
# The map
# -------
#
# ``tThr`` is t where the test is significant, and 0 elsewhere. A significant centre says
# that the patch around it holds information about the conditions.

group = folder / "results" / "group"
t = next(group.glob("*_stat-t_desc-planted_statmap.nii.gz"))
significant = nib.load(next(group.glob("*_stat-tThr_desc-planted_statmap.nii.gz"))).get_fdata()
plot_map(t, label="t", title="8 participants", threshold=significant[significant > 0].min())

# %%
# Clusters and scores
# -------------------
#
# The table of clusters, and each participant's score (Fisher's z) at the highest peak:

clusters = pd.read_csv(next(group.glob("*_clusters.tsv")), sep="\t")
clusters

# %%

scores = pd.read_csv(next(group.glob("*_peakscores.tsv")), sep="\t")
scores.head()

# %%
# Was it found where it was planted?

planted = nib.load(folder / "bids" / "sourcedata" / "planted_mask.nii.gz").get_fdata() > 0
print(f"{(significant[planted] > 0).mean():.0%} of the planted voxels are significant")

# %%
# More tests
# ----------
#
# Two models, two groups of participants, or a covariate::
#
#     bids_rsa bids results group --compare-models planted other
#     bids_rsa bids results group --group-column group
#     bids_rsa bids results group --test-covariate age
#
# :doc:`/inference` says what each of them assumes.
