"""FSL FEAT: ``<run>.feat/stats/{cope,varcope,tstat,zstat}N``, names in design.con.

One first-level FEAT folder is one run. ``reg_standard/stats`` contains the same images in standard
space where FEAT's registration was applied.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from bids_rsa.errors import ContentError, InputError, MissingFileError
from bids_rsa.producers.common import from_place, volume_file
from bids_rsa.producers.places import Place
from bids_rsa.records import ConditionImage

NAME = "feat"
STATISTICS = {"cope": "effect", "tstat": "t", "zstat": "z"}
SPACES = (("stats", None), ("reg_standard/stats", "standard"))
CONTRAST = re.compile(r"^/ContrastName(\d+)\s+(.*?)\s*$", re.MULTILINE)


def recognises(path: Path) -> bool:
    """Tell whether this is a FEAT folder, or a folder with some in it."""
    return _is_feat(path) or bool(_inside(path))


def find(place: Place) -> list[ConditionImage]:
    """Turn the FEAT folders of one place into records.

    Raises
    ------
    InputError, ContentError
        No design.con, or one without names.
    """
    path = Path(place.path)
    if path.suffix == ".gfeat" or path.parent.suffix == ".gfeat":
        raise InputError(
            f"{path} is of a higher-level FEAT analysis, whose copes combine runs or participants.",
            "Give the first-level .feat folders.",
        )
    if _is_feat(path):
        return _one(path, place, place.run or _run_of(path, 1))
    folders = _inside(path)
    _refuse_reruns(folders)
    runs = [_run_of(folder, i) for i, folder in enumerate(folders, start=1)]
    if len(set(runs)) < len(runs):
        runs = [str(i) for i in range(1, len(runs) + 1)]
    return [image for f, run in zip(folders, runs, strict=True) for image in _one(f, place, run)]


def _is_feat(path: Path) -> bool:
    """Tell whether a folder is a first-level FEAT folder."""
    return path.is_dir() and (path.suffix == ".feat" or (path / "design.con").is_file())


def _inside(path: Path) -> list[Path]:
    """List the FEAT folders in a folder, run 2 before run 10."""
    folders = []
    if path.is_dir():
        folders = [p for p in path.glob("*.feat") if p.is_dir() and not p.name.startswith("._")]
    return sorted(
        folders, key=lambda p: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", p.name)]
    )


def _refuse_reruns(folders: Sequence[Path]) -> None:
    """Refuse a folder that FEAT made because the one it was to write was there.

    Raises
    ------
    ContentError
        ``run1+.feat`` beside ``run1.feat``: the same run twice.
    """
    first: dict[str, Path] = {}
    for folder in sorted(folders, key=lambda p: len(p.name)):
        other = first.setdefault(folder.stem.rstrip("+"), folder)
        if other != folder:
            raise ContentError(
                f"{folder} is FEAT's second analysis of the run of {other.name} (it adds a + where "
                "the folder exists already): one run would count twice.",
                "Remove one of them, or name the wanted ones: --betas '.../{run}.feat'.",
            )


def _run_of(folder: Path, position: int) -> str:
    """Take the run from the folder's name (run-01, run1), else its position."""
    match = re.search(r"run[-_]?0*(\d+)", folder.name, re.IGNORECASE) or re.search(
        r"(\d+)\D*$", folder.stem
    )
    return match[1] if match else str(position)


def _one(folder: Path, place: Place, run: str) -> list[ConditionImage]:
    """Make the records of one FEAT folder."""
    names = _names(folder)
    found = []
    for stats, space in SPACES:
        for number, name in names.items():
            variance = volume_file(folder / stats, f"varcope{number}")
            for prefix, statistic in STATISTICS.items():
                file = volume_file(folder / stats, f"{prefix}{number}")
                if file:
                    pair = str(variance) if variance and statistic == "effect" else None
                    found.append(
                        from_place(
                            place, str(file), name, statistic, NAME,
                            run=run, space=place.space or space, variance_path=pair,
                        )
                    )  # fmt: skip
    if not found:
        raise InputError(
            f"{folder / 'stats'} contains none of the {len(names)} contrasts' images that "
            f"design.con names (cope1 is {names.get(1, 'not named')}).",
            "Was the model estimated? FEAT writes stats/cope1.nii.gz and so on.",
        )
    return found


def _names(folder: Path) -> dict[int, str]:
    """Read the contrasts' names from design.con."""
    path = folder / "design.con"
    if not path.is_file():
        raise MissingFileError(
            f"There is no {path}, which names the contrasts of a FEAT folder.",
            "Copy design.con next to stats, or use --betas with {condition} or --labels.",
        )
    text = path.read_text(encoding="utf-8", errors="replace")
    names = {int(number): name for number, name in CONTRAST.findall(text) if name}
    if not names:
        raise ContentError(
            f"{path} names no contrast (no line /ContrastName1 name), so the copes cannot be told "
            "apart.",
            "Name the contrasts in FEAT, or use --betas with {condition} or --labels.",
        )
    return names
