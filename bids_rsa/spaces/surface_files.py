"""Surfaces read from files: the mesh that distances are measured on, and which of it is cortex."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.records import HemisphereSurfaces
from bids_rsa.spaces.gifti import Mesh, read_maps, read_mesh
from bids_rsa.spaces.hemispheres import Hemisphere, hemisphere_named
from bids_rsa.spaces.read_errors import reading
from bids_rsa.tables import refuse_special

# vertices of the meshes that have a name, and their den- label
DENSITIES = {
    2562: "3k", 10242: "10k", 40962: "41k", 163842: "164k", 32492: "32k", 59292: "59k",
}  # fmt: skip
SIDES: dict[Hemisphere, str] = {"L": "left", "R": "right"}


def density_label(n_vertices: int) -> str:
    """Return the ``den-`` label of a mesh; its number of vertices where it has none."""
    return DENSITIES.get(n_vertices, str(n_vertices))


def density_vertices(label: str) -> int | None:
    """Return the vertices of a density (``10k`` or ``10242``); None where it is not known."""
    by_label = {name: count for count, name in DENSITIES.items()}
    if label in by_label:
        return by_label[label]
    return int(label) if label.isdigit() and int(label) in DENSITIES else None


def read_surface(path: str | os.PathLike[str]) -> Mesh:
    """Read a surface of GIFTI, or of FreeSurfer (``lh.white``), once while the file is the same.

    Raises
    ------
    MissingFileError, ContentError, InputError, ReadWriteError
        No such file, or it is damaged or no surface.
    """
    name = os.fspath(path)
    with reading(name):
        refuse_special(name, "a surface")
        found = Path(name).stat()
    return _known_surface(name, (found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=16)
def _known_surface(name: str, stamp: tuple[int, ...]) -> Mesh:
    """Remember a surface as long as its file has the same stamp."""
    if name.endswith((".gii", ".gii.gz")):
        return read_mesh(name)
    with reading(name):
        coordinates, triangles = nib.freesurfer.read_geometry(name)
    points = np.asarray(coordinates, dtype=np.float64)
    if not np.isfinite(points).all() or triangles.max(initial=-1) >= len(points):
        raise ContentError(f"{name} is damaged.", "Copy or write the file again.")
    return Mesh(points, triangles.astype(np.int32), hemisphere_named(name), name)


def load_middle(choice: HemisphereSurfaces) -> Mesh:
    """Read the surface that distances are measured on.

    One file as it is; of two (white and pial) the mean; resampled to the data's mesh where
    spheres are named.

    Raises
    ------
    ContentError
        White and pial are not of one mesh, a file is of the other hemisphere, or a sphere has
        other vertices than the surface it goes with.
    """
    meshes = [read_surface(path) for path in choice.surfaces]
    first = meshes[0]
    for mesh in meshes:
        _check_side(mesh, choice.hemisphere)
        if not np.array_equal(mesh.triangles, first.triangles):
            raise ContentError(
                f"{mesh.path} and {first.path} are not surfaces of one mesh: their triangles "
                "differ.",
                "Give white and pial surface of the same reconstruction.",
            )
    middle = np.mean([mesh.coordinates_mm for mesh in meshes], axis=0)
    if not choice.spheres:
        return Mesh(middle, first.triangles, choice.hemisphere, first.path)
    # takes a fifth of a second to import: only where surfaces are resampled
    from bids_rsa.core.neighborhood.spherical import barycentric_weights

    source, target = (read_surface(path) for path in choice.spheres)
    for mesh in (source, target):
        _check_side(mesh, choice.hemisphere)
    if len(source.coordinates_mm) != len(middle):
        raise ContentError(
            f"The sphere {source.path} has {len(source.coordinates_mm)} vertices, and the surface "
            f"{first.path} has {len(middle)}.",
            "Both must be of the same reconstruction.",
        )
    with _as_content(f"{source.path} and {target.path}"):
        corners, weights = barycentric_weights(
            source.coordinates_mm, source.triangles, target.coordinates_mm
        )
    points = np.einsum("nkd,nk->nd", middle[corners], weights)
    return Mesh(points, target.triangles, choice.hemisphere, first.path)


def _check_side(mesh: Mesh, hemisphere: str) -> None:
    """Refuse a surface of the other hemisphere."""
    if mesh.hemisphere not in (None, hemisphere):
        raise ContentError(
            f"{mesh.path} is of hemisphere {mesh.hemisphere}, and the data are of {hemisphere}.",
            "Left and right have been swapped: check --surface.",
        )


@contextmanager
def _as_content(what: str) -> Iterator[None]:
    """Turn the core's complaint about arrays into an error that names the files."""
    try:
        yield
    except ValueError as error:
        raise ContentError(f"{what}: {error}.", "Give spheres of FreeSurfer or fMRIPrep.") from None


def load_cortex(choice: HemisphereSurfaces, n_vertices: int) -> NDArray[np.bool_] | None:
    """Read which vertices are cortex: inside all files (above 0); None where there is no file.

    Raises
    ------
    ContentError
        Other vertices than the data's, the other hemisphere, or no cortex at all.
    """
    if not choice.cortex:
        return None
    masks = [_cortex(path, choice.hemisphere, n_vertices) for path in choice.cortex]
    inside = np.logical_and.reduce(masks)
    if not inside.any():
        raise ContentError(f"The cortex masks {', '.join(choice.cortex)} contain no vertex.")
    return np.asarray(inside, dtype=bool)


def cortex_within(layout: Any, surfaces: Sequence[HemisphereSurfaces]) -> NDArray[np.bool_]:
    """Read which locations are cortex; all of a hemisphere without a mask, and all voxels.

    Parameters
    ----------
    layout : VertexLayout or GrayordinateLayout
    surfaces : sequence of HemisphereSurfaces
        Of its hemispheres.

    Returns
    -------
    ndarray, shape (n_locations,), bool

    Raises
    ------
    ContentError
        See `load_cortex`.
    """
    inside = np.ones(layout.n_locations, dtype=bool)
    choices = {one.hemisphere: one for one in surfaces}
    for side, own, n_vertices, vertices in layout.cortices():
        cortex = load_cortex(choices[side], n_vertices) if side in choices else None
        if cortex is not None:
            inside[own] = cortex[vertices]
    return inside


def _cortex(path: str, hemisphere: str, n_vertices: int) -> NDArray[np.bool_]:
    """Read one mask of GIFTI (labels or numbers), or a label of FreeSurfer."""
    if path.endswith(".label"):
        with reading(path):
            refuse_special(path)
            members = np.atleast_1d(nib.freesurfer.read_label(path))
        if members.size and members.max() >= n_vertices:
            raise ContentError(
                f"{path} names vertex {members.max()}, and the data have {n_vertices} vertices."
            )
        inside = np.zeros(n_vertices, dtype=bool)
        inside[members] = True
        return inside
    maps = read_maps(path)
    if maps.values.shape != (n_vertices, 1):
        raise ContentError(
            f"The cortex mask {path} contains {maps.values.shape[1]} maps of {len(maps.values)} "
            f"vertices; one of {n_vertices}, as the data have, is expected."
        )
    if maps.hemisphere not in (None, hemisphere):
        raise ContentError(
            f"The cortex mask {path} is of hemisphere {maps.hemisphere}, and the data are of "
            f"{hemisphere}.",
            "Left and right have been swapped: check --cortex-mask.",
        )
    return np.asarray(np.nan_to_num(maps.values[:, 0]) > 0)


def load_view(choice: HemisphereSurfaces, middle: Mesh) -> Mesh:
    """Read the inflated surface that maps are drawn on; the middle one where there is none."""
    if not choice.view:
        return middle
    view = read_surface(choice.view)
    _check_side(view, choice.hemisphere)
    return view if len(view.coordinates_mm) == len(middle.coordinates_mm) else middle
