"""The permutations: null distributions of every statistic, block by block over threads."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bids_rsa.core.inference._score_kernels import Draws, Tally, score_block
from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.inference.observed import score_thresholds
from bids_rsa.core.inference.parts import name_of_part, spatial_maxima
from bids_rsa.core.inference.plan import SMALLEST_REMAINDER, Plan
from bids_rsa.core.inference.relabel import Relabelings

FloatArray = npt.NDArray[np.float64]

STATISTICS = ("t", "tfce", "cluster_size", "cluster_mass")
# Bytes of permuted maps that one thread holds at a time
BYTES_PER_THREAD = 32 * 2**20
MOST_DRAWS_PER_TASK = 128


@dataclass(frozen=True)
class Null:
    """Null distributions, whole or as far as they have come.

    Attributes
    ----------
    maxima : dict of str to (n_done,) float64
        The maximum over voxels (clusters) of each statistic in each draw; ``t`` holds z where
        voxels differ in their number of subjects.
    counts : (n_voxels,) int64
        Draws in which the voxel reached its observed value.
    """

    maxima: dict[str, FloatArray]
    counts: npt.NDArray[np.int64]

    @property
    def n_done(self) -> int:
        """Number of draws so far."""
        return len(self.maxima["t"])


# the state to go on from is a null distribution that has not come to its end
NullState = Null


def permutation_null(
    plan: Plan,
    relabelings: Relabelings,
    adjacency: Adjacency | None = None,
    cluster_threshold: float | None = None,
    *,
    enhance: bool = True,
    n_threads: int = 1,
    block_size: int = 256,
    state: NullState | None = None,
    on_block: Callable[[NullState], None] | None = None,
) -> Null:
    """Run the permutations of a test.

    Parameters
    ----------
    plan : Plan
        The prepared test.
    relabelings : Relabelings
        The draws.
    adjacency : Adjacency, optional
        Neighbours and sizes; None computes the voxel-wise statistics only.
    cluster_threshold : float, optional
        Forming threshold of clusters; None leaves clusters out.
    enhance : bool
        Whether TFCE is computed (with ``adjacency``).
    n_threads : int
        Threads.
    block_size : int
        Draws between two calls of ``on_block``.
    state : Null, optional
        Where an earlier run stopped.
    on_block : callable, optional
        Called with the state after every block; may store it, or report progress.

    Returns
    -------
    Null
        The same bytes for any number of threads and block size, and however often it was
        interrupted.

    Raises
    ------
    ValueError
        A state that does not belong to this test.
    """
    job = _Job(plan, relabelings, score_thresholds(plan), adjacency, cluster_threshold, enhance)
    state = _checked_state(state, job)
    with ThreadPoolExecutor(n_threads) as pool:
        while state.n_done < relabelings.n_draws:
            stop = min(state.n_done + block_size, relabelings.n_draws)
            parts = list(pool.map(job.run, *zip(*job.tasks(state.n_done, stop), strict=True)))
            state = _joined(state, parts)
            if on_block is not None:
                on_block(state)
    return state


@dataclass(frozen=True)
class _Job:
    """What every task of a run shares."""

    plan: Plan
    relabelings: Relabelings
    thresholds: FloatArray
    adjacency: Adjacency | None
    cluster_threshold: float | None
    enhance: bool

    @property
    def statistics(self) -> tuple[str, ...]:
        """Names of the statistics asked for; those of further parts of the locations at the end."""
        if self.adjacency is None:
            return STATISTICS[:1]
        spatial = (STATISTICS[1:2] if self.enhance else ()) + (
            STATISTICS[2:] if self.cluster_threshold is not None else ()
        )
        n_parts = max(1, len(self.adjacency.parts))
        return STATISTICS[:1] + tuple(
            name_of_part(name, k) for k in range(n_parts) for name in spatial
        )

    def tasks(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Cut a block into tasks whose permuted maps fit into a thread's share of memory."""
        kept = len(self.statistics) > 1
        fitting = max(1, BYTES_PER_THREAD // (8 * self.plan.n_voxels)) if kept else stop - start
        step = min(fitting, MOST_DRAWS_PER_TASK)
        return ((i, min(i + step, stop)) for i in range(start, stop, step))

    def run(self, start: int, stop: int) -> Null:
        """Null distributions of the draws from start to stop."""
        plan = self.plan
        maps = np.empty((stop - start if len(self.statistics) > 1 else 0, plan.n_voxels))
        counts = np.zeros(plan.n_voxels, np.int32)
        best = np.empty(stop - start)
        draws = Draws(
            self.relabelings.codes(start, stop),
            plan.rows,
            self.relabelings.weights(plan.rows, start, stop),
        )
        score_block(plan.scored, draws, Tally(self.thresholds, counts, best, maps))
        return Null({"t": self._as_t(best)} | self._spatial(maps), counts.astype(np.int64))

    def _as_t(self, best: FloatArray) -> FloatArray:
        """Turn the maxima of correlations into t; others are t or z already."""
        if self.plan.as_z or self.plan.design.welch:
            return best
        remainder = np.maximum(1.0 - best**2, SMALLEST_REMAINDER)
        return np.asarray(best * np.sqrt(self.plan.design.df / remainder), dtype=np.float64)

    def _spatial(self, maps: FloatArray) -> dict[str, FloatArray]:
        """Maxima of the statistics that need neighbours."""
        if self.adjacency is None:
            return {}
        return spatial_maxima(
            maps, self.plan.two_sided, self.adjacency, self.cluster_threshold, self.enhance
        )


def _checked_state(state: NullState | None, job: _Job) -> NullState:
    """Refuse an earlier state of another test; start from nothing without one."""
    if state is None:
        empty = {name: np.empty(0) for name in job.statistics}
        return Null(empty, np.zeros(job.plan.n_voxels, np.int64))
    lengths = {len(values) for values in state.maxima.values()}
    fits = (
        tuple(state.maxima) == job.statistics
        and len(lengths) == 1
        and len(state.counts) == job.plan.n_voxels
        and state.n_done <= job.relabelings.n_draws
    )
    if not fits:
        raise ValueError("the stored state of the permutations belongs to another test")
    return state


def _joined(state: NullState, parts: list[Null]) -> NullState:
    """Append the tasks' results in the order of their draws."""
    maxima = {
        name: np.concatenate([values, *(part.maxima[name] for part in parts)])
        for name, values in state.maxima.items()
    }
    return Null(maxima, state.counts + np.sum([part.counts for part in parts], axis=0))
