"""
From fMRIPrep to a figure
=========================

The app starts from fMRIPrep's output and the events of the raw dataset: ``--from-bold`` fits a
general linear model to each run, and the searchlight takes its estimates.
"""

# %%
# A dataset as fMRIPrep leaves it
# -------------------------------
#
# On the command line::
#
#     python -m bids_rsa.example raw --bold --n-subjects 1
#
# This writes raw events, and preprocessed BOLD with confounds and masks in
# ``derivatives/fmriprep``.

import subprocess
import sys
import tempfile
from pathlib import Path

temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
subprocess.run(
    [sys.executable, "-m", "bids_rsa.example", "raw", "--bold", "--n-subjects", "1"],
    cwd=folder, check=True, capture_output=True,
)  # fmt: skip
print((folder / "raw/sub-01/func/sub-01_task-objects_run-01_events.tsv").read_text()[:150])

# %%
# What will be done
# -----------------
#
# ``--dry-run`` shows runs, events, confounds and the rank of each design, and writes
# nothing. On the command line::
#
#     bids_rsa raw results participant --from-bold \
#         --model raw/derivatives/models/planted.tsv --dry-run
#
# With data of your own, name fMRIPrep's folder by ``-d`` where it does not lie in
# ``raw/derivatives``, and choose a space with ``--space`` where there are several.


def bids_rsa(*arguments):
    """Run the app as on the command line, and show what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "bids_rsa", *arguments],
        cwd=folder, check=True, text=True, capture_output=True,
    )  # fmt: skip
    print(done.stdout)


model = "raw/derivatives/models/planted.tsv"
bids_rsa("raw", "results", "participant", "--from-bold", "--model", model, "--dry-run")

# %%
# The analysis
# ------------
#
# Distances are cross-validated over runs, with the noise covariance of each patch estimated
# from the residuals of the models (crossnobis). The voxels are large (8 mm), and so is the
# radius.

bids_rsa(
    "raw", "results", "participant", "--from-bold", "--model", model, "--radius", "16",
    "--dissimilarity", "crossnobis", "--folds", "runs", "--noise", "shrinkage",
    "--comparison", "whitened-cosine",
)  # fmt: skip

# %%
# The figure
# ----------
#
# ``results/sub-01.html`` shows everything on one page, with a viewer of the map. The map
# itself is a NIfTI file, with a JSON file beside it.

from bids_rsa.plotting import plot_map

(path,) = (folder / "results/sub-01/func").glob("*_stat-whitenedcosine_desc-planted_statmap.nii.gz")
plot_map(path, label="whitened cosine", title="sub-01")

# %%
# The methods text
# ----------------
#
# ``results/logs/CITATION.md`` describes the analysis in sentences for a methods section.

print((folder / "results/logs/CITATION.md").read_text()[:1500], "...")
