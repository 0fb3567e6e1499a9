"""What the producers share: records from BIDS names and from places."""

from pathlib import Path
from typing import Any

from bids_rsa.discovery.index import IndexedFile
from bids_rsa.producers.places import Place
from bids_rsa.producers.vertex_maps import with_hemisphere
from bids_rsa.records import CIFTI, GIFTI, ConditionImage
from bids_rsa.spaces.map_files import is_cifti, is_gifti

IMAGE_EXTENSIONS = (".nii", ".nii.gz")
GIFTI_EXTENSIONS = tuple(
    f"{kind}.gii{packed}" for kind in ("", ".func", ".shape") for packed in ("", ".gz")
)
CIFTI_EXTENSIONS = (".dscalar.nii",)
# NIfTI, gzipped or not, and the pairs of older programs
VOLUME_ENDINGS = (".nii.gz", ".nii", ".img", ".img.gz", ".mgz", ".mgh")


def from_bids(
    file: IndexedFile, condition: str, statistic: str, source: str, **more: Any
) -> ConditionImage:
    """Make a record from the entities of a file's name."""
    values: dict[str, Any] = {
        "path": file.path,
        "subject": file.subject,
        "condition": condition,
        "statistic": statistic,
        "run": file.run,
        "source": source,
        "dataset": file.dataset.path,
    }
    return ConditionImage(**(file.named | values | more))


def from_place(
    place: Place, path: str, condition: str, statistic: str, source: str, **more: Any
) -> ConditionImage:
    """Make a record from what a pattern says of a place."""
    values: dict[str, Any] = {
        "path": path,
        "subject": place.subject,
        "condition": condition,
        "statistic": statistic,
        "session": place.session,
        "task": place.task,
        "run": place.run,
        "space": place.space,
        "source": source,
        "dataset": str(Path(place.path).parent),
    }
    if place.hemi:
        values["others"] = (("hemi", place.hemi[0].upper()),)
    if is_cifti(path):
        values["reader"] = CIFTI
    if not is_gifti(path):
        return ConditionImage(**(values | more))
    return with_hemisphere(ConditionImage(**(values | {"reader": GIFTI} | more)))


def volume_file(folder: Path, name: str) -> Path | None:
    """Find a volume by its name without ending, whatever the ending is."""
    for ending in VOLUME_ENDINGS:
        path = folder / f"{name}{ending}"
        if path.exists() or path.is_symlink():
            return path
    return None


def without_ending(name: str) -> str:
    """Return a file's name without the ending of a volume (``beta_0001.nii,1`` too)."""
    name = name.split(",")[0].strip()
    for ending in VOLUME_ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name.removesuffix(".hdr")
