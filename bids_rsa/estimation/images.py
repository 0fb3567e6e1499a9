"""A run's BOLD in, images of its estimates out: read, fit, write."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.estimation.design import RunDesign
from bids_rsa.estimation.fit import Estimates, fit_run
from bids_rsa.estimation.names import (
    contrast_labels,
    design_path,
    estimate_paths,
    residuals_paths,
)
from bids_rsa.estimation.runs import run_design
from bids_rsa.records import BoldRun
from bids_rsa.spaces.masks import load_mask
from bids_rsa.spaces.open_series import open_time_series
from bids_rsa.spaces.series import BoldSeries
from bids_rsa.spaces.surface_files import cortex_within


@dataclass(frozen=True)
class RunFiles:
    """The files of a run's estimates: images, the design's table, and residuals where wanted."""

    images: tuple[Path, ...]
    design: Path
    residuals: tuple[Path, ...] = ()


# takes the number of voxels; gives a context whose value takes the number finished
Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]


@contextmanager
def _no_progress(n_voxels: int) -> Iterator[Callable[[int], None]]:
    """Show nothing."""
    yield lambda n_new: None


def estimate_run(
    run: BoldRun,
    folder: Path,
    keep_residuals: bool = False,
    n_threads: int = 1,
    progress: Progress = _no_progress,
) -> RunFiles:
    """Estimate a run, and write its files under their final names into a folder.

    Parameters
    ----------
    run : BoldRun
    folder : Path
    keep_residuals : bool
        Write the residuals as well; a 4D image is not compressed.
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
        The image and its mask don't fit, or contain nothing to estimate.
    """
    bold = open_time_series(run.paths)
    inside = inside_of_run(run, bold.layout)
    design, _ = run_design(run)
    series = bold.read(inside)
    estimates = _fit(run, design, series, keep_residuals, n_threads, progress)
    residuals: tuple[Path, ...] = ()
    if keep_residuals:
        residuals = _in_folder(folder, [path.removesuffix(".gz") for path in residuals_paths(run)])
        bold.save_series(series, inside, run.repetition_time_s, residuals)
    del series
    table = folder / Path(design_path(run)).name
    write_design(design, table)
    images = _save_estimates(run, design, estimates, bold, inside, folder)
    return RunFiles(images, table, residuals)


def _fit(
    run: BoldRun,
    design: RunDesign,
    series: NDArray[Any],
    keep_residuals: bool,
    n_threads: int,
    progress: Progress,
) -> Estimates:
    """Fit the design; residuals take the place of the series where they are kept."""
    glm_noise, scale = run.settings.glm_noise, run.settings.scale
    try:
        with progress(series.shape[1]) as advance:
            return fit_run(series, design, glm_noise, scale, keep_residuals, n_threads, advance)
    except ValueError as error:
        raise ContentError(
            f"{run.path} cannot be scaled inside {', '.join(run.masks) or 'its cortex'}: {error}.",
            "Is this preprocessed BOLD? --scale none leaves its units.",
        ) from error


def _save_estimates(
    run: BoldRun,
    design: RunDesign,
    estimates: Estimates,
    bold: BoldSeries,
    inside: NDArray[np.bool_],
    folder: Path,
) -> tuple[Path, ...]:
    """Write an image of the effect and of the variance of each condition."""
    images: list[Path] = []
    for name, contrast, own in _contrasts(design):
        for stat, values in (("effect", estimates.effects), ("variance", estimates.variances)):
            paths = _in_folder(folder, estimate_paths(run, contrast, stat))
            stacked = run.settings.estimate != "conditions"
            bold.save_maps(values[own], inside, paths, f"{stat} of {name}", stacked)
            images += paths
    return tuple(images)


def inside_of_run(run: BoldRun, layout: Any) -> NDArray[np.bool_]:
    """Read which locations of a run are estimated: voxels of the brain mask, or the cortex.

    Returns
    -------
    ndarray, shape (n_locations,), bool

    Raises
    ------
    ContentError
        The masks do not fit the images.
    """
    if run.form == "volume":
        return load_mask(run.mask, layout, "brain mask").voxels.ravel()
    return cortex_within(layout, run.cortex)


def _in_folder(folder: Path, paths: Sequence[str]) -> tuple[Path, ...]:
    """Name files of the dataset in a folder without its folders."""
    return tuple(folder / Path(path).name for path in paths)


def write_design(design: RunDesign, path: Path) -> None:
    """Write the design matrix as a table with a column for each regressor."""
    table = pd.DataFrame(design.matrix, columns=list(design.columns))
    table.insert(0, "frame_time", design.frame_times_s)
    table.to_csv(path, sep="\t", index=False, float_format="%.9g", lineterminator="\n")


def _contrasts(design: RunDesign) -> Iterator[tuple[str, str, Sequence[int]]]:
    """Yield each condition, its label, and the numbers of its estimates."""
    labels = contrast_labels(design.names)
    for name in design.names:
        if name not in dict(design.unestimable):
            yield name, labels[name], np.flatnonzero(np.array(design.conditions) == name).tolist()
