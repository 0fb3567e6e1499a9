"""Maps named ``..._contrast-<c>_stat-<s>_statmap`` (BEP041): fitlins, nilearn and others."""

from collections.abc import Sequence
from pathlib import Path

from bids_rsa.discovery.index import IndexedFile
from bids_rsa.producers.common import IMAGE_EXTENSIONS, from_bids
from bids_rsa.records import ConditionImage


def find(files: Sequence[IndexedFile]) -> list[ConditionImage]:
    """Turn one subject's statistical maps into records, of every statistic there is."""
    return [
        from_bids(f, f.contrast, f.stat, _program(f))
        for f in files
        if f.suffix == "statmap"
        and f.extension in IMAGE_EXTENSIONS
        and f.contrast is not None
        and f.stat is not None
    ]


def _program(file: IndexedFile) -> str:
    """Name the program, from the dataset's description or the folder's name."""
    made_by = " ".join(file.dataset.producers).lower()
    for name in ("fitlins", "nilearn"):
        if name in made_by:
            return name
    in_node = Path(file.folder).parent.name.startswith("node-")
    return "fitlins" if in_node else "bids"
