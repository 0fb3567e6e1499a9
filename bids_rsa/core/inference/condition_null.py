"""A null of conditions: the group's mean score against means of scores of permuted models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.inference.clusters import find_clusters
from bids_rsa.core.inference.correct import count_p, false_discovery_q, familywise_p
from bids_rsa.core.inference.observed import FLOAT32_TOLERANCE, Observed, with_tolerance
from bids_rsa.core.inference.parts import clusters_of_parts, corrected_by_part, spatial_maxima
from bids_rsa.core.inference.permute import Null
from bids_rsa.core.inference.plan import Tail
from bids_rsa.core.inference.tfce import tfce

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

DRAWS_AT_ONCE = 64


@dataclass(frozen=True)
class ConditionTest:
    """What a null of conditions says about one model.

    Attributes
    ----------
    observed : Observed
        ``statistic`` is the mean over subjects in units of ``scale``, positive in the tested
        direction; ``t`` holds the same with the sign of the data and ``z`` the distance from the
        voxel's null mean in units of its null standard deviation.
    null : Null
        Its null distribution, a draw for each permutation of conditions.
    scale : float
        The root mean square of the means over locations and all labellings.
    exhaustive : bool
        The draws are all distinct relabelings, the observed one among them.
    two_sided : bool
    """

    observed: Observed
    null: Null
    scale: float
    exhaustive: bool
    two_sided: bool

    def p_maps(
        self,
        joint_maxima: Mapping[str, FloatArray] | None = None,
        parts: Sequence[BoolArray] = (),
    ) -> dict[str, FloatArray]:
        """Compute p of every kind, as ``group_maps.p_maps`` does for relabelled subjects.

        ``joint_maxima`` are those over several maps under the same permutations; ``parts`` are
        locations (n_locations,) whose extents share no measure.
        """
        found, whole = self.observed, self.exhaustive
        maxima = self.null.maxima if joint_maxima is None else joint_maxima
        pick = np.abs if self.two_sided else np.asarray
        of_locations = list(parts) or [np.ones(len(found.statistic), dtype=bool)]
        clusters = found.clusters
        of_clusters = clusters_of_parts(clusters, of_locations)

        def corrected(values: FloatArray, most: FloatArray) -> FloatArray:
            return familywise_p(values, most, whole, FLOAT32_TOLERANCE)

        def by_part(values: FloatArray, name: str, chosen: Sequence[BoolArray]) -> FloatArray:
            return corrected_by_part(values, name, maxima, chosen, corrected)

        p = count_p(self.null.counts, self.null.n_done, whole)
        of_sizes = by_part(clusters.sizes, "cluster_size", of_clusters)
        of_masses = by_part(clusters.masses, "cluster_mass", of_clusters)
        return {
            "p": p,
            "tFWEp": corrected(pick(found.statistic), maxima["t"]),
            "tfceFWEp": by_part(pick(found.tfce), "tfce", of_locations),
            "clusterSizeFWEp": np.concatenate([[1.0], of_sizes])[clusters.labels],
            "clusterMassFWEp": np.concatenate([[1.0], of_masses])[clusters.labels],
            "fdrq": false_discovery_q(p),
        }


def condition_test(
    scores: FloatArray,
    null_means: npt.NDArray[np.floating],
    adjacency: Adjacency,
    tail: Tail = "greater",
    cluster_p: float = 0.001,
    *,
    exhaustive: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> ConditionTest:
    """Compare the mean score of a group with the means of permuted models' scores.

    Parameters
    ----------
    scores : (n_subjects, n_locations) float64
        Transformed scores of the model.
    null_means : (n_draws, n_locations)
        In each draw the mean over subjects of the transformed scores of the model with its
        conditions permuted: the same permutation in all subjects.
    adjacency : Adjacency
    tail : {"greater", "less", "two-sided"}
    cluster_p : float
        The cluster-forming threshold is the value that this share of all means exceeds, over all
        locations and labellings; halved for each sign when two-sided.
    exhaustive : bool
        The draws are all distinct relabelings, the identity among them once.
    on_progress : callable, optional
        Takes the number of draws finished since the last call.

    Returns
    -------
    ConditionTest

    Raises
    ------
    ValueError
        Shapes that do not fit, values that are not finite, or no draw.

    Notes
    -----
    Without an effect the conditions are exchangeable, so that the observed labelling is as good
    as any permuted one, also where the scores of a model are skewed. The test asks whether other
    conditions would do as well; it does not generalise over subjects.
    """
    scores = np.asarray(scores, dtype=np.float64)
    _check(scores, null_means, tail)
    two_sided = tail == "two-sided"
    direction = -1.0 if tail == "less" else 1.0
    means = scores.mean(axis=0)
    scale = _root_mean_square(means, null_means)
    statistic = direction * means / scale
    threshold = _threshold(statistic, null_means, direction / scale, tail, cluster_p)
    null = _null_of_draws(
        null_means, direction / scale, statistic, two_sided, adjacency, threshold, on_progress
    )
    observed = Observed(
        t=direction * statistic,
        z=_null_z(means, null_means),
        statistic=statistic,
        tfce=tfce(statistic, adjacency),
        clusters=find_clusters(statistic, adjacency, threshold, two_sided),
        cluster_threshold=threshold,
    )
    return ConditionTest(observed, null, scale, exhaustive, two_sided)


def _null_of_draws(
    null_means: npt.NDArray[np.floating],
    factor: float,
    statistic: FloatArray,
    two_sided: bool,
    adjacency: Adjacency,
    threshold: float,
    on_progress: Callable[[int], None] | None,
) -> Null:
    """Find the maxima of all draws, and count those that reach the statistic; see `Null`.

    ``factor`` turns means into the unit and direction of the statistic.
    """
    counts = np.zeros(len(statistic), np.int64)
    blocks: list[dict[str, FloatArray]] = []
    pick = np.abs if two_sided else np.asarray
    bound = with_tolerance(pick(statistic), FLOAT32_TOLERANCE)
    for start in range(0, len(null_means), DRAWS_AT_ONCE):
        rows = slice(start, min(start + DRAWS_AT_ONCE, len(null_means)))
        maps = np.ascontiguousarray(null_means[rows] * factor, dtype=np.float64)
        counts += (pick(maps) >= bound).sum(axis=0)
        spatial = spatial_maxima(maps, two_sided, adjacency, threshold)
        blocks.append({"t": pick(maps).max(axis=1)} | spatial)
        if on_progress is not None:
            on_progress(len(maps))
    maxima = {name: np.concatenate([one[name] for one in blocks]) for name in blocks[0]}
    return Null(maxima, counts)


def _check(scores: FloatArray, null_means: npt.NDArray[np.floating], tail: str) -> None:
    """Refuse arrays that do not fit."""
    if tail not in ("greater", "less", "two-sided"):
        raise ValueError(f"tail must be greater, less or two-sided, not {tail}")
    if null_means.ndim != 2 or null_means.shape[1:] != scores.shape[1:] or not len(null_means):
        raise ValueError(
            f"null means must be (draws, {scores.shape[-1]} locations), found {null_means.shape}"
        )
    if not (np.isfinite(scores).all() and np.isfinite(null_means).all()):
        raise ValueError("scores and null means must be finite")


def _root_mean_square(means: FloatArray, null_means: npt.NDArray[np.floating]) -> float:
    """Give the size of a mean, over the observed and all permuted labellings alike."""
    squares = float(means @ means) + sum(
        float(row @ row) for row in (np.asarray(one, np.float64) for one in null_means)
    )
    return float(np.sqrt(squares / (means.size * (len(null_means) + 1)))) or 1.0


def _threshold(
    statistic: FloatArray,
    null_means: npt.NDArray[np.floating],
    factor: float,
    tail: str,
    cluster_p: float,
) -> float:
    """Find the value that a share of all means exceeds (in magnitude when two-sided).

    Equal relabelings have equal means up to rounding. Where the quantile is one of these means, all
    of them lie below the threshold: rounding must not put the observed ones above it alone.
    """
    values = np.concatenate([statistic.astype(np.float32), np.ravel(null_means * factor)])
    found = float(np.quantile(np.abs(values) if tail == "two-sided" else values, 1 - cluster_p))
    return found + FLOAT32_TOLERANCE * max(1.0, abs(found))


def _null_z(means: FloatArray, null_means: npt.NDArray[np.floating]) -> FloatArray:
    """Give the distance from the null mean in null standard deviations; 0 without any."""
    centre = null_means.mean(axis=0, dtype=np.float64)
    spread = null_means.std(axis=0, dtype=np.float64)
    z = np.zeros(len(means))
    np.divide(means - centre, spread, out=z, where=spread > 0)
    return z


def smallest_condition_p(n_draws: int, n_distinct: int, exhaustive: bool) -> float:
    """Smallest p that permutations of conditions can give.

    Parameters
    ----------
    n_draws : int
        Permutations used.
    n_distinct : int
        Distinct permuted models: draws beyond them repeat what was drawn.
    exhaustive : bool
        See ``condition_test``.
    """
    return 1 / n_distinct if exhaustive else max(1 / n_distinct, 1 / (n_draws + 1))
