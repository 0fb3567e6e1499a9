"""The source of a set of regions."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RegionSource:
    """Where a set of regions comes from: an atlas, masks or spheres.

    Attributes
    ----------
    name : str
        Its ``seg-`` label.
    paths : tuple of str
        The image of an atlas, or the masks.
    table : str
        The table of an atlas; empty where there is none.
    names : tuple of str
        Of masks.
    spheres : tuple of str
        ``NAME:x,y,z:R`` in mm.
    on_surface : bool
        Masks and spheres are of vertices or grayordinates.
    threshold : float
        Of a probabilistic atlas.
    """

    name: str
    paths: tuple[str, ...] = ()
    table: str = ""
    names: tuple[str, ...] = ()
    spheres: tuple[str, ...] = ()
    threshold: float = 0.0
    on_surface: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        """All files that it is read from."""
        return (*self.paths, self.table) if self.table else self.paths
