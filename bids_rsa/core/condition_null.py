"""The null of one participant: scores of models whose conditions were permuted.

Nothing of the data is computed again: permuted models are compared with the same RDMs, their ranks
and their centred cells. In a joint fit all models are permuted together, so that their relation to
each other stays; there the RDM's cells change places instead, which gives the same scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.comparison.blocks import RdmBlock
from bids_rsa.core.comparison.draws import summarize_draws
from bids_rsa.core.comparison.permutations import Permutations
from bids_rsa.core.comparison.permuted_fits import PermutedFit, joint_fit, single_fit
from bids_rsa.core.comparison.table import DEFAULT_COMPARISON, find_comparison

Floats = NDArray[np.float64]
# a relabeling reaches the observed score when it is less by no more than rounding
TOLERANCE = 1e-9


@dataclass(frozen=True)
class NullOfScore:
    """What permuted conditions say about one score.

    Attributes
    ----------
    p : (n_centers,) float64
        Share of relabelings that reach the score, greater is more extreme; NaN where undefined.
    z : (n_centers,) float64
        Score minus the mean of the null, over its standard deviation; NaN where that is 0.
    max_p : (n_centers,) float64
        The same as ``p`` for the maximum over all centres: corrected for the family-wise error.
    mean, sd : (n_centers,) float64
        Of the null.
    kept : (n_kept, n_centers) float32
        Scores under the first permutations, which are the same for all scores and participants.
    kept_all : bool
        ``kept`` holds all permutations there are, the identity once.
    n_used, n_distinct : int
        Relabelings used, and distinct ones that there are.
    is_lower_bound : bool
        There are more than ``n_distinct``.
    exhaustive : bool
        Those used are all distinct ones.
    smallest_p : float
    """

    p: Floats
    z: Floats
    max_p: Floats
    mean: Floats
    sd: Floats
    kept: NDArray[np.float32] = field(repr=False)
    kept_all: bool
    n_used: int
    n_distinct: int
    is_lower_bound: bool
    exhaustive: bool
    smallest_p: float


class ConditionNull:
    """Scores of models with permuted conditions, summarised at each centre.

    Parameters
    ----------
    models : (n_models, n_cells) array_like
        Condensed model RDMs without missing cells.
    permutations : Permutations
        See `bids_rsa.core.comparison.permutations.draw_permutations`.
    comparisons : sequence of str
        Keys of `bids_rsa.core.comparison.table.COMPARISONS`.
    n_kept : int
        Scores under so many permutations are kept for each centre.
    **options
        As for `bids_rsa.core.measures.ModelScores`; nuisance models are permuted with the others.

    Attributes
    ----------
    relabelings : dict of str to tuple of Relabelings
        For each comparison, one for each score.

    Raises
    ------
    ValueError
        Models with missing cells, whose permutations would lack other cells; see also `prepare`.

    Notes
    -----
    Without an effect the conditions are exchangeable: each order of them is as likely as the
    observed one. Conditions with unequal numbers of images are not.
    """

    def __init__(
        self,
        models: ArrayLike,
        permutations: Permutations,
        comparisons: Sequence[str] = (DEFAULT_COMPARISON,),
        n_kept: int = 0,
        **options: Any,
    ) -> None:
        rows = np.array(models, dtype=np.float64, ndmin=2, order="C")
        nuisance = options.get("nuisance")
        others = np.empty((0, rows.shape[1])) if nuisance is None else np.atleast_2d(nuisance)
        if not (np.isfinite(rows).all() and np.isfinite(others).all()):
            raise ValueError(
                "models with missing cells cannot be permuted: other cells would be missing"
            )
        self._permutations, self._n_kept = permutations, n_kept
        self._n_cells = rows.shape[1]
        self._lock = Lock()
        self._fits: dict[str, list[PermutedFit]] = {}
        for name in comparisons:
            if find_comparison(name).joint:
                self._fits[name] = [joint_fit(rows, others, permutations, n_kept, name, options)]
            else:
                self._fits[name] = [
                    single_fit(number, row, permutations, n_kept, name, options)
                    for number, row in enumerate(rows)
                ]
        self.relabelings = {
            name: tuple(fit.relabelings for fit in fits for _ in fit.scored)
            for name, fits in self._fits.items()
        }
        self._found: dict[str, list[dict[str, Any]]] = {}

    def start(self, n_centers: int, n_cells: int) -> None:
        """Make room; see `bids_rsa.core.measures.Measure.start`."""
        if self._n_cells != n_cells:
            raise ValueError(f"the RDMs have {n_cells} cells, the models have {self._n_cells}")
        for name, fits in self._fits.items():
            self._found[name] = [
                {
                    **{key: np.full(n_centers, np.nan) for key in ("score", "p", "mean", "sd")},
                    "kept": np.full((len(fit.relabelings.kept), n_centers), np.nan, np.float32),
                    "maxima": np.full(len(fit.relabelings.distinct), -np.inf),
                }
                for fit in fits
                for _ in fit.scored
            ]

    @property
    def cells_at_a_time(self) -> int:
        """Cells of RDMs that it takes at a time; see `bids_rsa.core.measures.Measure`."""
        return max(fit.plan.cells_at_a_time for fits in self._fits.values() for fit in fits)

    def take(self, block: RdmBlock) -> None:
        """Score a block with all permuted models."""
        for name, fits in self._fits.items():
            for fit in fits:
                for number, scores in zip(fit.scored, fit.score(block), strict=True):
                    self._summarize(self._found[name][number], fit, scores, block.centers)

    def _summarize(
        self,
        found: dict[str, Any],
        fit: PermutedFit,
        scores: Floats,
        centers: NDArray[np.int64],
    ) -> None:
        """Keep of the scores (n_rdms, n_distinct) what the maps need."""
        draws, n_used = fit.relabelings, len(fit.relabelings.used)
        weights = np.bincount(draws.used, minlength=scores.shape[1]).astype(np.float64)
        summary, maxima = np.empty((len(scores), 3)), np.full(scores.shape[1], -np.inf)
        summarize_draws(scores, weights, TOLERANCE, fit.plan.comparison.weights, summary, maxima)
        own = 0 if draws.exhaustive else 1
        found["p"][centers] = (summary[:, 0] + own) / (n_used + own)
        found["mean"][centers], found["sd"][centers] = summary[:, 1], summary[:, 2]
        found["score"][centers] = scores[:, 0]
        found["kept"][:, centers] = scores[:, draws.kept].T
        with self._lock:
            np.fmax(found["maxima"], maxima, out=found["maxima"])

    def results(self) -> dict[str, tuple[NullOfScore, ...]]:
        """For each comparison, the null of each score, in the order of `ModelScores.scores`."""
        return {
            name: tuple(
                self._result(one, fit)
                for one, fit in zip(
                    self._found[name], [fit for fit in fits for _ in fit.scored], strict=True
                )
            )
            for name, fits in self._fits.items()
        }

    def _result(self, found: dict[str, Any], fit: PermutedFit) -> NullOfScore:
        """Compare the scores with the maxima over centres."""
        draws, score, sd = fit.relabelings, found["score"], found["sd"]
        maxima = np.sort(found["maxima"][draws.used])
        size = float(np.abs(maxima).max()) if fit.plan.comparison.weights else 1.0
        reach = len(maxima) - np.searchsorted(maxima, score - TOLERANCE * size, side="left")
        own = 0 if draws.exhaustive else 1
        max_p = np.where(np.isfinite(score), (reach + own) / (len(maxima) + own), np.nan)
        # a spread of rounding errors is none, nor is that of scores which are all 0
        least = np.abs(found["mean"]) if fit.plan.comparison.weights else 1.0
        spread = np.where(sd > TOLERANCE * least, sd, np.nan)
        return NullOfScore(
            p=found["p"],
            z=(score - found["mean"]) / spread,
            max_p=max_p,
            mean=found["mean"],
            sd=sd,
            kept=found["kept"],
            kept_all=self._permutations.kept(self._n_kept)[1],
            n_used=len(draws.used),
            n_distinct=draws.n_distinct,
            is_lower_bound=draws.is_lower_bound,
            exhaustive=draws.exhaustive,
            smallest_p=draws.smallest_p,
        )
