"""AFNI: buckets of 3dDeconvolve or 3dREMLfit, whose sub-bricks are labelled ``faces#0_Coef``.

The label is the stimulus' name, ``#`` and the number of the parameter, ``_Coef`` or ``_Tstat``
(create_GLT_index in 3dREMLfit.c; 3dDeconvolve the same). With one parameter the condition is the
name. With several they may be trials (-stim_times_IM) or basis functions (TENT), which the file
does not tell: each is then a separate condition, ``faces#0``, ``faces#1``, for --condition-map
to pool.
"""

import re
from pathlib import Path

from nibabel.brikhead import AFNIHeader, AFNIHeaderError, AFNIImageError, parse_AFNI_header

from bids_rsa.errors import ContentError, InputError, MissingFileError
from bids_rsa.producers.common import from_place
from bids_rsa.producers.places import Place
from bids_rsa.records import ConditionImage

NAME = "afni"
LABEL = re.compile(r"^(.+)#(\d+)_(Coef|Tstat)$")
STATISTICS = {"Coef": "effect", "Tstat": "t"}
BRICKS = (".BRIK", ".BRIK.gz", ".BRIK.bz2", ".BRIK.Z")


def recognises(path: Path) -> bool:
    """Tell whether this is an AFNI data set, or a folder with one."""
    if path.is_dir():
        return any(p.suffix == ".HEAD" or ".BRIK" in p.suffixes for p in path.iterdir())
    return path.suffix == ".HEAD" or ".BRIK" in path.suffixes


def find(place: Place) -> list[ConditionImage]:
    """Turn the buckets of one place into records.

    Raises
    ------
    InputError, ContentError
        HEAD without BRIK or the other way round, or no sub-brick of a regressor.
    """
    path = Path(place.path)
    heads = [path] if path.is_file() else sorted(path.glob("[!.]*.HEAD"))
    heads = [_head_of(p) for p in heads] or [_head_of(p) for p in sorted(path.glob("[!.]*.BRIK*"))]
    found, labels = [], []
    for head in dict.fromkeys(heads):
        here = _labels(head)
        labels += here
        several = _several(here)
        for volume, label in enumerate(here):
            match = LABEL.match(label)
            if match:
                name = f"{match[1]}#{match[2]}" if match[1] in several else match[1]
                statistic = STATISTICS[match[3]]
                found.append(from_place(place, str(head), name, statistic, NAME, volume=volume))
        if any(LABEL.match(label) for label in here):
            _check_brick(head)
    if not found:
        shown = ", ".join(labels[:8]) or "none"
        raise ContentError(
            f"{path} contains no sub-brick of a regressor (name#0_Coef, name#0_Tstat); its "
            f"sub-bricks: {shown}.",
            "Give the bucket that 3dDeconvolve or 3dREMLfit wrote (-bucket, -Rbuck).",
        )
    return found


def _head_of(path: Path) -> Path:
    """Return the HEAD of a BRIK or a HEAD."""
    head = path if path.suffix == ".HEAD" else Path(f"{str(path).split('.BRIK')[0]}.HEAD")
    if not head.is_file():
        raise MissingFileError(
            f"{path} has no {head.name} next to it, which says what its sub-bricks are.",
            "AFNI's data sets are pairs: copy the .HEAD too.",
        )
    return head


def _check_brick(head: Path) -> None:
    """Check that a HEAD's data are there."""
    stem = str(head).removesuffix(".HEAD")
    if not any(Path(stem + ending).exists() for ending in BRICKS):
        raise MissingFileError(
            f"{head} has no {Path(stem).name}.BRIK (or .BRIK.gz) next to it.",
            "AFNI's data sets are pairs: copy the .BRIK too.",
        )


def _labels(head: Path) -> list[str]:
    """Read the sub-bricks' labels from a HEAD."""
    try:
        return list(AFNIHeader(parse_AFNI_header(str(head))).get_volume_labels())
    except (
        AFNIHeaderError,
        AFNIImageError,
        KeyError,
        ValueError,
        IndexError,
        UnicodeDecodeError,
    ) as error:
        raise ContentError(f"{head} cannot be read as an AFNI header: {error}.") from error
    except OSError as error:
        raise InputError(f"{head} cannot be read: {error.strerror}.") from error


def _several(labels: list[str]) -> set[str]:
    """Return the names that have more than one parameter."""
    return {m[1] for label in labels if (m := LABEL.match(label)) and m[2] != "0"}
