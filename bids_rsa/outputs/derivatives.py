"""BIDS out: the names of all files of a participant, and which of them are there already."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_rsa.errors import OutputError
from bids_rsa.records import Analysis


@dataclass(frozen=True)
class PlannedFile:
    """An image to write: its path within the dataset, and the settings that determine it."""

    path: str
    settings: tuple[tuple[str, str], ...]
    settings_hash: str
    comparison: str = ""
    model: str = ""

    @property
    def sidecar(self) -> str:
        """Path of the JSON beside it."""
        return self.path.removesuffix(".nii.gz").removesuffix(".tsv") + ".json"


def derivative_path(
    group: Analysis,
    desc: str,
    stat: str | None = None,
    suffix: str = "statmap",
    extension: str = ".nii.gz",
) -> str:
    """Name a file of a group, relative to the dataset.

    Entities that the maps were combined over (run, contrast) don't stand in the name.
    """
    session = f"ses-{group.session}/" if group.session else ""
    measure = f"_stat-{stat}" if stat else ""
    name = f"{group.label}{measure}_desc-{desc}_{suffix}{extension}"
    return f"sub-{group.subject}/{session}func/{name}"


def figure_path(image_path: str, group: Analysis) -> str:
    """Name the picture of an image, relative to the dataset."""
    stem = Path(image_path).name.removesuffix(".nii.gz")
    return f"sub-{group.subject}/figures/{stem}.png"


def vector_path(picture: str) -> str:
    """Name the vector version of a picture, which lies beside the PNG."""
    return f"{picture.removesuffix('.png')}.svg"


def with_vectors(pictures: Iterable[str]) -> tuple[str, ...]:
    """List pictures, each with its vector version."""
    return tuple(name for path in pictures for name in (path, vector_path(path)))


def read_sidecar(path: Path) -> dict[str, Any] | None:
    """Read a sidecar; None when it is missing or was not written whole."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def is_complete(output_dir: Path, planned: Sequence[PlannedFile], figures: Sequence[str]) -> bool:
    """Tell whether every planned file is there and was made with the planned settings."""
    for file in planned:
        sidecar = read_sidecar(output_dir / file.sidecar)
        if sidecar is None or sidecar.get("SettingsHash") != file.settings_hash:
            return False
        if not (output_dir / file.path).exists():
            return False
    return all((output_dir / figure).exists() for figure in figures)


def check_replaceable(output_dir: Path, planned: Sequence[PlannedFile]) -> None:
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
            "Choose another output directory, or replace it with --overwrite.",
        )


def _differences(found: Mapping[str, Any], wanted: Mapping[str, str]) -> list[str]:
    """Name each setting that differs, with both values."""
    told = []
    for key, text in wanted.items():
        value, old = json.loads(text), found.get(key)
        if key == "Model" and isinstance(old, dict):
            old = {name: old.get(name) for name in value}
        if value == old:
            continue
        if key == "InputHashes" and isinstance(old, dict):
            kinds = [kind for kind in value if value[kind] != old.get(kind)]
            told.append(f"the input differs ({', '.join(kinds)})")
        else:
            told.append(f"{key} is {_short(old)} there and {_short(value)} now")
    return told


def _short(value: Any) -> str:
    """Write a value for a message."""
    text = json.dumps(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
