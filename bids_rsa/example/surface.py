"""The example's BOLD on the surface: fsaverage5, with the effect where it is in the volume."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from nilearn.datasets import load_fsaverage
from numpy.typing import NDArray
from scipy import sparse

from bids_rsa.core.neighborhood.mesh import neighbors_of
from bids_rsa.example.planted import write_json
from bids_rsa.spaces.gifti import maps_image, mask_image

SPACE = "fsaverage5"
_SIDES: tuple[tuple[Literal["L", "R"], str], ...] = (("L", "left"), ("R", "right"))
_SMOOTHING_STEPS = 3


@dataclass(frozen=True, eq=False)
class ExampleSurface:
    """Both hemispheres of fsaverage5, the left one first.

    Attributes
    ----------
    middle_mm : (n_vertices, 3) float64
        Halfway between the white and the pial surface.
    triangles : (n_triangles, 3)
    n_left : int
        Vertices of the left hemisphere.
    """

    middle_mm: NDArray[np.float64]
    triangles: NDArray[Any]
    n_left: int

    @classmethod
    def load(cls) -> "ExampleSurface":
        """Load the template that comes with nilearn."""
        surfaces = load_fsaverage(SPACE)
        points, triangles, n_before = [], [], 0
        for _, name in _SIDES:
            white, pial = (surfaces[kind].parts[name] for kind in ("white_matter", "pial"))
            points.append((white.coordinates + pial.coordinates) / 2.0)
            triangles.append(np.asarray(white.faces) + n_before)
            n_before += len(points[-1])
        return cls(np.concatenate(points), np.concatenate(triangles), len(points[0]))

    @cached_property
    def _mean_of_neighbors(self) -> Any:
        """The matrix that replaces each vertex by the mean of itself and its neighbours."""
        n = len(self.middle_mm)
        starts, neighbors = neighbors_of(self.triangles, n)
        shape = (n, n)
        edges = sparse.csr_matrix((np.ones(len(neighbors)), neighbors, starts), shape=shape)
        with_self = edges + sparse.identity(n, format="csr")
        return sparse.diags(1 / np.asarray(with_self.sum(axis=1)).ravel()) @ with_self

    def within(self, center_mm: tuple[float, float, float], radius_mm: float) -> NDArray[np.bool_]:
        """Find the vertices (n_vertices,) at most a radius from a place."""
        return np.asarray(np.linalg.norm(self.middle_mm - center_mm, axis=1) <= radius_mm)

    def smooth_noise(self, random: np.random.Generator, n: int) -> NDArray[np.float64]:
        """Draw maps (n, n_vertices) of noise of unit variance, smooth along the surface."""
        noise = random.standard_normal((len(self.middle_mm), n))
        for _ in range(_SMOOTHING_STEPS):
            noise = self._mean_of_neighbors @ noise
        return np.asarray((noise / noise.std(axis=0)).T)

    def write_bold(self, stem: Path, series: NDArray[np.float64], sidecar: dict[str, Any]) -> None:
        """Write a series (n_volumes, n_vertices) as a file for each hemisphere."""
        sidecar = sidecar | {"SpatialReference": SPACE}
        for (side, _), values in zip(_SIDES, self._halves(series.T), strict=True):
            name = f"{stem}_hemi-{side}_space-{SPACE}_bold"
            whole = np.rint(values).astype(np.float32)  # whole numbers take less room
            nib.save(maps_image(whole, side, intent="NIFTI_INTENT_TIME_SERIES"), f"{name}.func.gii")
            write_json(f"{name}.json", sidecar)

    def write_mask(self, folder: Path, inside: NDArray[np.bool_], desc: str) -> None:
        """Write a mask (n_vertices,) as a file for each hemisphere."""
        for (side, _), own in zip(_SIDES, self._halves(inside), strict=True):
            path = folder / f"hemi-{side}_space-{SPACE}_desc-{desc}_mask.label.gii"
            nib.save(mask_image(own, side), path)

    def _halves(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Part values at the vertices (n_vertices, ...) into those of each hemisphere."""
        return [values[: self.n_left], values[self.n_left :]]
