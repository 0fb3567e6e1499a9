"""What is tested: the model Y = Xb + Zg, and which relabelings the null hypothesis allows."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
RANK_TOLERANCE = 1e-10


@dataclass(frozen=True)
class Design:
    """A test across subjects.

    Attributes
    ----------
    tested : (n_subjects,) float64
        X, the regressor whose weight is tested.
    nuisance : (n_subjects, n_nuisance) float64
        Z; its first column is the intercept when ``exchange`` is ``"permute"``.
    exchange : {"flip", "permute"}
        Whether the residuals on Z have signs (one sample, paired) or rows (groups,
        covariates) that are exchangeable without an effect.
    welch : bool
        Welch's t of two groups (``tested`` is 1 in the first and 0 in the second).
    """

    tested: FloatArray
    nuisance: FloatArray
    exchange: Literal["flip", "permute"]
    welch: bool = False

    @property
    def n_subjects(self) -> int:
        """Number of subjects."""
        return len(self.tested)

    @property
    def df(self) -> int:
        """Degrees of freedom of the full model: subjects minus its rank."""
        return int(self.n_subjects - 1 - self.nuisance.shape[1])

    @property
    def row_labels(self) -> npt.NDArray[np.int64]:
        """(n_subjects,) equal numbers where X and Z are equal: swapping those changes nothing."""
        rows = np.column_stack([self.tested, self.nuisance])
        return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)

    def contrast_rows(self) -> FloatArray:
        """(1 + n, n_subjects) unit rows: X without Z, then the parts of Z that vary with a draw."""
        basis = np.linalg.qr(self.nuisance)[0] if self.nuisance.size else self.nuisance
        tested = self.tested - basis @ (basis.T @ self.tested)
        tested = tested / np.linalg.norm(tested)
        # residuals on the intercept sum to 0 in any order, so its row would only be zeros
        moving = basis[:, 1:] if self.exchange == "permute" else basis
        return np.ascontiguousarray(np.vstack([tested, moving.T]))

    def residuals(self, data: FloatArray) -> FloatArray:
        """(n_subjects, n_voxels) what Z does not explain: what is flipped or permuted.

        Without Z these are the data themselves, not a copy.
        """
        if not self.nuisance.size:
            return data
        basis = np.linalg.qr(self.nuisance)[0]
        explained = np.asarray(basis @ (basis.T @ data), dtype=np.float64)
        return np.subtract(data, explained, out=explained)


def one_sample_design(n_subjects: int, covariates: npt.ArrayLike | None = None) -> Design:
    """Test of the mean against 0, also for paired differences.

    Parameters
    ----------
    n_subjects : int
        Number of subjects.
    covariates : (n_subjects, n_covariates) array_like, optional
        Nuisance variables, demeaned here.

    Returns
    -------
    Design
        Sign flips.

    Raises
    ------
    ValueError
        Fewer than 2 subjects, constant or dependent covariates, no degree of freedom left.
    """
    nuisance = _demeaned(covariates, n_subjects)
    return _checked(Design(np.ones(n_subjects), nuisance, "flip"))


def two_sample_design(is_first: npt.ArrayLike, covariates: npt.ArrayLike | None = None) -> Design:
    """Test of the difference first group minus second group.

    Parameters
    ----------
    is_first : (n_subjects,) array_like of bool
        Whether each subject belongs to the first group.
    covariates : (n_subjects, n_covariates) array_like, optional
        Nuisance variables. Without them the statistic is Welch's t [1]_, with them the pooled t
        of the linear model.

    Returns
    -------
    Design
        Row permutations.

    Raises
    ------
    ValueError
        Fewer than 2 subjects in a group, constant or dependent covariates, no degree of freedom.

    References
    ----------
    .. [1] Welch BL (1947) The generalization of Student's problem. Biometrika 34.
    """
    first = np.asarray(is_first, dtype=bool)
    if min(first.sum(), (~first).sum()) < 2:
        raise ValueError(
            f"two groups need at least 2 participants each, found {first.sum()} and "
            f"{(~first).sum()}"
        )
    columns = _demeaned(covariates, len(first))
    nuisance = np.column_stack([np.ones(len(first)), columns])
    welch = columns.shape[1] == 0
    return _checked(Design(first.astype(np.float64), nuisance, "permute", welch))


def slope_design(values: npt.ArrayLike, covariates: npt.ArrayLike | None = None) -> Design:
    """Test of the slope of one variable over subjects.

    Parameters
    ----------
    values : (n_subjects,) array_like
        The variable whose slope is tested; demeaned here.
    covariates : (n_subjects, n_covariates) array_like, optional
        Nuisance variables, demeaned here.

    Returns
    -------
    Design
        Row permutations.

    Raises
    ------
    ValueError
        A constant or dependent variable, no degree of freedom left.
    """
    tested = np.asarray(values, dtype=np.float64)
    columns = _demeaned(covariates, len(tested))
    nuisance = np.column_stack([np.ones(len(tested)), columns])
    return _checked(Design(tested - tested.mean(), nuisance, "permute"))


def _demeaned(covariates: npt.ArrayLike | None, n_subjects: int) -> FloatArray:
    """Covariates as demeaned columns; none is an array of no columns."""
    if covariates is None:
        return np.empty((n_subjects, 0))
    columns = np.asarray(covariates, dtype=np.float64)
    columns = columns.reshape(len(columns), -1)
    if len(columns) != n_subjects:
        raise ValueError(f"covariates of {len(columns)} participants for {n_subjects} participants")
    if not np.isfinite(columns).all():
        raise ValueError("covariates must be finite")
    return np.asarray(columns - columns.mean(axis=0), dtype=np.float64)


def _checked(design: Design) -> Design:
    """Refuse a design that cannot be estimated."""
    if design.n_subjects < 2:
        raise ValueError(f"a test across participants needs at least 2, found {design.n_subjects}")
    columns = np.column_stack([design.tested, design.nuisance])
    norms = np.linalg.norm(columns, axis=0)
    if (norms <= RANK_TOLERANCE * np.sqrt(len(columns))).any():
        raise ValueError("a covariate is constant over the participants tested")
    if design.df < 1:
        raise ValueError(
            f"{design.n_subjects} participants leave no degree of freedom for a model with "
            f"{columns.shape[1]} columns"
        )
    if np.linalg.matrix_rank(columns / norms, tol=RANK_TOLERANCE) < columns.shape[1]:
        raise ValueError(
            "the covariates (and groups) are linearly dependent over these participants"
        )
    return design
