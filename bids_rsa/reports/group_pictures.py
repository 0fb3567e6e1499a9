"""Pictures of a group test: its map, and scores at the peaks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import nibabel as nib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_rsa.group.load import GroupScores
from bids_rsa.group.names import figure_path, map_path
from bids_rsa.group.statements import interpretation
from bids_rsa.group.tables import peak_places_mm
from bids_rsa.group.tests import GroupResult
from bids_rsa.group.write import GroupJob
from bids_rsa.reports.glass import glass_figure
from bids_rsa.reports.group_words import found_sentence, headline
from bids_rsa.reports.null_picture import draw_null
from bids_rsa.reports.peak_pictures import draw_scores, draw_slopes
from bids_rsa.reports.pictures import (
    DIVERGING,
    ONE_SIDED,
    Scale,
    mosaic_figure,
    paint,
    save_figure,
)
from bids_rsa.reports.plain_figure import notes_of, plain_figure
from bids_rsa.reports.slices import Anatomy, cuts_through, lay_out, read_anatomy
from bids_rsa.reports.surface_maps import drawn_on, surface_mosaic
from bids_rsa.reports.template import mni_template

Floats = NDArray[np.float64]


def draw_result(job: GroupJob, scores: GroupScores, result: GroupResult) -> list[Path]:
    """Draw all pictures of a test.

    Returns
    -------
    list of Path
        The pictures.
    """
    slope = job.test.kind == "slope"
    drawn: dict[str, Callable[[GroupJob, GroupScores, GroupResult], Figure]] = {
        "glass": _glass,
        "mosaic": _mosaic,
        "null": draw_null,
        "peakscores": _slopes if slope else _peaks,
    }
    paths = []
    for name, draw in drawn.items():
        relative = figure_path(job.test, name)
        if relative in job.others:
            paths += save_figure(draw(job, scores, result), Path(job.output_dir) / relative)
    return paths


def _t_map(job: GroupJob, stat: str) -> Any:
    """Read a map of the test."""
    return nib.load(Path(job.output_dir) / map_path(job.test, stat))


def _scale(job: GroupJob, result: GroupResult, values: Floats) -> Scale:
    """Choose the colours of t: one-sided tests look at one side of 0."""
    test, limit = job.test, float(np.abs(values).max(initial=0.0)) or 1.0
    mark = _reference(job, result)
    if test.two_sided:
        return Scale(-limit, limit, DIVERGING, "t", mark)
    high = float(values.max(initial=0.0) if test.tail == "greater" else -values.min(initial=0.0))
    return Scale(0.0, high or 1.0, ONE_SIDED, "t" if test.tail == "greater" else "-t", mark)


def _directed(job: GroupJob, values: Floats) -> Floats:
    """Turn values so that those looked for are above 0; the other side of a one-sided test is 0."""
    if job.test.two_sided:
        return values
    return np.maximum(values if job.test.tail == "greater" else -values, 0.0)


def _reference(job: GroupJob, result: GroupResult) -> float:
    """Give the t that is drawn opaque: the critical t of max-T, else the cluster-forming one.

    Where the mean is tested, and not t: the smallest significant t.
    """
    if job.test.settings.null != "subjects":  # thresholds are of the mean, not of t
        where = np.abs(result.maps["tThr"])
        return float(where[where > 0].min() if where.any() else np.abs(result.maps["t"]).max() or 1)
    if job.test.settings.primary == "maxt" and result.found["CriticalValue"]:
        return float(result.found["CriticalValue"])
    return float(result.found["ClusterFormingThreshold"])


def _mosaic(job: GroupJob, scores: GroupScores, result: GroupResult) -> Figure:
    """Draw the whole map over the anatomy; faint below the threshold, outlined above it.

    Transparent thresholding: Taylor et al. 2023, NeuroImage 274, 120138.
    """
    if job.test.form != "volume":
        return _hemispheres(job, scores, result)
    image = _t_map(job, "t")
    data = np.asarray(image.dataobj, dtype=np.float64)
    scale = _scale(job, result, data.ravel()[scores.mask])
    peak = peak_places_mm(result.clusters[:1], scores)
    shown = scores.mask.reshape(data.shape)
    cuts = cuts_through(shown, image.affine, peak[0] if len(peak) else None)
    mosaic = lay_out(_anatomy(job, scores), shown, image.affine, cuts)
    values = _directed(job, mosaic.sample(data, image.affine))
    significant = mosaic.sample(np.asarray(_t_map(job, "tThr").dataobj) != 0, image.affine)
    reference = _reference(job, result)
    opacity = np.clip(np.abs(values) / reference, 0, 1) ** 2
    opacity[significant > 0] = 1.0
    notes = _map_notes(job, result, "voxels", reference, f"Drawn on {mosaic.anatomy.words}.")
    picture = paint(mosaic, values, opacity, scale)
    return mosaic_figure(mosaic, picture, scale, headline(job.test), notes, significant)


def _map_notes(
    job: GroupJob, result: GroupResult, several: str, reference: float, drawn: str
) -> list[str]:
    """Say what the picture of a map shows."""
    side = "" if job.test.two_sided else f" Only the tested side is shown ({job.test.tail} than 0)."
    return [
        f"{found_sentence(job.test, result, job.n_joint)} Significant {several} are outlined. The "
        f"map is not thresholded: opacity grows with the square of t, up to {reference:.3g} "
        f"(line in the colour bar).{side} {drawn}",
        interpretation(job.test),
        job.tried.sentence(),
    ]


def _hemispheres(job: GroupJob, scores: GroupScores, result: GroupResult) -> Figure:
    """Draw the whole map on both hemispheres, as `_mosaic` does on slices."""
    mosaic = surface_mosaic(scores.space, job.test.surfaces, job.test.key.space)
    data, found = np.zeros((2, scores.space.n_locations))
    data[scores.mask] = result.maps["t"]
    found[scores.mask] = result.maps["tThr"] != 0
    scale, reference = _scale(job, result, data[scores.mask]), _reference(job, result)
    values = _directed(job, np.asarray(mosaic.sample(data), dtype=np.float64))
    significant = mosaic.sample(found)
    opacity = np.clip(np.abs(values) / reference, 0, 1) ** 2
    opacity[significant > 0] = 1.0
    said = drawn_on(scores.space, job.test.surfaces, job.test.key.space)
    notes = _map_notes(job, result, scores.space.words[1], reference, said)
    picture = paint(mosaic, values, opacity, scale)
    return mosaic_figure(mosaic, picture, scale, headline(job.test), notes, significant)


def _glass(job: GroupJob, scores: GroupScores, result: GroupResult) -> Figure:
    """Draw the significant voxels on a glass brain; the scale of a one-sided test starts there."""
    image = _t_map(job, "tThr")
    values = _directed(job, np.asarray(image.dataobj, dtype=np.float64))
    found = np.abs(values[values != 0])
    scale = _scale(job, result, values.ravel()[scores.mask])
    if found.size and not job.test.two_sided:
        scale = Scale(float(found.min()), float(found.max()), ONE_SIDED, scale.unit)
    shown = nib.Nifti1Image(values.astype(np.float32), image.affine)
    title = [headline(job.test), found_sentence(job.test, result, job.n_joint)]
    return glass_figure(shown, scale, title, notes_of(job))


def _anatomy(job: GroupJob, scores: GroupScores) -> Anatomy:
    """Give the MNI template, or the voxels tested where the space is another."""
    if (job.test.key.space or "").startswith("MNI"):
        return read_anatomy(mni_template(), "the MNI template")
    mask = scores.space.image(scores.mask.astype(np.float32))
    return read_anatomy(mask, f"the mask of the {job.test.words[1]} tested")


def _peaks(job: GroupJob, scores: GroupScores, result: GroupResult) -> Figure:
    """Draw every participant's score at each peak, with mean and interval."""
    subtitle = (
        "Score of each participant at the peaks, mean and 95 % interval. Peaks are selected for "
        "high values and do not estimate the effect size."
    )
    figure, place = plain_figure(job, subtitle)
    draw_scores(figure.add_axes(place), job.test, scores, result.clusters)
    return figure


def _slopes(job: GroupJob, scores: GroupScores, result: GroupResult) -> Figure:
    """Draw every participant's score at the peaks against the covariate."""
    subtitle = (
        f"Score at the peaks against {job.test.tested[0][0]}, line and 95 % interval. Peaks are "
        "selected for their slope and do not estimate the effect size."
    )
    figure, place = plain_figure(job, subtitle)
    draw_slopes(figure, place, job.test, scores, result.clusters)
    return figure
