"""Which way a searchlight's RDMs with noise normalisation are computed."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.care import find_shared
from bids_rsa.core.dissimilarity.codes import PRODUCTS, SQEUCLIDEAN, SQUARES_PER_VOXEL
from bids_rsa.core.dissimilarity.protocol import RdmSource
from bids_rsa.core.dissimilarity.sources import (
    PatchRule,
    Patterns,
    choose_source,
    choose_source_of,
)
from bids_rsa.core.dissimilarity.table import (
    Dissimilarity,
    Metric,
    find_dissimilarity,
    without_root,
)
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.neighborhood.protocol import CenterBlock, Neighborhood
from bids_rsa.core.neighborhood.spheres import SphereRows
from bids_rsa.core.noise.center_tiles import cut_centers
from bids_rsa.core.noise.covariance import MOST_BYTES, check_full
from bids_rsa.core.noise.definition import check_noise_metric
from bids_rsa.core.noise.finish import follows_from_products
from bids_rsa.core.noise.grams import ImageGrams, n_rows
from bids_rsa.core.noise.held_out import HeldOutSource, TwoFolds
from bids_rsa.core.noise.held_out_grams import HeldOutGrams
from bids_rsa.core.noise.model import NoiseModel
from bids_rsa.core.noise.protocol import NoiseSource
from bids_rsa.core.noise.tiles import TileSource

Floats = NDArray[np.float64]
_Parts = list[tuple[Patterns | TwoFolds, NoiseModel]]

_SLAB = 2**12
# products of images cost as much as a covariance of voxels where there are this many times as many
_MORE_SAMPLES = 1.5
_PER_VOXEL = Dissimilarity("", gram_code=SQEUCLIDEAN, unbiased_given=(), per_voxel=True)


class UnshrunkSource:
    """RDMs of patterns that are scaled voxel by voxel, by the ordinary engine."""

    def __init__(self, source: RdmSource, n_centers: int) -> None:
        self._source, self.max_length = source, source.max_length
        self.shrinkage = np.full(n_centers, np.nan)

    def fill(self, block: CenterBlock, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs of a block; return the patch sizes."""
        return self._source.fill(block, rdms)


def choose_noise_source(
    patterns: Patterns,
    neighborhood: Neighborhood,
    noise: NoiseModel,
    metric: Metric,
    ignore_nan: bool,
    min_voxels: int,
) -> tuple[Neighborhood, NoiseSource]:
    """Choose the fastest way to RDMs with noise normalisation.

    Voxels whose noise does not vary belong to no patch; nor, with ``ignore_nan``, do those that
    lack a value in some pattern: a covariance goes with all voxels of a patch.

    Returns
    -------
    neighborhood, source
        The centres in the order that suits the source, which fills their blocks.

    Raises
    ------
    ValueError
        Other voxels, folds or conditions than the patterns', a dissimilarity that takes no noise
        covariance, or ``full`` with fewer degrees of freedom than voxels.
    """
    known = find_dissimilarity(metric)
    _check(noise, known, patterns)
    min_voxels = max(min_voxels, known.min_voxels)
    parts = _parts(patterns, noise)
    usable = np.logical_and.reduce([part.usable for _, part in parts])
    if ignore_nan:
        usable &= _complete(patterns)
    where = _without(neighborhood, usable)
    whole = without_root(known) if noise.held_out else known
    if noise.method not in ("none", "diagonal") and not _by_products(known, parts, where):
        if noise.method == "full":
            check_full(min(part.dof for _, part in parts), _largest_patch(where))
        tiles = cut_centers(where)
        ways: list[NoiseSource] = [
            TileSource(folds, tiles, part, whole, min_voxels) for folds, part in parts
        ]
        return tiles, _one_source(ways, noise, known)
    ways = [_source(folds, where, part, whole, min_voxels) for folds, part in parts]
    return where, _one_source(ways, noise, known)


def _one_source(ways: list[NoiseSource], noise: NoiseModel, known: Dissimilarity) -> NoiseSource:
    """Return the only way there is, or the mean over folds."""
    return HeldOutSource(ways, known.signed_root) if noise.held_out else ways[0]


def _parts(patterns: Patterns, noise: NoiseModel) -> _Parts:
    """Return patterns and their noise: one pair, or held out one for each fold."""
    if not noise.held_out:
        return [(patterns, noise)]
    folds = range(patterns.shape[1])
    return [(TwoFolds(patterns, fold), noise.without_fold(fold)) for fold in folds]


def _by_products(known: Dissimilarity, parts: _Parts, neighborhood: SphereRows | Patches) -> bool:
    """Tell whether products of images are cheaper than covariances of voxels, and fit memory."""
    patterns, noise = parts[0]
    n_folds = patterns.shape[1]
    if noise.source != "images" or noise.method == "full" or noise.basis is not None:
        return False
    if not isinstance(neighborhood, SphereRows) or not follows_from_products(
        known.noise_code, n_folds
    ):
        return False
    n_bytes = 8 * sum(
        len(folds) * n_rows(folds.shape[2] * folds.shape[1], int(one.dof)) for folds, one in parts
    )
    few = all(one.dof < _MORE_SAMPLES * len(neighborhood.shifts) for _, one in parts)
    return few and (len(parts) == 1 or n_bytes < MOST_BYTES)


def _source(
    patterns: Patterns | TwoFolds,
    neighborhood: SphereRows | Patches,
    noise: NoiseModel,
    known: Dissimilarity,
    min_voxels: int,
) -> NoiseSource:
    """Return what fills the blocks of the neighborhood without covariances of voxels."""
    if noise.method in ("none", "diagonal"):
        source = _unshrunk(patterns, neighborhood, noise, known, min_voxels)
        return UnshrunkSource(source, neighborhood.n_centers)
    assert isinstance(neighborhood, SphereRows)
    if isinstance(patterns, TwoFolds):
        return HeldOutGrams(patterns, neighborhood, noise, known, min_voxels)
    return ImageGrams(patterns, neighborhood, noise, known, min_voxels)


def _unshrunk(
    given: Patterns | TwoFolds,
    neighborhood: Neighborhood,
    noise: NoiseModel,
    known: Dissimilarity,
    min_voxels: int,
) -> RdmSource:
    """Scale the patterns, and take the ordinary way."""
    patterns = given[:] if isinstance(given, TwoFolds) else given
    if noise.method == "diagonal":
        scales = 1.0 / np.sqrt(np.where(noise.usable, noise.variances, 1.0))
        if known.noise_code not in PRODUCTS:  # differences keep their digits
            patterns = patterns - find_shared(patterns)[0].reshape(*patterns.shape[:2], 1)
        patterns = patterns * scales[:, None, None]
    rule = PatchRule(known.name, {}, False, min_voxels)
    if known.noise_code == SQUARES_PER_VOXEL:
        return choose_source_of(_PER_VOXEL, patterns, neighborhood, rule)
    return choose_source(patterns, neighborhood, rule)


def _check(noise: NoiseModel, known: Dissimilarity, patterns: Patterns) -> None:
    """Check that noise, patterns and dissimilarity fit each other."""
    n_voxels, n_folds, n_conditions = patterns.shape
    check_noise_metric(known, n_folds)
    if len(noise.variances) != n_voxels:
        raise ValueError(
            f"the noise has {len(noise.variances)} voxels and the patterns have {n_voxels}; both "
            "need the same voxels in the same order"
        )
    if noise.source != "images":
        return
    counts = np.zeros((n_folds, n_conditions), dtype=np.int64)
    folds, conditions = noise.fold_of, noise.condition_of
    inside = (folds >= 0) & (folds < n_folds) & (conditions >= 0) & (conditions < n_conditions)
    np.add.at(counts, (folds[inside], conditions[inside]), 1)
    if not inside.all() or not counts.all():
        raise ValueError(
            f"the images' folds and conditions are not those of the patterns ({n_folds} folds, "
            f"{n_conditions} conditions): each fold needs an image of each condition"
        )


def _complete(patterns: Patterns) -> NDArray[np.bool_]:
    """Find the voxels (n_voxels,) that have a value in every pattern."""
    slabs = range(0, len(patterns), _SLAB)
    return np.concatenate(
        [np.isfinite(patterns[start : start + _SLAB]).all(axis=(1, 2)) for start in slabs]
    )


def _without(neighborhood: Neighborhood, usable: NDArray[np.bool_]) -> SphereRows | Patches:
    """Take voxels out of all patches."""
    if isinstance(neighborhood, SphereRows):
        rows = np.where(
            np.append(usable, False)[neighborhood.rows], neighborhood.rows, np.int32(-1)
        )
        return replace(neighborhood, rows=rows)
    if not isinstance(neighborhood, Patches):
        raise TypeError(f"noise goes with spheres and lists, not {type(neighborhood).__name__}")
    kept = usable[neighborhood.rows]
    before = np.concatenate([[0], np.cumsum(kept)])
    return Patches(before[neighborhood.starts], neighborhood.rows[kept], neighborhood.n_locations)


def _largest_patch(neighborhood: Any) -> int:
    """Count the voxels of the largest patch."""
    blocks = neighborhood.blocks(_SLAB, 2**30)
    return max(int(np.diff(neighborhood.members(block)[0]).max()) for block in blocks)
