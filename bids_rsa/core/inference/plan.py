"""A test made ready: unit-norm voxels, contrast rows, and how a score becomes a statistic."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from bids_rsa.core.inference.design import Design
from bids_rsa.core.inference.zscore import ratio_table

FloatArray = npt.NDArray[np.float64]
Tail = Literal["greater", "less", "two-sided"]

# 1 - r^2 is never taken below this: a voxel without residual variance has a finite, huge t
SMALLEST_REMAINDER = 1e-14
CONSTANT_TOLERANCE = 1e-12
VOXELS_AT_ONCE = 16_384


class ScoredData(NamedTuple):
    """What kernels need of a `Plan` to score its draws; see there.

    ``direction`` is -1 where the other side of 0 is tested.
    """

    unit: FloatArray
    df: FloatArray
    df_class: npt.NDArray[np.int32]
    table: FloatArray
    least: FloatArray
    welch: bool
    as_z: bool
    direction: float
    two_sided: bool


@dataclass(frozen=True)
class Plan:
    """Everything the permutations need; large arrays are shared by all threads.

    Attributes
    ----------
    design : Design
        The test.
    tail : {"greater", "less", "two-sided"}
        ``less`` is ``greater`` on -t.
    unit : (n_rows, n_voxels) float64
        Residuals on the nuisance variables, unit norm per voxel, so that a contrast row's product
        with them is a (partial) correlation, monotone in t. For Welch's t their squares stand
        below them.
    rows : (n_contrasts, n_subjects) float64
        Contrast rows (for Welch's t the membership of the first group).
    df : (n_voxels,) float64
        Degrees of freedom of each voxel.
    as_z : bool
        Whether voxels differ in df, and t is turned into z before anything is compared.
    df_class : (n_voxels,) int32
        Row of ``table`` of each voxel.
    table : (n_classes, n_knots) float64
        See ``ratio_table``.
    least : (n_voxels,) float64
        The smallest residual share of each voxel's sum of squares, 1 - r^2, that its scores'
        resolution allows; for Welch's t each group's smallest variance as a share of that sum.
    """

    design: Design
    tail: Tail
    unit: FloatArray
    rows: FloatArray
    df: FloatArray
    as_z: bool
    df_class: npt.NDArray[np.int32]
    table: FloatArray
    least: FloatArray

    @property
    def n_voxels(self) -> int:
        """Number of voxels."""
        return int(self.unit.shape[1])

    @property
    def scored(self) -> ScoredData:
        """What kernels need."""
        return ScoredData(
            self.unit, self.df, self.df_class, self.table, self.least, self.design.welch,
            self.as_z, self.direction, self.two_sided,
        )  # fmt: skip

    @property
    def direction(self) -> float:
        """-1 where the other side of 0 is tested."""
        return -1.0 if self.tail == "less" else 1.0

    @property
    def two_sided(self) -> bool:
        """Whether both sides of 0 are tested."""
        return self.tail == "two-sided"

    def cluster_threshold(self, p: float) -> float:
        """Quantile of t (of z where ``as_z``) with the upper tail p, halved for two sides."""
        upper = p / 2 if self.two_sided else p
        return float(
            -special.ndtri(upper) if self.as_z else -special.stdtrit(self.design.df, upper)
        )


def prepare_test(
    data: FloatArray,
    design: Design,
    tail: Tail = "greater",
    as_z: bool = False,
    resolution: FloatArray | None = None,
) -> Plan:
    """Prepare a test for its permutations.

    Parameters
    ----------
    data : (n_subjects, n_voxels) float64
        One score per subject and voxel. NaN is a missing subject; only a one-sample design
        without covariates takes it.
    design : Design
        The test.
    tail : {"greater", "less", "two-sided"}
        The alternative.
    as_z : bool
        Compare z even where no value is missing (not for Welch's t).
    resolution : (n_voxels,) float64, optional
        How finely scores are known (see ``score_resolution``): no standard deviation over
        subjects is taken below it, neither in the observed nor in a permuted statistic. It must
        not change when a subject's signs are flipped. Without it only rounding is guarded
        against, and a voxel without spread has a huge t.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        Shapes that do not fit, no voxel, infinite values, missing values where none may be, or a
        voxel with fewer than 2 subjects.

    Notes
    -----
    Freedman and Lane's scheme [1]_: what is relabelled are the residuals of the data on the
    nuisance variables, and the full model is fitted again. A voxel that is constant over
    subjects after that has no correlation with anything: its t is 0, its p is 1 (two groups and
    slopes).

    References
    ----------
    .. [1] Winkler AM et al. (2014) Permutation inference for the general linear model.
       NeuroImage 92, 381-397.
    """
    data = np.asarray(data, dtype=np.float64)
    counts = _checked_counts(data, design, tail)
    n = design.n_subjects
    residuals = design.residuals(np.nan_to_num(data, nan=0.0))
    squares = sums_of_squares(residuals)
    unit = _unit_norm(residuals, data)
    as_z = bool((counts != n).any()) or (as_z and not design.welch)
    if as_z:
        unit *= np.sqrt(n / counts)  # so that a row of 1 / sqrt(n) yields the voxel's own mean
    df = (counts - (n - design.df)).astype(np.float64)
    classes, df_class = np.unique(df, return_inverse=True)
    rows = design.tested[None, :] if design.welch else design.contrast_rows()
    return Plan(
        design=design,
        tail=tail,
        unit=np.ascontiguousarray(np.vstack([unit, unit**2]) if design.welch else unit),
        rows=np.ascontiguousarray(rows),
        df=df,
        as_z=as_z,
        df_class=df_class.reshape(-1).astype(np.int32),
        table=ratio_table(classes) if as_z else np.zeros((1, 1)),
        least=_least_share(resolution, squares, np.ones_like(df) if design.welch else df),
    )


def _least_share(resolution: FloatArray | None, squares: FloatArray, df: FloatArray) -> FloatArray:
    """Give the smallest sum of squared residuals that is known, as a share of all squares."""
    if resolution is None:
        return np.zeros(len(squares))
    if resolution.shape != squares.shape or not (resolution >= 0).all():
        raise ValueError(f"resolution must be {squares.shape} numbers from 0")
    share = np.zeros(len(squares))
    np.divide(resolution**2 * df, squares, out=share, where=squares > 0)
    return share


def _checked_counts(data: FloatArray, design: Design, tail: str) -> npt.NDArray[np.int64]:
    """Count the subjects of each voxel, and refuse data that do not fit the design."""
    if tail not in ("greater", "less", "two-sided"):
        raise ValueError(f"tail must be greater, less or two-sided, not {tail}")
    if data.ndim != 2 or len(data) != design.n_subjects or data.shape[1] == 0:
        raise ValueError(
            f"data must be ({design.n_subjects} participants, voxels), found {data.shape}"
        )
    if np.isinf(data).any():
        raise ValueError("data contain infinite values")
    counts: npt.NDArray[np.int64] = np.isfinite(data).sum(axis=0)
    if (counts < len(data)).any():
        if design.exchange != "flip" or design.nuisance.size:
            raise ValueError("missing values are allowed in a one-sample test without covariates")
        if counts.min() < 2:
            raise ValueError("a voxel has fewer than 2 participants")
    return counts


def _unit_norm(residuals: FloatArray, data: FloatArray) -> FloatArray:
    """Scale each voxel to norm 1; what is constant up to rounding becomes 0."""
    scale = np.sqrt(sums_of_squares(data))
    norms = np.sqrt(sums_of_squares(residuals))
    varies = norms > CONSTANT_TOLERANCE * scale
    residuals[:, ~varies] = 0.0
    return np.divide(residuals, norms, out=residuals, where=varies)


def sums_of_squares(data: FloatArray) -> FloatArray:
    """Sum the squares over subjects, (n_voxels,); NaN counts as 0."""
    sums = np.empty(data.shape[1])
    for part in voxel_blocks(data.shape[1]):
        sums[part] = np.nansum(data[:, part] ** 2, axis=0)
    return sums


def voxel_blocks(n_voxels: int) -> Iterator[slice]:
    """Cut voxels into blocks, so that what is computed of all subjects' data stays small."""
    n_blocks = max(1, -(-n_voxels // VOXELS_AT_ONCE))
    edges = np.linspace(0, n_voxels, n_blocks + 1).astype(int)
    return (slice(a, b) for a, b in itertools.pairwise(edges.tolist()))
