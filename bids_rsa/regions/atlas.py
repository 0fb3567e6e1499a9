"""Label images: integer ones with a table, and probabilistic 4D ones with a threshold."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.regions.region import (
    BACKGROUND,
    Integers,
    Placement,
    Region,
    make_regions,
    refuse_negative,
)
from bids_rsa.settings import RegionSettings
from bids_rsa.spaces.grid import Grid, reorder, resample_nearest
from bids_rsa.spaces.images import grid_of, image_name, n_volumes, read_volume
from bids_rsa.words import few

DEFAULT_THRESHOLD = RegionSettings.atlas_threshold
_ROUNDING = 1e-3


@dataclass(frozen=True, eq=False)
class LabelImage:
    """The regions of a label image.

    Attributes
    ----------
    places : (X, Y, Z) int32
        1 + the place among the regions, 0 outside of them.
    grid : Grid
    regions : tuple of Region
    name : str
        The image's, for messages.
    notes, warnings : tuple of str
    """

    on_surface: ClassVar[bool] = False
    places: NDArray[np.int32]
    grid: Grid
    regions: tuple[Region, ...]
    name: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def place(self, grid: Grid) -> Placement:
        """Find the voxels of each region on a grid; see `RegionSet`."""
        n = len(self.regions)
        same = reorder(self.places, self.grid, grid)
        if same is not None:
            notes = self.notes
            if not self.grid.equals(grid):
                notes = (*notes, f"The atlas {self.name} was reordered to the images.")
            return Placement(_members(same, n), np.ones(n), notes)
        placed = resample_nearest(self.places, self.grid, grid)
        if not placed.any():
            raise no_common_voxel(f"atlas {self.name}", self.grid, grid)
        note = (
            f"The atlas {self.name} was resampled to the images' grid (nearest neighbour); "
            f"{self.grid.differences(grid)} differ."
        )
        return Placement(
            _members(placed, n), _in_view(self.places, self.grid, grid, n), (*self.notes, note)
        )


def no_common_voxel(what: str, source: Grid, target: Grid) -> ContentError:
    """Say that regions are outside of the images."""
    return ContentError(
        f"The {what} shares no voxel with the images.\n"
        f"  regions: {source.describe()}\n  images: {target.describe()}",
        "Give regions in the space of the images.",
    )


def _members(places: NDArray[Any], n_regions: int) -> list[Integers]:
    """List the voxels of each region, in the order of the grid."""
    flat = places.ravel()
    inside = np.flatnonzero(flat)
    inside = inside[np.argsort(flat[inside], kind="stable")]
    cuts = np.searchsorted(flat[inside], np.arange(1, n_regions + 2))
    return [inside[start:stop] for start, stop in itertools.pairwise(cuts)]


def _in_view(places: NDArray[Any], source: Grid, target: Grid, n_regions: int) -> NDArray[Any]:
    """Compute the share of each region's own voxels that are inside another grid."""
    voxels = np.argwhere(places)
    step = np.linalg.solve(target.affine, source.affine)
    there = voxels @ step[:3, :3].T + step[:3, 3]
    seen = ((there >= -0.5) & (there < np.array(target.shape) - 0.5)).all(axis=1)
    place = places[tuple(voxels.T)] - 1
    count = np.bincount(place, minlength=n_regions)
    return np.asarray(np.bincount(place, seen, n_regions) / np.maximum(count, 1))


def label_image(
    image: SpatialImage,
    names: Mapping[int, str] | None = None,
    threshold: float = DEFAULT_THRESHOLD,
    given_name: str = "",
) -> LabelImage:
    """Read a label image, or make one of a probabilistic 4D image.

    Parameters
    ----------
    image : SpatialImage
        3D of whole numbers (0, -1 and NaN: no region), or 4D with one volume of probabilities a
        region.
    names : mapping, optional
        Name of each index; without it regions are named by their numbers. The volumes of a 4D
        image are counted from 1.
    threshold : float
        A voxel of a 4D image belongs to its most probable region where that is above it.
    given_name : str
        What messages call the image.

    Raises
    ------
    ContentError
        Values that are no labels or no probabilities, labels below -1, or no region at all.
    """
    name = given_name or image_name(image)
    if n_volumes(image) > 1:
        labels, notes = _most_probable(image, threshold, name, names)
    else:
        labels, notes = _whole_numbers(read_volume(image), name), ()
    unassigned = int((labels == -1).sum())
    labels[labels == -1] = 0
    refuse_negative(labels, f"The atlas {name}")
    found, inverse = np.unique(labels, return_inverse=True)
    present = [int(index) for index in found if index != 0]
    if not present:
        raise ContentError(
            f"The atlas {name} contains no region: all its values are background (0)."
        )
    named = {index: title for index, title in (names or {}).items() if index not in BACKGROUND}
    refuse_negative(np.array([*named], dtype=np.int64), f"The table of the atlas {name}")
    unnamed = [index for index in present if index not in named]
    indices = sorted({*present, *named})
    there = set(present)
    regions = make_regions(
        indices, _all_names(indices, named), [index in there for index in indices]
    )
    # a row of the table keeps its place, so that tables of all participants are aligned
    position = {index: place for place, index in enumerate(indices, start=1)} | {0: 0}
    places = np.array([position[int(index)] for index in found], dtype=np.int32)[inverse]
    return LabelImage(
        places.reshape(labels.shape), grid_of(image), regions, name, notes,
        _warnings(name, names, unnamed, unassigned),
    )  # fmt: skip


def _all_names(indices: list[int], named: Mapping[int, str]) -> list[str]:
    """Name each index; one without a name by its number, unless that is another's name."""
    taken = set(named.values())
    return [
        named.get(index) or (str(index) if str(index) not in taken else f"index {index}")
        for index in indices
    ]


def _warnings(
    name: str, names: Mapping[int, str] | None, unnamed: list[int], n_unassigned: int
) -> tuple[str, ...]:
    """Say which regions have no name, and which voxels are taken as background."""
    told = []
    if names is None:
        told.append(f"The atlas {name} has no table: its regions are named by their numbers.")
    elif unnamed:
        few_indices = few([str(index) for index in unnamed], 10)
        told.append(
            f"The table of the atlas {name} has no row for the index {few_indices}: named by "
            "number."
        )
    if n_unassigned:
        told.append(
            f"The atlas {name} contains -1 in {n_unassigned:,} voxels: taken as background."
        )
    return tuple(told)


def _whole_numbers(values: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Turn the values of a label image into labels."""
    values = np.where(np.isfinite(values), values, 0)
    labels = np.rint(values)
    odd = np.abs(values - labels) > _ROUNDING
    if odd.any():
        raise ContentError(
            f"The atlas {name} is not a label image: {int(odd.sum())} of its voxels contain "
            f"numbers that are not whole, like {values[odd][0]:.4g}.",
            "Give a label image; a probabilistic atlas has four dimensions, one volume a region.",
        )
    return np.asarray(labels, dtype=np.int64)


def _most_probable(
    image: SpatialImage, threshold: float, name: str, names: Mapping[int, str] | None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Give each voxel the label of its most probable region, where that is above the threshold."""
    n = n_volumes(image)
    best = np.full(image.shape[:3], -np.inf)
    labels = np.zeros(image.shape[:3], dtype=np.int64)
    for volume in range(n):
        values = np.nan_to_num(np.asarray(read_volume(image, volume), dtype=np.float64))
        if values.min() < -_ROUNDING or values.max() > 100 + _ROUNDING:
            raise ContentError(
                f"The 4D atlas {name} contains no probabilities: volume {volume} runs from "
                f"{values.min():.4g} to {values.max():.4g}.",
                "Give probabilities from 0 to 1, or percentages.",
            )
        more = values > best
        best[more], labels[more] = values[more], volume + 1
    percent = best.max() > 1 + _ROUNDING
    labels[best <= threshold * (100 if percent else 1)] = 0
    if names is not None and n not in names and len(names) == n - 1:
        raise ContentError(
            f"The table of the 4D atlas {name} has no row for volume {n}.",
            f"Count the volumes from 1 to {n}: 0 stands for no region.",
        )
    scale = "percent" if percent else "from 0 to 1"
    return labels, (
        f"The atlas {name} is probabilistic ({n} volumes, {scale}): each voxel belongs to its most "
        f"probable region where that is above {threshold:g}. Volumes are counted from 1.",
    )
