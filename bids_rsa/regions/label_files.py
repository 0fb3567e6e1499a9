"""Label files of surfaces and grayordinates: GIFTI, CIFTI, and FreeSurfer's annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, LabelAxis
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.regions.region import make_regions, refuse_negative
from bids_rsa.regions.vertex_atlas import VertexLabels
from bids_rsa.spaces.gifti import open_gifti
from bids_rsa.spaces.grayordinate_layout import CORTEX, GrayordinateLayout
from bids_rsa.spaces.hemispheres import hemisphere_named, hemisphere_of
from bids_rsa.spaces.read_errors import reading
from bids_rsa.tables import refuse_special
from bids_rsa.words import listing

GIFTI_LABELS, CIFTI_LABELS = (".label.gii", ".label.gii.gz"), (".dlabel.nii",)
ANNOTATION = ".annot"
# what label files call vertices that are of no region
_NOTHING = {"", "???", "unknown", "medial wall", "medial_wall", "medialwall", "background"}
Keys = NDArray[np.int64]
Below = dict[tuple[str, tuple[int, ...]], int]


def is_surface_atlas(path: str) -> bool:
    """Tell by the name whether a file contains labels of vertices or grayordinates."""
    return path.endswith((*GIFTI_LABELS, *CIFTI_LABELS, ANNOTATION))


def is_surface_mask(path: str) -> bool:
    """Tell by the name whether a file contains a mask of vertices or grayordinates."""
    return path.endswith((".gii", ".gii.gz", ".label", ".dscalar.nii", ".dlabel.nii"))


def gifti_labels(paths: Sequence[str], names: Mapping[int, str] | None = None) -> VertexLabels:
    """Read label files of one or both hemispheres.

    A name that both hemispheres have becomes two regions, ``L name`` and ``R name``.

    Parameters
    ----------
    paths : sequence of str
    names : mapping, optional
        Name of each key, instead of the files' own.

    Raises
    ------
    ContentError
        No labels, or nothing says which hemisphere a file is of.
    """
    keys: dict[str, Keys] = {}
    tables: dict[str, dict[int, str]] = {}
    for path in paths:
        side, own, table = (_annotation if path.endswith(ANNOTATION) else _gifti)(path)
        if side is None or not len(own) or side in keys:
            raise ContentError(
                f"{path} does not say of which hemisphere its labels are, or is one of two of it.",
                "Name the files hemi-L and hemi-R (or lh. and rh.).",
            )
        keys[side], tables[side] = own, dict(names or table)
    return _labels(keys, tables, paths[0])


def _gifti(path: str) -> tuple[str | None, Keys, dict[int, str]]:
    """Read the hemisphere, keys and names of a label file of GIFTI."""
    image = open_gifti(path)
    values = np.asarray(image.darrays[0].data) if image.darrays else np.empty(0)
    keys = np.rint(values).astype(np.int64).ravel()
    return hemisphere_of(image, path), keys, image.labeltable.get_labels_as_dict()


def _annotation(path: str) -> tuple[str | None, Keys, dict[int, str]]:
    """Read the same of an annotation of FreeSurfer; keys are places in its table of colours."""
    with reading(path):
        refuse_special(path)
        try:
            keys, _, names = nib.freesurfer.read_annot(path)
        except (ValueError, IndexError, TypeError, MemoryError) as error:
            raise ContentError(
                f"{path} cannot be read as an annotation of FreeSurfer: {error}.",
                "Copy or write the file again.",
            ) from error
    table = {k: name.decode("utf-8", "replace") for k, name in enumerate(names)}
    # vertices without an annotation are -1; 0 is a region only where its name says so
    first = 0 if _is_nothing(1, {1: table.get(0, "")}) else 1
    own = np.where(keys < 0, 0, keys + first).astype(np.int64)
    return hemisphere_named(path), own, {k + first: name for k, name in table.items()}


def cifti_labels(path: str, names: Mapping[int, str] | None = None) -> VertexLabels:
    """Read the first map of a .dlabel.nii file.

    Raises
    ------
    ContentError
        It contains no labels of grayordinates.
    """
    axis, values, layout = _first_map(path)
    if not isinstance(axis, LabelAxis):
        raise ContentError(
            f"{path} contains no labels of grayordinates.", "Give a .dlabel.nii file."
        )
    table = dict(names or {key: label for key, (label, _) in axis.label[0].items()})
    keys, below = by_structure(np.rint(values).astype(np.int64), layout)
    found = _labels(keys, dict.fromkeys(keys, table), path, below, table)
    return replace(found, shape=layout.shape, affine=layout.affine) if below else found


def keys_of_cifti(path: str) -> tuple[NDArray[Any], GrayordinateLayout]:
    """Read the values of the first map of a CIFTI file, and where they are."""
    _, values, layout = _first_map(path)
    return values, layout


def _first_map(path: str) -> tuple[Any, NDArray[Any], GrayordinateLayout]:
    """Read the axis of the maps, the first of them, and the grayordinates of a CIFTI file."""
    with reading(path):
        refuse_special(path)
        image: Any = nib.load(path)
        axes = [image.header.get_axis(k) for k in (0, 1)] if isinstance(image, Cifti2Image) else []
        data = np.asarray(image.dataobj[0]) if axes else np.empty(0)
    if not axes or not isinstance(axes[1], BrainModelAxis):
        raise ContentError(
            f"{path} contains no values of grayordinates.",
            "Give a .dlabel.nii or .dscalar.nii file.",
        )
    return axes[0], data, GrayordinateLayout.of_axis(axes[1], path)


def by_structure(values: Keys, layout: GrayordinateLayout) -> tuple[dict[str, Keys], Below]:
    """Part values of grayordinates: those of each hemisphere's mesh, and those of voxels."""
    keys: dict[str, Keys] = {}
    below: Below = {}
    counts, start = dict(layout.mesh_vertices), 0
    for name, n in layout.structures:
        own = slice(start, start + n)
        if name in CORTEX:
            keys[CORTEX[name]] = np.zeros(counts[name], dtype=np.int64)
            keys[CORTEX[name]][layout.vertices[own]] = values[own]
        else:
            voxels = map(tuple, layout.voxels[own].tolist())
            places = ((name, voxel) for voxel in voxels)
            below |= dict(zip(places, values[own].tolist(), strict=True))
        start += n
    return keys, below


def _labels(
    keys: dict[str, Keys],
    tables: Mapping[str, Mapping[int, str]],
    path: str,
    below: Below | None = None,
    table_below: Mapping[int, str] | None = None,
) -> VertexLabels:
    """Make regions of the keys of each hemisphere, and of voxels."""
    below, table_below = below or {}, table_below or {}
    every = [*keys.values(), np.array([*below.values()], dtype=np.int64)]
    refuse_negative(np.concatenate(every), f"The atlas {path}")
    named = [(side, *one) for side, own in keys.items() for one in _used(own, tables[side])]
    of_cortex = {name for _, name, _ in named}
    named += [("", *one) for one in _used(every[-1], table_below) if one[0] not in of_cortex]
    titles = _titles(named, path)
    keys_used = [key for _, _, key in named]
    alone = len(set(keys_used)) == len(keys_used)
    regions = make_regions(keys_used if alone else range(1, len(named) + 1), titles)
    place_of = {(side, key): k + 1 for k, (side, _, key) in enumerate(named)}
    by_side = {
        side: _renumbered(own, {k: p for (s, k), p in place_of.items() if s == side})
        for side, own in keys.items()
    }
    # a voxel has a separate region, else that of the first hemisphere with its key
    places = {key: place for (_, key), place in reversed(place_of.items())}
    places |= {key: place for (side, key), place in place_of.items() if not side}
    voxels = {
        where: places[key]
        for where, key in below.items()
        if key in places and not _is_nothing(key, table_below)
    }
    return VertexLabels(by_side, regions, path.rpartition("/")[2], voxels)


def _used(keys: Keys, table: Mapping[int, str]) -> list[tuple[str, int]]:
    """List the names and keys of the regions that there are, in the order of the keys."""
    there = (key for key in np.unique(keys).tolist() if not _is_nothing(key, table))
    return [(table.get(key) or str(key), key) for key in there]


def _titles(named: Sequence[tuple[str, str, int]], path: str) -> list[str]:
    """Name regions (hemisphere, name, key); after the hemisphere where both have one so named."""
    if not named:
        raise ContentError(f"The atlas {path} contains no region: all labels are background.")
    names = [name for side, name, _ in named if side]
    titles = [
        f"{side} {name}" if side and names.count(name) > 1 else name for side, name, _ in named
    ]
    if len(set(titles)) < len(titles):
        again = sorted({title for title in titles if titles.count(title) > 1})
        raise ContentError(f"The atlas {path} has two regions named {listing(again)}.")
    return titles


def _is_nothing(key: int, table: Mapping[int, str]) -> bool:
    """Tell whether a key stands for no region."""
    name = table.get(key, "region").strip().lower()
    return key <= 0 or name in _NOTHING or name.startswith("background+")


def _renumbered(keys: Keys, places: Mapping[int, int]) -> Keys:
    """Replace keys by places, 0 where there is none."""
    found, inverse = np.unique(keys, return_inverse=True)
    return np.array([places.get(int(key), 0) for key in found], dtype=np.int64)[inverse]
