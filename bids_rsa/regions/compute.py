"""RSA in regions: each region is one patch, computed by the searchlight's own functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.measures import RdmWriter
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.scores import ModelMeasures
from bids_rsa.core.searchlight import searchlight
from bids_rsa.regions.placing import place_regions
from bids_rsa.regions.region import Region, RegionSet
from bids_rsa.words import listing

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RegionPatches:
    """The voxels of each region that can be used.

    Attributes
    ----------
    regions : tuple of Region
    rows : list of (n_voxels,) int64
        Rows of the patterns, one array a region.
    coverage : (n_regions,) float64
        Share of the region that is in the images and in the masks; NaN for a region that its
        label image lacks.
    n_locations : int
        Number of rows of the patterns.
    notes, warnings : tuple of str
    locations : str
        What these rows are: voxels, vertices or grayordinates.
    """

    regions: tuple[Region, ...]
    rows: list[NDArray[np.int64]]
    coverage: Floats
    n_locations: int
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    locations: str = "voxels"

    @property
    def n_voxels(self) -> NDArray[np.int64]:
        """Number of voxels of each region that can be used."""
        return np.array([len(rows) for rows in self.rows], dtype=np.int64)


def region_patches(
    found: RegionSet,
    where: Any,
    patch_mask: NDArray[np.bool_],
    usable: NDArray[np.bool_],
    chosen: Sequence[Region] | None = None,
) -> RegionPatches:
    """Find the usable voxels of each region.

    Parameters
    ----------
    found : RegionSet
    where : Space or Grid
        Of the images.
    patch_mask : (n_voxels,) bool
        Voxels of the grid that the patterns have rows for, in its flat order.
    usable : (n_voxels,) bool
        Voxels that regions may contain: inside all masks.
    chosen : sequence of Region, optional
        Some of the set's regions; all without it.
    """
    placement = place_regions(found, where)
    inside = patch_mask & usable
    row_of = np.cumsum(patch_mask) - 1
    places = {region.index: place for place, region in enumerate(found.regions)}
    regions = tuple(found.regions if chosen is None else chosen)
    rows, coverage = [], []
    for region in regions:
        place = places[region.index]
        voxels = placement.members[place]
        kept = voxels[inside[voxels]]
        rows.append(row_of[kept].astype(np.int64))
        share = len(kept) / len(voxels) if len(voxels) else 0.0
        coverage.append(share * placement.in_view[place] if region.present else np.nan)
    return RegionPatches(
        regions, rows, np.array(coverage, dtype=np.float64), int(patch_mask.sum()),
        placement.notes, (*found.warnings, *placement.warnings),
        getattr(where, "words", ("voxel", "voxels"))[1],
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class RegionScores:
    """What was found in the regions of a set.

    Attributes
    ----------
    scores : dict of str to (n_scores, n_regions) float64
        For each comparison; NaN where undefined.
    rdms : (n_regions, n_cells) float64
        Condensed; NaN where undefined.
    n_voxels : (n_regions,) int64
        Voxels in the patches.
    coverage : (n_regions,) float64
    left_out : tuple of str
        Sentences: which regions are undefined, and why.
    nulls : dict of str to (3, n_scores, n_regions) float64
        For each comparison p, z and corrected p of the null of conditions, the last by the maximum
        over the regions; empty without permutations.
    kept : dict of str to (n_kept, n_scores, n_regions) float32
        For each comparison the scores under the first permutations, where they are kept.
    shrinkage : (n_regions,) float64
        Of the noise covariances; NaN where undefined.
    reliability : (n_regions,) float64
        Agreement of the RDMs of two halves, empty where it was not asked for.
    halves : tuple of str
        The runs of each half.
    """

    scores: dict[str, Floats]
    rdms: Floats
    n_voxels: NDArray[np.int64]
    coverage: Floats
    left_out: tuple[str, ...] = ()
    nulls: dict[str, Floats] = field(default_factory=dict)
    kept: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    shrinkage: Floats = field(default_factory=lambda: np.empty(0))
    reliability: Floats = field(default_factory=lambda: np.empty(0))
    halves: tuple[str, ...] = ()

    @property
    def n_kept(self) -> int:
        """Number of permutations whose scores are kept."""
        return next((len(values) for values in self.kept.values()), 0)


def score_regions(
    patterns: NDArray[np.floating[Any]],
    patches: RegionPatches,
    measures: ModelMeasures,
    *,
    min_voxels: int = 1,
    min_coverage: float = 0.0,
    **options: Any,
) -> RegionScores:
    """Compute the RDM of each region, and compare it with the models.

    Parameters
    ----------
    patterns : (n_locations, n_folds, n_conditions) float32 or float64
    patches : RegionPatches
    measures : ModelMeasures
    min_voxels : int
        Regions with fewer usable voxels are undefined.
    min_coverage : float
        Regions of which a smaller share is usable are undefined.
    **options
        Further options of `bids_rsa.core.searchlight.searchlight`.

    Returns
    -------
    RegionScores

    Raises
    ------
    ValueError
        As `bids_rsa.core.searchlight.searchlight` does.
    """
    sizes, coverage = patches.n_voxels, patches.coverage
    enough = (sizes >= max(min_voxels, 1)) & (coverage >= min_coverage - 1e-9)
    kept = np.flatnonzero(enough)
    writer, shrinkage = RdmWriter(), np.full(len(kept), np.nan)
    used = searchlight(
        patterns,
        Patches.of_lists([patches.rows[one] for one in kept], patches.n_locations),
        [*measures, writer],
        min_voxels=min_voxels,
        shrinkage=shrinkage,
        **options,
    )
    n = len(patches.regions)
    sizes[kept] = used  # voxels whose noise does not vary belong to no patch
    nulls, of_draws = _nulls(measures, kept, n)
    return RegionScores(
        scores={name: _spread(own.T, kept, n).T for name, own in measures.scores.items()},
        rdms=_spread(np.asarray(writer.rdms, dtype=np.float64), kept, n),
        n_voxels=sizes,
        coverage=coverage,
        left_out=_left_out(patches, enough, min_voxels, min_coverage),
        nulls=nulls,
        kept=of_draws,
        shrinkage=_spread(shrinkage[:, None], kept, n)[:, 0],
    )


def _nulls(
    measures: ModelMeasures, kept: NDArray[np.intp], n_regions: int
) -> tuple[dict[str, Floats], dict[str, NDArray[np.float32]]]:
    """Say for each comparison what the null tells of all regions, and the scores that are kept."""
    nulls: dict[str, Floats] = {}
    of_draws: dict[str, NDArray[np.float32]] = {}
    for name, own in measures.nulls().items():
        found = [np.array([one.p, one.z, one.max_p]) for one in own]
        nulls[name] = np.stack([_spread(one.T, kept, n_regions).T for one in found], axis=1)
        draws = [_spread(one.kept.T.astype(np.float64), kept, n_regions).T for one in own]
        of_draws[name] = np.stack(draws, axis=1).astype(np.float32)
    return nulls, of_draws


def region_rdms(
    patterns: NDArray[np.floating[Any]],
    patches: RegionPatches,
    enough: NDArray[np.bool_],
    **options: Any,
) -> Floats:
    """Compute the RDMs of regions alone, (n_regions, n_cells); NaN where undefined.

    Parameters
    ----------
    patterns : (n_locations, n_folds, n_conditions) float32 or float64
    patches : RegionPatches
    enough : (n_regions,) bool
        Regions that are not left out.
    **options
        Of `bids_rsa.core.searchlight.searchlight`.
    """
    kept, writer = np.flatnonzero(enough), RdmWriter()
    neighborhood = Patches.of_lists([patches.rows[one] for one in kept], patches.n_locations)
    searchlight(patterns, neighborhood, [writer], **options)
    return _spread(np.asarray(writer.rdms, dtype=np.float64), kept, len(patches.regions))


def _spread(values: Floats, kept: NDArray[np.intp], n_regions: int) -> Floats:
    """Put rows of some regions among those of all, NaN elsewhere."""
    spread = np.full((n_regions, values.shape[1]), np.nan)
    spread[kept] = values
    return spread


def _left_out(
    patches: RegionPatches, enough: NDArray[np.bool_], min_voxels: int, min_coverage: float
) -> tuple[str, ...]:
    """Name the regions that are undefined, by their reason."""
    absent, small, uncovered = [], [], []
    for place in np.flatnonzero(~enough):
        region, size = patches.regions[place], len(patches.rows[place])
        if not region.present:
            absent.append(region.name)
        elif patches.coverage[place] < min_coverage - 1e-9:
            uncovered.append(f"{region.name} ({patches.coverage[place]:.3g})")
        else:
            small.append(f"{region.name} ({size})")
    reasons = (
        ("that are not in the label image", absent),
        (f"with a coverage below {min_coverage:g}", uncovered),
        (f"with fewer than {min_voxels} usable {patches.locations}", small),
    )
    return tuple(f"Regions {why}: {listing(names)}." for why, names in reasons if names)
