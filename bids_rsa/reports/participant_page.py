"""A participant's page, from what is in the output folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bids_rsa.reports.checklist import (
    PARTICIPANT_ITEMS,
    answer_in_words,
    checklist,
)
from bids_rsa.reports.collect import (
    FoundMap,
    analyses_of,
    entities_label,
    participant_maps,
)
from bids_rsa.reports.designs import DESIGN_COLUMNS, design_rows, find_designs
from bids_rsa.reports.found_regions import FoundTable, region_scores, region_tables
from bids_rsa.reports.made_from import participant_made_from
from bids_rsa.reports.methods import LICENCE, methods_text
from bids_rsa.reports.null_view import NULL_COLUMNS
from bids_rsa.reports.page import write_page
from bids_rsa.reports.page_state import page_path
from bids_rsa.reports.participant_analysis import analysis_content
from bids_rsa.reports.parts import embed
from bids_rsa.reports.references import bibtex, cited_keys, references, with_names
from bids_rsa.reports.region_view import tables_content
from bids_rsa.reports.sidecar_values import distinct
from bids_rsa.reports.surface_viewer import geometries_of

VIEWER_BUDGET = 3_200_000  # letters of packed volumes in a page
MOST_PICTURES = 40


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
    analyses = analyses_of(maps)
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
            analysis_content(
                number, own, folder, VIEWER_BUDGET // len(analyses), is_alone=len(analyses) == 1
            )
            for number, own in enumerate(analyses.values())
        ],
        "design_columns": DESIGN_COLUMNS,
        "design_rows": design_rows(designs),
        "null_columns": NULL_COLUMNS,
        "region_pictures": [],
        "tables": tables_content(folder),
        "pictures": _other_pictures(folder, maps),
        "checklist": checklist(
            PARTICIPANT_ITEMS,
            [*(scores or sidecars), *designs.values()],
            [one.stem for one in found],
        ),
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
        *([("Maps of scores", str(len(scores)))] if scores else []),
        *([("Tables of regions", str(len(tables)))] if tables else []),
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


def _other_pictures(folder: Path, maps: Sequence[FoundMap]) -> list[Any]:
    """Embed the pictures that belong to no map of the page, such as those of surfaces."""
    known = {one.picture for one in maps}
    paths = [path for path in sorted((folder / "figures").glob("[!.]*.png")) if path not in known]
    pictures = [embed(path, entities_label(path.stem)) for path in paths[:MOST_PICTURES]]
    return [one for one in pictures if one]
