"""Significant voxels on nilearn's glass brain."""

import textwrap
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from nilearn.plotting import plot_glass_brain

from bids_rsa.reports.pictures import Scale

_WIDTH, _BODY, _LINE = 10.5, 3.4, 0.2
_TITLE_LETTERS, _NOTE_LETTERS = 112, 158


def glass_figure(image: Any, scale: Scale, title: Sequence[str], notes: Sequence[str]) -> Figure:
    """Draw an image's voxels that are not 0, seen through the brain.

    Parameters
    ----------
    image : Nifti1Image
        In an MNI space.
    scale : Scale
    title, notes : sequence of str
        Lines above and below; the first line of the title is larger.
    """
    first, *rest = title
    large = textwrap.wrap(first, _TITLE_LETTERS)
    small = [line for text in rest for line in textwrap.wrap(text, _NOTE_LETTERS)]
    below = [line for text in notes for line in textwrap.wrap(text, _NOTE_LETTERS)]
    head, foot = 0.2 + 1.2 * _LINE * len(large) + _LINE * len(small), 0.1 + 0.8 * _LINE * len(below)
    height = head + _BODY + foot
    figure = Figure(figsize=(_WIDTH, height), facecolor="white")
    figure.text(0.01, 1 - 0.1 / height, "\n".join(large), fontsize=12, va="top")
    at = 1 - (0.14 + 1.2 * _LINE * len(large)) / height
    figure.text(0.01, at, "\n".join(small), fontsize=9.5, va="top")
    figure.text(0.01, (foot - 0.04) / height, "\n".join(below), fontsize=8, va="top")
    body = (foot + 0.1) / height, (_BODY - 0.2) / height
    axes = figure.add_axes((0.01, body[0], 0.88, body[1]))
    with warnings.catch_warnings():
        # nilearn's word for a map without a significant voxel, which the title says
        warnings.filterwarnings("ignore", message="empty mask")
        plot_glass_brain(
            image,
            axes=axes,
            figure=figure,
            threshold=np.finfo(np.float32).tiny,
            vmin=scale.low,
            vmax=scale.high,
            plot_abs=False,
            cmap=scale.colours,
            colorbar=False,
        )
    bar = figure.add_axes((0.92, body[0] + 0.1 * body[1], 0.014, 0.8 * body[1]))
    figure.colorbar(scale.mappable, bar, label=scale.unit)
    return figure
