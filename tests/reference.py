"""The reference: searchlight RSA in plain numpy and scipy, patch by patch, as semantics.md says."""

import warnings

import numpy as np
from core.plain_comparison import plain_compare
from scipy.spatial.distance import cdist, pdist

SUMS = ("sqeuclidean", "cityblock", "canberra")  # and those with the sum inside a root:
ROOTS = {"euclidean": 2, "seuclidean": 2, "minkowski": None}
MIN_VOXELS = {"correlation": 3, "cosine": 2}  # below, a cell is 0 or 2, or noise
# cross-validated products, and the parameter that must be given for it
UNBIASED = {"sqeuclidean": None, "euclidean": None, "mahalanobis": "VI", "seuclidean": "V"}
UNBIASED["crossnobis"] = None


def plain_patches(patch_mask, center_mask, affine, radius_mm):
    """For each centre the indices of its voxels among the patch mask's."""
    everywhere = np.argwhere(patch_mask) @ affine[:3, :3].T
    for center in np.argwhere(center_mask) @ affine[:3, :3].T:
        distance = np.sqrt(((everywhere - center) ** 2).sum(axis=1))
        yield np.flatnonzero(distance <= radius_mm * (1 + 1e-6))


def is_constant(pattern):
    """Centred norm at most 1e-12 of the norm."""
    return np.linalg.norm(pattern - pattern.mean()) <= 1e-12 * np.linalg.norm(pattern)


def pair_distance(u, v, metric, params, ignore_nan, n_finite):
    """Distance of two patterns; with ignore_nan over the voxels where both are finite."""
    if not ignore_nan:
        return cdist(u[None], v[None], metric, **params)[0, 0]
    both = np.isfinite(u) & np.isfinite(v)
    if not both.any():
        return np.nan
    params = {
        key: np.asarray(value)[both] if key in ("V", "w") else value
        for key, value in params.items()
    }
    if both.sum() < MIN_VOXELS.get(metric, 1):
        return np.nan
    if metric == "correlation" and (is_constant(u[both]) or is_constant(v[both])):
        return np.nan
    if metric == "cosine" and not (u[both].any() and v[both].any()):
        return np.nan
    distance = cdist(u[both][None], v[both][None], metric, **params)[0, 0]
    if not np.isfinite(distance):  # a ratio whose denominator is 0
        return np.nan
    scale = n_finite / both.sum()
    if metric in SUMS:
        return distance * scale
    if metric in ROOTS:
        return distance * scale ** (1 / (ROOTS[metric] or params.get("p", 2)))
    return distance


def variances(patterns, metric, params):
    """Add the variances that seuclidean takes from all patterns of an RDM."""
    if metric != "seuclidean" or "V" in params:
        return params
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {**params, "V": np.nanvar(patterns, axis=0, ddof=1)}


def undefined_centre(patterns, cells, metric):
    """With ignore_nan, tell whether more than missing voxels undoes a patch.

    A pattern that is constant over its voxels does, with correlation, and so does an undefined
    cell of two patterns that lack no voxel. Patterns are (n_sets, n_items, n_voxels).
    """
    finite = np.isfinite(patterns)
    whole = finite[..., finite.any(axis=(0, 1))].all(axis=(0, 2))
    rows, columns = np.triu_indices(patterns.shape[1], 1)
    if (np.isnan(cells) & whole[rows] & whole[columns]).any():
        return True
    rows = [row[np.isfinite(row)] for row in patterns.reshape(-1, patterns.shape[2])]
    return metric == "correlation" and any(is_constant(row) for row in rows if len(row) >= 3)


def plain_rdm(patterns, metric, ignore_nan=False, **params):
    """Condensed RDM of patterns (n_items, n_voxels)."""
    n_items = len(patterns)
    cells = np.full(n_items * (n_items - 1) // 2, np.nan)
    if not ignore_nan and not np.isfinite(patterns).all():
        return cells
    if patterns.shape[1] < MIN_VOXELS.get(metric, 1):
        return cells
    if not ignore_nan:
        with np.errstate(all="ignore"):
            cells = pdist(patterns, metric, **params)
        if metric == "correlation":
            bad = np.array([is_constant(pattern) for pattern in patterns])
            rows, columns = np.triu_indices(n_items, 1)
            cells[bad[rows] | bad[columns]] = np.nan
        return cells
    n_finite = np.isfinite(patterns).any(axis=0).sum()
    params = variances(patterns, metric, params)
    for cell, (i, j) in enumerate(zip(*np.triu_indices(n_items, 1), strict=True)):
        cells[cell] = pair_distance(patterns[i], patterns[j], metric, params, True, n_finite)
    return cells * np.nan if undefined_centre(patterns[None], cells, metric) else cells


def plain_rdm_cv(folds, metric, ignore_nan=False, **params):
    """Condensed cross-validated RDM of patterns (n_folds, n_items, n_voxels)."""
    _, n_items, n_voxels = folds.shape
    pairs = list(zip(*np.triu_indices(n_items, 1), strict=True))
    undefined = np.full(len(pairs), np.nan)
    if not ignore_nan and not np.isfinite(folds).all():
        return undefined
    n_finite = np.isfinite(folds).any(axis=(0, 1)).sum()
    if metric in UNBIASED and UNBIASED[metric] in (None, *params):
        return np.array(
            [_product(folds[:, i] - folds[:, j], metric, params, n_finite) for i, j in pairs]
        )
    if n_voxels < MIN_VOXELS.get(metric, 1):
        return undefined
    terms, means = [], []
    for fold, test in enumerate(folds):
        train = np.nanmean(np.delete(folds, fold, axis=0), axis=0)
        means.append(train)
        if ignore_nan:
            given = variances(np.vstack([train, test]), metric, params)
            distances = np.array(
                [[pair_distance(u, v, metric, given, True, n_finite) for v in test] for u in train]
            )
        else:
            distances = cdist(train, test, metric, **params)
        if metric == "correlation" and not ignore_nan:
            distances[[is_constant(pattern) for pattern in train]] = np.nan
            distances[:, [is_constant(pattern) for pattern in test]] = np.nan
        terms += [[distances[i, j] for i, j in pairs], [distances[j, i] for i, j in pairs]]
    if not ignore_nan:
        return np.mean(terms, axis=0)
    cells = np.nanmean(terms, axis=0)  # over the directions and folds that have a voxel
    every = np.concatenate([folds, means])
    return undefined if undefined_centre(every, cells, metric) else cells


def _product(differences, metric, params, n_finite):
    """Mean over pairs of different folds of the product of their differences."""
    n_folds, n_voxels = differences.shape
    weights = params.get("VI", np.diag(params.get("w", np.ones(n_voxels))))
    if "V" in params:
        weights = np.diag(1 / params["V"])
    pairs = [(f, g) for f in range(n_folds) for g in range(n_folds) if f != g]
    if np.isfinite(differences).all():
        gram = differences @ weights @ differences.T
        products = [gram[pair] for pair in pairs]
    else:
        both = [np.isfinite(differences[f]) & np.isfinite(differences[g]) for f, g in pairs]
        products = [
            differences[f, b] @ weights[np.ix_(b, b)] @ differences[g, b] * n_finite / b.sum()
            for (f, g), b in zip(pairs, both, strict=True)
            if b.any()
        ]
    mean = np.mean(products) if products else np.nan
    if metric == "crossnobis":
        return mean / n_finite
    return mean if metric != "euclidean" else np.sign(mean) * np.sqrt(abs(mean))


def plain_searchlight(
    folds, patch_mask, center_mask, affine, radius_mm, models, metric, comparisons,
    ignore_nan=False, params=None,
):  # fmt: skip
    """Scores {comparison: (n_models, n_centers)} of images (n_folds, n_items, X, Y, Z)."""
    params = params or {}
    values = folds[:, :, patch_mask].astype(np.float64)
    scores = {name: [] for name in comparisons}
    for patch in plain_patches(patch_mask, center_mask, affine, radius_mm):
        cut = {k: np.asarray(v)[patch] if k in ("V", "w") else v for k, v in params.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if len(values) == 1:
                rdm = plain_rdm(values[0][:, patch], metric, ignore_nan, **cut)
            else:
                rdm = plain_rdm_cv(values[:, :, patch], metric, ignore_nan, **cut)
        undefined = not (ignore_nan or np.isfinite(rdm).all())
        for name in comparisons:
            score = np.full(len(models), np.nan)
            scores[name].append(score if undefined else plain_compare(rdm, models, name))
    return {name: np.array(rows).T for name, rows in scores.items()}
