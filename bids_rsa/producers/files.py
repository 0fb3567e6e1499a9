"""Images of any program: named by --betas with {condition}, or by a --labels table."""

from collections.abc import Sequence
from pathlib import Path

from bids_rsa.errors import ContentError, OptionError
from bids_rsa.producers.common import VOLUME_ENDINGS, from_place
from bids_rsa.producers.labels import LabelRow, Labels, label_volumes, rows_for
from bids_rsa.producers.places import Place
from bids_rsa.records import ConditionImage
from bids_rsa.spaces.headers import header_of
from bids_rsa.spaces.map_files import is_cifti, is_gifti, maps_header

NAME = "files"


def recognises(path: Path) -> bool:
    """Tell whether this is an image file."""
    name = path.name.lower()
    return not path.is_dir() and (name.endswith(VOLUME_ENDINGS) or is_gifti(name))


def find(places: Sequence[Place], labels: Labels | None, stat: str) -> list[ConditionImage]:
    """Turn one participant's files into records of the statistic the user says they are.

    Raises
    ------
    OptionError
        Nothing says what the images are.
    ContentError
        A table that does not fit the files.
    """
    if labels is None:
        named = [image for place in places for image in _named_maps(place, stat)]
        places = [place for place in places if not _names_its_maps(place)]
        unnamed = [place for place in places if place.condition is None]
        if unnamed:
            raise OptionError(
                f"Nothing says which condition {unnamed[0].path} is.",
                f"{_folder_hint(Path(unnamed[0].path))}Give --betas a {{condition}} field, or "
                "--labels FILE.tsv.",
            )
        return named + [from_place(p, p.path, p.condition or "", stat, NAME) for p in places]
    if places[0].condition is not None:
        return [from_place(p, p.path, p.condition or "", stat, NAME) for p in places]
    single = [p for p in places if _n_maps(p.path) == 1]
    several = [p for p in places if p not in single]
    found = [image for place in several for image in _volumes(place, labels, stat)]
    return found + (_single(single, labels, stat) if single else [])


def _n_maps(path: str) -> int:
    """Count the volumes or maps of a file."""
    if is_gifti(path) or is_cifti(path):
        return maps_header(path).n_maps
    return header_of(path).n_volumes


def _names_its_maps(place: Place) -> bool:
    """Tell whether the maps of a file carry the names of conditions."""
    if place.condition is not None or not (is_gifti(place.path) or is_cifti(place.path)):
        return False
    return all(maps_header(place.path).names)


def _named_maps(place: Place, stat: str) -> list[ConditionImage]:
    """Make a record of each map of a file that names them; of other files nothing."""
    if not _names_its_maps(place):
        return []
    names = maps_header(place.path).names
    return [
        from_place(place, place.path, name, stat, NAME, volume=number)
        for number, name in enumerate(names)
    ]


def _folder_hint(path: Path) -> str:
    """Point at the folder whose SPM.mat or design.con names the images."""
    if (path.parent / "SPM.mat").is_file():
        return f"SPM.mat next to it does: let --betas name its folder ({path.parent}). Or: "
    if (path.parent.parent / "design.con").is_file():
        return f"design.con does: let --betas name the FEAT folder ({path.parent.parent}). Or: "
    return ""


def _volumes(place: Place, labels: Labels, stat: str) -> list[ConditionImage]:
    """Label the volumes of a 4D file."""
    rows = label_volumes(labels, place, place.path, _n_maps(place.path))
    return [_labelled(place, row, stat, volume) for volume, row in rows]


def _single(places: Sequence[Place], labels: Labels, stat: str) -> list[ConditionImage]:
    """Label 3D files: by name, by number from 0 in the order of their names, or row by row."""
    names = [Path(p.path).name for p in places]
    rows = list(dict.fromkeys(r for p in places for r in rows_for(labels, p, names)))
    if "image" not in labels.columns:
        if len(rows) != len(places):
            raise ContentError(
                f"There are {len(places)} images for sub-{places[0].subject} ({names[0]} ...), and "
                f"--labels {labels.path} has {len(rows)} rows for them.",
                "Give one row for each image, in the order of their names, or a column 'image'.",
            )
        return [_labelled(p, row, stat, None) for p, row in zip(places, rows, strict=True)]
    found = []
    for row in rows:
        fitting = _named(places, row)
        if not fitting:
            raise ContentError(
                f"--labels {labels.path} names image {row.image} for sub-{places[0].subject}, "
                f"which is not among its {len(places)} files: {', '.join(names[:8])}."
            )
        found += [_labelled(place, row, stat, None) for place in fitting]
    return found


def _named(places: Sequence[Place], row: LabelRow) -> list[Place]:
    """Return the files that a row's column ``image`` means."""
    name = row.image or ""
    if name.isdigit():
        return [places[int(name)]] if int(name) < len(places) else []
    return [p for p in places if Path(p.path).name == Path(name).name]


def _labelled(place: Place, row: LabelRow, stat: str, volume: int | None) -> ConditionImage:
    """Make a record of a file or volume and its row."""
    run = row.run.removeprefix("run-") if row.run else place.run
    return from_place(
        place, place.path, row.condition, stat, NAME,
        volume=volume, run=run, session=row.session or place.session, n_trials=row.n,
    )  # fmt: skip
