"""Pictures of a participant's maps on both hemispheres."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.outputs.derivatives import PlannedFile, map_figure_path
from bids_rsa.patterns.stacked import StackedPatterns
from bids_rsa.records import Analysis
from bids_rsa.reports.details import map_values
from bids_rsa.reports.drawing import COUNTS_OPACITY, is_count, opacity_of, scale_of
from bids_rsa.reports.grayordinate_voxels import GrayordinateMosaic
from bids_rsa.reports.map_words import MapWords
from bids_rsa.reports.participant_pictures import words_of
from bids_rsa.reports.pictures import mosaic_figure, paint, save_figure
from bids_rsa.reports.surface_maps import drawn_on, surface_mosaic
from bids_rsa.reports.surface_view import SurfaceMosaic

FAINT = "Colours are fainter the nearer a value is to 0, so that the folding shows."


def draw_hemispheres(
    output_dir: Path, planned: Sequence[PlannedFile], analysis: Analysis, stacked: StackedPatterns
) -> list[Path]:
    """Draw each map of an analysis on surfaces or grayordinates, and its patch sizes.

    Returns
    -------
    list of Path
        The pictures.
    """
    mosaic = surface_mosaic(stacked.space.centers, analysis.surfaces, analysis.space)
    said = drawn_on(stacked.space.centers, analysis.surfaces, analysis.space)
    drawn: list[Path] = []
    for file in planned:
        if not file.is_pictured or file.part not in ("", analysis.parts[0]):
            continue
        held = words_of(file)
        values = held.drawn(map_values(output_dir, file, analysis))
        path = output_dir / map_figure_path(file.path, analysis)
        drawn += draw_surface_map(
            mosaic, values, path, f"{analysis.title}: {held.title}", held, said
        )
    return drawn


def draw_surface_map(
    mosaic: SurfaceMosaic | GrayordinateMosaic,
    values: NDArray[Any],
    path: Path,
    title: str,
    held: MapWords,
    said: str,
) -> list[Path]:
    """Draw one map with a colour bar that names its unit.

    Parameters
    ----------
    mosaic : SurfaceMosaic or GrayordinateMosaic
    values : (n_locations,)
    path : Path
        The PNG; an SVG is next to it.
    title : str
    held : MapWords
        What the map holds.
    said : str
        What it is drawn on.
    """
    scale = scale_of(np.nan_to_num(values), held.unit, held.kind)
    shown = mosaic.sample(values)
    if is_count(held.unit):
        opacity, note = COUNTS_OPACITY * (shown != 0), ""
    else:
        opacity, note = opacity_of(shown, scale), FAINT
    picture = paint(mosaic, shown, opacity, scale)
    return save_figure(mosaic_figure(mosaic, picture, scale, title, [f"{said} {note}"]), path)
