"""Which program made what is there: recognised by its files, or forced by --source."""

from collections.abc import Callable, Sequence
from pathlib import Path

from bids_rsa.discovery.index import IndexedFile
from bids_rsa.errors import InputError, OptionError
from bids_rsa.producers import (
    afni,
    betaseries,
    bidspm,
    feat,
    files,
    glmsingle,
    spm,
    statmaps,
)
from bids_rsa.producers.labels import Labels
from bids_rsa.producers.places import Place
from bids_rsa.records import ConditionImage
from bids_rsa.spaces.read_errors import missing_file

# programs whose files carry BIDS names
BIDS_NAMED: dict[str, Callable[[Sequence[IndexedFile]], list[ConditionImage]]] = {
    "statmaps": statmaps.find,
    "nibetaseries": betaseries.find,
    "bidspm": bidspm.find,
}
# programs whose folders are reached by --betas
FOLDERS = {
    spm.NAME: spm,
    feat.NAME: feat,
    afni.NAME: afni,
    glmsingle.NAME: glmsingle,
    files.NAME: files,
}
SOURCES = ("auto", *BIDS_NAMED, *FOLDERS)


def bids_images(
    indexed: Sequence[IndexedFile], source: str, basis_function: int | None = None
) -> list[ConditionImage]:
    """Find one participant's condition images among files with BIDS names.

    Raises
    ------
    OptionError
        Images of several programs in one data set, without --source.
    BidsRsaError
        What the program's reader finds wrong.
    """
    if source in FOLDERS:
        raise OptionError(
            f"--source {source} reads files that --betas names, and --betas was not given.",
            "For example --betas 'spm/sub-{subject}' --source spm.",
        )
    chosen = BIDS_NAMED if source == "auto" else {source: BIDS_NAMED[source]}
    found = {
        name: images
        for name, find in chosen.items()
        if (images := _found(name, find, indexed, basis_function))
    }
    by_dataset: dict[str, set[str]] = {}
    for name, images in found.items():
        for image in images:
            by_dataset.setdefault(image.dataset, set()).add(name)
    for dataset, names in by_dataset.items():
        if len(names) > 1:
            raise _several(dataset, sorted(names))
    return [image for images in found.values() for image in images]


def _found(
    name: str,
    find: Callable[..., list[ConditionImage]],
    indexed: Sequence[IndexedFile],
    basis_function: int | None,
) -> list[ConditionImage]:
    """Call a program's reader; only SPM's images have basis functions."""
    return find(indexed, basis_function) if name == "bidspm" else find(indexed)


def folder_images(
    places: Sequence[Place],
    source: str,
    labels: Labels | None,
    reference: str | None,
    stat: str,
    basis_function: int | None = None,
) -> list[ConditionImage]:
    """Find one participant's condition images at the places that --betas named.

    Raises
    ------
    OptionError, InputError
        Several programs, or none, are recognised.
    BidsRsaError
        What the program's reader finds wrong.
    """
    by_program: dict[str, list[Place]] = {}
    for place in places:
        by_program.setdefault(_program(place, source), []).append(place)
    found: list[ConditionImage] = []
    for name, at in by_program.items():
        if name == files.NAME:
            found += files.find(at, labels, stat)
        elif name == spm.NAME:
            found += [i for place in at for i in spm.find(place, stat, basis_function)]
        elif name == glmsingle.NAME:
            found += [i for place in at for i in glmsingle.find(place, labels, reference)]
        else:
            found += [i for place in at for i in FOLDERS[name].find(place)]
    # a labels table names every volume, and n/a those of no condition
    return [image for image in found if image.condition.lower() != "n/a"]


def _program(place: Place, source: str) -> str:
    """Name the program whose files are at a place."""
    path = Path(place.path)
    if not path.exists():
        raise missing_file(path)
    if source in FOLDERS:
        return source
    if source != "auto":
        raise OptionError(
            f"--source {source} reads files with BIDS names, and --betas was given.",
            f"With --betas: {', '.join(FOLDERS)}.",
        )
    names = [name for name, program in FOLDERS.items() if program.recognises(path)]
    if len(names) > 1:
        raise _several(place.path, names)
    if not names:
        there = (
            ", ".join(sorted(p.name for p in path.iterdir())[:10]) if path.is_dir() else "a file"
        )
        raise InputError(
            f"{path} is not recognised as output of a known program ({', '.join(FOLDERS)}); it is: "
            f"{there or 'empty'}.",
            "Let --betas name the folder of SPM.mat, FEAT folders, AFNI buckets or GLMsingle "
            "results; or image files, with a {condition} field or --labels.",
        )
    return names[0]


def _several(where: str, names: Sequence[str]) -> OptionError:
    """Say that the images of several programs are in one place."""
    return OptionError(
        f"{where} contains condition images of several programs: {', '.join(names)}.",
        f"Choose one with --source {names[0]}.",
    )
