"""The methods text of the whole dataset: logs/CITATION.md and CITATION.bib."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bids_rsa.outputs.dataset_files import CITATION_FOLDER, dataset_lock, write_text
from bids_rsa.outputs.derivatives import read_sidecar
from bids_rsa.reports.designs import find_designs
from bids_rsa.reports.found_regions import region_scores, region_tables, region_tests
from bids_rsa.reports.found_tests import FOLDER, find_tests
from bids_rsa.reports.methods import LICENCE, methods_text
from bids_rsa.reports.references import bibtex

OTHERS = re.compile(r"_stat-(reliability|[a-z0-9]+P)_")


def write_citation(output_dir: Path) -> list[Path]:
    """Write the methods text of all that is in a dataset, and the references it cites.

    Returns
    -------
    list of Path
    """
    with dataset_lock(output_dir):
        text = methods_text(
            list(_score_sidecars(output_dir)),
            [test.sidecar for test in find_tests(output_dir)],
            [one for folder in sorted(output_dir.glob("sub-*")) for one in _designs(folder)],
            other_sidecars(output_dir),
            region_tests(output_dir / FOLDER),
            ceiling_sidecars(output_dir),
        )
        folder = output_dir / CITATION_FOLDER
        page, references = folder / "CITATION.md", folder / "CITATION.bib"
        write_text(page, f"# Methods\n\n{text}\n\n{LICENCE}\n")
        write_text(references, bibtex(text))
    return [page, references]


def ceiling_sidecars(output_dir: Path) -> list[dict[str, Any]]:
    """Read the sidecars of the maps of noise ceilings."""
    maps = [one for test in find_tests(output_dir) for one in test.maps]
    return [one.sidecar for one in maps if "CeilingDefinition" in one.sidecar]


def is_cited(output_dir: Path) -> bool:
    """Tell whether the text and its references were written since all results are there.

    A run may have been killed between its last result and the text.
    """
    folder = output_dir / CITATION_FOLDER
    page, references = folder / "CITATION.md", folder / "CITATION.bib"
    if not (page.exists() and references.exists()):
        return False
    written = min(page.stat().st_mtime_ns, references.stat().st_mtime_ns)
    patterns = ("sub-*/**/func/[!.]*.json", f"{FOLDER}/**/[!.]*.json")
    results = (path for pattern in patterns for path in output_dir.glob(pattern))
    return all(_written(path) <= written for path in results)


def _written(path: Path) -> int:
    """Return when a file was written, in ns; 0 where another run has removed it meanwhile."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _designs(folder: Path) -> list[dict[str, Any]]:
    """Read the designs of a participant."""
    return list(find_designs(folder).values()) if folder.is_dir() else []


def other_sidecars(output_dir: Path) -> list[dict[str, Any]]:
    """Read the sidecars of all participants' p within the participant, and of reliability."""
    paths = [
        path
        for path in sorted(output_dir.glob("sub-*/**/func/*_statmap.json"))
        if OTHERS.search(path.name)
    ]
    return [one for one in map(read_sidecar, paths) if one is not None]


def _score_sidecars(output_dir: Path) -> Iterator[dict[str, Any]]:
    """Read the sidecars of all participants' score maps."""
    for path in sorted(output_dir.glob("sub-*/**/func/*_statmap.json")):
        sidecar = read_sidecar(path)
        if sidecar is not None and "Comparison" in sidecar and "Model" in sidecar:
            yield sidecar
    for folder in sorted(output_dir.glob("sub-*")):
        yield from region_scores(region_tables(folder))
