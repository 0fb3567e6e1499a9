"""Smoothing of values on a mesh along its surface, for maps of scores on the cortex."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from bids_rsa.core.inference.group_scores import FWHM_PER_SIGMA
from bids_rsa.core.neighborhood.geodesics import geodesic_discs
from bids_rsa.core.neighborhood.mesh import surface_graph, vertex_areas

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# the kernel ends at so many standard deviations, as scipy's does in volumes
_TRUNCATE = 4.0
# the widest kernel applied at once: on finer meshes its discs would hold thousands of vertices
_MOST_SPACINGS = 1.5


@dataclass(frozen=True, eq=False)
class MeshSmoother:
    """Smooths values at vertices, taking nothing from vertices without a value.

    Attributes
    ----------
    kernel : csr_array, (n_vertices, n_vertices)
        Weight of each vertex (second axis) around each vertex.
    n_passes : int
        How often the kernel is applied.
    """

    kernel: csr_array
    n_passes: int

    def __call__(self, values: FloatArray, inside: BoolArray) -> FloatArray:
        """Give weighted means (n_vertices,) of the values inside, NaN outside."""
        weights = np.where(inside, self.kernel @ inside.astype(np.float64), np.inf)
        smoothed = np.where(inside, values, 0.0)
        for _ in range(self.n_passes):
            smoothed = self.kernel @ smoothed / weights
        return np.where(inside, smoothed, np.nan)


def mesh_smoother(
    coordinates_mm: npt.ArrayLike,
    triangles: npt.ArrayLike,
    vertices: npt.NDArray[np.integer],
    fwhm_mm: float,
    n_threads: int = 1,
) -> MeshSmoother:
    """Prepare smoothing with a Gaussian of the distance along a surface.

    Parameters
    ----------
    coordinates_mm : (n_mesh, 3) array_like
    triangles : (n_triangles, 3) array_like of int
    vertices : (n_vertices,) of int
        Those that have values, ascending. Paths may run across the others.
    fwhm_mm : float
        Full width at half maximum in mm, above 0.
    n_threads : int
        Changes nothing in the result.

    Notes
    -----
    Each vertex becomes the mean of the vertices around it, weighted by their areas and by a
    Gaussian of their distance along the surface, similarly to Connectome Workbench
    (``-metric-smoothing``, GEO_GAUSS_AREA). A kernel much wider than the distance between
    vertices is applied as several narrower ones in turn, whose variances add up (iterated heat
    kernel smoothing) [1]_. Distances are those of `surface_graph`.

    References
    ----------
    .. [1] Chung MK et al. (2005) Cortical thickness analysis in autism with heat kernel
       smoothing. NeuroImage 25, 1256-1265.
    """
    areas = vertex_areas(coordinates_mm, triangles)
    allowed = np.zeros(len(areas), dtype=bool)
    allowed[vertices] = True
    sigma = fwhm_mm / FWHM_PER_SIGMA
    # of a mesh of equilateral triangles with these areas
    spacing = float(np.sqrt(2 / np.sqrt(3) * areas.mean()))
    n_passes = max(1, int(np.ceil((sigma / (_MOST_SPACINGS * spacing)) ** 2)))
    sigma /= np.sqrt(n_passes)
    graph = surface_graph(coordinates_mm, triangles)
    discs = geodesic_discs(graph, vertices, _TRUNCATE * sigma, members=allowed, n_threads=n_threads)
    weights = np.exp(-0.5 * (discs.distances_mm / sigma) ** 2) * areas[discs.members]
    places = np.full(len(areas), -1, dtype=np.int32)
    places[vertices] = np.arange(len(vertices))
    shape = (len(vertices), len(vertices))
    return MeshSmoother(csr_array((weights, places[discs.members], discs.starts), shape), n_passes)
