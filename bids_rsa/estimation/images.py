"""A run's BOLD in, images of its estimates out: read, fit, write."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.estimation.design import Design
from bids_rsa.estimation.fit import Estimates, fit_run
from bids_rsa.estimation.names import contrast_labels, design_path, estimate_path, residuals_path
from bids_rsa.estimation.runs import run_design
from bids_rsa.records import BoldRun
from bids_rsa.spaces.images import grid_of, open_image, read_volume, volume_image
from bids_rsa.spaces.masks import load_mask


@dataclass(frozen=True)
class RunFiles:
    """The files of a run's estimates: images, the design's table, and residuals where wanted."""

    images: tuple[Path, ...]
    design: Path
    residuals: Path | None


@contextmanager
def _no_progress(n_voxels: int) -> Iterator[Callable[[int], None]]:
    """Show nothing."""
    yield lambda n_new: None


def estimate_run(
    run: BoldRun,
    folder: Path,
    keep_residuals: bool = False,
    n_threads: int = 1,
    progress: Callable[[int], AbstractContextManager[Callable[[int], None]]] = _no_progress,
) -> RunFiles:
    """Estimate a run, and write what comes of it under its final names into a folder.

    Parameters
    ----------
    run : BoldRun
    folder : Path
    keep_residuals : bool
        Write the residuals as well, as one 4D image that is not compressed.
    n_threads : int
        Changes no byte.
    progress : callable
        Takes the number of voxels; gives a context whose value takes the number finished.

    Returns
    -------
    RunFiles

    Raises
    ------
    ContentError
        The image and its mask don't fit, or hold nothing to estimate.
    """
    image = open_image(run.path)
    mask = load_mask(run.mask, grid_of(image), "brain mask").voxels
    design, _ = run_design(run)
    series = read_series(image, mask)
    try:
        with progress(series.shape[1]) as advance:
            estimates = fit_run(
                series,
                design,
                run.settings.glm_noise,
                run.settings.scale,
                keep_residuals,
                n_threads,
                advance,
            )
    except ValueError as error:
        raise ContentError(
            f"{run.path} cannot be scaled inside {run.mask}: {error}.",
            "Is this preprocessed BOLD? --scale none leaves its units.",
        ) from error
    residuals = None
    if keep_residuals:
        residuals = folder / Path(residuals_path(run)).with_suffix("").name
        write_series(series, mask, image, run.repetition_time_s, residuals)
    table = folder / Path(design_path(run)).name
    write_design(design, table)
    return RunFiles(_write_images(run, design, estimates, mask, image, folder), table, residuals)


def read_series(image: SpatialImage, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Read the voxels of a mask from a 4D image, volume by volume.

    Returns
    -------
    ndarray, shape (n_volumes, n_voxels), float32
    """
    series = np.empty((image.shape[3], int(mask.sum())), np.float32)
    for volume in range(len(series)):
        series[volume] = read_volume(image, volume)[mask]
    return series


def write_series(
    series: NDArray[np.float32],
    mask: NDArray[np.bool_],
    like: SpatialImage,
    repetition_time_s: float,
    path: Path,
) -> None:
    """Write series as a 4D NIfTI image (.nii), volume by volume; 0 outside the mask."""
    first = volume_image(np.zeros(mask.shape, np.float32), like.affine, like)
    header = first.header.copy()
    header.set_data_shape((*mask.shape, len(series)))
    header.set_zooms((*header.get_zooms()[:3], repetition_time_s))
    header.set_xyzt_units("mm", "sec")
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    with path.open("wb") as file:
        header.write_to(file)
        file.write(bytes(352 - file.tell()))
        for values in series:
            file.write(_volume(values, mask).tobytes(order="F"))


def _volume(values: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Put the values of a mask's voxels on its grid."""
    volume = np.zeros(mask.shape, "<f4")
    volume[mask] = values
    return volume


def write_design(design: Design, path: Path) -> None:
    """Write the design matrix as a table with a column for each regressor."""
    table = pd.DataFrame(design.matrix, columns=list(design.columns))
    table.insert(0, "frame_time", design.frame_times_s)
    table.to_csv(path, sep="\t", index=False, float_format="%.9g", lineterminator="\n")


def _write_images(
    run: BoldRun,
    design: Design,
    estimates: Estimates,
    mask: NDArray[np.bool_],
    like: SpatialImage,
    folder: Path,
) -> tuple[Path, ...]:
    """Write effects and variances of each condition that can be estimated."""
    paths = []
    for name, contrast, own in _contrasts(design):
        for stat, values in (("effect", estimates.effects), ("variance", estimates.variances)):
            path = folder / Path(estimate_path(run, contrast, stat)).name
            volumes = [_volume(values[i], mask) for i in own]
            single = run.settings.estimate == "conditions"
            data = volumes[0] if single else np.stack(volumes, axis=-1)
            image = volume_image(data, like.affine, like)
            image.header["descrip"] = f"{stat} of {name}".encode("ascii", "replace")[:79]
            nib.save(image, path)
            paths.append(path)
    return tuple(paths)


def _contrasts(design: Design) -> Iterator[tuple[str, str, Sequence[int]]]:
    """Yield each condition, its label, and the numbers of its estimates."""
    labels = contrast_labels(design.names)
    for name in design.names:
        if name not in dict(design.unestimable):
            yield name, labels[name], np.flatnonzero(np.array(design.conditions) == name).tolist()
