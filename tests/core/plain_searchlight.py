"""The reference: a searchlight by measuring in mm and scipy's pdist, as semantics.md words it."""

import numpy as np
from plain_comparison import is_constant, near_tie_ranks
from scipy import stats
from scipy.spatial.distance import cdist, pdist

MIN_VOXELS = {"correlation": 3, "cosine": 2}


def patches_by_mm(patch_mask, center_mask, affine, radius_mm):
    """Rows of the voxels within the radius of each centre."""
    voxels = np.argwhere(patch_mask)
    for center in np.argwhere(center_mask):
        mm = np.linalg.norm((voxels - center) @ affine[:3, :3].T, axis=1)
        yield np.flatnonzero(mm <= radius_mm * (1 + 1e-6))


def plain_rdm(items, metric, **params):
    """Return the RDM of patterns (n_items, n_voxels), all NaN where one cell is undefined."""
    n_cells = len(items) * (len(items) - 1) // 2
    if items.shape[1] < MIN_VOXELS.get(metric, 1) or not np.isfinite(items).all():
        return np.full(n_cells, np.nan)
    if metric == "correlation" and any(is_constant(item) for item in items):
        return np.full(n_cells, np.nan)
    with np.errstate(all="ignore"):
        cells = pdist(items, metric, **params)
    return cells if np.isfinite(cells).all() else np.full(n_cells, np.nan)


def plain_cv_rdm(folds, metric):
    """Return the cross-validated RDM (n_folds, n_items, n_voxels), pair by pair."""
    if metric in MIN_VOXELS:
        return plain_left_out_rdm(folds, metric)
    n_folds, n_items, _ = folds.shape
    cells = []
    for i in range(n_items):
        for j in range(i + 1, n_items):
            d = folds[:, i] - folds[:, j]
            products = [d[f] @ d[g] for f in range(n_folds) for g in range(n_folds) if f != g]
            mean = np.mean(products)
            cells.append(mean if metric == "sqeuclidean" else np.sign(mean) * np.sqrt(abs(mean)))
    return np.array(cells)


def plain_left_out_rdm(folds, metric):
    """Distances of each fold from the mean of all others, averaged; all NaN if one is undefined."""
    n_folds, n_items, n_voxels = folds.shape
    upper = np.triu_indices(n_items, 1)
    undefined = np.full(len(upper[0]), np.nan)
    if n_voxels < MIN_VOXELS[metric] or not np.isfinite(folds).all():
        return undefined
    both = []
    for test in range(n_folds):
        # rounded means of nearly constant patterns would differ from themselves by more than 1e-10
        training = np.delete(folds, test, axis=0).astype(np.longdouble).mean(axis=0)
        if metric == "correlation":
            if any(map(is_constant, [*training.astype(float), *folds[test]])):
                return undefined
            training -= training.mean(axis=1, keepdims=True)
        with np.errstate(all="ignore"):
            distances = cdist(training.astype(float), folds[test], metric)
        both += [distances[upper], distances.T[upper]]
    cells = np.mean(both, axis=0)
    return cells if np.isfinite(cells).all() else undefined


def plain_scores(rdms, models, comparison):
    """Scores (n_models, n_rdms): spearman or pearson, NaN where undefined."""
    scores = np.full((len(models), len(rdms)), np.nan)
    for k, cells in enumerate(rdms):
        if np.isfinite(cells).all() and not is_constant(cells):
            values = near_tie_ranks(cells) if comparison == "spearman" else cells
            for m, model in enumerate(models):
                other = stats.rankdata(model) if comparison == "spearman" else model
                scores[m, k] = stats.pearsonr(values, other).statistic
    return scores
