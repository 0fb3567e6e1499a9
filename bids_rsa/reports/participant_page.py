"""A participant's page, from what lies in the output folder."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image

from bids_rsa.core.plain_statistics import average_ranks
from bids_rsa.reports.analysis_view import make_surface_viewer, make_viewer, read_background
from bids_rsa.reports.checklist import (
    PARTICIPANT_ITEMS,
    answer_in_words,
    checklist,
    counted_by,
)
from bids_rsa.reports.collect import (
    FoundMap,
    analyses_of,
    entities_label,
    open_map,
    participant_maps,
)
from bids_rsa.reports.designs import DESIGN_COLUMNS, design_rows, find_designs
from bids_rsa.reports.found_regions import FoundTable, region_scores, region_tables
from bids_rsa.reports.made_from import participant_made_from
from bids_rsa.reports.methods import LICENCE, methods_text
from bids_rsa.reports.null_view import NULL_COLUMNS, null_rows, reliability_view
from bids_rsa.reports.page import write_page
from bids_rsa.reports.page_state import page_path
from bids_rsa.reports.parts import Picture, arrangement, embed, embed_image, histogram, rdm_picture
from bids_rsa.reports.references import bibtex, cited_keys, references, with_names
from bids_rsa.reports.region_view import tables_content
from bids_rsa.reports.sidecar_values import distinct, locations_of, number
from bids_rsa.reports.slices import Anatomy, cuts_through, lay_out
from bids_rsa.reports.surface_viewer import geometries_of
from bids_rsa.reports.voxel_viewer import participant_voxels

_SIZES = re.compile(r"_stat-n(voxels|vertices|grayordinates)_")
VIEWER_BUDGET = 3_200_000  # letters of packed volumes in a page
MOST_PICTURES = 40
WHY = {"NotFinite": "not finite in every image", "ZeroInARun": "0 in all images of a run"}
LEFT_OUT = re.compile("|".join(WHY))


def write_participant_page(output_dir: Path, subject: str) -> Path:
    """Write the page of a participant.

    Parameters
    ----------
    output_dir : Path
        The dataset; nothing else is read.
    subject : str

    Returns
    -------
    Path
    """
    folder = output_dir / f"sub-{subject}"
    maps = participant_maps(output_dir, subject)
    tables = region_tables(folder)
    found: list[FoundMap | FoundTable] = [*maps, *tables]
    sidecars = [one.sidecar for one in found]
    scores = [one.sidecar for one in maps if one.is_score] + region_scores(tables)
    designs = find_designs(folder)
    others = [one.sidecar for one in maps if not one.is_score]
    text = methods_text(scores, (), list(designs.values()), others)
    content: dict[str, Any] = {
        "title": f"sub-{subject}: representational similarity analysis",
        "made_from": participant_made_from(output_dir, subject, maps),
        "warnings": _sentences(sidecars, "Warnings"),
        "notes": _sentences(sidecars, "Notes"),
        "summary": _summary(subject, maps, tables),
        "analyses": [
            _analysis(number, own, folder, VIEWER_BUDGET // max(1, len(analyses_of(maps))))
            for number, own in enumerate(analyses_of(maps).values())
        ],
        "design_columns": DESIGN_COLUMNS,
        "design_rows": design_rows(designs),
        "null_columns": NULL_COLUMNS,
        "region_pictures": [],
        "tables": tables_content(folder),
        "pictures": _other_pictures(folder, maps),
        "checklist": checklist(PARTICIPANT_ITEMS, [*(scores or sidecars), *designs.values()]),
        "provenance": _provenance(subject, sidecars),
        "files": [one.path.relative_to(output_dir).as_posix() for one in found],
        "sources": sorted({uri for one in sidecars for uri in one.get("Sources", ())}),
        **methods_content(text),
    }
    content["geometries"] = geometries_of(one["viewer"] for one in content["analyses"])
    content["sections"] = _sections(content)
    return write_page(page_path(output_dir, subject), content)


def methods_content(text: str) -> dict[str, Any]:
    """Give the methods text and its references as a page shows them."""
    return {
        "methods": with_names(text).split("\n\n"),
        "references": references(cited_keys(text)),
        "bibtex": bibtex(text),
        "licence": LICENCE,
    }


def _sections(content: dict[str, Any]) -> list[tuple[str, str]]:
    """List the sections that have content, in order."""
    peaks = any(one["peaks"] for analysis in content["analyses"] for one in analysis["maps"])
    sections = [
        ("summary", "Summary", True),
        ("inputs", "What was found", bool(content["analyses"])),
        ("models", "Models", any(one["models"] for one in content["analyses"])),
        ("design", "Design", bool(content["design_rows"])),
        ("searchlight", "Searchlight", bool(content["analyses"])),
        ("maps", "Maps", bool(content["analyses"])),
        ("peaks", "Peaks", peaks),
        ("null", "Permutations of conditions", any(one["null"] for one in content["analyses"])),
        ("reliability", "Reliability", any(one["reliability"] for one in content["analyses"])),
        ("tables", "Regions", bool(content["tables"])),
        ("pictures", "Further pictures", bool(content["pictures"])),
        ("methods", "Methods text", True),
        ("checklist", "Reporting checklist", True),
        ("provenance", "Provenance", True),
    ]
    return [(key, name) for key, name, there in sections if there]


def _sentences(sidecars: Sequence[dict[str, Any]], key: str) -> list[str]:
    """Gather sentences of all sidecars, each once."""
    lists = [one.get(key) or [] for one in sidecars]
    return list(dict.fromkeys(text for texts in lists for text in texts))


def _summary(
    subject: str, maps: Sequence[FoundMap], tables: Sequence[FoundTable]
) -> list[tuple[str, str]]:
    """Say in short what there is."""
    scores = [one for one in maps if one.is_score]
    of_regions = region_scores(tables)
    sidecars = [one.sidecar for one in scores] + of_regions
    names = [one.model for one in scores if not one.pooled]
    names += [one["Model"]["Name"] for one in of_regions]
    labels = [*analyses_of(maps), *(one.stem for one in tables)]
    return [
        ("Participant", f"sub-{subject}"),
        ("Analyses", "; ".join(entities_label(key) for key in labels)),
        ("Maps of scores", str(len(scores))),
        ("Tables of regions", str(len(tables))),
        ("Models", ", ".join(dict.fromkeys(names))),
        ("Comparisons", ", ".join(distinct(sidecars, "Comparison"))),
        ("Dissimilarity", ", ".join(distinct(sidecars, "Dissimilarity"))),
        ("Settings and logs", f"sub-{subject}/log"),
    ]


def _provenance(subject: str, sidecars: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Say what the results were made from and with."""
    return [
        ("Software", "; ".join(distinct(sidecars, "SoftwareVersions"))),
        ("Settings hashes", ", ".join(distinct(sidecars, "SettingsHash"))),
        (
            "Hashes of the input",
            "; ".join(answer_in_words(one) for one in distinct(sidecars, "InputHashes")),
        ),
        ("Settings and logs of each run", f"sub-{subject}/log"),
    ]


def _analysis(index: int, maps: Sequence[FoundMap], folder: Path, budget: int) -> dict[str, Any]:
    """Gather what the page shows of one analysis."""
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
        "several": several,
        "conditions": _conditions(first.sidecar),
        "masks": _masks(first.sidecar),
        "coverage": _coverage(mask, anatomy, first) if anatomy else None,
        "models": _models(modelled),
        "model_rows": _model_rows(modelled),
        **_model_table(modelled),
        "design_correlation": [
            (key, answer_in_words(value))
            for key, value in first.sidecar.get("DesignCorrelation", {}).items()
        ],
        "searchlight": _searchlight(first.sidecar),
        "null": null_rows(maps, mask),
        "reliability": reliability_view(maps, mask),
        "sizes": histogram(sizes.data[mask].astype(np.float64), f"{several} in the patch")
        if sizes
        else None,
        "sizes_picture": embed(sizes.picture, f"{several.capitalize()} in the patch, {label}")
        if sizes
        else None,
        "maps": [_map(one, mask) for one in shown],
        "is_drawn": any(one.picture.exists() for one in maps),
        "is_drawable": first.is_volume or "SurfaceGeometry" in first.sidecar,
        "viewer": make_viewer(f"viewer-{index}", shown, mask, anatomy, budget)
        if anatomy
        else make_surface_viewer(f"viewer-{index}", shown, folder, budget),
        "voxels": participant_voxels(f"voxels-{index}", shown, budget // 2),
    }


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


def _conditions(sidecar: dict[str, Any]) -> list[tuple[str, ...]]:
    """Count what is behind each condition."""
    images, runs = sidecar.get("ImagesPerCondition", {}), sidecar.get("RunsPerCondition", {})
    trials = sidecar.get("TrialsPerCondition")
    of_trials = trials if isinstance(trials, dict) else {}
    names = sidecar.get("Conditions") or list(images)
    return [
        (
            name,
            *(
                number(table[name]) if name in table else "not known"
                for table in (images, runs, of_trials)
            ),
        )
        for name in names
    ]  # type: ignore[misc]


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
    return [(key, LEFT_OUT.sub(lambda found: WHY[found[0]], words)) for key, words in rows]


def _searchlight(sidecar: dict[str, Any]) -> list[tuple[str, str]]:
    """Say what a patch was."""
    keys = (
        "SearchlightRadius", "SearchlightRadiusUnits", "SearchlightRule", "MaxPatchSize",
        "MinVoxels", "PatchSize", "CentersEvaluated", "CentersUndefined", "NoiseNormalization",
        "Normalization",
    )  # fmt: skip
    several = locations_of([sidecar]).capitalize()
    return [
        (key.replace("Voxels", several), answer_in_words(sidecar[key]))
        for key in keys
        if key in sidecar
    ]


def _models(scores: Sequence[FoundMap]) -> list[dict[str, Any]]:
    """Draw each model once."""
    by_name = {one.model: one for one in reversed(scores)}
    models = []
    for name in dict.fromkeys(one.model for one in scores):
        details = by_name[name].details
        cells = details.get("ModelCells")
        rdm = rdm_picture(cells, details["Conditions"], f"Model {name}") if cells else None
        models.append({"name": name, "rdm": rdm, "cells": cells})
    return models


def _model_rows(scores: Sequence[FoundMap]) -> list[tuple[str, str, str, str]]:
    """Say which file each model is."""
    by_name = {one.model: one.sidecar for one in reversed(scores)}
    return [
        (
            name,
            str(by_name[name]["Model"].get("File", "not known")),
            answer_in_words(by_name[name].get("CellsUsed", "not known")),
            str(by_name[name]["Model"].get("SHA256", "not known"))[:16],
        )
        for name in dict.fromkeys(one.model for one in scores)
    ]


def _model_table(scores: Sequence[FoundMap]) -> dict[str, Any]:
    """Correlate the models with each other."""
    models = [one for one in _models(scores) if one["cells"]]
    nothing: dict[str, Any] = {"model_columns": [], "model_correlations": []}
    if len(models) < 2 or len({len(one["cells"]) for one in models}) > 1:
        return nothing
    cells = np.array([[np.nan if c is None else c for c in one["cells"]] for one in models])
    cells = cells[:, np.isfinite(cells).all(axis=0)]
    if cells.shape[1] < 3 or (np.ptp(cells, axis=1) == 0).any():
        return nothing
    correlations = np.atleast_2d(np.corrcoef(average_ranks(cells)))
    inflation = np.diag(np.linalg.pinv(np.corrcoef(cells)))
    names = [one["name"] for one in models]
    rows = [
        (name, *(f"{value:.3f}" for value in row), f"{factor:.2f}")
        for name, row, factor in zip(names, correlations, inflation, strict=True)
    ]
    return {"model_columns": ["model", *names, "variance inflation"], "model_correlations": rows}


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
        "score": f"{peak['Score']:g}",
        "voxels": str(peak["Voxels"]),
        "rdm": rdm_picture(cells, names, f"Peak {rank} at ({place}) mm") if cells else None,
        "mds": arrangement(cells, names, f"peak {rank} of {one.title}") if cells else None,
    }


def _other_pictures(folder: Path, maps: Sequence[FoundMap]) -> list[Any]:
    """Embed the pictures that belong to no map of the page, such as those of surfaces."""
    known = {one.picture for one in maps}
    paths = [path for path in sorted((folder / "figures").glob("[!.]*.png")) if path not in known]
    pictures = [embed(path, entities_label(path.stem)) for path in paths[:MOST_PICTURES]]
    return [one for one in pictures if one]
