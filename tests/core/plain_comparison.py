"""The reference: the comparisons in plain numpy and scipy, as semantics.md words them."""

import numpy as np
from scipy import stats


def near_tie_ranks(rdm):
    """Average ranks; sorted neighbours within 1e-12 of their size, or of most cells', are ties."""
    order = np.argsort(rdm, kind="stable")
    ascending = rdm[order]
    size = min(np.abs(rdm[np.isfinite(rdm)]).max(initial=0.0), 2.0)
    for k in ((len(rdm) - 1) // 4, (len(rdm) - 1) // 2):
        if np.isfinite(ascending[k]):
            size = max(size, abs(ascending[k]))
    with np.errstate(invalid="ignore", over="ignore"):
        own = np.maximum(np.abs(ascending[1:]), np.abs(ascending[:-1]))
        gap = 1e-12 * np.maximum(size, np.where(np.isfinite(own), own, 0.0))
        tie = (ascending[1:] == ascending[:-1]) | (np.diff(ascending) <= gap)
    run = np.concatenate([[0], np.cumsum(~tie)])
    positions = np.arange(1, len(rdm) + 1)
    mean_position = np.bincount(run, positions) / np.bincount(run)
    ranks = np.empty(len(rdm))
    ranks[order] = mean_position[run]
    return ranks


def is_constant(values):
    """Centred norm at most 1e-12 of the norm."""
    scaled = values / max(np.abs(values).max(), 1e-300)
    return np.linalg.norm(scaled - scaled.mean()) <= 1e-12 * np.linalg.norm(scaled)


def correlate(x, y):
    """Pearson's correlation, NaN when one side is constant."""
    if is_constant(x) or is_constant(y):
        return np.nan
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    return stats.pearsonr(x, y).statistic


def tau_a(x_ranks, y):
    """(concordant - discordant) / all pairs, by looking at every pair."""
    if np.ptp(x_ranks) == 0 or np.ptp(y) == 0:
        return np.nan
    first, second = np.triu_indices(len(y), 1)
    agreement = np.sign(x_ranks[first] - x_ranks[second]) * np.sign(y[first] - y[second])
    return agreement.sum() / len(first)


def residual(y, others):
    """What ordinary least squares with an intercept on the others leaves of y.

    The intercept takes the mean, however large; taken away first, it costs no digits.
    """
    y = y - y.mean()
    design = np.column_stack([np.ones(len(y)), *others])
    sizes = np.linalg.norm(design, axis=0)
    design = design / np.where(sizes > 0, sizes, 1)
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return rest - design @ np.linalg.lstsq(design, rest, rcond=None)[0]


def partial(y, models):
    """Correlation of residuals for each model; NaN by the two rules of semantics.md."""
    scores = np.full(len(models), np.nan)
    if len(y) <= len(models) + 1 or is_constant(y):
        return scores
    y = y / np.abs(y).max()  # squares of 1e-300 would be 0
    for i, model in enumerate(models):
        if is_constant(model):
            continue
        others = np.delete(models, i, axis=0)
        left = [residual(v, others) for v in (y, model)]
        floors = [1e-10 * np.linalg.norm(v - v.mean()) for v in (y, model)]
        norms = [np.linalg.norm(v) for v in left]
        if all(norm >= floor for norm, floor in zip(norms, floors, strict=True)):
            scores[i] = (left[0] / norms[0]) @ (left[1] / norms[1])
    return scores


def regression(y, models, standardize):
    """Least-squares weights with an intercept, minimum norm."""
    if is_constant(y):
        return np.full(len(models), np.nan)
    y, models = y - y.mean(), models - models.mean(axis=1, keepdims=True)
    if standardize:
        y, models = y / y.std(), models / models.std(axis=1, keepdims=True)
    return np.linalg.lstsq(models.T, y, rcond=None)[0]


def plain_compare(rdm, models, comparison, standardize=False):
    """Scores (n_models,) of one RDM, NaN cells left out, NaN where undefined."""
    rdm, models = np.asarray(rdm, float), np.atleast_2d(np.asarray(models, float))
    if comparison in ("spearman", "pearson", "kendall-tau-a"):
        return np.array([_single(rdm, model, comparison) for model in models])
    used = np.isfinite(models).all(axis=0) & ~np.isnan(rdm)
    if used.sum() < 3:
        return np.full(len(models), np.nan)
    rdm, models = rdm[used], models[:, used]
    if comparison == "regression":
        return regression(rdm, models, standardize)
    if comparison == "partial-spearman":
        rdm, models = near_tie_ranks(rdm), stats.rankdata(models, axis=1)
    return partial(rdm, models)


def _single(rdm, model, comparison):
    """One score of one model."""
    used = np.isfinite(model) & ~np.isnan(rdm)
    if used.sum() < 3:
        return np.nan
    rdm, model = rdm[used], model[used]
    if comparison == "pearson":
        return correlate(rdm, model)
    if comparison == "spearman":
        return correlate(near_tie_ranks(rdm), stats.rankdata(model))
    return tau_a(near_tie_ranks(rdm), stats.rankdata(model))
