"""How the values of condition images are read: one entry for each kind of file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, islice
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from bids_rsa.errors import ContentError, InputError
from bids_rsa.records import CIFTI, ESTIMATES, GIFTI, ConditionImage
from bids_rsa.spaces.glmsingle import GlmsingleSource
from bids_rsa.spaces.grid import Grid
from bids_rsa.spaces.headers import header_of
from bids_rsa.spaces.images import grid_of, n_volumes, open_image, read_volume
from bids_rsa.spaces.map_files import (
    CiftiSource,
    GiftiSource,
    SeriesSource,
    is_cifti,
    is_gifti,
    is_series,
    maps_header,
)
from bids_rsa.spaces.space import Layout


class Source(Protocol):
    """One open file of condition images."""

    layout: Any
    image: SpatialImage | None

    def read(self, volume: int | None) -> NDArray[Any]:
        """Read one volume (X, Y, Z), or one map of vertices, float32 or float64."""
        ...


class NiftiSource:
    """An image file that nibabel reads: NIfTI, MGH, ANALYZE, AFNI's HEAD/BRIK."""

    def __init__(self, path: str, reference: str | None = None) -> None:
        self._image = open_image(path)
        self.image: SpatialImage | None = self._image
        self.layout = grid_of(self._image)
        self._lock = Lock()  # a stream has one position

    def read(self, volume: int | None) -> NDArray[Any]:
        """Read one volume; errors as in `bids_rsa.spaces.images.read_volume`."""
        with self._lock:
            return read_volume(self._image, volume)


class EstimateSource(NiftiSource):
    """An image that the GLM of a run writes; before that only its grid is known, the BOLD's."""

    def __init__(self, path: str, reference: str | None = None) -> None:
        super().__init__(path if reference is None or Path(path).exists() else reference)


_SERIES = "cifti-series"
READERS: dict[str, Callable[[str, str | None], Source]] = {
    "nifti": NiftiSource,
    "glmsingle": GlmsingleSource,
    ESTIMATES["volume"]: EstimateSource,
    GIFTI: GiftiSource,
    ESTIMATES["surface"]: GiftiSource,
    CIFTI: CiftiSource,
    ESTIMATES["grayordinates"]: CiftiSource,
    _SERIES: SeriesSource,
}


def source_grid(image: ConditionImage) -> Grid:
    """Read the grid of a volume from its header, or its reference's where it has none itself."""
    return header_of(image.layout_file).grid


def source_layout(image: ConditionImage) -> Layout:
    """Find out, by headers alone, where the values of an image are."""
    if image.form == "volume":
        return source_grid(image)
    return _joined([maps_header(half.layout_file).layout for half in image.halves])


def variance_layout(image: ConditionImage) -> Layout:
    """Find out, by headers alone, where the values of an image's variance are."""
    if image.form == "volume":
        return header_of(variance_of(image)).grid
    return _joined([maps_header(variance_of(half)).layout for half in image.halves])


def _joined(layouts: Sequence[Any]) -> Any:
    """Put the layouts of two hemispheres behind each other; one alone stays as it is."""
    return layouts[0] if len(layouts) == 1 else layouts[0].followed_by(layouts[1])


def open_source(path: str, reader: str, reference: str | None = None) -> Source:
    """Open a file by the name of its reader."""
    return READERS[reader](path, reference)


class Series:
    """Volumes of a file, or of a file for each hemisphere, in the order of time.

    Parameters
    ----------
    paths : sequence of str

    Raises
    ------
    ContentError
        Hemispheres with different numbers of volumes.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._sources = [open_source(path, _reader_of(path)) for path in paths]
        self.layout: Layout = _joined([source.layout for source in self._sources])
        counts = [_n_maps(path) for path in paths]
        if len(set(counts)) > 1:
            raise ContentError(
                f"{paths[0]} contains {counts[0]} volumes, and {paths[1]} {counts[1]}; those of "
                "both hemispheres belong together."
            )
        self.n_volumes = counts[0]

    def read(self, volume: int) -> NDArray[Any]:
        """Read one volume."""
        chosen = volume if self.n_volumes > 1 else None
        values = [source.read(chosen) for source in self._sources]
        return values[0] if len(values) == 1 else np.concatenate(values)


def _reader_of(path: str) -> str:
    """Choose a reader by the name of a file."""
    if is_gifti(path):
        return GIFTI
    if is_series(path):
        return _SERIES
    return CIFTI if is_cifti(path) else "nifti"


def _n_maps(path: str) -> int:
    """Count the volumes or maps of a file."""
    if _reader_of(path) == "nifti":
        return n_volumes(open_image(path))
    return maps_header(path).n_maps


def normalized(effect: NDArray[Any], variance: NDArray[Any]) -> NDArray[Any]:
    """Divide an effect by its standard error (univariate noise normalisation, Walther 2016).

    NaN where the variance is not above 0; 0 where both are 0, as outside a brain.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = effect / np.sqrt(variance, dtype=np.float64)
    scaled[~(variance > 0)] = np.nan
    scaled[(effect == 0) & (variance == 0)] = 0
    return np.asarray(scaled)


def variance_of(image: ConditionImage) -> str:
    """Get the path of an image's variance, or say that there is none."""
    if image.variance_path is None:
        raise InputError(
            f"No variance image was found for {image.path}, which --normalize variance needs.",
            "Give the variance images (stat-variance, varcope), or leave out --normalize.",
        )
    return image.variance_path


Bring = Callable[[NDArray[Any], Any, str], NDArray[Any]]
"""Takes the values of an image, their layout and its path to the values that are kept of it."""

_VOLUMES_PER_TASK = 8


def read_images(
    images: Sequence[ConditionImage], bring: Bring, normalize: bool, n_threads: int
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Read images in parallel, each file from front to back, a few images ahead.

    Parameters
    ----------
    images : sequence of ConditionImage
    bring : callable
        Called with the values of each image, their layout and its path.
    normalize : bool
        Divide by the square root of the variance image.
    n_threads : int

    Yields
    ------
    index, values
        Index into ``images`` and what ``bring`` returned; in the same order whatever the threads.
    """
    opened = lru_cache(maxsize=4 * n_threads + 4)(open_source)  # a 4D file is opened once
    reading = _Reading(images, bring, normalize, opened)
    tasks = _tasks(images)
    with ThreadPoolExecutor(n_threads) as pool:
        running = [pool.submit(reading.read, task) for task in islice(tasks, n_threads + 1)]
        try:
            while running:
                finished = running.pop(0).result()
                running += [pool.submit(reading.read, task) for task in islice(tasks, 1)]
                yield from finished
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _Reading:
    """What `read_images` was asked for; ``opened`` opens a file as `open_source` does."""

    images: Sequence[ConditionImage]
    bring: Bring
    normalize: bool
    opened: Callable[..., Any]

    def read(self, indices: Sequence[int]) -> list[tuple[int, NDArray[Any]]]:
        """Read some of the images."""
        return [(index, self._values(self.images[index])) for index in indices]

    def _values(self, image: ConditionImage) -> NDArray[Any]:
        """Read an image, of both hemispheres where they are in two files."""
        halves = [self._half(half) for half in image.halves]
        values = halves[0][0] if len(halves) == 1 else np.concatenate([v for v, _ in halves])
        return self.bring(values, _joined([layout for _, layout in halves]), image.path)

    def _half(self, image: ConditionImage) -> tuple[NDArray[Any], Any]:
        """Read the values of one file, and their layout."""
        source = self.opened(image.path, image.reader, image.reference)
        values = source.read(image.volume)
        if not self.normalize:
            return values, source.layout
        path = variance_of(image)
        variance = self.opened(path, image.reader, image.reference)
        divisor = variance.read(image.variance_volume)
        brought = source.layout.bring(divisor, variance.layout, path, image.path)
        return normalized(values, brought.reshape(values.shape)), source.layout


def _tasks(images: Sequence[ConditionImage]) -> Iterator[list[int]]:
    """Cut the images into tasks: one file, and a few of its volumes in ascending order."""
    order = sorted(
        range(len(images)), key=lambda index: (images[index].path, images[index].volume or 0)
    )
    for _, of_file in groupby(order, key=lambda index: images[index].path):
        indices = list(of_file)
        for start in range(0, len(indices), _VOLUMES_PER_TASK):
            yield indices[start : start + _VOLUMES_PER_TASK]
