"""BIDS out: the names of all files of a participant, and which of them are there already."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_rsa.errors import OutputError
from bids_rsa.records import Analysis
from bids_rsa.tables import json_object_of


@dataclass(frozen=True)
class PlannedFile:
    """An image to write: its path within the dataset, and the settings that determine it.

    ``comparison`` and ``model`` are those of a map of scores; ``kind`` says what a map contains
    that goes with scores. ``part`` is the hemisphere of a map that is kept in two files.
    """

    path: str
    settings: tuple[tuple[str, str], ...]
    settings_hash: str
    comparison: str = ""
    model: str = ""
    kind: str = ""
    part: str = ""

    @property
    def is_mask(self) -> bool:
        """Whether it is the mask of evaluated centres."""
        return "_mask." in self.path

    @property
    def is_pictured(self) -> bool:
        """Whether a picture is drawn of it."""
        return not (self.is_mask or "_nullmaps." in self.path)

    @property
    def sidecar(self) -> str:
        """Path of the JSON next to it."""
        return without_extension(self.path) + ".json"


# how maps of numbers, and masks, are kept
EXTENSIONS = {
    "volume": (".nii.gz", ".nii.gz"),
    "surface": (".shape.gii", ".label.gii"),
    "grayordinates": (".dscalar.nii", ".dscalar.nii"),
}
GEOMETRY = "_desc-background_surfaces.json"  # ends the name of the surfaces that maps are drawn on
_EXTENSION = re.compile(
    r"\.(?:nii|nii\.gz|tsv|tsv\.gz|(?:shape|label|func)\.gii|d(?:scalar|tseries)\.nii)$"
)


def without_extension(path: str) -> str:
    """Return the path of an image or a table without its extension."""
    return _EXTENSION.sub("", path)


def derivative_path(
    analysis: Analysis,
    desc: str,
    stat: str | None = None,
    suffix: str = "statmap",
    extension: str | None = None,
    part: str = "",
) -> str:
    """Name a file of an analysis, relative to the dataset.

    Entities that the maps were combined over (run, contrast) are not in the name. The
    extension is that of the analysis's maps or masks, if none is given; ``part`` is one of its
    `parts`.
    """
    session = f"ses-{analysis.session}/" if analysis.session else ""
    measure = f"_stat-{stat}" if stat else ""
    of_maps, of_masks = EXTENSIONS[analysis.form]
    extension = extension or (of_masks if suffix == "mask" else of_maps)
    name = f"{analysis.file_label(part)}{measure}_desc-{desc}_{suffix}{extension}"
    return f"sub-{analysis.subject}/{session}func/{name}"


def map_figure_path(image_path: str, analysis: Analysis) -> str:
    """Name the picture of an image, relative to the dataset; both hemispheres are in one."""
    stem = _without_parts(Path(image_path).name, analysis.parts)
    return f"sub-{analysis.subject}/figures/{stem}.png"


def _without_parts(name: str, parts: Sequence[str]) -> str:
    """Return a file's name without its extension, and without the hemisphere if it is a part."""
    stem = without_extension(name)
    for part in parts:
        stem = stem.replace(f"_hemi-{part}_", "_") if part else stem
    return stem


def figures_of(output_dir: Path, file: PlannedFile) -> list[Path]:
    """List the pictures of an image, of whatever format, and its details, where they are there."""
    subject = file.path.partition("/")[0]
    stem = _without_parts(Path(file.path).name, (file.part,))
    folder = output_dir / subject / "figures"
    return sorted([*folder.glob(f"{stem}.*"), *folder.glob(_details_name(stem))])


def details_path(image_path: str, analysis: Analysis) -> str:
    """Name the file with a map's peaks and model, relative to the dataset."""
    stem = map_figure_path(image_path, analysis).removesuffix(".png")
    return _details_name(stem)


def _details_name(stem: str) -> str:
    """Name the details of a map after the stem of its picture."""
    return f"{stem.removesuffix('_statmap')}_details.json"


def anatomy_path(analysis: Analysis) -> str:
    """Name the anatomy that the maps of an analysis are drawn on, relative to the dataset."""
    folder = f"sub-{analysis.subject}/figures"
    return f"{folder}/{analysis.label}_desc-background_anatomy.nii.gz"


def geometry_path(analysis: Analysis) -> str:
    """Name the surfaces that the maps of an analysis are drawn on, relative to the dataset."""
    return f"sub-{analysis.subject}/figures/{analysis.label}{GEOMETRY}"


def vector_path(picture: str) -> str:
    """Name the vector version of a picture, which is next to the PNG."""
    return f"{picture.removesuffix('.png')}.svg"


def with_vectors(pictures: Iterable[str]) -> tuple[str, ...]:
    """List pictures, each with its vector version."""
    return tuple(name for path in pictures for name in (path, vector_path(path)))


def without_pictures(paths: Iterable[str]) -> tuple[str, ...]:
    """Leave pictures out of a list of files."""
    return tuple(path for path in paths if not path.endswith((".png", ".svg")))


def read_sidecar(path: Path) -> dict[str, Any] | None:
    """Read a sidecar; None when it is missing or incomplete."""
    return json_object_of(path)


def is_complete(output_dir: Path, planned: Sequence[PlannedFile], figures: Sequence[str]) -> bool:
    """Tell whether every planned file is there and was made with the planned settings."""
    for file in planned:
        sidecar = read_sidecar(output_dir / file.sidecar)
        if sidecar is None or sidecar.get("SettingsHash") != file.settings_hash:
            return False
        if not (output_dir / file.path).exists():
            return False
    return all((output_dir / figure).exists() for figure in figures)


def check_replaceable(
    output_dir: Path,
    planned: Sequence[PlannedFile],
    advice: str = "Choose another output directory",
) -> None:
    """Refuse to replace files that were made with other settings or inputs.

    A file without its sidecar was not finished, and may be replaced: sidecars are written last.

    Raises
    ------
    OutputError
        Names the first such file and all that differs.
    """
    for file in planned:
        sidecar = read_sidecar(output_dir / file.sidecar)
        if sidecar is None or sidecar.get("SettingsHash") == file.settings_hash:
            continue
        differences = "; ".join(_differences(sidecar, dict(file.settings))) or "unknown settings"
        raise OutputError(
            f"{output_dir / file.path} was made with other settings or inputs: {differences}.",
            f"{advice}, or replace it with --overwrite.",
        )


def check_maps_beside(output_dir: Path, planned: Sequence[PlannedFile]) -> None:
    """Refuse to replace a mask of centres that other models' maps share.

    Raises
    ------
    OutputError
        A map that is not planned was made with other centres, which the mask next to it describes.
    """
    for mask in planned:
        stem, is_mask, _ = mask.path.partition("_desc-searchlight_mask.")
        if not is_mask or is_complete(output_dir, [mask], ()):
            continue
        own = {output_dir / file.sidecar for file in planned}
        folder, name = (output_dir / stem).parent, Path(stem).name
        for path in sorted(folder.glob(f"{name}_stat-*_statmap.json")):
            found = read_sidecar(path)
            if path in own or found is None or "Comparison" not in found:
                continue
            if told := _differences(found, dict(mask.settings)):
                raise OutputError(
                    f"{path.with_suffix('').name} of another model or comparison was made with "
                    f"other settings or inputs: {'; '.join(told)}. Both share the mask of centres, "
                    "which would then describe only one of them.",
                    "Name all models and comparisons in one call, use another output directory, "
                    f"or remove the other maps: {folder / name}_stat-*",
                )


def _differences(found: Mapping[str, Any], wanted: Mapping[str, str]) -> list[str]:
    """Name each setting that differs, with both values."""
    told = []
    for key, text in wanted.items():
        value, old = json.loads(text), found.get(key)
        if key in ("Model", "NoiseNormalization") and isinstance(old, dict):
            old = {name: old.get(name) for name in value}
        if value == old:
            continue
        if key == "InputHashes" and isinstance(old, dict):
            kinds = [kind for kind in value if value[kind] != old.get(kind)]
            told.append(f"the input differs ({', '.join(kinds)})")
        elif key == "InputHash":
            told.append("the participants' maps or masks differ")
        else:
            told.append(f"{key} is {_short(old)} there and {_short(value)} now")
    return told


def _short(value: Any) -> str:
    """Write a value for a message."""
    text = "not set" if value is None else json.dumps(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
