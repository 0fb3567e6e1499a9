"""The files at the root of the output dataset, which several runs may write at once."""

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bids_rsa._version import __version__
from bids_rsa.locks import locked
from bids_rsa.outputs.bids_uris import link_target
from bids_rsa.outputs.derivatives import read_sidecar
from bids_rsa.outputs.run_logs import remove_half_logs
from bids_rsa.outputs.whole_files import remove_leftovers, replacing

BIDS_VERSION = "1.11.1"
DESCRIPTION = "dataset_description.json"
CITATION_FOLDER = "logs"
# a directory pattern must have no trailing slash
BIDSIGNORE = (
    "*.html",
    "figures",
    "group",
    "log",
    "logs",
    "*_statmap.*",
    "*_relmat.*",
    "*_nullmaps.*",
    "*_design.*",
    "*_scores.*",
    "*_rdms.*",
)
# BIDS has no functional masks on surfaces and of grayordinates, so their sidecars fit no rule
MASKS_IGNORED: dict[str, tuple[str, ...]] = {
    "volume": (),
    "surface": ("*_hemi-*",),
    "grayordinates": ("*searchlight_mask.*",),
}
# what BIDS 1.11 allows in the name of a functional mask, beside what every name has
ENTITIES_OF_MASKS = {"ce", "rec", "dir", "echo", "part", "chunk", "label"}
README = """# Searchlight RSA

Written by bids_rsa {version}. To look at the results, open `sub-*.html` and `group.html` in a
browser. Each page is a single file that also works when it is copied or mailed.

Each `sub-*/[ses-*/]func` folder contains

- `*_stat-<comparison>_desc-<model>_statmap.*`: at each centre, the agreement between the
  representational dissimilarity matrix (RDM) of the patch around it and a model RDM;
- `*_desc-searchlight_mask.*`: the centres that were evaluated. Undefined scores are NaN. Outside
  the centres, maps are 0 in volumes, and NaN on surfaces and in grayordinates;
- `*_stat-nvoxels_desc-searchlight_statmap.*` (`nvertices`, `ngrayordinates`): the size of each
  patch; `*_stat-area_*`, on surfaces: its area in mm2;
- `*_stat-shrinkage_desc-searchlight_statmap.*`, with noise normalisation: how much the noise
  covariance of each patch was shrunk, from 0 (not at all) to 1;
- `*_seg-<regions>_scores.tsv`, `*_rdms.tsv.gz` and `*_label-<region>_*_relmat.tsv`, if regions
  were analysed: their scores, all their RDMs in one table, and each RDM as a square table.

`group` contains the tests across participants, once the group level was run: maps, tables and
`figures`.

Maps are volumes (`.nii.gz`), of one hemisphere (`.shape.gii`, masks `.label.gii`), or of
grayordinates (`.dscalar.nii`).

The JSON file next to each image says how it was made. `sub-*/figures` contains a picture of each
map as PNG and SVG, and `sub-*/log` the settings and the log of each run. `descriptions.tsv`
explains the desc- labels. `logs/CITATION.md` contains a methods text, and `logs/CITATION.bib` its
references.
"""


@contextmanager
def dataset_lock(output_dir: Path) -> Iterator[None]:
    """Hold the dataset's lock."""
    output_dir.mkdir(parents=True, exist_ok=True)
    with locked(output_dir / ".lock"):
        yield


def write_dataset_files(
    output_dir: Path,
    descriptions: Mapping[str, str],
    links: Mapping[str, str],
    entities: Iterable[str] = (),
    forms: Iterable[str] = (),
) -> None:
    """Write or extend the files at the dataset's root.

    Parameters
    ----------
    output_dir : Path
    descriptions : mapping
        What each ``desc-`` label means.
    links : mapping
        Path of each input dataset to its name in BIDS URIs.
    entities : iterable of str
        Keys that are in the names of files.
    forms : iterable of str
        Whether maps are volumes, or of surfaces or grayordinates.
    """
    with dataset_lock(output_dir):
        _write_description(output_dir, links)
        _write_descriptions(output_dir, descriptions)
        _write_bidsignore(output_dir, entities, forms)
        if not (output_dir / "README.md").exists():
            write_text(output_dir / "README.md", README.format(version=__version__))


def clear_leftovers(output_dir: Path, own: Iterable[Path]) -> None:
    """Remove what killed runs had begun to write where every run writes, and in its own folders.

    Parameters
    ----------
    output_dir : Path
    own : iterable of Path
        Folders of a participant or of the group, searched with all that is below them.
    """
    remove_leftovers(output_dir, with_subfolders=False)
    remove_leftovers(output_dir / CITATION_FOLDER)
    for folder in own:
        remove_leftovers(folder)
        remove_half_logs(folder)


def dataset_links(output_dir: Path) -> dict[str, str]:
    """Read which datasets the output links to: name to place."""
    links = (read_sidecar(output_dir / DESCRIPTION) or {}).get("DatasetLinks")
    return dict(links) if isinstance(links, dict) else {}


def resolve_sources(output_dir: Path, uris: Iterable[str]) -> list[Path]:
    """Say where the files are that BIDS URIs name; those of unknown datasets are left out."""
    links = {"": ".", **dataset_links(output_dir)}
    found = []
    for uri in uris:
        _, name, path = uri.split(":", 2)
        if name in links:
            root = Path(links[name].removeprefix("file://"))
            found.append((output_dir / root / path).resolve())
    return found


def write_text(path: Path, text: str) -> None:
    """Write a text file under its final name only when it is whole."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file under its final name only when it is whole."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _write_description(output_dir: Path, links: Mapping[str, str]) -> None:
    """Write dataset_description.json; links of earlier runs are kept."""
    path = output_dir / DESCRIPTION
    found = read_sidecar(path) or {}
    targets = {name: link_target(root, str(output_dir)) for root, name in links.items()}
    linked = dataset_links(output_dir) | targets
    description = {
        "Name": "bids_rsa: searchlight representational similarity analysis",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [_generated_by()],
        "SourceDatasets": [{"URL": target} for target in sorted(set(linked.values()))],
        "DatasetLinks": dict(sorted(linked.items())),
    }
    write_json(path, {**found, **description})


def _generated_by() -> dict[str, Any]:
    """Say which program made the dataset, and in which container."""
    generated: dict[str, Any] = {"Name": "bids_rsa", "Version": __version__}
    apptainer = os.environ.get("APPTAINER_CONTAINER") or os.environ.get("SINGULARITY_CONTAINER")
    if apptainer:
        generated["Container"] = {"Type": "apptainer", "Tag": Path(apptainer).name}
    elif Path("/version").is_file() and Path("/.dockerenv").exists():
        generated["Container"] = {"Type": "docker", "Tag": f"bids_rsa:{__version__}"}
    return generated


def _write_descriptions(output_dir: Path, descriptions: Mapping[str, str]) -> None:
    """Add to descriptions.tsv what the desc- labels of this run mean."""
    path = output_dir / "descriptions.tsv"
    known: dict[str, str] = {}
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            known = {row["desc_id"]: row["description"] for row in _rows(file)}
    known |= {f"desc-{label}": text for label, text in descriptions.items()}
    table = io.StringIO()
    writer = csv.writer(table, delimiter="\t", lineterminator="\n")
    writer.writerow(("desc_id", "description"))
    writer.writerows(sorted(known.items()))
    write_text(path, table.getvalue())
    if not path.with_suffix(".json").exists():
        columns = {
            "desc_id": {"Description": "Label of the desc entity in file names"},
            "description": {"Description": "What files with this label contain"},
        }
        write_json(path.with_suffix(".json"), columns)


def _rows(file: Any) -> Iterator[dict[str, str]]:
    """Read the rows of a table that has both columns; others are of another program."""
    for row in csv.DictReader(file, delimiter="\t"):
        if row.get("desc_id") and row.get("description") is not None:
            yield row


def _write_bidsignore(output_dir: Path, entities: Iterable[str], forms: Iterable[str]) -> None:
    """Add what the validator is to ignore, and keep what others added."""
    path = output_dir / ".bidsignore"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    masks = [f"*_{key}-*" for key in sorted({*entities} - ENTITIES_OF_MASKS)]
    masks += [pattern for form in sorted({*forms}) for pattern in MASKS_IGNORED[form]]
    missing = [line for line in (*BIDSIGNORE, *masks) if line not in lines]
    if missing:
        write_text(path, "\n".join([*lines, *missing]) + "\n")
