"""Pictures of regions across participants: bars with noise ceiling, RDMs and arrangements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.core.mds import classical_mds
from bids_rsa.group.region_data import RegionData, read_regions
from bids_rsa.group.region_job import RegionGroupJob
from bids_rsa.group.region_tests import ComparedRegions, compare_regions, mean_known
from bids_rsa.reports.label_places import label_points
from bids_rsa.reports.pictures import save_figure
from bids_rsa.reports.region_pictures import rdm_colours
from bids_rsa.reports.row_names import name_rows, names_or_numbers

Floats = NDArray[np.float64]
_BAR, _DOT, _BAND = "#7fa8d1", "0.25", "0.85"
_STEP = 0.06  # of the axis, between lines of significant pairs


def draw_region_group(job: RegionGroupJob) -> list[Path]:
    """Draw the scores, the mean RDM and its arrangement for each region.

    Returns
    -------
    list of Path
        The pictures, each as PNG and SVG.
    """
    output = Path(job.output_dir)
    data = read_regions(job.group, job.settings, job.wanted)
    pictures = iter([path for path in job.figures if path.endswith(".png")])
    drawn: list[Path] = []
    for comparison in data.models:
        found = compare_regions(data, comparison, job.settings)
        for place in range(len(data.names)):
            figure = draw_bars(data, found, place, comparison, job.settings.alpha)
            drawn += save_figure(figure, output / next(pictures))
    conditions = job.group.metadata["Conditions"]
    unit = job.group.metadata["Dissimilarity"]
    for place, name in enumerate(data.names):
        n = int(np.isfinite(data.rdms[:, place]).any(axis=1).sum())
        title = f"{name}: mean RDM of {n} participants"
        figure = draw_rdm_and_arrangement(mean_known(data.rdms[:, place]), conditions, title, unit)
        drawn += save_figure(figure, output / next(pictures))
    return drawn


def draw_bars(
    data: RegionData, found: ComparedRegions, place: int, comparison: str, alpha: float
) -> Figure:
    """Draw a bar for each model, a dot for each participant, the ceiling and what is significant.

    The line above two bars marks a difference whose corrected p is at most ``alpha``; a star a bar
    above which the model's own is.
    """
    n_models, n_regions = len(found.models), len(data.names)
    scores = found.scores[:, :, place]
    columns = np.arange(n_models) * n_regions + place
    figure = Figure(figsize=(max(4.2, 1.1 * n_models + 2), 4.6), facecolor="white")
    axes = figure.add_axes((0.18, 0.24, 0.78, 0.64))
    axes.set_title(data.names[place], fontsize=12, loc="left", parse_math=False)
    with np.errstate(invalid="ignore"):
        count = np.isfinite(scores).sum(axis=0)
        known = np.nan_to_num(scores)
        mean = np.where(count > 0, known.sum(axis=0) / np.maximum(count, 1), np.nan)
        square = np.nan_to_num((scores - mean) ** 2).sum(axis=0)
        error = np.sqrt(square / np.maximum(count - 1, 1) / np.maximum(count, 1))
    has_band = bool(found.has_ceiling.all() and np.isfinite(found.upper[place]))
    if has_band:
        axes.axhspan(found.lower[place], found.upper[place], color=_BAND, zorder=0)
    axes.bar(range(n_models), mean, 0.7, color=_BAR, zorder=1)
    axes.errorbar(range(n_models), mean, error, fmt="none", color="black", capsize=4, zorder=3)
    for model in range(n_models):
        _draw_dots(axes, scores[:, model], model)
    axes.axhline(0, color="0.4", linewidth=0.8)
    axes.set_xlim(-0.6, n_models - 0.4)
    axes.set_xticks(range(n_models), _with_stars(found, columns, alpha), fontsize=9,
                    rotation=30 if n_models > 3 else 0, ha="right" if n_models > 3 else "center",
                    parse_math=False)  # fmt: skip
    axes.set_ylabel(find_comparison(comparison).unit)
    _draw_differences(axes, data, found, place, alpha)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    words = f"Bars: mean and standard error of {count.max(initial=0)} participants (dots)."
    if has_band:
        words += " Band: noise ceiling."
    note = f"{words}\nStars and lines: corrected p at most {alpha:g}."
    figure.text(0.02, 0.02, note, fontsize=7.5)
    return figure


def _draw_dots(axes: Axes, scores: Floats, model: int) -> None:
    """Draw the participants' scores of one model, side by side."""
    known = scores[np.isfinite(scores)]
    shift = np.linspace(-0.2, 0.2, len(known)) if len(known) > 1 else np.zeros(len(known))
    axes.plot(model + shift, known, "o", color=_DOT, markersize=3.2, alpha=0.7, zorder=2)


def _with_stars(found: ComparedRegions, columns: NDArray[np.intp], alpha: float) -> list[str]:
    """Name the models, with a star where they are significant."""
    marked = found.tests.p_fwe[columns] <= alpha + 1e-12
    return [f"{name}{' *' * bool(star)}" for name, star in zip(found.models, marked, strict=True)]


def _draw_differences(
    axes: Axes, data: RegionData, found: ComparedRegions, place: int, alpha: float
) -> None:
    """Draw a line above each pair of models that differ."""
    if found.differences is None:
        return
    low, high = axes.get_ylim()
    step = _STEP * (high - low)
    level = high
    for row, (one, two) in enumerate(found.pairs):
        if found.differences.p_fwe[row * len(data.names) + place] <= alpha + 1e-12:
            axes.plot([one, two], [level, level], color="black", linewidth=1.2, clip_on=False)
            level += step
    axes.set_ylim(low, max(high, level))


def draw_rdm_and_arrangement(
    rdm: Floats, conditions: Sequence[str], title: str, unit: str
) -> Figure:
    """Draw an RDM, and its conditions arranged by classical multidimensional scaling."""
    figure = Figure(figsize=(10.5, 4.8), facecolor="white")
    figure.text(0.02, 0.95, title, fontsize=12, parse_math=False)
    left = figure.add_axes((0.13, 0.2, 0.31, 0.66))
    square = scipy.spatial.distance.squareform(rdm, checks=False)
    np.fill_diagonal(square, np.nan)
    norm, colours = rdm_colours(rdm)
    left.imshow(np.ma.masked_invalid(square), norm=norm, cmap=colours, interpolation="none")
    size = max(6.0, min(9.0, 190 / max(len(conditions), 1)))
    name_rows(left, conditions, size)
    bar = figure.add_axes((0.455, 0.2, 0.014, 0.66))
    figure.colorbar(ScalarMappable(norm, colours), bar, label=unit)
    right = figure.add_axes((0.6, 0.12, 0.37, 0.76))
    _arrange(right, rdm, conditions, size)
    return figure


def _arrange(axes: Axes, rdm: Floats, conditions: Sequence[str], size: float) -> None:
    """Draw the conditions where classical multidimensional scaling puts them."""
    if not np.isfinite(rdm).all() or len(conditions) < 3:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no arrangement: cells without a value", ha="center")
        return
    points = classical_mds(rdm)
    axes.plot(*points.T, "o", color=_BAR, markersize=7)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.15)
    axes.set_title("Classical multidimensional scaling", fontsize=9)
    axes.tick_params(labelsize=7)
    label_points(axes, points, names_or_numbers(conditions), min(size + 1, 9))
