"""
Cross-validation and crossnobis
===============================

Unbiased distances from independent runs, and what is gained by weighting voxels by their noise.
"""

# %%
# Patterns with correlated noise
# ------------------------------
#
# Six runs of eight conditions in a patch of 60 voxels. Two categories differ, and noise is
# shared by neighbouring voxels and by the whole patch. Residuals of the first-level model
# hold the same noise.

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from scipy.spatial.distance import squareform

from bids_rsa import compare_rdms, compute_dsm, compute_dsm_cv, crossnobis, noise_covariance
from bids_rsa.plotting import plot_rdms

rng = np.random.default_rng(0)
n_runs, n_conditions, n_voxels = 6, 8, 60
place = np.arange(n_voxels)
covariance = 0.7 ** abs(place[:, None] - place) + 2.0
root = np.linalg.cholesky(covariance)
category = np.repeat([0, 1], n_conditions // 2)
effect = 0.7 * rng.standard_normal((2, n_voxels))


def noise(*shape):
    """Draw noise with the covariance of the voxels."""
    return rng.standard_normal((*shape, n_voxels)) @ root.T


runs = effect[category] + noise(n_runs, n_conditions)
residuals = noise(600)
model = squareform((category[:, None] != category).astype(float))

# %%
# Three distances
# ---------------

estimate = noise_covariance(residuals, method="shrinkage")
print(f"shrinkage of the noise covariance: {estimate.shrinkage:.3f}")
rdms = {
    "Euclidean": compute_dsm(runs.mean(axis=0), "euclidean"),
    "cross-validated": compute_dsm_cv(runs, "sqeuclidean") / n_voxels,
    "crossnobis": crossnobis(runs, estimate.matrix),
}
plot_rdms(rdms)
for name, rdm in rdms.items():
    print(f"{name:16s} cosine with the model {compare_rdms(rdm, model, 'cosine'):+.2f}")

# %%
# With and without an effect
# --------------------------
#
# Whether a distance is above 0 can be asked of the cross-validated ones only. Here are the
# distances between the two categories in 100 measurements, with and without an effect.

between = model == 1
rows = []
for strength in (0.0, 1.0):
    for _ in range(100):
        measured = strength * effect[category] + noise(n_runs, n_conditions)
        for name, rdm in (
            ("Euclidean, squared", compute_dsm(measured.mean(axis=0), "sqeuclidean") / n_voxels),
            ("cross-validated", compute_dsm_cv(measured, "sqeuclidean") / n_voxels),
            ("crossnobis", crossnobis(measured, estimate.matrix)),
        ):
            rows.append((name, strength, rdm[between].mean()))
table = pd.DataFrame(rows, columns=["distance", "effect", "mean"])
figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
for ax, (name, group) in zip(axes, table.groupby("distance", sort=False)):
    for strength, one in group.groupby("effect"):
        ax.hist(one["mean"], bins=20, alpha=0.6, label=f"effect {strength:g}")
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.set(title=name, yticks=[])
axes[0].legend()

# %%
# In the app
# ----------
#
# Residuals of nilearn, fitlins, FEAT, SPM and AFNI are found where they were kept
# (:doc:`/inputs`)::
#
#     bids_rsa bids results participant --model category.tsv --dissimilarity crossnobis \
#         --folds runs --noise shrinkage --comparison whitened-cosine
