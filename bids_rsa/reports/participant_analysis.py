"""What a participant's page shows of one analysis: inputs, searchlight, and each map."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image

from bids_rsa.reports.analysis_view import make_surface_viewer, make_viewer, read_background
from bids_rsa.reports.checklist import MISSING_RUNS, answer_in_words, counted_by
from bids_rsa.reports.collect import FoundMap, entities_label, open_map
from bids_rsa.reports.model_view import models_content
from bids_rsa.reports.null_view import null_rows, reliability_view
from bids_rsa.reports.parts import (
    Picture,
    arrangement,
    embed,
    embed_image,
    histogram,
    rdm_picture,
)
from bids_rsa.reports.row_names import MOST_NAMED
from bids_rsa.reports.sidecar_values import locations_of, number
from bids_rsa.reports.slices import Anatomy, cuts_through, lay_out
from bids_rsa.reports.voxel_viewer import participant_voxels

_SIZES = re.compile(r"_stat-n(voxels|vertices|grayordinates)_")


def analysis_content(
    index: int, maps: Sequence[FoundMap], folder: Path, budget: int, is_alone: bool = False
) -> dict[str, Any]:
    """Gather what the page shows of one analysis; headings name it unless it is alone."""
    scores = [one for one in maps if one.is_score]
    modelled = [one for one in scores if not one.pooled]
    others = [one for one in maps if one not in scores]
    sizes = next((one for one in others if _SIZES.search(one.stem)), None)
    first = (scores or list(maps))[0]
    mask = _mask_of(first)
    shown = scores + [one for one in others if one is not sizes]
    label = entities_label(first.analysis)
    anatomy = read_background(first, folder, mask) if first.is_volume else None
    counted = _SIZES.search(sizes.stem) if sizes else None
    several = counted[1] if counted else locations_of([first.sidecar])
    return {
        "label": label,
        "of": "" if is_alone else f", {label}",
        "several": several,
        "conditions": _conditions(first.sidecar),
        "id": f"analysis-{index}",
        "masks": _masks(first.sidecar),
        "coverage": _coverage(mask, anatomy, first) if anatomy else None,
        **models_content(modelled),
        "design_correlation": _design_correlation(first.sidecar),
        "searchlight": _searchlight(first.sidecar),
        "null": null_rows(maps, mask),
        "reliability": reliability_view(maps, mask),
        **_patch_sizes(sizes, mask, several, label),
        "maps": [_map(one, mask) for one in shown],
        "is_drawn": any(one.picture.exists() for one in maps),
        "is_drawable": first.is_volume or "SurfaceGeometry" in first.sidecar,
        "viewer": make_viewer(f"viewer-{index}", shown, mask, anatomy, budget)
        if anatomy
        else make_surface_viewer(f"viewer-{index}", shown, folder, budget),
        "voxels": participant_voxels(f"voxels-{index}", shown, budget // 2),
    }


def _design_correlation(sidecar: dict[str, Any]) -> list[tuple[str, str]]:
    """Say how the RDM correlates with what the design alone would give."""
    found = sidecar.get("DesignCorrelation", {})
    return [(key, answer_in_words(value)) for key, value in found.items()]


def _patch_sizes(
    sizes: FoundMap | None, mask: NDArray[np.bool_], several: str, label: str
) -> dict[str, Any]:
    """Draw how many locations patches have; None where there is no such map."""
    if sizes is None:
        return {"sizes": None, "sizes_picture": None}
    said = f"{several} in the patch"
    picture = embed(sizes.picture, f"{said[0].upper()}{said[1:]}, {label}")
    return {"sizes": histogram(sizes.data[mask].astype(np.float64), said), "sizes_picture": picture}


def _coverage(mask: NDArray[np.bool_], anatomy: Anatomy, one: FoundMap) -> Picture:
    """Draw the edge of the centres evaluated on the anatomy."""
    affine = one.image.affine
    mosaic = lay_out(anatomy, mask, affine, cuts_through(mask, affine))
    picture = np.rint(255 * np.repeat(mosaic.grey[..., None], 3, axis=2)).astype(np.uint8)
    inside = mosaic.sample(mask, affine) > 0
    picture[inside & ~scipy.ndimage.binary_erosion(inside, iterations=2)] = (200, 30, 30)
    said = f"Slices with the edge of the {int(mask.sum())} centres evaluated, on {anatomy.words}"
    return embed_image(Image.fromarray(picture), said)


def _mask_of(one: FoundMap) -> NDArray[np.bool_]:
    """Read where centres were evaluated; else where the map has values."""
    if not one.is_volume:  # maps have no number elsewhere
        return np.asarray(np.isfinite(one.data))
    path = one.path.with_name(f"{one.analysis}_desc-searchlight_mask.nii.gz")
    if path.exists():
        return np.asarray(open_map(path).dataobj) != 0
    return np.nan_to_num(one.data) != 0


def _conditions(sidecar: dict[str, Any]) -> dict[str, Any]:
    """Count what is behind each condition, as a table; numbered where pictures show numbers."""
    images, runs = sidecar.get("ImagesPerCondition", {}), sidecar.get("RunsPerCondition", {})
    trials = sidecar.get("TrialsPerCondition")
    of_trials = trials if isinstance(trials, dict) else {}
    names = sidecar.get("Conditions") or list(images)
    rows = [
        [name]
        + [
            number(table[name]) if name in table else "not known"
            for table in (images, runs, of_trials)
        ]
        for name in names
    ]
    columns, is_numbered = ["condition", "images", "runs", "trials"], len(names) > MOST_NAMED
    if is_numbered:
        rows = [[str(place), *row] for place, row in enumerate(rows, start=1)]
        columns = ["number", *columns]
    return {
        "columns": columns,
        "rows": rows,
        "numbers": range(len(columns) - 3, len(columns)),
        "is_numbered": is_numbered,
    }


def _masks(sidecar: dict[str, Any]) -> list[tuple[str, str]]:
    """Say which masks were used, and what was left out."""
    keys = ("BrainMask", "CortexMask", "ROIMask", "VoxelsLeftOut", "MissingRuns", "FoldRuns",
            "Folds")  # fmt: skip
    several = locations_of([sidecar])
    rows = [
        (
            key.replace("Voxels", several.capitalize()),
            answer_in_words(sidecar[key], counted_by(key, several)),
        )
        for key in keys
        if key in sidecar
    ]
    return [
        (key, MISSING_RUNS.get(words, words) if key == "MissingRuns" else words)
        for key, words in rows
    ]


def _searchlight(sidecar: dict[str, Any]) -> list[tuple[str, str]]:
    """Say what a patch was."""
    keys = (
        "SearchlightRadius", "SearchlightRule", "MaxPatchSize", "MinVoxels", "PatchSize",
        "CentersEvaluated", "CentersUndefined", "NoiseNormalization",
        "Normalization",
    )  # fmt: skip
    several = locations_of([sidecar]).capitalize()
    return [
        (key.replace("Voxels", several), answer_in_words(sidecar[key]))
        for key in keys
        if key in sidecar
    ]


def _map(one: FoundMap, mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Gather what the page shows of one map."""
    inside = mask if mask.shape == one.data.shape else np.nan_to_num(one.data) != 0
    values = one.data[inside].astype(np.float64)
    known = values[np.isfinite(values)]
    return {
        "title": one.title,
        "picture": embed(
            one.picture, f"Slices of the map: {one.title}, {entities_label(one.analysis)}"
        ),
        "histogram": histogram(values, "p" if one.words.is_p else one.words.unit),
        "summary": one.words.summary(known),
        "peaks": [_peak(k, peak, one) for k, peak in enumerate(one.details.get("Peaks", ()), 1)],
    }


def _peak(rank: int, peak: dict[str, Any], one: FoundMap) -> dict[str, Any]:
    """Gather what the page shows of one peak."""
    place = ", ".join(f"{x:g}" for x in peak["Place"])
    names, cells = one.details["Conditions"], peak["RDM"]
    return {
        "place": place,
        "mm": peak["Place"],
        "structure": peak.get("Structure", ""),
        "in_voxels": bool(peak.get("Structure")) and not peak["Structure"].startswith("cortex"),
        "score": f"{peak['Score']:.4g}",
        "voxels": str(peak["Voxels"]),
        "rdm": rdm_picture(
            cells, names, f"Peak {rank} at ({place}) mm", one.sidecar.get("Dissimilarity", "")
        )
        if cells
        else None,
        "mds": arrangement(cells, names, f"peak {rank} of {one.title}") if cells else None,
    }
