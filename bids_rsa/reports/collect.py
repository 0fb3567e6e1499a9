"""What is in the output folder: maps with their sidecars, pictures and details, by analysis."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.table import COMPARISONS, Comparison
from bids_rsa.outputs.derivatives import EXTENSIONS, read_sidecar, without_extension
from bids_rsa.reports.map_words import OF_NULL, MapWords, map_words, stat_of

_ENDINGS = tuple(of_maps for of_maps, _ in EXTENSIONS.values())
_LEFT, _RIGHT = "_hemi-L_", "_hemi-R_"
_STAT = re.compile(r"_stat-[A-Za-z0-9]+")


def open_map(path: Path) -> Any:
    """Open an image."""
    import nibabel as nib

    return nib.load(path)


@dataclass(frozen=True, eq=False)
class FoundMap:
    """A map that is finished: its image, its sidecar, and what is next to its picture."""

    path: Path
    sidecar: dict[str, Any]
    figures: Path
    right: Path | None = None

    @property
    def stem(self) -> str:
        """The file's name without its ending, and without hemi- where both are one map."""
        stem = without_extension(self.path.name)
        return stem if self.right is None else stem.replace(_LEFT, "_")

    @property
    def is_volume(self) -> bool:
        """Whether its values are on a grid."""
        return self.path.name.endswith((".nii", ".nii.gz")) and ".dscalar." not in self.path.name

    @property
    def analysis(self) -> str:
        """The entities that the maps of an analysis share."""
        return _STAT.split(self.stem)[0]

    @property
    def comparison(self) -> Comparison | None:
        """What the scores are; None for a map of something else."""
        return COMPARISONS.get(str(self.sidecar.get("Comparison", "")))

    @property
    def of_null(self) -> str:
        """Which map from permutations of the conditions it is; empty for other maps."""
        endings = OF_NULL if "Relabelings" in self.sidecar else {}
        return next((end for end in endings if stat_of(self.stem).endswith(end)), "")

    @property
    def words(self) -> MapWords:
        """What it holds in words, and how its values are shown."""
        comparison = self.comparison if self.model or self.pooled else None
        return map_words(stat_of(self.stem), comparison, self.model, self.of_null)

    @property
    def is_score(self) -> bool:
        """Whether its values are scores of a model, or of all models together."""
        return self.comparison is not None and bool(self.model) and not self.of_null

    @property
    def model(self) -> str:
        """The model's name."""
        model = self.sidecar.get("Model")
        return str(model.get("Name", "")) if isinstance(model, dict) else ""

    @property
    def pooled(self) -> bool:
        """Whether the scores are of all models together."""
        return self.comparison is not None and self.comparison.pooled

    @property
    def title(self) -> str:
        """What the map shows."""
        if self.comparison and (self.pooled or self.model):
            return self.words.title
        return str(self.sidecar.get("Description", self.stem)).partition(";")[0]

    @property
    def picture(self) -> Path:
        """Where its picture is, if there is one."""
        return self.figures / f"{self.stem}.png"

    @cached_property
    def image(self) -> Any:
        """The image; of the left hemisphere where there are two."""
        return open_map(self.path)

    @cached_property
    def data(self) -> NDArray[np.float32]:
        """Its values: (X, Y, Z) of a volume, else one of each location."""
        if self.is_volume:
            return np.asarray(self.image.dataobj, dtype=np.float32)
        return map_vector([self.path, *([self.right] if self.right else [])])

    def forget(self) -> None:
        """Free the memory of the values."""
        self.__dict__.pop("data", None)

    @cached_property
    def details(self) -> dict[str, Any]:
        """Peaks and model cells, where they belong to this map."""
        path = self.figures / f"{self.stem.removesuffix('_statmap')}_details.json"
        found = read_sidecar(path) or {}
        return found if found.get("SettingsHash") == self.sidecar.get("SettingsHash") else {}


def find_statmaps(
    folder: Path, figures: Path | None = None, of_one_call: bool = True
) -> list[FoundMap]:
    """Find the finished maps below a folder, in the order of their names.

    Without ``figures``, the pictures of each map are in a folder next to it. The hemispheres of one
    analysis are one map; those analysed in calls of their own are two with ``of_one_call``.
    """
    found = []
    paths = {path for ending in _ENDINGS for path in folder.rglob(f"*_statmap{ending}")}
    for path in sorted(paths):
        sidecar = _sidecar(path)
        if "figures" in path.relative_to(folder).parts or sidecar is None:
            continue
        other = _other_hemisphere(path, sidecar, paths, of_one_call)
        if other is None or _LEFT in path.name:  # the right one is with the left one
            found.append(FoundMap(path, sidecar, figures or path.parent / "figures", other))
    return found


def _sidecar(path: Path) -> dict[str, Any] | None:
    """Read the sidecar of a map."""
    return read_sidecar(path.with_name(f"{without_extension(path.name)}.json"))


def _other_hemisphere(
    path: Path, sidecar: dict[str, Any], paths: set[Path], of_one_call: bool
) -> Path | None:
    """Find the map of the other hemisphere, where both are of one analysis if that is asked for.

    The hash covers all input files, so maps of separate analyses differ in it.
    """
    here, there = (_LEFT, _RIGHT) if _LEFT in path.name else (_RIGHT, _LEFT)
    other = path.with_name(path.name.replace(here, there))
    if other == path or other not in paths:
        return None
    beside = _sidecar(other)
    if beside is None:
        return None
    if of_one_call and beside.get("SettingsHash") != sidecar.get("SettingsHash"):
        return None
    return other


def map_vector(paths: Sequence[Path]) -> NDArray[Any]:
    """Read the values of a map on one or two hemispheres, or of grayordinates."""
    if paths[0].name.endswith(".gii"):
        return np.concatenate([np.asarray(open_map(path).darrays[0].data) for path in paths])
    return np.asarray(open_map(paths[0]).dataobj).ravel()


def participant_maps(output_dir: Path, subject: str) -> list[FoundMap]:
    """Find the finished maps of a participant, and not the condition images estimated here."""
    folder = output_dir / f"sub-{subject}"
    maps = find_statmaps(folder, folder / "figures")
    return [one for one in maps if "SearchlightRadius" in one.sidecar or one.comparison]


def participant_folder(path: Path) -> Path:
    """Find the participant's folder that a map is in."""
    return next(one for one in path.parents if one.name.startswith("sub-"))


def analyses_of(maps: Sequence[FoundMap]) -> dict[str, list[FoundMap]]:
    """Sort maps by analysis."""
    sorted_maps: dict[str, list[FoundMap]] = {}
    for one in maps:
        sorted_maps.setdefault(one.analysis, []).append(one)
    return sorted_maps


def entities_label(stem: str) -> str:
    """Write the entities of a file's name as words."""
    words = {
        "ses": "session", "acq": "acquisition", "res": "resolution", "seg": "regions",
        "meas": "comparison", "label": "region", "den": "density",
    }  # fmt: skip
    pairs = [part.split("-", 1) for part in stem.split("_") if "-" in part]
    return ", ".join(
        f"sub-{value}" if key == "sub" else f"{words.get(key, key)} {value}" for key, value in pairs
    )


def read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read a TSV: its columns and rows; empty where it cannot be read."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file, delimiter="\t")
    except (OSError, ValueError):
        return [], []
    return header, rows
