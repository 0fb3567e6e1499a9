"""The participants' maps in the output folder: complete ones, grouped into sets."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from bids_rsa.core.names import COMPARISON_NAMES
from bids_rsa.derivatives import read_sidecar, stat_label
from bids_rsa.discovery.datasets import Dataset
from bids_rsa.discovery.findings import listing
from bids_rsa.discovery.index import Folders, IndexedFile, index_subject, list_subjects
from bids_rsa.errors import ContentError, InputError
from bids_rsa.group_level.records import MapSet, ScoreMap

SEARCHLIGHT = "searchlight"
COMPARISONS = {stat_label(name): name for name in COMPARISON_NAMES}


def find_maps(output_dir: str, bids_dir: str) -> tuple[tuple[ScoreMap, ...], tuple[str, ...]]:
    """Find all maps of all participants.

    Parameters
    ----------
    output_dir : str
        Where the participant level wrote.
    bids_dir : str
        For the message that says what to run.

    Returns
    -------
    maps : tuple of ScoreMap
        Sorted by subject.
    subjects : tuple of str
        All subjects that have a folder there.

    Raises
    ------
    InputError
        No participant outputs, or a participant's output that was not finished.
    ContentError
        Two maps of one subject that nothing tells apart.
    """
    folders = list_subjects([Dataset("", output_dir)]) if Path(output_dir).is_dir() else {}
    maps = tuple(one for subject in folders for one in _subject_maps(folders, subject))
    if not maps:
        raise InputError(_nothing(output_dir, folders), _command(bids_dir, output_dir))
    _check_twice(maps)
    return maps, tuple(folders)


def group_maps(maps: Iterable[ScoreMap], average_sessions: bool) -> tuple[MapSet, ...]:
    """Group maps by session, task, acquisition, space, resolution, comparison and model."""
    sets: dict[tuple[str, ...], list[ScoreMap]] = {}
    for one in maps:
        session = None if average_sessions else one.session
        places = (session, one.task, one.acquisition, one.space, one.resolution)
        key = (one.comparison, one.model, *(value or "" for value in places))
        sets.setdefault(key, []).append(one)
    return tuple(_map_set(key, members) for key, members in sorted(sets.items()))


def _map_set(key: Sequence[str], members: Sequence[ScoreMap]) -> MapSet:
    """Make a set of the maps that share a key."""
    comparison, model, *rest = key
    session, task, acquisition, space, resolution = (value or None for value in rest)
    return MapSet(tuple(members), comparison, model, session, task, acquisition, space, resolution)


def _subject_maps(folders: Folders, subject: str) -> list[ScoreMap]:
    """List one subject's maps, each with its sidecar and mask."""
    files = index_subject(folders, subject, skipped="")
    images = [file for file in files if file.extension.startswith(".nii")]
    masks = {
        _place(file): file for file in images if file.suffix == "mask" and file.desc == SEARCHLIGHT
    }
    scores = [f for f in images if f.suffix == "statmap" and f.stat in COMPARISONS and f.desc]
    if masks and not scores:
        mask = next(iter(masks.values()))
        raise _unfinished(subject, f"{mask.path} is there, and no map of scores")
    return [_score_map(file, masks.get(_place(file))) for file in scores]


def _score_map(file: IndexedFile, mask: IndexedFile | None) -> ScoreMap:
    """Make the record of a map; what belongs to it must be there."""
    sidecar = Path(file.path.removesuffix(".gz").removesuffix(".nii") + ".json")
    content = read_sidecar(sidecar)
    if content is None:
        raise _unfinished(file.subject, f"{file.path} has no readable sidecar {sidecar.name}")
    if mask is None:
        raise _unfinished(
            file.subject,
            f"{file.path} has no mask of evaluated centres beside it (desc-searchlight)",
        )
    return ScoreMap(
        path=file.path,
        sidecar=str(sidecar),
        mask=mask.path,
        subject=file.subject,
        comparison=COMPARISONS[file.stat or ""],
        model=file.desc or "",
        session=file.session,
        task=file.task,
        acquisition=file.acquisition,
        space=file.space,
        resolution=file.resolution,
        n_cells=int(content.get("CellsUsed") or 0),
    )


def _place(file: IndexedFile) -> tuple[str | None, ...]:
    """Key of the analysis a file belongs to within its subject."""
    return (file.session, file.task, file.acquisition, file.run, file.space, file.resolution)


def _unfinished(subject: str, what: str) -> InputError:
    """Say whose output was not finished."""
    return InputError(
        f"The participant output of sub-{subject} is not whole: {what}.",
        f"Run the participant level again for sub-{subject} (it goes on where it stopped), or "
        f"leave it out with --exclude-participant-label {subject}.",
    )


def _check_twice(maps: Sequence[ScoreMap]) -> None:
    """Refuse two maps of one subject in one set."""
    seen: dict[tuple[str | None, ...], ScoreMap] = {}
    for one in maps:
        what = (one.subject, one.comparison, one.model)
        key = (*what, one.session, one.task, one.acquisition, one.space, one.resolution)
        if key in seen:
            raise ContentError(
                f"sub-{one.subject} is there twice for one test: {seen[key].path} and {one.path}.",
                "Keep one of the two files, or exclude the subject.",
            )
        seen[key] = one


def _nothing(output_dir: str, folders: Folders) -> str:
    """Say what was found instead of maps."""
    if not Path(output_dir).is_dir():
        return f"There is no folder {output_dir}, so there are no participant maps to test."
    subjects = f"the folders of {listing([f'sub-{s}' for s in folders])}" if folders else "no sub-*"
    return (
        f"No participant maps (sub-*/func/*_stat-<comparison>_desc-<model>_statmap.nii.gz) in "
        f"{output_dir}: found {subjects} there."
    )


def _command(bids_dir: str, output_dir: str) -> str:
    """Say which command makes the maps."""
    return f"Make them first: bids_rsa {bids_dir} {output_dir} participant --model [NAME=]FILE"
