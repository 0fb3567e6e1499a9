"""
Choosing dissimilarity and comparison
=====================================

What noise, unequal numbers of images and a common pattern do to RDMs, and which dissimilarity and
comparison to take. :doc:`/choosing` has the recommendations, with error rates and power.
"""

# %%
# Noise makes distances larger
# ----------------------------
#
# Eight conditions that do not differ at all, measured in six runs. The last four were
# measured four times as often, so their mean patterns hold half the noise.

import numpy as np
from matplotlib import pyplot as plt
from scipy.spatial.distance import squareform

from bids_rsa import compare_rdms, compute_dsm, compute_dsm_cv
from bids_rsa.plotting import plot_rdms

rng = np.random.default_rng(1)
n_runs, n_conditions, n_voxels = 6, 8, 200
noise_sd = np.repeat([2.0, 1.0], 4)
runs = noise_sd[:, None] * rng.standard_normal((n_runs, n_conditions, n_voxels))

plot_rdms(
    {
        "Euclidean": compute_dsm(runs.mean(axis=0), "euclidean"),
        "correlation": compute_dsm(runs.mean(axis=0), "correlation"),
        "cross-validated\nsquared Euclidean": compute_dsm_cv(runs, "sqeuclidean"),
    }
)

# %%
# The Euclidean RDM shows two groups that are not there: the noisier conditions lie farther
# from everything. Correlation distance ignores the length of patterns. Cross-validated
# distances are 0 on average, so that their sign means something.

# %%
# A pattern that all conditions share
# -----------------------------------
#
# A strong common pattern makes all correlations high. What is left of 1 - r is mostly
# noise, and conditions with more images look more alike. Centring takes the common pattern
# away.

common = 3 * rng.standard_normal(n_voxels)
patterns = runs.mean(axis=0) + common
centred = patterns - patterns.mean(axis=0)
plot_rdms(
    {
        "correlation": compute_dsm(patterns, "correlation"),
        "correlation, centred": compute_dsm(centred, "correlation"),
    }
)

# %%
# In the app this is ``--center conditions``. It does not remove what unequal noise does;
# only cross-validation does.

# %%
# What a comparison assumes
# -------------------------
#
# The true RDM is bent (the square of the model), and the measured one has noise. Rank
# comparisons are blind to the bend; Pearson's correlation loses a little by it, and cosine
# uses the size and the zero of distances.

model = rng.uniform(size=28)
measured = model**2 + 0.05 * rng.standard_normal(28)
comparisons = ("spearman", "rho-a", "kendall-tau-a", "pearson", "cosine", "whitened-cosine")
scores = {name: compare_rdms(measured, model, name) for name in comparisons}
plt.figure(figsize=(6, 3), layout="constrained")
plt.barh(list(scores), list(scores.values()))
plt.gca().invert_yaxis()
plt.xlabel("score")

# %%
# Models with ties
# ----------------
#
# The true RDM has three levels. One model has the same three; the other joins the two
# larger ones. Spearman's rho gives the coarse model credit for its ties: it asks nothing of
# the pairs that the model calls equal. rho-a and Kendall's tau-a count ties as what one
# would get by guessing.

category = np.repeat(np.arange(4), 2)
same, near = category[:, None] == category, category[:, None] // 2 == category // 2
fine = squareform(np.where(same, 0, np.where(near, 1, 2)), checks=False).astype(float)
coarse = np.minimum(fine, 1.0)
draws = [fine + 1.5 * rng.standard_normal(28) for _ in range(300)]
for name in ("spearman", "rho-a", "kendall-tau-a"):
    values = np.array([compare_rdms(draw, [fine, coarse], name) for draw in draws])
    right = (values[:, 0] > values[:, 1]).mean()
    print(f"{name:14s} fine {values[:, 0].mean():.3f}  coarse {values[:, 1].mean():.3f}  "
          f"the fine one wins in {right:.0%}")  # fmt: skip
