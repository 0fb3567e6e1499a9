"""A space: where the rows of patterns are. Volumes, surfaces and grayordinates look alike above it.

Masks are boolean vectors over the locations of a space, in the order in which files store them.
`bids_rsa.spaces.volume.VolumeSpace` and `bids_rsa.spaces.surface.SurfaceSpace` follow the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.neighborhood.protocol import Neighborhood

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# smooths values (n_locations,) inside a mask (n_locations,); NaN outside
Smoother = Callable[[Floats, Mask], Floats]


class Layout(Protocol):
    """In what order and number values are in a file; a grid, or vertices of hemispheres."""

    @property
    def n_locations(self) -> int:
        """Number of values of one map."""

    def equals(self, other: Any) -> bool:
        """Tell whether values of both are in the same order at the same places."""

    def differences(self, other: Any) -> str:
        """Say in words in what another layout differs."""

    def describe(self) -> str:
        """Describe it for a message."""

    def refuse_other(self, source: Any, name: str, first: str) -> None:
        """Refuse a file whose values are of other places; see `bring`."""

    def bring(self, values: NDArray[Any], source: Any, name: str, first: str) -> NDArray[Any]:
        """Bring the values of a file into this layout, flat.

        Parameters
        ----------
        values : ndarray
        source : Layout
            Of the file.
        name, first : str
            The file, and the one that this layout is of, for messages.

        Returns
        -------
        values : (n_locations,)

        Raises
        ------
        ContentError
            The file contains values of other places.
        """


class FoundMask(NamedTuple):
    """A mask (n_locations,) of a space, and sentences on how it was brought there."""

    inside: Mask
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@runtime_checkable
class Space(Protocol):
    """Where the rows of patterns are, and how their maps are kept in files."""

    @property
    def n_locations(self) -> int:
        """Number of locations, inside and outside of masks."""

    @property
    def words(self) -> tuple[str, str]:
        """One location and several: ``("voxel", "voxels")``."""

    @property
    def size_unit(self) -> str:
        """Unit of the locations' sizes: mm3 or mm2."""

    @property
    def outside(self) -> float:
        """What maps of scores contain where there is no centre."""

    @property
    def layout(self) -> Any:
        """The `Layout` of the values of its files."""

    @property
    def centers(self) -> Space:
        """Where centres and maps of scores are; the space itself in most cases."""

    def sizes(self) -> Floats:
        """Size of each location (n_locations,) in `size_unit`."""

    def structure_of(self, location: int) -> tuple[str, int | None]:
        """Name the structure that a location is of, and its vertex; None for a voxel."""

    def places_mm(self, locations: NDArray[Any]) -> Floats:
        """Coordinates (n, 3) of some locations in mm."""

    def neighborhood(
        self,
        patch_mask: Mask,
        center_mask: Mask,
        radius_mm: float,
        n_threads: int = 1,
        patch_size: int | None = None,
    ) -> Neighborhood:
        """Find the patch of each centre: the locations within a distance of it.

        Parameters
        ----------
        patch_mask : (n_locations,) bool
            Locations that patches may contain; the patterns have a row for each of them.
        center_mask : (n_locations,) bool
        radius_mm : float
        n_threads : int
            Changes nothing in the result.
        patch_size : int, optional
            Only the nearest so many locations; of equally far ones those with the smaller index.
        """

    def reach(self, center_mask: Mask, radius_mm: float) -> slice:
        """Give a range of locations that contains the patches of all these centres."""

    def adjacency(self, inside: Mask, connectivity: int = 6) -> Adjacency:
        """Connect neighbouring locations inside a mask, for clusters and TFCE.

        ``connectivity`` counts the neighbours of a voxel; it changes nothing on a surface.
        """

    def smoother(self, mask: Mask, fwhm_mm: float) -> Smoother:
        """Prepare smoothing by a Gaussian of this width (FWHM, above 0), along a surface on it.

        What is smoothed is inside ``mask`` (n_locations,); nothing is taken from outside.
        """

    def load_mask(self, paths: Sequence[str], kind: str) -> FoundMask:
        """Read masks and intersect them.

        ``kind`` says what they are, for messages (``brain mask``).
        """

    def image(
        self,
        values: NDArray[Any],
        part: str = "",
        names: Sequence[str] = (),
        is_mask: bool = False,
    ) -> Any:
        """Make the image of a file.

        Parameters
        ----------
        values : (n_locations,) or (n_locations, n_maps)
            Of all locations.
        part : str
            The hemisphere that the file is of, where a map is kept in two files.
        names : sequence of str
            Of each map, where the format has a place for them.
        is_mask : bool
            1 is inside.
        """

    def check_radius(self, radius_mm: float, name: str) -> None:
        """Refuse a radius that contains no more than the centre, or everything everywhere.

        Raises
        ------
        OptionError
            ``name`` is the file that the space is of.
        """

    def spatial_keys(self, beside: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Say in a sidecar where a map is.

        Parameters
        ----------
        beside : mapping
            The sidecar of the first image.
        path : str
            Of the map; keys that BIDS requires follow from its entities.
        """
