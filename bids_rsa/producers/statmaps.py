"""Maps named ``..._contrast-<c>_stat-<s>_statmap`` (BEP041): fitlins, nilearn and others."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bids_rsa.discovery.index import IndexedFile
from bids_rsa.producers.common import (
    CIFTI_EXTENSIONS,
    GIFTI_EXTENSIONS,
    IMAGE_EXTENSIONS,
    from_bids,
)
from bids_rsa.producers.vertex_maps import with_hemisphere
from bids_rsa.records import CIFTI, GIFTI, ConditionImage
from bids_rsa.spaces.map_files import maps_header


def find(files: Sequence[IndexedFile]) -> list[ConditionImage]:
    """Turn one participant's statistical maps into records, of every statistic there is."""
    found: list[ConditionImage] = []
    for file in files:
        if file.suffix != "statmap" or file.stat is None:
            continue
        if file.extension in IMAGE_EXTENSIONS and file.contrast is not None:
            found.append(from_bids(file, file.contrast, file.stat, _program(file)))
        elif file.extension in GIFTI_EXTENSIONS:
            found += map(with_hemisphere, _maps(file, GIFTI))
        elif file.extension in CIFTI_EXTENSIONS:
            found += _maps(file, CIFTI)
    return found


def _maps(file: IndexedFile, reader: str) -> Iterator[ConditionImage]:
    """Yield a record for a file of one map, or for each map of a file that names its maps."""
    assert file.stat is not None
    if file.contrast is not None:
        yield from_bids(file, file.contrast, file.stat, _program(file), reader=reader)
        return
    if file.desc is not None:  # what this program writes: scores are no condition images
        return
    names = maps_header(file.path).names
    if not all(names):  # residuals, for example
        return
    for number, name in enumerate(names):
        yield from_bids(file, name, file.stat, _program(file), reader=reader, volume=number)


def _program(file: IndexedFile) -> str:
    """Name the program, from the dataset's description or the folder's name."""
    made_by = " ".join(file.dataset.producers).lower()
    for name in ("fitlins", "nilearn"):
        if name in made_by:
            return name
    in_node = Path(file.folder).parent.name.startswith("node-")
    return "fitlins" if in_node else "bids"
