"""Image and atlas in, table out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from nibabel.spatialimages import SpatialImage
from numpy.typing import ArrayLike

from bids_rsa.core.comparison.table import DEFAULT_COMPARISON, Comparison, find_comparison
from bids_rsa.core.dissimilarity.table import DEFAULT_DISSIMILARITY, Metric, find_dissimilarity
from bids_rsa.core.measures import ModelScores
from bids_rsa.core.scores import ModelMeasures
from bids_rsa.errors import ContentError, OptionError
from bids_rsa.library.arguments import Image, n_threads_of, one_mask, patch_params
from bids_rsa.models.arrays import condensed_models
from bids_rsa.patterns.assignment import assign
from bids_rsa.patterns.image_series import open_series, read_patterns
from bids_rsa.regions.atlas import DEFAULT_THRESHOLD, label_image
from bids_rsa.regions.compute import RegionPatches, RegionScores, region_patches, score_regions
from bids_rsa.regions.tables import find_region_table, read_region_table
from bids_rsa.spaces.images import open_image

Table: TypeAlias = str | os.PathLike[str] | pd.DataFrame | Mapping[int, str]


def rsa_regions(
    image: Image | list[Image] | tuple[Image, ...],
    dsm_model: Any,
    atlas: Image,
    image_dsm_metric: Metric = DEFAULT_DISSIMILARITY,
    image_dsm_params: dict[str, Any] = {},  # noqa: B006  (never changed)
    rsa_metric: str = DEFAULT_COMPARISON,
    ignore_nan: bool = False,
    y: ArrayLike | None = None,
    n_folds: Any = 1,
    brain_mask: Image | None = None,
    *,
    atlas_table: Table | None = None,
    atlas_threshold: float = DEFAULT_THRESHOLD,
    min_voxels: int = 1,
    min_coverage: float = 0.0,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Compare model RDMs with the RDM of every region of an atlas.

    The score of a region is that of ``rsa_nifti`` with ``spatial_radius=None`` and the region as
    ``roi_mask``.

    Parameters
    ----------
    image : 4D image, path, or list of 3D images, 4D runs or their paths
        As in `rsa_nifti`.
    dsm_model : array, shape (n, n) or (n * (n - 1) / 2,), DataFrame, or list or tuple of them
        As in `rsa_nifti`.
    atlas : 3D or 4D image, or path
        A label image of whole numbers (0 or -1: no region), or a 4D image with one volume of
        probabilities per region. An atlas on a different grid from the images is resampled by
        nearest neighbour.
    image_dsm_metric : str or callable
        As in `rsa_nifti`.
    image_dsm_params : dict
        As in `rsa_nifti`, except that ``VI`` cannot be used with regions.
    rsa_metric : str
        As in `rsa_nifti`.
    ignore_nan : bool
        As in `rsa_nifti`.
    y : array_like, shape (n_images,), optional
        As in `rsa_nifti`.
    n_folds : int, None, scikit-learn splitter or list of (train, test)
        As in `rsa_nifti`.
    brain_mask : 3D image or path, optional
        As in `rsa_nifti`.
    atlas_table : path, DataFrame with columns index and name, or mapping of index to name
        Names of the regions. By default they are read from the TSV next to the atlas; if there is
        none, regions are named by their numbers.
    atlas_threshold : float
        In a 4D atlas, a voxel belongs to its most probable region if that probability is above
        this threshold.
    min_voxels : int
        Regions with fewer voxels inside the masks have no score.
    min_coverage : float
        Regions with a smaller share inside the images and the brain mask have no score.
    n_jobs : int
        Number of threads; -1 for all CPUs. The result does not depend on it.

    Returns
    -------
    table : DataFrame
        One row for each region and model: ``index``, ``name``, ``n_voxels``, ``coverage``,
        ``model`` (the model's position in ``dsm_model``, from 0), ``score`` (NaN if undefined).
        ``table.attrs["rdms"]`` contains the condensed RDMs, one row per region;
        ``table.attrs["notes"]`` contains notes about the regions, in sentences.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError
        As in `rsa_nifti`; also if the atlas is invalid or shares no voxel with the images.

    Examples
    --------
    >>> import nibabel as nib
    >>> import numpy as np
    >>> from bids_rsa import rsa_regions
    >>> affine = np.diag([3, 3, 3, 1])
    >>> betas = nib.Nifti1Image(np.random.default_rng(0).normal(size=(8, 8, 8, 5)), affine)
    >>> halves = nib.Nifti1Image((np.indices((8, 8, 8))[0] // 4 + 1).astype("uint8"), affine)
    >>> model = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    >>> rsa_regions(betas, model, halves)[["index", "n_voxels"]].values.tolist()
    [[1, 256], [2, 256]]
    """
    n_threads = n_threads_of(n_jobs)
    find_dissimilarity(image_dsm_metric)
    comparison = find_comparison(rsa_metric)
    if not 0 <= min_coverage <= 1:
        raise OptionError(f"min_coverage is {min_coverage:g}; a share from 0 to 1 is expected.")
    if image_dsm_params.get("VI") is not None:
        raise OptionError("VI is a matrix of one fixed set of voxels, and regions differ.")
    series = open_series(image)
    assignment = assign(len(series.readers), y, n_folds)
    models, _ = condensed_models(dsm_model, assignment.items, named=y is not None)
    mask = np.ones(series.grid.shape, dtype=bool)
    if brain_mask is not None:
        mask = one_mask(brain_mask, series.grid, "brain mask")
    found = label_image(_opened(atlas), _names(atlas, atlas_table), atlas_threshold)
    patches = region_patches(found, series.grid, mask.ravel(), mask.ravel())
    scored = score_regions(
        read_patterns(series, assignment, mask, ignore_nan),
        patches,
        ModelMeasures(ModelScores(models, (rsa_metric,))),
        min_voxels=min_voxels,
        min_coverage=min_coverage,
        dissimilarity=image_dsm_metric,
        params=patch_params(image_dsm_params, mask, None),
        ignore_nan=ignore_nan,
        n_threads=n_threads,
    )
    return _table(patches, scored, comparison, len(models))


def _table(
    patches: RegionPatches, scored: RegionScores, comparison: Comparison, n_models: int
) -> pd.DataFrame:
    """Lay out the scores in one row for each region and model."""
    scores = scored.scores[comparison.name]
    names = comparison.score_names([str(number) for number in range(n_models)])
    rows = [
        (region.index, region.name, scored.n_voxels[place], scored.coverage[place], model, score)
        for place, region in enumerate(patches.regions)
        for model, score in zip(names, scores[:, place], strict=True)
    ]
    table = pd.DataFrame(rows, columns=["index", "name", "n_voxels", "coverage", "model", "score"])
    if not comparison.pooled:
        table["model"] = table["model"].astype(int)
    table.attrs["rdms"] = scored.rdms.tolist()
    table.attrs["notes"] = [*patches.notes, *patches.warnings, *scored.left_out]
    return table


def _opened(atlas: Any) -> SpatialImage:
    """Open the atlas."""
    if isinstance(atlas, SpatialImage):
        return atlas
    if not isinstance(atlas, str | os.PathLike):
        raise TypeError(
            f"atlas is a {type(atlas).__name__}; a path or a nibabel image is expected."
        )
    return open_image(atlas)


def _names(atlas: Any, table: Table | None) -> Mapping[int, str] | None:
    """Read the names of the regions, from whatever contains them."""
    if isinstance(table, pd.DataFrame):
        lacking = {"index", "name"} - set(table.columns)
        if lacking:
            raise ContentError(
                f"atlas_table has no column {' or '.join(sorted(lacking))}; its columns are: "
                f"{', '.join(map(str, table.columns))}."
            )
        table = dict(zip(table["index"].astype(int), table["name"].astype(str), strict=True))
        table.pop(0, None)
    if isinstance(table, Mapping):
        if len(set(table.values())) < len(table):
            raise ContentError("atlas_table gives two regions one name.")
        return table
    if table is not None:
        return read_region_table(Path(table))
    beside = None if isinstance(atlas, SpatialImage) else find_region_table(Path(atlas))
    return None if beside is None else read_region_table(beside)
