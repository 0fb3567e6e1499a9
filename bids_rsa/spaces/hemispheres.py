"""Left and right: the hemisphere that a file is of, by its metadata and its name."""

import re
from pathlib import Path
from typing import Literal

from nibabel.gifti import GiftiImage

from bids_rsa.errors import ContentError

Hemisphere = Literal["L", "R"]
STRUCTURES: dict[Hemisphere, str] = {"L": "CortexLeft", "R": "CortexRight"}
STRUCTURE_KEY = "AnatomicalStructurePrimary"
# what {hemi} in a path may stand for: BIDS' and FreeSurfer's names
_IN_PATHS: dict[Hemisphere, tuple[str, ...]] = {
    "L": ("L", "lh", "left"), "R": ("R", "rh", "right"),
}  # fmt: skip
# hemi-L of BIDS; lh. of FreeSurfer; .L. of the Human Connectome Project
_NAMED = (
    re.compile(r"(?:^|_)hemi-([LR])(?:_|\.)"),
    re.compile(r"^([lr])h\."),
    re.compile(r"\.([LR])\."),
)


def hemisphere_of(image: GiftiImage, name: str) -> Hemisphere | None:
    """Find the hemisphere that a file is of: by its metadata, else by its name.

    Raises
    ------
    ContentError
        Metadata and name contradict each other.
    """
    metas = [image.meta, *(array.meta for array in image.darrays)]
    told = {str(meta.get(STRUCTURE_KEY, "")) for meta in metas}
    inside = {side for side, structure in STRUCTURES.items() if structure in told}
    named = hemisphere_named(name)
    if len(inside) > 1 or (inside and named is not None and named not in inside):
        structures = ", ".join(STRUCTURES[side] for side in sorted(inside))
        raise ContentError(
            f"{name}: its metadata say {structures}" + (f", its name hemi-{named}." * bool(named)),
            "Left and right may have been swapped: check which hemisphere the file is of.",
        )
    return next(iter(inside), named)


def of_hemisphere(pattern: str, side: Hemisphere) -> str:
    """Replace ``{hemi}`` in a path by L, lh or left (R, rh or right): the first that is a file."""
    named = [pattern.replace("{hemi}", name) for name in _IN_PATHS[side]]
    return next((path for path in named if Path(path).is_file()), named[0])


def hemisphere_named(name: str) -> Hemisphere | None:
    """Find the hemisphere in a file name."""
    for pattern in _NAMED:
        if found := pattern.search(Path(name).name):
            return "L" if found.group(1).upper() == "L" else "R"
    return None
