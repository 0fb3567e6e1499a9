"""What could make noise look like an effect: warnings and refusals, all pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bids_rsa.core.comparison.table import COMPARISONS, find_comparison
from bids_rsa.core.dissimilarity.rdms import compute_rdm, compute_rdm_cv
from bids_rsa.core.dissimilarity.table import (
    cross_validated_with_noise,
    find_dissimilarity,
    unbiased_dissimilarities,
)
from bids_rsa.patterns.stack_plan import StackPlan, images_per_condition, trials_per_condition
from bids_rsa.words import few

FEW_CONDITIONS = 5
COMMON_PATTERN = 0.5


def warn_unequal_counts(
    plan: StackPlan,
    dissimilarity: str,
    comparisons: Sequence[str],
    standardize: bool = False,
    pools_noise: bool = False,
    params: Mapping[str, Any] | None = None,
) -> tuple[str, ...]:
    """Warn of unequal numbers of trials (of images, where trials are unknown).

    With them noise alone makes structure in the RDM.

    Cross-validated products are 0 on average without an effect, however many images there are;
    their spread is not equal. Only scores that are linear in them have a mean of 0 as well.
    With ``pools_noise`` (see `ReadingSettings`) the products are not 0 on average. ``params`` are
    those of the dissimilarity: seuclidean is such a product with V, and is not without.
    """
    trials = trials_per_condition(plan)
    counts: Mapping[str, float] = trials or images_per_condition(plan)
    if len(set(counts.values())) <= 1:
        return ()
    listed = ", ".join(f"{name} {count:g}" for name, count in counts.items())
    unequal = f"Conditions have unequal numbers of {'trials' if trials else 'images'} ({listed})"
    linear = [name for name, entry in COMPARISONS.items() if entry.linear]
    entry = find_dissimilarity(dissimilarity)
    unbiased = plan.fold_labels and entry.is_unbiased(params or {}) and not pools_noise
    if not unbiased or entry.signed_root:
        source = ", with noise from residuals or --noise-from images" if pools_noise else ""
        free = [name for name in unbiased_dissimilarities() if not _takes_root(name)]
        return (
            f"{unequal}: noise alone then creates structure in the RDM. Scores of "
            f"{_either(linear)}, not standardized, on cross-validated {_either(free)} "
            f"distances{source} are not affected.",
        )
    asked = [name for name in comparisons if name not in linear or standardize]
    if not asked:
        return ()
    return (
        f"{unequal}: {dissimilarity} distances of noise are then 0 on average, but differ in "
        f"spread, and {_either(asked)} scores still find structure in noise (p < .05 in up to a "
        f"sixth of simulated groups). Only scores that are linear in the distances are not "
        f"affected: {_either(linear)}, not standardized.",
    )


def _takes_root(dissimilarity: str) -> bool:
    """Tell whether a cross-validated distance is the signed root of the unbiased product."""
    return find_dissimilarity(dissimilarity).signed_root


def _either(names: Sequence[str]) -> str:
    """Join names by or."""
    return " or ".join(names)


def warn_empty_images(names: Sequence[str]) -> tuple[str, ...]:
    """Warn of empty images, as of a regressor without events: they enter the mean."""
    if not names:
        return ()
    return (
        "These images contain nothing (0 or NaN inside the whole mask), and are averaged like the "
        f"others: {few(names)}.",
    )


def warn_few_conditions(n_conditions: int) -> tuple[str, ...]:
    """Warn of too few conditions for a stable score."""
    if n_conditions >= FEW_CONDITIONS:
        return ()
    n_cells = n_conditions * (n_conditions - 1) // 2
    return (
        f"Only {n_conditions} conditions: the RDM has {n_cells} "
        f"cell{'s' if n_cells != 1 else ''}, and scores from so few cells vary widely by chance.",
    )


def warn_sum_regression(
    comparisons: Sequence[str], dissimilarity: str, standardize: bool
) -> tuple[str, ...]:
    """Warn of regression weights that grow with the patch."""
    weights = any(find_comparison(name).weights for name in comparisons)
    if not weights or standardize or not find_dissimilarity(dissimilarity).sums_voxels:
        return ()
    return (
        f"{dissimilarity} is a sum over the patch, so regression weights grow with the size of it "
        "and are smaller at the edge of the mask; --standardize z-scores RDM and models.",
    )


def warn_without_noise(dissimilarity: str, noise: str) -> tuple[str, ...]:
    """Warn of a distance that readers take for one of noise-normalised patterns, and is not."""
    if noise != "none" or dissimilarity not in cross_validated_with_noise():
        return ()
    return (
        f"{dissimilarity} without noise normalisation (--noise none) is the cross-validated "
        "squared Euclidean distance divided by the size of the patch; --noise shrinkage takes the "
        "noise covariance of each patch into account.",
    )


def common_pattern(patterns: NDArray[np.floating]) -> float:
    """Compute the median correlation between condition patterns over all voxels.

    Parameters
    ----------
    patterns : (n_voxels, n_folds, n_conditions)
        Folds are averaged; voxels that are not finite in all conditions are left out.

    Returns
    -------
    correlation : float
        NaN with fewer than two conditions or without variance.
    """
    n_conditions = patterns.shape[2]
    n, sums = 0, np.zeros(n_conditions)
    products = np.zeros((n_conditions, n_conditions))
    shift: NDArray[np.float64] | None = None
    with threadpool_limits(1):  # the products are small, and other work may use the CPUs
        for start in range(0, len(patterns), 4096):  # bounded memory
            block = patterns[start : start + 4096].mean(axis=1, dtype=np.float64)
            block = block[np.isfinite(block).all(axis=1)]
            if not len(block):
                continue
            shift = block.mean(axis=0) if shift is None else shift  # against cancellation
            block -= shift
            n, sums, products = n + len(block), sums + block.sum(axis=0), products + block.T @ block
    if n < 3 or n_conditions < 2:
        return float("nan")
    covariance = products - np.outer(sums, sums) / n
    scale = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = covariance / np.outer(scale, scale)
    return float(np.median(correlations[np.triu_indices(n_conditions, 1)]))


def cancels_common_pattern(dissimilarity: str) -> bool:
    """Tell whether a pattern added to all conditions leaves their dissimilarities as they are."""
    patterns = np.random.default_rng(0).random((2, 6, 4))
    shift = np.arange(1.0, 5.0)
    with np.errstate(all="ignore"):
        if find_dissimilarity(dissimilarity).needs_folds:
            alone = compute_rdm_cv(patterns, dissimilarity)
            shifted = compute_rdm_cv(patterns + shift, dissimilarity)
        else:
            alone = compute_rdm(patterns[0], dissimilarity)
            shifted = compute_rdm(patterns[0] + shift, dissimilarity)
    return bool(np.allclose(alone, shifted))


def warn_common_pattern(patterns: NDArray[np.floating], dissimilarity: str) -> tuple[str, ...]:
    """Warn of a pattern that all conditions share, where the dissimilarity depends on it."""
    if cancels_common_pattern(dissimilarity):
        return ()
    correlation = common_pattern(patterns)
    if not correlation > COMMON_PATTERN:
        return ()
    return (
        f"The median correlation between condition patterns is {correlation:.2f}: a pattern "
        f"common to all conditions dominates the dissimilarity ({dissimilarity}), so that "
        "unequal noise of the conditions can look like structure. Metrics based on pattern "
        "differences, such as euclidean, are not affected.",
    )
