"""Pictures for the notebook: RDMs, arrangements of conditions, scores of models, maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import squareform

from bids_rsa.core.mds import classical_mds, square_rdm

__all__ = ["classical_mds", "plot_map", "plot_mds", "plot_model_scores", "plot_rdm", "plot_rdms"]


def _axes(ax: Any, **figure: Any) -> Any:
    """Use the axes given, else those of a new figure."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.subplots(layout="constrained", **figure)[1]


def plot_rdm(
    rdm: ArrayLike,
    conditions: Sequence[str] | None = None,
    *,
    title: str = "",
    label: str = "dissimilarity",
    vmin: float | None = None,
    vmax: float | None = None,
    cmap: str = "viridis",
    colorbar: bool = True,
    ax: Any = None,
) -> Any:
    """Plot an RDM.

    Parameters
    ----------
    rdm : (n, n) or (n * (n - 1) / 2,) array_like
        NaN cells are grey, the diagonal is white.
    conditions : sequence of str, optional
        Names of the rows; of more than 30, numbers from 1 are shown.
    title, label : str
        Text above the RDM, and next to its colour bar.
    vmin, vmax : float, optional
        Ends of the colour scale; by default the smallest and largest cell off the diagonal.
    cmap : str
        A colour map of matplotlib.
    colorbar : bool
        Whether to draw a colour bar.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn in.

    Raises
    ------
    ValueError
        The RDM is not square and symmetric, or the number of names does not match.
    """
    from matplotlib import colormaps

    square = square_rdm(rdm)
    names = [] if conditions is None else list(conditions)
    if names and len(names) != len(square):
        raise ValueError(f"there are {len(names)} names for {len(square)} conditions")
    shown = np.ma.masked_array(square, mask=np.eye(len(square), dtype=bool))
    colours = colormaps[cmap].with_extremes(bad="white")
    axes = _axes(ax, figsize=(5, 4.2))
    axes.set_facecolor("0.8")
    axes.imshow(np.isnan(square), cmap="Greys", vmin=0, vmax=4, interpolation="none")
    image = axes.imshow(
        np.ma.masked_invalid(shown), cmap=colours.with_extremes(bad=(0, 0, 0, 0)), vmin=vmin,
        vmax=vmax, interpolation="none",
    )  # fmt: skip
    if colorbar:
        axes.figure.colorbar(image, ax=axes, label=label, shrink=0.85)
    _name_rows(axes, names)
    axes.set_title(title)
    return axes


def _name_rows(axes: Any, names: Sequence[str]) -> None:
    """Write the conditions along both axes; numbers from 1 where they are too many to read."""
    from bids_rsa.reports.row_names import name_rows

    if not names:
        axes.set(xticks=[], yticks=[])
        return
    name_rows(axes, [str(name) for name in names], 9 if len(names) <= 16 else 7)


def plot_rdms(
    rdms: Mapping[str, ArrayLike],
    conditions: Sequence[str] | None = None,
    *,
    label: str = "dissimilarity",
    shared: bool = False,
    cmap: str = "viridis",
) -> Any:
    """Plot several RDMs side by side.

    Parameters
    ----------
    rdms : mapping of str to array_like
        The RDMs; the keys are their titles.
    conditions : sequence of str, optional
        Names of the rows.
    label : str
        Text next to the colour bars.
    shared : bool
        Whether all RDMs share one colour scale.
    cmap : str
        A colour map of matplotlib.

    Returns
    -------
    matplotlib.figure.Figure
        The new figure.

    Raises
    ------
    ValueError
        No RDM, or as in `plot_rdm`.
    """
    from matplotlib import pyplot as plt

    rdms = _by_title(rdms, "rdms")
    if not rdms:
        raise ValueError("there is no RDM to plot")
    n_columns = min(len(rdms), 4)
    n_rows = -(-len(rdms) // n_columns)
    figure, grid = plt.subplots(
        n_rows, n_columns, figsize=(4 * n_columns, 3.4 * n_rows), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    ends = _shared_ends(rdms) if shared else (None, None)
    for axes, (title, rdm) in zip(grid.flat, rdms.items(), strict=False):
        plot_rdm(
            rdm, conditions, title=title, label=label, vmin=ends[0], vmax=ends[1], cmap=cmap,
            ax=axes,
        )  # fmt: skip
    for axes in grid.flat[len(rdms) :]:
        axes.set_axis_off()
    return figure


def _by_title(given: Any, name: str) -> dict[str, Any]:
    """Return a dictionary of a mapping or of a DataFrame's columns."""
    if not hasattr(given, "items"):
        raise TypeError(f"{name} is a {type(given).__name__}; a dictionary by title is expected")
    return dict(given.items())


def _shared_ends(rdms: Mapping[str, ArrayLike]) -> tuple[float, float]:
    """Find the smallest and the largest cell of all RDMs."""
    cells = [squareform(square_rdm(rdm), checks=False) for rdm in rdms.values()]
    return float(min(map(np.nanmin, cells))), float(max(map(np.nanmax, cells)))


def plot_mds(
    rdm: ArrayLike,
    conditions: Sequence[str] | None = None,
    *,
    groups: Sequence[str] | None = None,
    title: str = "",
    ax: Any = None,
) -> Any:
    """Plot the conditions in two dimensions, by `classical_mds`.

    Parameters
    ----------
    rdm : (n, n) or (n * (n - 1) / 2,) array_like
        No NaN; cells may be below 0.
    conditions : sequence of str, optional
        Names next to the points.
    groups : sequence of str, optional
        A group for each condition, shown by colour.
    title : str
        Text above the points.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn in.

    Raises
    ------
    ValueError
        As `classical_mds`, or if the number of names or groups does not match.
    """
    from bids_rsa.reports.label_places import label_points

    points = classical_mds(rdm)
    for given, what in ((conditions, "names"), (groups, "groups")):
        if given is not None and len(given) != len(points):
            raise ValueError(f"there are {len(given)} {what} for {len(points)} conditions")
    kinds = np.array(groups if groups is not None else [""] * len(points))
    axes = _axes(ax, figsize=(4.5, 4.5))
    for kind in dict.fromkeys(kinds.tolist()):
        own = kinds == kind
        axes.plot(points[own, 0], points[own, 1], "o", label=kind or None)
    if groups is not None:
        axes.legend()
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.12)
    axes.set(xticks=[], yticks=[], title=title)
    if conditions is not None:
        label_points(axes, points, [str(name) for name in conditions], 9)
    return axes


def plot_model_scores(
    scores: Mapping[str, ArrayLike],
    *,
    ceiling: tuple[float, float] | None = None,
    label: str = "score",
    title: str = "",
    level: float = 0.95,
    ax: Any = None,
) -> Any:
    """Plot the scores of models: a dot for each participant, the mean and its t interval.

    Parameters
    ----------
    scores : mapping of str to (n_participants,) array_like, or DataFrame
        The scores of each model; NaN is left out.
    ceiling : tuple of float, optional
        Lower and upper noise ceiling, drawn as a band.
    label, title : str
        Text of the axis of scores, and above the picture.
    level : float
        Confidence level of the interval.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn in.

    Raises
    ------
    ValueError
        No model.
    """
    from scipy import stats

    scores = _by_title(scores, "scores")
    if not scores:
        raise ValueError("there are no scores to plot")
    axes = _axes(ax, figsize=(1.6 + 1.1 * len(scores), 4))
    axes.axhline(0, color="0.5", linewidth=0.8)
    if ceiling is not None:
        axes.axhspan(*ceiling, color="0.85", label="noise ceiling")
        axes.legend()
    for place, values in enumerate(scores.values()):
        known = np.asarray(values, dtype=np.float64).ravel()
        known = known[np.isfinite(known)]
        spread = np.linspace(-0.12, 0.12, len(known)) if len(known) > 1 else np.zeros(len(known))
        (dots,) = axes.plot(place + spread, known, "o", alpha=0.5, markersize=4)
        if len(known) > 1:
            half = stats.t.ppf((1 + level) / 2, len(known) - 1) * stats.sem(known)
            axes.errorbar(
                place + 0.2, known.mean(), half, fmt="s", color=dots.get_color(), capsize=4
            )
    axes.set_xticks(range(len(scores)), list(scores))
    axes.set(ylabel=label, title=title, xlim=(-0.6, len(scores) - 0.4))
    return axes


def plot_map(
    image: Any,
    background: Any = None,
    *,
    label: str = "score",
    title: str = "",
    threshold: float | None = None,
    vmax: float | None = None,
) -> Any:
    """Plot slices of a map in three directions, as the app does.

    Parameters
    ----------
    image : path or nibabel image
        0 or NaN where there is no score.
    background : path or nibabel image, optional
        An anatomical image in the same space, on any grid; by default the MNI template.
    label, title : str
        Text next to the colour bar, and above the slices.
    threshold : float, optional
        Values whose absolute value is at least this are opaque and outlined, smaller ones are
        faint (Taylor et al. 2023). By default, colours are fainter the closer a value is to 0.
    vmax : float, optional
        End of the colour scale; by default the largest absolute value.

    Returns
    -------
    matplotlib.figure.Figure
        The new figure.

    Raises
    ------
    ValueError
        The map is not 3D, or contains no value.
    """
    import nibabel as nib
    from matplotlib import pyplot as plt

    from bids_rsa.reports.drawing import opacity_of, scale_of
    from bids_rsa.reports.pictures import mosaic_figure, paint
    from bids_rsa.reports.slices import cuts_through, lay_out, read_anatomy
    from bids_rsa.reports.template import mni_template

    shown: Any = image if hasattr(image, "dataobj") else nib.load(image)
    data = np.nan_to_num(np.asarray(shown.dataobj, dtype=np.float32))
    if data.ndim != 3 or not data.any():
        raise ValueError(f"a map of shape {data.shape} with {np.count_nonzero(data)} values")
    behind = mni_template() if background is None else background
    anatomy = read_anatomy(behind if hasattr(behind, "dataobj") else nib.load(behind))
    scale = scale_of(data, label, "symmetric" if data.min() < 0 else "positive", vmax, threshold)
    peak = np.unravel_index(int(np.abs(data).argmax()), data.shape)
    place = nib.affines.apply_affine(shown.affine, peak)
    mosaic = lay_out(anatomy, data != 0, shown.affine, cuts_through(data != 0, shown.affine, place))
    values = mosaic.sample(data, shown.affine)
    outline = None if threshold is None else (np.abs(values) >= threshold).astype(np.float32)
    picture = paint(mosaic, values, opacity_of(values, scale), scale)
    return mosaic_figure(mosaic, picture, scale, title, (), outline, plt.figure)
