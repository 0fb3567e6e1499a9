"""RDMs of patches from their patterns' inner products, by BLAS, many patches at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.centered import centered_patches
from bids_rsa.core.dissimilarity.codes import CORRELATION, EUCLIDEAN, PRODUCTS
from bids_rsa.core.dissimilarity.definition import CONSTANT
from bids_rsa.core.dissimilarity.list_source import ListSource
from bids_rsa.core.dissimilarity.table import Dissimilarity
from bids_rsa.core.neighborhood.protocol import CenterBlock, Neighborhood

Floats = NDArray[np.float64]
Patterns = NDArray[np.floating[Any]]

# patches are filled up with zeros to a multiple of so many voxels, so that some have one size; how
# many are done at a time then changes no number
_STEP = 32
# values of patterns gathered at a time (8 bytes each)
_MAX_VALUES = 2**17
# squares outside of this range would overflow or vanish
_SAFE = (1e-100, 1e100)
# share of the squared norms that is left of a squared distance: below, digits are lost
_CANCELLED = 1e-4


class GramSource(ListSource):
    """Distances that are functions of inner products; safe to share between threads.

    Parameters
    ----------
    patterns : (n_locations, n_folds, n_conditions) float32 or float64
    neighborhood : Neighborhood
    known : Dissimilarity
        With a ``gram_code``; across folds, correlation or cosine.
    min_voxels : int
        Smaller patches are undefined.
    roots : (n_locations,) float64
        Roots of the locations' weights; None: all weigh the same.
    """

    def __init__(
        self,
        patterns: Patterns,
        neighborhood: Neighborhood,
        known: Dissimilarity,
        min_voxels: int,
        roots: Floats | None = None,
    ) -> None:
        super().__init__(neighborhood, min_voxels)
        self._patterns, self._known, self._roots = patterns, known, roots
        self._pairs = np.triu_indices(patterns.shape[2], 1)

    def fill(self, block: CenterBlock, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs of a block; return the patch sizes."""
        starts, members = self._neighborhood.members(block)
        sizes = np.diff(starts)
        rdms[:] = np.nan
        for chosen in self._of_one_size(sizes):
            chosen = self._correlate_plain(chosen, starts, members, rdms)
            if not len(chosen):
                continue
            patches, roots = self._gather(chosen, starts, members)
            finite = np.isfinite(patches).all(axis=(1, 2, 3)) & np.isfinite(roots).all(axis=(1, 2))
            if not finite.all():
                chosen, patches, roots = chosen[finite], patches[finite], roots[finite]
            if len(chosen):
                rdms[chosen] = self._measure(patches, roots)
        if self._known.per_voxel:
            rdms /= np.maximum(sizes, 1)[:, None]
        return sizes.astype(np.int32)

    def _of_one_size(self, sizes: NDArray[np.int64]) -> Iterator[NDArray[np.intp]]:
        """Yield patches that fill up to the same size, as many as fit into memory at a time."""
        steps = -(-sizes // _STEP)
        for n_steps in np.unique(steps[sizes >= self._min_voxels]):
            chosen = np.flatnonzero((steps == n_steps) & (sizes >= self._min_voxels))
            n_values = int(n_steps) * _STEP * self._patterns[0].size
            at_once = max(1, _MAX_VALUES // n_values)
            for k in range(0, len(chosen), at_once):
                yield chosen[k : k + at_once]

    def _gather(
        self, chosen: NDArray[np.intp], starts: NDArray[np.int64], members: NDArray[Any]
    ) -> tuple[Floats, Floats]:
        """Copy patterns (n_patches, n_folds, n_voxels, n_conditions), and roots of weights.

        Members are taken in ascending order; what fills a patch up is 0, and so is its weight.
        """
        sizes = starts[chosen + 1] - starts[chosen]
        rows = np.full((len(chosen), _filled_up(sizes[0])), len(self._patterns), dtype=np.int64)
        for k, c in enumerate(chosen):
            rows[k, : sizes[k]] = members[starts[c] : starts[c + 1]]
        rows.sort(axis=1)
        inside = rows < len(self._patterns)
        rows[~inside] = 0
        patches = self._patterns[rows].astype(np.float64)
        patches[~inside] = 0.0
        roots = inside.astype(np.float64) if self._roots is None else self._roots[rows] * inside
        return np.ascontiguousarray(patches.transpose(0, 2, 1, 3)), roots[:, :, None]

    def _correlate_plain(
        self, chosen: NDArray[np.intp], starts: NDArray[np.int64], members: NDArray[Any],
        rdms: Floats,
    ) -> NDArray[np.intp]:  # fmt: skip
        """Write the correlation distances of patches that need no care; return the others.

        Sums of squares tell: those of NaN and infinity are not finite, and those of values that
        need scaling lie beyond the limits.
        """
        has_folds, weighted = self._patterns.shape[1] > 1, self._roots is not None
        if self._known.gram_code != CORRELATION or has_folds or weighted:
            return chosen
        width = _filled_up(starts[chosen[0] + 1] - starts[chosen[0]])
        patterns = self._patterns[:, 0]
        patches, squares = centered_patches(patterns, starts, members, chosen, width)
        plain = ((squares > _SAFE[0] ** 2) & (squares < _SAFE[1] ** 2)).all(axis=1)
        if not plain.all():
            patches, squares = patches[plain], squares[plain]
        rdms[chosen[plain]] = _correlations(patches, squares, self._pairs)
        return chosen[~plain]

    def _measure(self, patches: Floats, roots: Floats) -> Floats:
        """RDMs (n_patches, n_cells) of finite patterns; all NaN where one cell is undefined."""
        products = self._known.gram_code in PRODUCTS
        # a scale of its own for each pattern where that changes nothing
        largest = np.abs(patches).max(axis=(1, 2) if products else (1, 2, 3), keepdims=True)
        exponents = np.zeros(largest.shape, dtype=np.int64)
        unsafe = (largest > 0) & ~((largest > _SAFE[0]) & (largest < _SAFE[1]))
        if unsafe.any():
            exponents[unsafe] = np.frexp(largest[unsafe])[1]
            patches = np.ldexp(patches, -exponents)
        with np.errstate(all="ignore"):
            if products:
                cells = self._one_minus_products(patches, roots[:, None])
            else:
                cells = self._distances(patches, roots[:, None])
                power = 1 if self._known.gram_code == EUCLIDEAN else 2
                cells = np.ldexp(cells, power * exponents[:, 0, 0])
        cells[~np.isfinite(cells).all(axis=1)] = np.nan
        return cells

    def _one_minus_products(self, patches: Floats, roots: Floats) -> Floats:
        """1 minus correlation or cosine; across folds, of each fold and the mean of all others."""
        centered = self._known.gram_code == CORRELATION
        tests = _unit_patterns(patches, roots, centered)
        if patches.shape[1] == 1:
            products = np.matmul(tests[:, 0].transpose(0, 2, 1), tests[:, 0])
        else:
            # means of nearly equal values are known to more digits once a constant is taken away
            taken = _means(patches, roots) if centered else np.zeros_like(patches[:, :, :1])
            others = _means_of_others(patches - taken)
            # a mean of folds that cancel is rounding: it is small beside the folds, not itself
            squares = _means_of_others(_squared_norms(patches * roots))
            training = _unit_patterns(others, roots, centered, squares)
            products = np.matmul(training.transpose(0, 1, 3, 2), tests).mean(axis=1)
            products = (products + products.transpose(0, 2, 1)) / 2
        i, j = self._pairs
        return np.asarray(1.0 - products[:, i, j].clip(-1.0, 1.0))

    def _distances(self, patches: Floats, roots: Floats) -> Floats:
        """(Squared) Euclidean distances of one fold."""
        # differences of patterns are the same without what all conditions share
        centered = ((patches - patches.mean(axis=3, keepdims=True)) * roots)[:, 0]
        gram = np.matmul(centered.transpose(0, 2, 1), centered)
        i, j = self._pairs
        squares = np.einsum("kii->ki", gram)
        cells = squares[:, i] + squares[:, j] - 2.0 * gram[:, i, j]
        powers = np.zeros(cells.shape, dtype=np.int64)
        lost = np.argwhere(cells < _CANCELLED * (squares[:, i] + squares[:, j]))
        at_once = max(1, _MAX_VALUES // max(patches[0, :, :, 0].size, 1))
        for start in range(0, len(lost), at_once):
            k, c = lost[start : start + at_once].T
            differences = (patches[k, 0, :, i[c]] - patches[k, 0, :, j[c]]) * roots[k, 0, :, 0]
            # over a power of two, so that squares do not vanish
            exponents = np.frexp(np.abs(differences).max(axis=1))[1]
            differences = np.ldexp(differences, -exponents[:, None])
            cells[k, c] = np.einsum("cp,cp->c", differences, differences)
            powers[k, c] = exponents
        if self._known.signed_root:
            return np.asarray(np.ldexp(np.sqrt(cells), powers))
        return np.asarray(np.ldexp(cells, 2 * powers))


def _filled_up(size: int) -> int:
    """Return the number of places that a patch is filled up to."""
    return int(-(-size // _STEP)) * _STEP


def _correlations(patches: Floats, squares: Floats, pairs: Any) -> Floats:
    """1 minus correlation of centred patterns (n_patches, n_voxels, n_conditions).

    ``squares`` (n_patches, n_conditions) are their sums of squares before they were centred.
    """
    gram = np.matmul(patches.transpose(0, 2, 1), patches)
    norms = np.einsum("kii->ki", gram)
    i, j = pairs
    with np.errstate(all="ignore"):
        scales = 1.0 / np.sqrt(np.where(norms > CONSTANT * CONSTANT * squares, norms, np.nan))
        cells = 1.0 - (gram[:, i, j] * (scales[:, i] * scales[:, j])).clip(-1.0, 1.0)
    cells[~np.isfinite(cells).all(axis=1)] = np.nan
    return np.asarray(cells)


def _unit_patterns(
    patches: Floats, roots: Floats, centered: bool, whole: Floats | None = None
) -> Floats:
    """Give patterns (n_patches, n_folds, n_voxels, n_conditions) unit norm; NaN where constant.

    Patterns are multiplied by the roots (n_patches, 1, n_voxels, 1) of the voxels' weights.
    A pattern is constant beside ``whole`` (n_patches, n_folds, n_conditions), squared norms; None:
    its own.
    """
    weighted = patches * roots
    if whole is None:
        whole = _squared_norms(weighted)
    if centered:
        weighted = (patches - _means(patches, roots)) * roots
    norms = _squared_norms(weighted)
    norms = np.where(norms > CONSTANT * CONSTANT * whole, norms, np.nan)
    return np.asarray(weighted / np.sqrt(norms)[:, :, None, :])


def _squared_norms(patterns: Floats) -> Floats:
    """Squared norms (n_patches, n_folds, n_conditions)."""
    return np.asarray(np.einsum("kfpn,kfpn->kfn", patterns, patterns))


def _means(patches: Floats, roots: Floats) -> Floats:
    """Weighted means (n_patches, n_folds, 1, n_conditions)."""
    weights = roots * roots
    sums = (patches * weights).sum(axis=2, keepdims=True)
    return np.asarray(sums / weights.sum(axis=2, keepdims=True))


def _means_of_others(patches: Floats) -> Floats:
    """Mean of all folds but each; the fold itself enters no sum."""
    before, after = np.zeros_like(patches), np.zeros_like(patches)
    np.cumsum(patches[:, :-1], axis=1, out=before[:, 1:])
    after[:, :-1] = np.cumsum(patches[:, :0:-1], axis=1)[:, ::-1]
    return np.asarray((before + after) / (patches.shape[1] - 1))
