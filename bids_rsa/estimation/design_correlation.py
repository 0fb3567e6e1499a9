"""How the design alone correlates condition estimates: noise that can look like a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.plain_statistics import average_ranks


@dataclass(frozen=True)
class DesignCorrelation:
    """The correlation between condition estimates that the design makes of white noise.

    ``largest`` is the off-diagonal entry with the largest absolute value, of the conditions in
    ``pair``; ``with_models`` are rank correlations of 1 - correlation with each model's cells.
    """

    largest: float
    pair: tuple[str, str]
    with_models: tuple[tuple[str, float], ...]


def design_correlation(
    covariances: Sequence[NDArray[np.float64]],
    conditions: Sequence[str],
    models: Mapping[str, NDArray[np.float64]],
) -> DesignCorrelation:
    """Compare the correlation that the design makes with the models.

    Parameters
    ----------
    covariances : sequence of ndarray, shape (n_conditions, n_conditions)
        One for each run.
    conditions : sequence of str
    models : mapping
        The square cells of each model in the same order; NaN for cells left out.
    """
    mean = np.mean(covariances, axis=0)
    scale = np.sqrt(np.diag(mean))
    correlation = mean / np.outer(scale, scale)
    upper = np.triu_indices(len(conditions), 1)
    cells = correlation[upper]
    at = int(np.argmax(np.abs(cells)))
    pair = (conditions[upper[0][at]], conditions[upper[1][at]])
    ranks = tuple((name, _rank(1.0 - cells, square[upper])) for name, square in models.items())
    return DesignCorrelation(float(cells[at]), pair, ranks)


def _rank(cells: NDArray[np.float64], model: NDArray[np.float64]) -> float:
    """Correlate ranks over the cells that the model has; 0 where either is constant."""
    used = np.isfinite(model)
    if used.sum() < 3 or np.ptp(model[used]) == 0 or np.ptp(cells[used]) == 0:
        return 0.0
    ranks = average_ranks(np.stack([cells[used], model[used]]))
    return float(np.asarray(np.corrcoef(ranks))[0, 1])
