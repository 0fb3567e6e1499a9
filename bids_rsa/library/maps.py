"""Image in, maps out."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from bids_rsa.core.comparison.table import DEFAULT_COMPARISON
from bids_rsa.core.dissimilarity.table import DEFAULT_DISSIMILARITY, Metric, find_dissimilarity
from bids_rsa.core.searchlight import searchlight_rsa
from bids_rsa.errors import ContentError
from bids_rsa.library.arguments import (
    Image,
    check_extent,
    check_one_name,
    n_threads_of,
    one_mask,
    patch_params,
    radius_mm_of,
)
from bids_rsa.library.mne_rsa_names import accepts_mne_rsa_names
from bids_rsa.models.arrays import condensed_models
from bids_rsa.patterns.assignment import assign
from bids_rsa.patterns.image_series import ImageSeries, open_series, read_patterns
from bids_rsa.spaces.grid import Grid
from bids_rsa.spaces.images import volume_image


@accepts_mne_rsa_names
def rsa_nifti(  # the names, the order and the defaults are those that users know
    image: Image | list[Image] | tuple[Image, ...],
    dsm_model: Any,
    spatial_radius: float | None = 0.01,
    image_dsm_metric: Metric = DEFAULT_DISSIMILARITY,
    image_dsm_params: dict[str, Any] = {},  # noqa: B006  (never changed)
    rsa_metric: str = DEFAULT_COMPARISON,
    ignore_nan: bool = False,
    y: ArrayLike | None = None,
    n_folds: Any = 1,
    roi_mask: Image | None = None,
    brain_mask: Image | None = None,
    n_jobs: int = 1,
    verbose: bool = False,
) -> Any:
    """Compare model RDMs with the RDM of every searchlight patch of an image.

    Representational similarity analysis (Kriegeskorte et al. 2008, Front. Syst. Neurosci. 2) in a
    searchlight (Kriegeskorte et al. 2006, PNAS 103).

    Parameters
    ----------
    image : 4D image, path, or list of 3D images, 4D runs or their paths
        One volume for each item, or several volumes that ``y`` assigns to items. The volumes of
        a list are concatenated. NIfTI-1, NIfTI-2, MGH and all other formats that nibabel reads.
    dsm_model : array, shape (n, n) or (n * (n - 1) / 2,), DataFrame, or list or tuple of them
        The dissimilarities that each model predicts between the n items. Items are in the order
        of the images or, if ``y`` is given, of ``numpy.unique(y)``. The rows and columns of a
        DataFrame are matched to ``y`` by name. NaN cells are left out of the comparison.
    spatial_radius : float or None
        Radius of a patch in metres: a patch contains the voxels whose centres are at most this
        far from its own centre. None: a single patch of all voxels inside the masks.
    image_dsm_metric : str or callable
        Dissimilarity of two patterns: a metric of `scipy.spatial.distance.pdist`, or a function
        of two vectors.
    image_dsm_params : dict
        Keyword arguments of the metric. ``V`` and ``w`` have one entry for each voxel of the 3D
        grid; ``VI`` can only be used with ``spatial_radius=None``.
    rsa_metric : str
        spearman, pearson, kendall-tau-a, kendall-tau-b, rho-a, cosine, whitened-cosine,
        whitened-pearson, partial, partial-spearman, regression, regression-nonneg, r2 or
        unique-variance.
    ignore_nan : bool
        Treat NaN in images as a missing value; otherwise the score of a patch with NaN is NaN.
    y : array_like, shape (n_images,), optional
        The item of each image. Images of the same item are averaged or, with ``n_folds``,
        cross-validated.
    n_folds : int, None, scikit-learn splitter or list of (train, test)
        1: no cross-validation. k: the test sets of ``StratifiedKFold(k)`` are the folds. None: as
        many folds as the item with the fewest images has. A splitter, or the result of its
        ``split`` method: the test sets are the folds and must not overlap. For a splitter that
        needs groups, use ``n_folds=LeaveOneGroupOut().split(y, y, groups=runs)``.
    roi_mask : 3D image or path, optional
        Only voxels inside (above 0.5) are centres; patches may extend beyond it.
    brain_mask : 3D image or path, optional
        Patches contain only voxels inside (above 0.5).
    n_jobs : int
        Number of threads; -1 for all CPUs. The result does not depend on it.
    verbose : bool
        Show a progress bar.

    Returns
    -------
    result : Nifti1Image (float64) or list of them, float or ndarray of shape (n_models,)
        3D maps of scores: 0 outside the masks, NaN where undefined. With
        ``spatial_radius=None``, the scores themselves. If ``dsm_model`` is a list, a list of maps
        or an array of scores.

    Raises
    ------
    ValueError
        Images, models, masks, labels or parameters do not match, or no centre has a score; the
        message shows the values.
    TypeError
        Arguments of the wrong type.
    FileNotFoundError
        A file does not exist.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> from bids_rsa import rsa_nifti
    >>> volumes = np.random.default_rng(0).normal(size=(8, 8, 8, 5))
    >>> betas = nib.Nifti1Image(volumes, np.diag([3, 3, 3, 1]))  # one volume for each of 5 items
    >>> model = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    >>> scores = rsa_nifti(betas, model, spatial_radius=0.007)
    >>> scores.shape
    (8, 8, 8)
    """
    radius_mm = radius_mm_of(spatial_radius)
    n_threads = n_threads_of(n_jobs)
    find_dissimilarity(image_dsm_metric)
    check_one_name(rsa_metric)
    series = open_series(image)
    assignment = assign(len(series.readers), y, n_folds)
    models, several = condensed_models(dsm_model, assignment.items, named=y is not None)
    patch_mask, center_mask = _masks(series.grid, brain_mask, roi_mask, radius_mm)
    check_extent(spatial_radius, series.grid.extent_mm(patch_mask))
    params = patch_params(image_dsm_params, patch_mask, radius_mm)
    patterns = read_patterns(series, assignment, patch_mask, ignore_nan)
    n_centers = int(center_mask.sum()) if radius_mm is not None else 1
    with tqdm(total=n_centers, unit="centre", disable=not verbose) as bar:
        result = searchlight_rsa(
            patterns,
            patch_mask,
            center_mask,
            series.grid.affine,
            radius_mm,
            models,
            dissimilarity=image_dsm_metric,
            params=params,
            comparisons=(rsa_metric,),
            ignore_nan=ignore_nan,
            n_threads=n_threads,
            on_progress=bar.update,
        )
    scores = result.scores[rsa_metric]
    if np.isnan(scores).all():
        raise ContentError(_all_undefined(result.n_voxels, ignore_nan))
    if radius_mm is None:
        return scores[:, 0] if several else float(scores[0, 0])
    maps = [_score_map(row, center_mask, series) for row in scores]
    return maps if several else maps[0]


def _masks(
    grid: Grid, brain_mask: Image | None, roi_mask: Image | None, radius_mm: float | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Bring the masks to the grid: voxels of patches, and centres."""
    patch_mask = np.ones(grid.shape, dtype=bool)
    if brain_mask is not None:
        patch_mask = one_mask(brain_mask, grid, "brain mask")
    center_mask = patch_mask
    if roi_mask is not None:
        center_mask = patch_mask & one_mask(roi_mask, grid, "ROI mask")
    if not center_mask.any():
        raise ContentError("roi_mask and brain_mask have no voxel in common.", "Check the masks.")
    # without a radius, the one patch contains the voxels inside both masks
    return (center_mask if radius_mm is None else patch_mask), center_mask


def _score_map(
    scores: NDArray[np.float64], center_mask: NDArray[np.bool_], series: ImageSeries
) -> nib.Nifti1Image:
    """Put scores where their centres are."""
    data = np.zeros(series.grid.shape)
    data[center_mask] = scores
    return volume_image(data, series.grid.affine, series.template)


def _all_undefined(n_voxels: NDArray[np.int32], ignore_nan: bool) -> str:
    """Say what may have left every centre without a score."""
    nan = "" if ignore_nan else ", NaN in every patch (ignore_nan=True treats it as missing)"
    return (
        f"The score is undefined at every one of {len(n_voxels)} centres (patches contain "
        f"{n_voxels.min()} to {n_voxels.max()} voxels). Causes can be patches that are too small, "
        f"patterns or models that are constant, too few items{nan}."
    )
