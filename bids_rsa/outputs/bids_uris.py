"""BIDS URIs of files, and the names of the datasets that they are in."""

import os
import re
from collections.abc import Container, Iterable, Mapping
from pathlib import Path

from bids_rsa.outputs.input_hashes import companions, digest

THIS_DATASET = ""  # its name in BIDS URIs: bids::sub-01/...


def dataset_root(path: str, named: Container[str] = ()) -> str:
    """Find the dataset that a file is in.

    That is the BIDS dataset; else the innermost of the datasets ``named``; else the folder of all
    participants' or runs'. Links are not followed: git-annex keeps a dataset's files elsewhere,
    under other names.
    """
    parents = _absolute(path).parents
    for parent in parents:
        if str(parent) in named or (parent / "dataset_description.json").is_file():
            return str(parent)
    for parent in reversed(parents):
        if parent.name.startswith("sub-") or parent.suffix == ".feat":
            return str(parent.parent)
    return str(parents[0])


def _absolute(path: str) -> Path:
    """Return a path from the root without .. in it, links not followed."""
    return Path(os.path.normpath(Path(path).absolute()))


def name_datasets(
    named: Mapping[str, str], linked: Mapping[str, str], output_dir: str
) -> dict[str, str]:
    """Make the names of datasets unique, also among those that the output links to already.

    Parameters
    ----------
    named : mapping
        Path of each dataset to its name.
    linked : mapping
        ``DatasetLinks`` of the output so far.
    output_dir : str

    Returns
    -------
    dict
        Path to name.
    """
    names: dict[str, str] = {}
    for root, name in sorted(named.items()):
        others = {n for n, target in linked.items() if target != link_target(root, output_dir)}
        names[root] = _with_digest(name, root) if name in {*names.values(), *others} else name
    return names


def link_datasets(roots: Iterable[str], named: Mapping[str, str]) -> dict[str, str]:
    """Give each dataset a name for BIDS URIs.

    Parameters
    ----------
    roots : iterable of str
        Absolute paths of datasets.
    named : mapping
        Path to name, from `name_datasets`. Any other root is named by its folder and a hash of its
        path, so that jobs that know nothing of each other give no name twice.

    Returns
    -------
    dict
        Path to name; the names are unique and contain letters, digits, ``-`` and ``_``.
    """
    return {
        root: named.get(root)
        or _with_digest(re.sub(r"[^A-Za-z0-9_-]+", "", Path(root).name) or "input", root)
        for root in sorted(set(roots))
    }


def _with_digest(name: str, root: str) -> str:
    """Make a name that only this dataset has."""
    return f"{name}-{digest(root)[:8]}"


def bids_uri(path: str, links: Mapping[str, str]) -> str:
    """Write the BIDS URI of a file in one of the linked datasets."""
    root = dataset_root(path, links)
    relative = _absolute(path).relative_to(root).as_posix()
    return f"bids:{links[root]}:{relative}"


def source_uris(paths: Iterable[str], links: Mapping[str, str]) -> list[str]:
    """Write the BIDS URIs of files and of their companions, each once."""
    files = dict.fromkeys(file for path in paths for file in (path, *companions(path)))
    return [bids_uri(file, links) for file in files]


def link_target(root: str, output_dir: str) -> str:
    """Say where a linked dataset is: relative when the output is inside it, else file://."""
    output = Path(output_dir).resolve()
    if output.is_relative_to(root):
        return Path(os.path.relpath(root, output)).as_posix()
    return Path(root).as_uri()
