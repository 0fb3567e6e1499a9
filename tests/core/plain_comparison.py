"""The reference: the comparisons in plain numpy and scipy, as semantics.md words them."""

import numpy as np
from scipy import optimize, stats

SINGLE = (
    "spearman", "pearson", "kendall-tau-a", "kendall-tau-b", "rho-a", "cosine",
    "whitened-cosine", "whitened-pearson",
)  # fmt: skip


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


def nonnegative(y, models, standardize):
    """Least-squares weights >= 0 with an intercept of any sign."""
    if is_constant(y):
        return np.full(len(models), np.nan)
    constant = [is_constant(model) for model in models]
    y, models = y - y.mean(), models - models.mean(axis=1, keepdims=True)
    models[constant] = 0
    if standardize:
        y, models = y / y.std(), models / models.std(axis=1, keepdims=True)
    sizes = np.linalg.norm(models, axis=1)
    sizes[sizes == 0] = 1
    size = np.linalg.norm(y)
    return optimize.nnls((models / sizes[:, None]).T, y / size)[0] * size / sizes


def explained(y, models):
    """Share of the variance that least squares with an intercept explains."""
    if is_constant(y) or len(y) <= len(models) + 1:
        return np.nan
    y = (y - y.mean()) / np.abs(y - y.mean()).max()
    rest = residual(y, models)
    return 1 - rest @ rest / (y @ y)


def unique(y, models):
    """What leaving out each model takes from the share of variance explained."""
    if len(y) <= len(models) + 1:
        return np.full(len(models), np.nan)
    others = [np.delete(models, i, axis=0) for i in range(len(models))]
    whole = explained(y, models)
    return np.array([whole - explained(y, some) for some in others])


def cell_covariance(n_conditions, covariance):
    """Covariance of the cells of an RDM, by its definition: squares of C S C'."""
    first, second = np.triu_indices(n_conditions, 1)
    contrasts = np.eye(n_conditions)[first] - np.eye(n_conditions)[second]
    return (contrasts @ covariance @ contrasts.T) ** 2


def whitened(x, y, used, centered, covariance):
    """Cosine of two vectors of cells in the metric of the inverse covariance of the cells."""
    n = round((1 + np.sqrt(1 + 8 * len(used))) / 2)
    given = np.eye(n) if covariance is None else covariance
    matrix = cell_covariance(n, given)[np.ix_(used, used)]
    if centered and (is_constant(x) or is_constant(y)):
        return np.nan
    if not (x.any() and y.any()):
        return np.nan
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    if centered:
        x, y = x - x.mean(), y - y.mean()
        x, y = x - x.mean(), y - y.mean()
    a, b = np.linalg.solve(matrix, np.column_stack([x, y])).T
    return a @ y / np.sqrt((a @ x) * (b @ y))


def plain_compare(rdm, models, comparison, standardize=False, covariance=None):
    """Scores of one RDM with all models, NaN cells left out, NaN where undefined."""
    rdm, models = np.asarray(rdm, float), np.atleast_2d(np.asarray(models, float))
    if comparison in SINGLE:
        return np.array([_single(rdm, model, comparison, covariance) for model in models])
    used = np.isfinite(models).all(axis=0) & ~np.isnan(rdm)
    if used.sum() < 3:
        return np.full(1 if comparison == "r2" else len(models), np.nan)
    rdm, models = rdm[used], models[:, used]
    if comparison == "regression-nonneg":
        return nonnegative(rdm, models, standardize)
    if comparison == "r2":
        return np.array([explained(rdm, models)])
    if comparison == "unique-variance":
        return unique(rdm, models)
    if comparison == "regression":
        return regression(rdm, models, standardize)
    if comparison == "partial-spearman":
        rdm, models = near_tie_ranks(rdm), stats.rankdata(models, axis=1)
    return partial(rdm, models)


def _single(rdm, model, comparison, covariance):
    """One score of one model."""
    used = np.isfinite(model) & ~np.isnan(rdm)
    if used.sum() < 3:
        return np.nan
    x, y = rdm[used], model[used]
    if comparison.startswith("whitened"):
        return whitened(x, y, used, comparison == "whitened-pearson", covariance)
    if comparison == "pearson":
        return correlate(x, y)
    if comparison == "cosine":
        x, y = x / (np.abs(x).max() or np.nan), y / (np.abs(y).max() or np.nan)
        return x @ y / np.sqrt((x @ x) * (y @ y))
    ranks, model_ranks = near_tie_ranks(x), stats.rankdata(y)
    if comparison == "spearman":
        return correlate(ranks, model_ranks)
    if comparison == "kendall-tau-a":
        return tau_a(ranks, model_ranks)
    if np.ptp(ranks) == 0 or np.ptp(y) == 0:
        return np.nan
    if comparison == "kendall-tau-b":
        return stats.kendalltau(ranks, model_ranks, variant="b").statistic
    n = len(x)
    middle = (n + 1) / 2
    return 12 * (ranks - middle) @ (model_ranks - middle) / (n**3 - n)
