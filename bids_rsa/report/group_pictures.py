"""Pictures of a group test: what is significant, the null distributions, scores at the peaks."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.datasets import load_mni152_template
from nilearn.plotting import plot_glass_brain, plot_stat_map

from bids_rsa.group_level.names import figure_path
from bids_rsa.group_level.records import GroupTest
from bids_rsa.group_level.results import PRIMARY, GroupResult
from bids_rsa.group_level.scores import GroupScores
from bids_rsa.group_level.words import MEANING
from bids_rsa.images import replacing

STATISTICS = {
    "t": "maximum t",
    "tfce": "maximum TFCE",
    "cluster_size": "largest cluster (voxels)",
    "cluster_mass": "heaviest cluster (sum of t above threshold)",
}
DPI = 110
MOST_PEAKS = 8
N_SLICES = 6


def draw_test(
    test: GroupTest,
    data: GroupScores,
    result: GroupResult,
    maxima: Mapping[str, np.ndarray],
    peaks: pd.DataFrame,
    output_dir: Path,
) -> list[str]:
    """Draw all pictures of a test; return their paths in the dataset.

    Parameters
    ----------
    test, data, result
        The test and its maps.
    maxima : mapping of str to (n_draws,) ndarray
        The null distributions that p was computed from.
    peaks : DataFrame
        Scores of every subject at each peak.
    output_dir : Path
        The dataset.
    """
    volume = np.zeros(data.mask.shape)
    volume[data.mask] = result.maps["tThr"]
    image = nib.Nifti1Image(volume, data.affine)
    n = int(result.significant.sum())
    cuts = _cuts(volume != 0 if n else data.mask, data.affine)
    title = (
        f"{test.words}: t where {PRIMARY[test.settings.primary][0]} <= {test.settings.alpha:g} "
        f"({n} voxels)"
    )
    written = [
        _draw_brain(image, cuts, test, "glass", title, output_dir),
        _draw_brain(image, cuts, test, "mosaic", title, output_dir),
        _draw_null(test, result, maxima, output_dir),
    ]
    if len(peaks.columns) > 1 + bool(test.groups):
        written.append(_draw_peaks(test, peaks, output_dir))
    return written


def _draw_brain(
    image: nib.Nifti1Image,
    cuts: dict[str, list[float]],
    test: GroupTest,
    kind: str,
    title: str,
    output_dir: Path,
) -> str:
    """Draw the thresholded map on a glass brain, or as slices on the template."""
    largest = float(np.abs(image.get_fdata()).max()) or 1.0
    shared: dict[str, Any] = {
        "colorbar": True,
        "cmap": "RdBu_r",
        "vmax": largest,
        "vmin": -largest,
        "threshold": np.finfo(np.float32).tiny,
    }
    if kind == "glass":
        display = plot_glass_brain(image, plot_abs=False, display_mode="lyrz", **shared)
    else:
        standard = (test.first.space or "").startswith("MNI")
        background = load_mni152_template(resolution=2) if standard else None
        display = plot_stat_map(
            image,
            bg_img=background,
            display_mode="mosaic",
            cut_coords=cuts,
            black_bg=False,
            draw_cross=False,
            resampling_interpolation="nearest",
            **shared,
        )
    if display._cbar is not None:
        display._cbar.set_label("t")
    figure = display.frame_axes.figure
    display.title(title, size=9)
    _caption(figure)
    return _save(figure, test, kind, output_dir)


def _cuts(shown: np.ndarray, affine: np.ndarray) -> dict[str, list[float]]:
    """Spread slices evenly over the voxels shown, in mm."""
    mm = nib.affines.apply_affine(affine, np.argwhere(shown))
    low, high = mm.min(axis=0), mm.max(axis=0)
    return {
        axis: [float(x) for x in np.linspace(low[i], high[i], N_SLICES + 2)[1:-1]]
        for i, axis in enumerate("xyz")
    }


def _draw_null(
    test: GroupTest, result: GroupResult, maxima: Mapping[str, np.ndarray], output_dir: Path
) -> str:
    """Draw the null distribution of each maximum with its threshold."""
    figure, axes = plt.subplots(1, len(maxima), figsize=(4 * len(maxima), 3.6), squeeze=False)
    primary = PRIMARY[test.settings.primary][1]
    for axis, (name, values) in zip(axes[0], maxima.items(), strict=True):
        axis.hist(values, bins=60, color="0.6")
        threshold = result.thresholds[name]
        if np.isfinite(threshold):
            axis.axvline(threshold, color="firebrick")
            axis.text(
                threshold,
                axis.get_ylim()[1],
                f" {threshold:.3g}",
                color="firebrick",
                va="top",
            )
        role = "primary" if name == primary else "secondary"
        axis.set_title(f"{role}, alpha {test.settings.alpha:g}", fontsize=9)
        axis.set_xlabel(STATISTICS[name], fontsize=8)
    axes[0, 0].set_ylabel(f"of {len(next(iter(maxima.values())))} relabelings")
    figure.suptitle(f"{test.words}: maxima without an effect", fontsize=10)
    figure.tight_layout()
    _caption(figure)
    return _save(figure, test, "null", output_dir)


def _draw_peaks(test: GroupTest, peaks: pd.DataFrame, output_dir: Path) -> str:
    """Draw every subject's score at each peak."""
    names = [name for name in peaks.columns if name.startswith("cluster_")][:MOST_PEAKS]
    figure, axis = plt.subplots(figsize=(max(6.0, 1.6 * len(names) + 2.4), 4))
    groups = peaks["group"] if "group" in peaks else pd.Series([""] * len(peaks))
    for place, (group, rows) in enumerate(peaks.groupby(groups, sort=False)):
        shift = (place - (groups.nunique() - 1) / 2) * 0.3
        for column, name in enumerate(names):
            values = rows[name].to_numpy(dtype=float)
            spread = np.linspace(-0.08, 0.08, len(values))
            label = str(group) if column == 0 and group else None
            axis.plot(
                column + shift + spread, values, "o", color=f"C{place}", alpha=0.6, label=label
            )
            axis.plot(
                [column + shift - 0.12, column + shift + 0.12], [np.nanmean(values)] * 2, color="k"
            )
    axis.axhline(0, color="0.6", linewidth=0.8)
    axis.set_xticks(range(len(names)), [name.replace("_", " ") for name in names])
    unit = "Fisher z" if test.transform == "fisher" else "score"
    axis.set_ylabel(f"{test.first.comparison} ({unit})")
    axis.set_title(f"{test.words}: subjects at the peaks (bar: mean)", fontsize=9)
    if groups.nunique() > 1:
        axis.legend()
    figure.tight_layout()
    _caption(figure)
    return _save(figure, test, "peakscores", output_dir)


def _caption(figure: Any) -> None:
    """Write below a picture what its inference means."""
    width = int(figure.get_figwidth() * 16)
    text = "\n".join(textwrap.wrap(MEANING, width))
    figure.text(0.01, -0.01, text, fontsize=6, va="top", color="0.3")


def _save(figure: Any, test: GroupTest, kind: str, output_dir: Path) -> str:
    """Write a picture whole, and close it."""
    path = figure_path(test, kind)
    with replacing(output_dir / path) as beside:
        # no date and no version of the drawing library: the same run writes the same bytes
        figure.savefig(beside, dpi=DPI, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    return path
