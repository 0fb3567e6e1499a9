"""The group's page, from what is in the output folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_rsa.outputs.dataset_files import resolve_sources
from bids_rsa.outputs.derivatives import read_sidecar, without_extension
from bids_rsa.reports.ceiling_view import CEILING_COLUMNS, ceiling_view
from bids_rsa.reports.checklist import GROUP_ITEMS, PARTICIPANT_ITEMS, answer_in_words, checklist
from bids_rsa.reports.citation import ceiling_sidecars, other_sidecars
from bids_rsa.reports.collect import (
    participant_folder,
    read_rows,
)
from bids_rsa.reports.designs import find_designs
from bids_rsa.reports.found_regions import region_tables, region_tests
from bids_rsa.reports.found_tests import FOLDER, FoundTest, find_tests
from bids_rsa.reports.group_regions import participants_regions, regions_summary
from bids_rsa.reports.group_viewers import group_viewers
from bids_rsa.reports.made_from import group_made_from
from bids_rsa.reports.methods import methods_text
from bids_rsa.reports.page import write_page
from bids_rsa.reports.page_state import page_path
from bids_rsa.reports.participant_page import methods_content
from bids_rsa.reports.parts import embed
from bids_rsa.reports.region_view import group_pictures, number_columns, short, tables_content
from bids_rsa.reports.sidecar_values import distinct
from bids_rsa.reports.surface_viewer import geometries_of
from bids_rsa.reports.thumbnails import make_sheets

PICTURES = {
    "glass": "Significant voxels on a glass brain",
    "mosaic": "Map of t, significant {several} outlined",
    "null": "Null distribution",
    "peakscores": "Scores of the participants at the peaks",
}


# columns of the tables of participants and clusters, where their names need more words
HEADINGS = {
    "participant_id": "participant",
    "why": "reason",
    "centers": "centres evaluated",
    "voxels_lost_alone": "voxels not tested because of this participant alone",
    "vertices_lost_alone": "vertices not tested because of this participant alone",
    "grayordinates_lost_alone": "grayordinates not tested because of this participant alone",
    "peak_x": "peak x (mm)",
    "peak_y": "peak y (mm)",
    "peak_z": "peak z (mm)",
    "size_voxels": "size (voxels)",
    "size_mm3": "size (mm³)",
    "size_mm2": "size (mm²)",
    "share_above_0": "share of participants above 0",
}


def write_group_page(output_dir: Path) -> Path:
    """Write the group's page.

    Parameters
    ----------
    output_dir : Path
        The dataset; nothing else is read.

    Returns
    -------
    Path
    """
    content = _content(output_dir, find_tests(output_dir))
    return write_page(page_path(output_dir), content | {"sections": _sections(content)})


def _content(output_dir: Path, tests: Sequence[FoundTest]) -> dict[str, Any]:
    """Gather what the page shows."""
    sidecars = [test.sidecar for test in tests]
    regions, tables = region_tests(output_dir / FOLDER), region_tables(output_dir / FOLDER)
    of_regions = participants_regions(output_dir, regions)
    of_participants = [*participant_sidecars(output_dir, sidecars), *of_regions]
    told = [*sidecars, *regions]
    designs = [
        design
        for folder in participant_folders(output_dir, sidecars)
        for design in find_designs(folder).values()
    ]
    text = methods_text(
        of_participants,
        sidecars,
        designs,
        other_sidecars(output_dir),
        regions,
        ceiling_sidecars(output_dir),
    )
    viewers = group_viewers(tests)
    sheets, not_shown = make_sheets(output_dir, tests)
    return {
        "title": "Group: representational similarity analysis",
        "made_from": group_made_from(output_dir, tests),
        "warnings": list(dict.fromkeys([*_warnings(tests), *_sentences(of_regions, "Warnings")])),
        "notes": _sentences(sidecars, "Interpretation") + _sentences(sidecars, "Assumption"),
        "summary": _summary(tests) + regions_summary(tables),
        "tests": [_test(test) for test in tests],
        "tried": distinct(sidecars, "Tried"),
        "viewers": viewers,
        "geometries": geometries_of(one["viewer"] for one in viewers),
        "comparisons": _comparisons(tests),
        "ceilings": [made for test in tests if (made := ceiling_view(test))],
        "ceiling_columns": CEILING_COLUMNS,
        "tables": tables_content(output_dir / FOLDER),
        "region_pictures": group_pictures(output_dir / FOLDER),
        "sheets": sheets,
        "not_shown": not_shown,
        "checklist": checklist(
            PARTICIPANT_ITEMS, [*of_participants, *designs], [test.name for test in tests]
        )
        + checklist(GROUP_ITEMS, told),
        "provenance": _provenance(told),
        "files": [
            one.path.relative_to(output_dir).as_posix() for test in tests for one in test.maps
        ],
        "sources": sorted({uri for one in sidecars for uri in one.get("Sources", ())}),
        **methods_content(text),
    }


def _provenance(sidecars: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Name the software and settings that the tests were made with."""
    return [
        ("Software", "; ".join(distinct(sidecars, "SoftwareVersions"))),
        ("Settings hashes", ", ".join(distinct(sidecars, "SettingsHash"))),
        ("Settings and logs of each run", "group/log"),
    ]


def _sections(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List the sections that have content, as (key, heading)."""
    sections = (
        ("summary", "Summary", True),
        ("participants", "Participants", bool(content["tests"])),
        ("tests", "Tests", bool(content["tests"])),
        ("viewer", "Viewer", bool(content["viewers"])),
        ("comparisons", "Comparisons of models and groups", bool(content["comparisons"])),
        ("ceilings", "Noise ceilings", bool(content["ceilings"])),
        ("tables", "Regions", bool(content["tables"])),
        ("thumbnails", "All participants", bool(content["sheets"])),
        ("methods", "Methods text", True),
        ("checklist", "Reporting checklist", True),
        ("provenance", "Provenance", True),
    )
    return [(key, name) for key, name, there in sections if there]


def participant_sidecars(
    output_dir: Path, sidecars: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Read the sidecars of the participants' maps that were tested."""
    paths = _map_paths(output_dir, sidecars)
    found = (read_sidecar(path.with_name(f"{without_extension(path.name)}.json")) for path in paths)
    return [sidecar for sidecar in found if sidecar is not None]


def participant_folders(output_dir: Path, sidecars: Sequence[dict[str, Any]]) -> list[Path]:
    """List the folders of the participants whose maps were tested."""
    paths = _map_paths(output_dir, sidecars)
    return sorted({participant_folder(path) for path in paths})


def _map_paths(output_dir: Path, sidecars: Sequence[dict[str, Any]]) -> list[Path]:
    """List the participants' maps that were tested."""
    uris = {uri for one in sidecars for uri in one.get("Sources", ()) if "_statmap" in uri}
    return resolve_sources(output_dir, sorted(uris))


def _sentences(sidecars: Sequence[dict[str, Any]], key: str) -> list[str]:
    """Gather sentences of all sidecars, each once."""
    found = [one.get(key) or [] for one in sidecars]
    lists = [value if isinstance(value, list) else [value] for value in found]
    return list(dict.fromkeys(str(text) for texts in lists for text in texts))


def _warnings(tests: Sequence[FoundTest]) -> list[str]:
    """Gather the warnings of all tests, each once, with the tests that it is about if not all."""
    about: dict[str, list[str]] = {}
    for test in tests:
        for text in _sentences([test.sidecar], "Warnings"):
            about.setdefault(text, []).append(test.title)
    return [
        text if len(titles) == len(tests) else f"{'; '.join(titles)}: {text}"
        for text, titles in about.items()
    ]


def _summary(tests: Sequence[FoundTest]) -> list[tuple[str, str]]:
    """Say in short what there is."""
    rows = [("Tests of maps", str(len(tests)))]
    for test in tests:
        found = test.sidecar.get("VoxelsSignificant", "not known")
        tested = test.sidecar.get("VoxelsTested", "an unknown number of")
        rows.append((test.title, f"{found} of {tested} {test.several} are significant"))
    return rows


def _test(test: FoundTest) -> dict[str, Any]:
    """Gather what the page shows of one test."""
    sidecar, folder, name, title = test.sidecar, test.folder, test.name, test.title
    pictures = [
        embed(
            folder / "figures" / f"{name}_{kind}.png",
            f"{words.format(several=test.several)}: {title}",
        )
        for kind, words in PICTURES.items()
    ]
    keys = (
        "Test", "Tail", "Transform", "SmoothingFWHM", "Covariates", "VoxelsTested", "LeftOut",
        "RelabelingsUsed", "RelabelingsExhaustive", "RandomSeed", "PrimaryMethod", "Alpha",
        "CriticalValue", "SmallestP", "SmallestCorrectedP", "VoxelsNeededForFDR",
        "VoxelsSignificant", "ClusterFormingThreshold",
    )  # fmt: skip
    columns, rows = read_rows(folder / f"{name}_clusters.tsv")
    names, subjects = read_rows(folder / f"{name}_subjects.tsv")
    return {
        "title": title,
        "rows": [
            (key.replace("Voxels", test.several.capitalize()), answer_in_words(sidecar[key]))
            for key in keys
            if sidecar.get(key) is not None
        ],
        "relabelings": _relabelings(sidecar),
        "pictures": [one for one in pictures if one],
        "several": test.several,
        "clusters": shown_table(columns, rows),
        "subjects": shown_table(names, subjects),
    }


def shown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Write a table for a reader: headings in words, and numbers with four digits."""
    return {
        "columns": [HEADINGS.get(name, name.replace("_", " ")) for name in columns],
        "rows": [[short(cell) for cell in row] for row in rows],
        "numbers": number_columns(columns, rows),
    }


def _relabelings(sidecar: dict[str, Any]) -> str:
    """Say how many relabelings there were, and how small p can be."""
    used, smallest = sidecar.get("RelabelingsUsed"), sidecar.get("SmallestP")
    if used is None or smallest is None:
        return ""
    whole = sidecar.get("RelabelingsExhaustive")
    drawn = f"All {used} distinct relabelings" if whole else f"{used} random relabelings"
    told = f"{drawn} were used; p cannot be below {smallest:.3g}"
    corrected = sidecar.get("SmallestCorrectedP", smallest)
    if corrected == smallest:
        return f"{told}."
    n_parts = sidecar.get("PartsCorrectedFor")
    return f"{told}, and p corrected for {n_parts} parts not below {corrected:.3g}."


def _comparisons(tests: Sequence[FoundTest]) -> list[tuple[str, str, str]]:
    """List the tests that compare two models or two groups."""
    return [
        (
            str(test.sidecar.get("Test", test.name)),
            answer_in_words(test.sidecar.get("VoxelsTested", "not known")),
            answer_in_words(test.sidecar.get("VoxelsSignificant", "not known")),
        )
        for test in tests
        if "_contrast-" in test.name
    ]
