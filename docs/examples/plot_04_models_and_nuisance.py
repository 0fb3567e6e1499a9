"""
Several models, and nuisance models
===================================

Which model explains an RDM when models resemble each other, or when something else, such as the
similarity of the pictures, could explain it too.
"""

# %%
# Two models that resemble each other
# -----------------------------------
#
# Patterns follow a category model. A second model of low-level similarity is correlated
# with it.

# sphinx_gallery_thumbnail_number = 2
import numpy as np
import pandas as pd

from bids_rsa import compare_rdms, compute_dsm
from bids_rsa.plotting import plot_model_scores, plot_rdms

rng = np.random.default_rng(3)
category = np.repeat([0.0, 1.0], 6)
contrast = category + rng.normal(scale=0.4, size=12)
models = {
    "category": compute_dsm(category[:, None], "euclidean"),
    "contrast": compute_dsm(contrast[:, None], "euclidean"),
}
plot_rdms(models)
print("correlation of the models:", np.corrcoef(list(models.values()))[0, 1].round(2))

# %%
# One by one, and together
# ------------------------
#
# Ten participants, whose patterns depend on the category alone. Compared one by one, both
# models score above 0. The partial correlation of a model is what it explains beyond the
# others, and ``unique-variance`` the share of variance that it adds to them.

rows = []
for _ in range(10):
    signal = np.outer(category, rng.standard_normal(60))
    rdm = compute_dsm(signal + rng.standard_normal((12, 60)), "euclidean")
    for comparison in ("spearman", "partial-spearman", "unique-variance"):
        scores = compare_rdms(rdm, list(models.values()), comparison)
        rows += [(comparison, name, score) for name, score in zip(models, scores)]
table = pd.DataFrame(rows, columns=["comparison", "model", "score"])
table.groupby(["comparison", "model"], sort=False)["score"].mean().unstack().round(3)

# %%
# In a plot with one dot for each participant:

shown = table[table["comparison"] != "unique-variance"].groupby(["comparison", "model"], sort=False)
plot_model_scores(
    {f"{model}\n{comparison}": group["score"] for (comparison, model), group in shown}
)

# %%
# In the app
# ----------
#
# Models of interest and nuisance models are given together; those named by ``--nuisance``
# take part in joint fits and get no map of their own::
#
#     bids_rsa bids results participant --model category.tsv contrast.tsv --nuisance contrast \
#         --comparison partial-spearman
#
# To leave single pairs of conditions out of every comparison, give a table with
# ``--exclude-cells``, or use ``--exclude-within run`` for pairs that were measured in one
# and the same run.
