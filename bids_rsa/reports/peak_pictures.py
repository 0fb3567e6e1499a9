"""Scores of all participants at the peaks of a group test."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.inference.group_maps import Cluster
from bids_rsa.core.plain_statistics import known_mean_and_sd
from bids_rsa.group.load import GroupScores
from bids_rsa.group.records import GroupTest
from bids_rsa.group.tables import peak_places_mm
from bids_rsa.reports.group_words import score_label

MOST_PEAKS, MOST_SLOPES = 12, 4
LEVEL = 0.95
Floats = NDArray[np.float64]


def draw_scores(
    axes: Any, test: GroupTest, scores: GroupScores, clusters: Sequence[Cluster]
) -> None:
    """Draw a dot for each participant and peak, with the mean and its 95 % t interval."""
    shown = clusters[:MOST_PEAKS]
    axes.set_ylabel(score_label(test))
    axes.axhline(0, color="0.5", linewidth=0.8)
    if not shown:
        _say_nothing(axes)
        return
    groups = test.group_of or ("",) * len(test.members)
    # first minus second: in this order
    names = test.groups or ("",)
    for number, name in enumerate(names):
        rows = [i for i, own in enumerate(groups) if own == name]
        shift = 0.3 * (number - (len(names) - 1) / 2)
        _draw_group(axes, scores.scores[np.ix_(rows, [one.peak for one in shown])], shift, name)
    if test.groups:
        axes.legend(fontsize=8)
    axes.set_xlim(-0.75, max(len(shown), 3) - 0.25)
    axes.set_xticks(range(len(shown)), _peak_names(shown, scores), fontsize=8)
    axes.set_xlabel("cluster (peak in mm)")


def _draw_group(axes: Any, y: Floats, shift: float, name: str) -> None:
    """Draw the scores (n_participants, n_peaks) of one group."""
    offsets = np.linspace(-0.05, 0.05, len(y)) if len(y) > 1 else np.zeros(len(y))
    x = np.arange(y.shape[1])[None, :] + offsets[:, None] + shift
    (dots,) = axes.plot(x.ravel(), y.ravel(), "o", markersize=4, alpha=0.55, label=name or None)
    center = np.arange(y.shape[1]) + shift + 0.1
    mean, half = mean_and_interval(y)
    axes.errorbar(center, mean, half, fmt="_", color=dots.get_color(), capsize=3, markersize=9)
    for place in center[np.isnan(mean)]:
        axes.text(place, 0, "no score", rotation=90, ha="center", va="bottom", fontsize=8)


def mean_and_interval(y: Floats) -> tuple[Floats, Floats]:
    """Give the mean over rows, and half of its 95 % t interval; NaN for fewer than two."""
    mean, sd = known_mean_and_sd(y)
    n = np.maximum((~np.isnan(y)).sum(axis=0), 1)
    return mean, t_quantile(n - 1) * sd / np.sqrt(n)


def t_quantile(df: ArrayLike) -> Floats:
    """Give how many standard errors an interval of `LEVEL` reaches to each side."""
    return np.asarray(scipy.special.stdtrit(df, (1 + LEVEL) / 2))


def draw_slopes(
    figure: Figure,
    place: tuple[float, float, float, float],
    test: GroupTest,
    scores: GroupScores,
    clusters: Sequence[Cluster],
) -> None:
    """Scatter the scores at the first peaks against the covariate that is tested."""
    left, bottom, width, height = place
    shown = clusters[:MOST_SLOPES]
    if not shown:
        axes = figure.add_axes(place)
        axes.set_ylabel(score_label(test))
        _say_nothing(axes)
        return
    name, x = test.tested[0][0], np.array(test.tested[0][1])
    wide = width / len(shown)
    first = None
    for number, (one, peak) in enumerate(zip(shown, _peak_names(shown, scores), strict=True)):
        at = (left + number * wide, bottom, 0.9 * wide, 0.9 * height)
        axes = figure.add_axes(at, sharey=first)
        first = first or axes
        axes.set_title(f"cluster {peak}".replace("\n", " "), fontsize=9)
        axes.set_xlabel(name)
        axes.plot(x, scores.scores[:, one.peak], "o", markersize=4, alpha=0.7)
        _draw_line(axes, x, scores.scores[:, one.peak])
        if number == 0:
            axes.set_ylabel(score_label(test))


def _draw_line(axes: Any, x: Floats, y: Floats) -> None:
    """Draw the least-squares line and the 95 % interval of its height."""
    known = np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < 3 or np.ptp(x) == 0:
        return
    slope = np.sum((x - x.mean()) * y) / np.sum((x - x.mean()) ** 2)
    intercept = y.mean() - slope * x.mean()
    grid = np.linspace(x.min(), x.max(), 50)
    line = intercept + slope * grid
    residual = np.sqrt(np.sum((y - intercept - slope * x) ** 2) / (len(x) - 2))
    leverage = 1 / len(x) + (grid - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2)
    half = t_quantile(len(x) - 2) * residual * np.sqrt(leverage)
    axes.plot(grid, line, color="tab:red")
    axes.fill_between(grid, line - half, line + half, color="tab:red", alpha=0.15, linewidth=0)


def _peak_names(clusters: Sequence[Cluster], scores: GroupScores) -> list[str]:
    """Give the clusters numbers, and say where their peaks are."""
    places = peak_places_mm(clusters, scores)
    return [f"{i}\n({x:.0f}, {y:.0f}, {z:.0f})" for i, (x, y, z) in enumerate(places, start=1)]


def _say_nothing(axes: Any) -> None:
    """Say that there is no peak."""
    axes.text(0.5, 0.5, "no significant cluster", transform=axes.transAxes, ha="center")
    axes.set_xticks([])
