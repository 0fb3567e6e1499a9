"""The picture of a group test's null distribution."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bids_rsa.group.load import GroupScores
from bids_rsa.group.tests import GroupResult
from bids_rsa.group.write import GroupJob
from bids_rsa.reports.plain_figure import plain_figure
from bids_rsa.settings import GroupSettings

# an observed maximum so many times the largest of the relabelings needs a logarithmic axis
FAR = 10


def draw_null(job: GroupJob, scores: GroupScores, result: GroupResult) -> Figure:
    """Draw the null distribution of the maximum, its threshold, and the largest observed value."""
    if result.maxima is None:
        return _draw_p(job, result)
    group = job.test.settings
    sizes = group.null == "stelzer"
    figure, place = plain_figure(job, _null_words(group, len(result.maxima), result))
    axes = figure.add_axes(place)
    drawn = "clusters of draws" if sizes else "relabelings"
    bins = _bins(result.maxima, result.largest)
    if isinstance(bins, list):
        axes.set_xscale("log")
    axes.hist(result.maxima, bins=bins, color="0.6", label=drawn, log=sizes)
    if result.critical is not None and np.isfinite(result.critical):
        label = f"threshold at alpha {group.alpha:g}: {result.critical:.4g}"
        axes.axvline(result.critical, color="tab:red", label=label)
    label = f"observed: {result.largest:.4g}"
    axes.axvline(result.largest, color="tab:blue", linestyle="--", label=label)
    axes.set(xlabel=_axis_words(job, result, sizes), ylabel=drawn)
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":  # powers of 10 would be formulas, which are off for names
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
    axes.legend(fontsize=8)
    return figure


def _draw_p(job: GroupJob, result: GroupResult) -> Figure:
    """Draw the p of all locations, whose false discovery rate is controlled."""
    one, several = job.test.words
    needed = result.found["VoxelsNeededForFDR"]
    subtitle = f"False discovery rate: {needed} {several} needed at the smallest p"
    figure, place = plain_figure(job, subtitle)
    axes = figure.add_axes(place)
    axes.hist(result.maps["p"], bins=50, range=(0, 1), color="0.6")
    axes.set(xlabel=f"{one}-wise p", ylabel=several)
    return figure


def _bins(maxima: Any, observed: float) -> int | list[float]:
    """Choose the bins: a number, or edges along a logarithmic axis."""
    # all maxima may be one value up to rounding, which has no room for bins
    if not np.ptp(maxima) > 1e-6 * np.abs(maxima).max(initial=0.0):
        return 1
    smallest, largest = maxima.min(initial=np.inf), maxima.max(initial=0.0)
    if smallest > 0 and observed > FAR * largest:
        edges: list[float] = np.geomspace(smallest, largest, 60).tolist()
        return edges
    return 60


def _axis_words(job: GroupJob, result: GroupResult, sizes: bool) -> str:
    """Say what the maximum is of, or in what unit sizes of clusters are."""
    primary = job.test.settings.primary
    what = "clusters" if primary.startswith("cluster") else job.test.words[1]
    on_cortex = " on the cortex" * bool(result.found.get("PartsCorrectedFor") and primary != "maxt")
    if sizes:
        unit = "voxels" if job.test.form == "volume" else "mm2"
        return f"cluster size{on_cortex} ({unit})"
    of_all = f" of all {job.n_joint} maps of this call" if job.n_joint > 1 else ""
    return f"maximum over {what}{on_cortex}{of_all} ({primary})"


def _null_words(group: GroupSettings, n: int, result: GroupResult) -> str:
    """Say what the null distribution is of."""
    if group.null == "stelzer":
        draws = result.found["RelabelingsUsed"]
        return f"Sizes of the {n} clusters of {draws} draws of one null map of each participant"
    of = "conditions" if group.null == "conditions" else "participants"
    return f"Null distribution of the maximum over {n} relabelings of the {of}"
