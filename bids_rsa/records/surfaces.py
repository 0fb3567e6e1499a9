"""The surfaces of a hemisphere."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class HemisphereSurfaces:
    """The surfaces of one hemisphere on the mesh of its data, and which of it is cortex.

    Attributes
    ----------
    hemisphere : {"L", "R"}
    surfaces : tuple of str
        The surface that distances are measured on; of two (white and pial) the mean.
    origin : str
        In words, where it comes from.
    spheres : tuple of str
        The surfaces' registered sphere, and that of the data's mesh, where the surfaces have to
        be resampled to it.
    cortex : tuple of str
        Masks of the cortex, intersected; empty where there is none.
    cortex_origin : str
    view : str
        The inflated surface that maps are drawn on; empty where there is none.
    is_template : bool
        A group average, whose area is smaller than that of a brain.
    coarse : str
        A surface of the coarser mesh that centres are on, for its triangles; empty where they are
        on the mesh of the data.
    fine_sphere : str
        The sphere of the data's mesh, where vertices of the coarser one are not its first ones;
        ``coarse`` is a sphere too then.
    """

    hemisphere: Literal["L", "R"]
    surfaces: tuple[str, ...]
    origin: str
    spheres: tuple[str, ...] = ()
    cortex: tuple[str, ...] = ()
    cortex_origin: str = "none found: vertices are chosen by the maps alone"
    view: str = ""
    is_template: bool = False
    coarse: str = ""
    fine_sphere: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """All files that numbers depend on."""
        return (*self.meshes, *self.cortex)

    @property
    def meshes(self) -> tuple[str, ...]:
        """The files of surfaces and spheres among them."""
        of_centers = (path for path in (self.coarse, self.fine_sphere) if path)
        return (*self.surfaces, *self.spheres, *of_centers)
