"""Samples of noise in each voxel: checked, without the means of their groups, their variances."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# bytes of samples that are read at a time
_SLAB = 2**25


def checked_samples(samples: Any, name: str, axis: str) -> NDArray[np.floating[Any]]:
    """Check the samples' shape and type; a memory map stays one."""
    samples = np.asanyarray(samples)
    if samples.ndim != 2 or samples.dtype not in (np.float32, np.float64):
        raise ValueError(
            f"{name} must be (n_voxels, {axis}) of float32 or float64, not {samples.dtype} of "
            f"shape {samples.shape}"
        )
    checked: NDArray[np.floating[Any]] = samples
    return checked


def labels_of(labels: ArrayLike | None, n: int, name: str) -> NDArray[Any]:
    """Return one label for each sample."""
    array = np.zeros(n, dtype=np.int64) if labels is None else np.asarray(labels)
    if array.shape != (n,):
        raise ValueError(f"{name} must have one entry for each of {n}, not shape {array.shape}")
    return array


def positions_of(labels: ArrayLike | None, n: int, name: str) -> Integers:
    """Return the position that each sample's label has among those of the patterns."""
    array = labels_of(labels, n, name)
    if array.dtype.kind not in "iu" or (array < 0).any():
        raise ValueError(
            f"{name} must contain positions (whole numbers from 0) among the conditions or folds "
            "of the patterns; numpy.unique(names, return_inverse=True) finds those of sorted "
            "names"
        )
    return array.astype(np.int64)


def groups_of(labels: NDArray[Any]) -> tuple[Integers, ...]:
    """Positions of the samples with each label."""
    return tuple(np.flatnonzero(labels == label) for label in np.unique(labels))


def _chosen(samples: NDArray[Any], voxels: Any, columns: Integers | None) -> Floats:
    """Copy samples as float64."""
    values = samples[voxels]
    return np.array(values if columns is None else values[:, columns], dtype=np.float64)


def deviations_of(
    samples: NDArray[Any],
    groups: Sequence[Integers],
    voxels: Any,
    columns: Integers | None = None,
    basis: Floats | None = None,
) -> Floats:
    """Subtract the mean of each group, and what is in the span of ``basis`` (n_samples, rank)."""
    values = _chosen(samples, voxels, columns)
    for group in groups:
        first, last = int(group[0]), int(group[-1])
        # volumes of a run lie side by side: a slice needs no copy
        part: Any = slice(first, last + 1) if last - first + 1 == len(group) else group
        values[:, part] -= values[:, part].mean(axis=1, keepdims=True)
    if basis is not None:
        values -= (values @ basis) @ basis.T
    return values


def span_of(*labels: Integers) -> Floats:
    """Return an orthonormal basis (n_samples, rank) of the means of groups, by several labels."""
    columns = [own[:, None] == np.unique(own) for own in labels]
    left, sizes, _ = np.linalg.svd(np.concatenate(columns, axis=1) * 1.0, full_matrices=False)
    return np.ascontiguousarray(left[:, sizes > 1e-10 * sizes[0]])


def rank_of(conditions: Integers, runs: Integers | None) -> int:
    """Return the rank of the means of conditions, and of runs, without their basis."""
    names, condition = np.unique(conditions, return_inverse=True)
    if runs is None:
        return len(names)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    run_names, run = np.unique(runs, return_inverse=True)
    n = len(names) + len(run_names)
    links = coo_array((np.ones(len(run)), (condition, len(names) + run)), shape=(n, n))
    return n - int(connected_components(links, directed=False)[0])


def variances_of(
    samples: NDArray[Any],
    groups: Sequence[Integers],
    dof: float,
    columns: Integers | None = None,
    basis: Floats | None = None,
) -> Floats:
    """Divide sums of squares by dof; 0 where a voxel is constant or not finite."""
    step = max(1, _SLAB // (8 * samples.shape[1]))
    variances = np.zeros(len(samples))
    for start in range(0, len(samples), step):
        part = slice(start, start + step)
        with np.errstate(invalid="ignore", over="ignore"):
            values = deviations_of(samples, groups, part, columns, basis)
            squares = np.einsum("vn,vn->v", values, values)
        # what is left of a constant by rounding is no variance
        largest = np.abs(np.asarray(samples[part], dtype=np.float64)).max(axis=1, initial=0.0)
        rounding = (largest * 1e-12) ** 2 * samples.shape[1]
        variances[part] = np.where(np.isfinite(squares) & (squares > rounding), squares, 0.0) / dof
    return variances
