"""Patterns in, RDM out; RDMs in, score out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.comparison.plans import compare
from bids_rsa.core.comparison.table import DEFAULT_COMPARISON
from bids_rsa.core.dissimilarity.rdms import compute_rdm, compute_rdm_cv
from bids_rsa.core.dissimilarity.table import DEFAULT_DISSIMILARITY, Metric
from bids_rsa.errors import ContentError
from bids_rsa.models.arrays import condensed_models


def compute_dsm(
    data: ArrayLike, metric: Metric = DEFAULT_DISSIMILARITY, **params: Any
) -> NDArray[np.float64]:
    """Compute the RDM of patterns.

    Parameters
    ----------
    data : array_like, shape (n_items, n_features)
        The pattern of each item.
    metric : str or callable
        A metric of `scipy.spatial.distance.pdist`, or a function of two vectors.
    **params
        Keyword arguments of the metric.

    Returns
    -------
    dsm : ndarray, shape (n_items * (n_items - 1) / 2,)
        Condensed, in the order of `scipy.spatial.distance.squareform`; NaN where undefined.

    Raises
    ------
    ValueError
        If the data are not 2D, or the metric or its parameters are unknown.

    Examples
    --------
    >>> from bids_rsa import compute_dsm
    >>> compute_dsm([[0, 0], [3, 4], [0, 2]], "euclidean").round(2).tolist()
    [5.0, 2.0, 3.61]
    """
    patterns = _numbers(data, ("n_items", "n_features"))
    return compute_rdm(patterns, metric, **params)


def compute_dsm_cv(
    folds: ArrayLike, metric: Metric = DEFAULT_DISSIMILARITY, **params: Any
) -> NDArray[np.float64]:
    """Compute the cross-validated RDM of patterns.

    Parameters
    ----------
    folds : array_like, shape (n_folds, n_items, n_features)
        The mean pattern of each item in each fold.
    metric : str or callable
        ``sqeuclidean``, ``mahalanobis`` with ``VI`` and ``seuclidean`` with ``V`` are unbiased
        estimates of squared distances (Walther et al., 2016), summed over features;
        ``euclidean`` is the signed square root. Any other metric is the distance from the mean of
        the other folds to the left-out fold, averaged over both directions and over folds.
    **params
        Keyword arguments of the metric.

    Returns
    -------
    dsm : ndarray, shape (n_items * (n_items - 1) / 2,)
        Condensed, in the order of `scipy.spatial.distance.squareform`; NaN where undefined.

    Raises
    ------
    ValueError
        If the data are not 3D, there is only one fold, or the metric or its parameters are
        unknown.

    Examples
    --------
    Differences that are the same in both folds remain, and others cancel on average:

    >>> from bids_rsa import compute_dsm_cv
    >>> folds = [[[0, 0], [2, 1]], [[0, 0], [2, -1]]]
    >>> compute_dsm_cv(folds, "sqeuclidean").tolist()
    [3.0]
    """
    patterns = _numbers(folds, ("n_folds", "n_items", "n_features"))
    if len(patterns) < 2:
        raise ContentError(f"Cross-validation needs at least two folds; there is {len(patterns)}.")
    return compute_rdm_cv(patterns, metric, **params)


def compare_rdms(
    dsm_data: Any,
    dsm_model: Any,
    rsa_metric: str = DEFAULT_COMPARISON,
    *,
    standardize: bool = False,
) -> Any:
    """Compare one RDM with one or several model RDMs.

    Parameters
    ----------
    dsm_data : array, shape (n, n) or (n * (n - 1) / 2,), or DataFrame
        The RDM of the data, square or condensed, as `compute_dsm` and `compute_dsm_cv` return it.
    dsm_model : array, shape (n, n) or (n * (n - 1) / 2,), DataFrame, or list or tuple of them
        The model RDMs. If ``dsm_data`` is a DataFrame, models that are DataFrames are matched to
        it by name.
    rsa_metric : str
        A comparison; see `rsa_nifti` for their names.
    standardize : bool
        Whether to z-score the RDM and the models. This changes the weights of ``regression`` only.

    Returns
    -------
    scores : float or ndarray of shape (n_models,)
        An array if ``dsm_model`` is a list. NaN cells of the data or a model are left out. A
        score is NaN if it is undefined: fewer than three cells, or an RDM without variance.

    Raises
    ------
    ValueError
        Invalid RDMs, RDMs of different sizes, or an unknown comparison.

    Examples
    --------
    >>> from bids_rsa import compare_rdms
    >>> data, model = [1, 3, 2, 5, 4, 6], [1, 2, 3, 4, 5, 6]
    >>> round(compare_rdms(data, model), 3)
    0.886
    >>> compare_rdms(data, [model, data], "pearson").round(3).tolist()
    [0.886, 1.0]
    """
    named = isinstance(dsm_data, pd.DataFrame)
    items = np.array(dsm_data.index, dtype=object) if named else np.arange(_size(dsm_data))
    data, _ = condensed_models(
        np.asarray(dsm_data) if not named else dsm_data, items, named=named, name="dsm_data"
    )
    models, several = condensed_models(dsm_model, items, named=named)
    scores = compare(data[0], models, rsa_metric, standardize=standardize)
    return scores if several else float(scores[0])


def _numbers(data: ArrayLike, axes: tuple[str, ...]) -> NDArray[np.float64]:
    """Convert data to float64 of the expected number of axes."""
    given = np.asarray(data)
    if np.ma.is_masked(data):
        raise ContentError(
            "The data are a masked array, and masked cells would be used.",
            "Write NaN where a value is missing: data.filled(numpy.nan).",
        )
    if given.dtype.kind not in "biufO":
        raise ContentError(f"The data contain {given.dtype} values; real numbers are expected.")
    array = given.astype(np.float64)
    if array.ndim != len(axes):
        raise ContentError(f"The data have shape {array.shape}; ({', '.join(axes)}) is expected.")
    if array.shape[-2] < 2:
        raise ContentError(f"There is {array.shape[-2]} item; an RDM needs at least two.")
    return array


def _size(rdm: Any) -> int:
    """Count the items of an RDM, square or condensed."""
    shape = np.shape(rdm)
    if len(shape) == 2:
        return int(shape[0])
    n = round((1 + np.sqrt(1 + 8 * np.size(rdm))) / 2)
    if len(shape) != 1 or n * (n - 1) // 2 != shape[0]:
        raise ContentError(
            f"dsm_data has shape {shape}; (n, n) or condensed (n * (n - 1) / 2,) is expected."
        )
    return n
