"""Pictures of a group test: the thresholded map, the null distribution, scores at the peaks."""

import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import nibabel as nib
import numpy as np
from matplotlib import pyplot as plt
from nilearn.datasets import load_mni152_template
from nilearn.plotting import plot_glass_brain

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.group.load import GroupScores
from bids_rsa.group.names import figure_path, map_path
from bids_rsa.group.records import GroupTest
from bids_rsa.group.statements import correction_sentence, interpretation
from bids_rsa.group.tables import peak_places_mm
from bids_rsa.group.tests import GroupResult
from bids_rsa.group.write import GroupJob
from bids_rsa.outputs.whole_files import replacing
from bids_rsa.reports.slices import BACKGROUND_MM, cuts_through, draw_slices

MOST_PEAKS = 12
TEXT_WIDTH = 150


def draw_result(job: GroupJob, scores: GroupScores, result: GroupResult) -> list[Path]:
    """Draw all pictures of a test.

    Returns
    -------
    list of Path
        The pictures.
    """
    test, output = job.test, Path(job.output_dir)
    drawn = {
        "glass": _draw_glass,
        "mosaic": _draw_mosaic,
        "null": _draw_null,
        "peakscores": _draw_peaks,
    }
    paths = []
    for name, draw in drawn.items():
        path = output / figure_path(test, name)
        if str(figure_path(test, name)) in job.others:
            with _figure(path, job) as figure, warnings.catch_warnings():
                # nilearn's word for a map without a significant voxel, which the title tells
                warnings.filterwarnings("ignore", message="empty mask")
                draw(figure, job, scores, result)
            paths.append(path)
    return paths


@contextmanager
def _figure(path: Path, job: GroupJob) -> Iterator[Any]:
    """Give a figure with a title and what every output says, saved when it is drawn."""
    test = job.test
    figure = plt.figure(figsize=(11, 6.5))
    try:
        yield figure
        says = [interpretation(test), job.tried.sentence()]
        lines = [line for text in says for line in textwrap.wrap(text, TEXT_WIDTH)]
        title = f"{test.describe()} ({test.label})"
        figure.suptitle("\n".join(textwrap.wrap(title, 110)), fontsize=9, y=0.99)
        figure.text(0.02, -0.01, "\n".join(lines), fontsize=7, va="top")
        with replacing(path) as beside:
            # no version of the drawing library: the same run writes the same bytes
            figure.savefig(beside, dpi=110, bbox_inches="tight", metadata={"Software": None})
    finally:
        plt.close(figure)


def _thresholded(job: GroupJob) -> Any:
    """Read the thresholded map."""
    return nib.load(Path(job.output_dir) / map_path(job.test, "tThr"))


def _caption(job: GroupJob, result: GroupResult) -> str:
    """Say what is shown, and how much of it there is."""
    test = job.test
    n, clusters = result.found["VoxelsSignificant"], len(result.clusters)
    what = f"t, {correction_sentence(test, job.n_joint)}, alpha {test.settings.alpha:g}"
    return f"{what}: {n} voxels in {clusters} cluster{'s' * (clusters != 1)}"


def _limit(image: Any) -> float:
    """Give the end of the colour scale."""
    return float(np.abs(np.asarray(image.dataobj)).max()) or 1.0


def _draw_glass(figure: Any, job: GroupJob, scores: GroupScores, result: GroupResult) -> None:
    """Draw the thresholded map on a glass brain."""
    image = _thresholded(job)
    axes = figure.add_axes((0.02, 0.2, 0.93, 0.66))
    axes.set_title(_caption(job, result), fontsize=9)
    plot_glass_brain(
        image,
        axes=axes,
        figure=figure,
        threshold=np.finfo(np.float32).tiny,
        vmax=_limit(image),
        vmin=-_limit(image),
        plot_abs=False,
        cmap="RdBu_r",
        colorbar=True,
    )


def _draw_mosaic(figure: Any, job: GroupJob, scores: GroupScores, result: GroupResult) -> None:
    """Draw slices of the thresholded map, on the template where the space is MNI."""
    image = _thresholded(job)
    shown = np.asarray(image.dataobj) != 0
    limit = _limit(image)
    figure.text(0.02, 0.9, _caption(job, result), fontsize=9)
    draw_slices(
        figure,
        image,
        _background(job.test, scores),
        # over the significant voxels, over all voxels tested without any
        cuts_through(shown if shown.any() else scores.mask, scores.affine),
        limits=(-limit, limit),
        colours="RdBu_r",
        unit="t",
        top=0.86,
    )


def _background(test: GroupTest, scores: GroupScores) -> Any:
    """Give the MNI template, or the voxels tested where the space is another."""
    if test.key.space and test.key.space.startswith("MNI"):
        return load_mni152_template(resolution=BACKGROUND_MM)
    return nib.Nifti1Image(scores.mask.astype(np.float32), scores.affine)


def _draw_null(figure: Any, job: GroupJob, scores: GroupScores, result: GroupResult) -> None:
    """Draw the null distribution of the maximum, its threshold, and the largest observed value."""
    axes = figure.add_axes((0.08, 0.22, 0.88, 0.62))
    group = job.test.settings
    if result.maxima is None:
        needed = result.found["VoxelsNeededForFDR"]
        axes.hist(result.maps["p"], bins=50, range=(0, 1), color="0.6")
        axes.set(xlabel="voxel-wise p", ylabel="voxels")
        axes.set_title(
            f"False discovery rate: {needed} voxels needed at the smallest p", fontsize=9
        )
        return
    axes.hist(result.maxima, bins=60, color="0.6", label="relabelings")
    if result.critical is not None and np.isfinite(result.critical):
        label = f"threshold at alpha {group.alpha:g}: {result.critical:.4g}"
        axes.axvline(result.critical, color="tab:red", label=label)
    largest = result.largest
    axes.axvline(largest, color="tab:blue", linestyle="--", label=f"observed: {largest:.4g}")
    what = "clusters" if group.primary.startswith("cluster") else "voxels"
    of_all = f" of all {job.n_joint} maps of this call" if job.n_joint > 1 else ""
    axes.set(xlabel=f"maximum over {what}{of_all} ({group.primary})", ylabel="relabelings")
    axes.set_title(
        f"Null distribution of the maximum, {len(result.maxima)} relabelings", fontsize=9
    )
    axes.legend(fontsize=8)


def _draw_peaks(figure: Any, job: GroupJob, scores: GroupScores, result: GroupResult) -> None:
    """Draw every subject's score at each peak."""
    axes = figure.add_axes((0.08, 0.3, 0.88, 0.54))
    test, clusters = job.test, result.clusters[:MOST_PEAKS]
    axes.set_title(
        "Scores at the peaks, chosen for being high: no estimate of effect size", fontsize=9
    )
    unit = find_comparison(test.key.comparison).unit
    if test.transform == "fisher":
        unit = f"Fisher's z of {unit}"
    axes.set_ylabel(f"difference of {unit}" if test.kind == "paired" else unit)
    axes.axhline(0, color="0.5", linewidth=0.8)
    if not clusters:
        axes.text(0.5, 0.5, "no significant cluster", transform=axes.transAxes, ha="center")
        axes.set_xticks([])
        return
    groups = test.group_of or ("",) * len(test.members)
    for name in dict.fromkeys(groups):
        rows = [i for i, own in enumerate(groups) if own == name]
        shift = 0.15 if test.groups and name == test.groups[1] else 0.0
        offsets = np.linspace(-0.06, 0.06, len(rows)) + shift
        x = np.arange(len(clusters))[None, :] + offsets[:, None]
        y = scores.scores[np.ix_(rows, [one.peak for one in clusters])]
        axes.plot(x.ravel(), y.ravel(), "o", markersize=4, alpha=0.7, label=name or None)
    if test.groups:
        axes.legend(fontsize=8)
    axes.set_xlim(-0.75, max(len(clusters), 3) - 0.25)
    places = peak_places_mm(clusters, scores)
    names = [f"{i}\n({x:.0f}, {y:.0f}, {z:.0f})" for i, (x, y, z) in enumerate(places, start=1)]
    axes.set_xticks(range(len(clusters)), names, fontsize=7)
    axes.set_xlabel("cluster (peak in mm)")
