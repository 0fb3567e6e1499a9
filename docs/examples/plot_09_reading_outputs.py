"""
Reading the outputs in Python and R
===================================

Maps, sidecars and tables are plain NIfTI, JSON and TSV files. Nothing of bids_rsa is needed to read
them.
"""

# %%
# Some outputs
# ------------

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import pandas as pd

from bids_rsa.example import ExampleSettings, make_example

temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)
make_example(folder / "bids", ExampleSettings(n_subjects=2, voxel_mm=8))
subprocess.run(
    [
        sys.executable, "-m", "bids_rsa", "bids", "results", "participant",
        "--model", "bids/models/planted.tsv", "--radius", "16", "--roi-sphere", "LO:-36,-56,-14:16",
    ],
    cwd=folder, check=True, capture_output=True,
)  # fmt: skip

# %%
# A map and its sidecar
# ---------------------
#
# The JSON file beside a map has the same name; :doc:`/outputs` lists its keys.

results = folder / "results"
path = next(results.glob("sub-01/func/*_stat-spearman_desc-planted_statmap.nii.gz"))
image = nib.load(path)
sidecar = json.loads(Path(str(path).replace(".nii.gz", ".json")).read_text())
print(path.name, image.shape)
for key in ("Comparison", "Dissimilarity", "SearchlightRadius", "CentersEvaluated", "Conditions"):
    print(key, ":", sidecar[key])

# %%
# All participants in one table
# -----------------------------
#
# By their names, which are made of entities. pybids reads them as well.

rows = []
for path in sorted(results.glob("sub-*/func/*_stat-spearman_*_statmap.nii.gz")):
    entities = dict(part.split("-", 1) for part in path.name.split("_") if "-" in part)
    rows.append({**entities, "highest": nib.load(path).get_fdata().max()})
pd.DataFrame(rows)[["sub", "task", "stat", "desc", "highest"]]

# %%
# Regions
# -------

table = pd.concat(
    pd.read_csv(path, sep="\t").assign(participant=path.name.split("_")[0])
    for path in sorted(results.glob("sub-*/func/*_scores.tsv"))
)
table

# %%
# In R
# ----
#
# .. code-block:: r
#
#     library(RNifti)
#     library(jsonlite)
#
#     maps <- Sys.glob("results/sub-*/func/*_stat-spearman_desc-planted_statmap.nii.gz")
#     highest <- sapply(maps, function(path) max(readNifti(path), na.rm = TRUE))
#     sidecar <- fromJSON(sub(".nii.gz", ".json", maps[1], fixed = TRUE))
#     sidecar$CentersEvaluated
#
#     tables <- Sys.glob("results/sub-*/func/*_scores.tsv")
#     scores <- do.call(rbind, lapply(tables, function(path)
#       cbind(participant = sub("_.*", "", basename(path)),
#             read.delim(path, na.strings = "n/a", check.names = FALSE))))
#     aggregate(score ~ name + model, scores, mean)
