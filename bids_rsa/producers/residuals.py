"""Residuals of first-level models: found next to the condition images, or by a pattern."""

from collections.abc import Sequence
from dataclasses import replace

from bids_rsa.discovery.assemble import Wanted
from bids_rsa.discovery.index import IndexedFile
from bids_rsa.entities import ENTITIES, by_number, others_of
from bids_rsa.errors import InputError
from bids_rsa.producers.places import Place, find_places
from bids_rsa.producers.program_residuals import FINDERS, dof_beside, named_residuals
from bids_rsa.records import Analysis, BoldRun, ConditionImage, Residuals, natural_key
from bids_rsa.settings import AUTO, RESIDUALS
from bids_rsa.spaces.hemispheres import hemisphere_named
from bids_rsa.words import few


def with_residuals(
    analyses: Sequence[Analysis], files: Sequence[IndexedFile], wanted: Wanted
) -> list[Analysis]:
    """Add the residuals to a participant's analyses, where noise may be estimated from them.

    Raises
    ------
    BidsRsaError
        See `find_residuals` and `residuals_by_pattern`.
    """
    rsa, inputs = wanted.rsa, wanted.inputs
    if rsa.noise == "none" or rsa.noise_from not in (AUTO, RESIDUALS):
        return list(analyses)
    return [
        replace(
            analysis,
            residuals=residuals_by_pattern(analysis.images, inputs.residuals, inputs.bids_dir)
            if inputs.residuals
            else _of_runs(analysis.bold_runs) or find_residuals(analysis.images, files),
        )
        for analysis in analyses
    ]


def _of_runs(runs: Sequence[BoldRun]) -> tuple[Residuals, ...]:
    """Name the residuals that the app makes itself, with their designs' degrees of freedom."""
    return tuple(
        Residuals(
            run.run, (run.path,), False, float(run.design.dof), from_bold=True, right=run.paths[1:]
        )
        for run in runs
        if run.design is not None
    )


def find_residuals(
    images: Sequence[ConditionImage], files: Sequence[IndexedFile]
) -> tuple[Residuals, ...]:
    """Find the residuals of each run that images come from.

    Parameters
    ----------
    images : sequence of ConditionImage
        Of one analysis.
    files : sequence of IndexedFile
        The participant's files with BIDS names.

    Returns
    -------
    tuple of Residuals
        Of the runs that have them, in the order of the runs.

    Raises
    ------
    InputError, ContentError
        Several files for one run, or not as many volumes as the design says.
    """
    found = {}
    for image in images:
        if image.run not in found:
            finder = FINDERS.get(image.source, named_residuals)
            residuals = finder(image, files)
            if residuals is not None:
                found[image.run] = residuals
    return tuple(found[run] for run in sorted(found, key=natural_key))


def residuals_by_pattern(
    images: Sequence[ConditionImage], patterns: Sequence[str], bids_dir: str
) -> tuple[Residuals, ...]:
    """Find residuals where ``--residuals`` says.

    Parameters
    ----------
    images : sequence of ConditionImage
        Of one analysis.
    patterns : sequence of str
        Paths with the fields of --betas.
    bids_dir : str
        Where relative patterns start.

    Raises
    ------
    OptionError, SelectionError
        Fields that are not known, or a pattern that matches nothing.
    InputError
        Runs of the images without residuals, residuals without a run beside several runs, or
        hemispheres that are not those of the images.
    """
    first = images[0]
    places = [
        place
        for pattern in patterns
        for place in find_places(
            pattern, bids_dir, [first.subject], [first.subject], option="--residuals"
        )
        if _fits(place.session, first.session)
        and _fits(place.task, first.task)
        and _fits(place.space, first.space)
        and _fits_others(place.path, first)
    ]
    runs = sorted({image.run for image in images}, key=natural_key)
    found = []
    for run in runs:
        own = [p for p in places if _same_run(p.run, run) or (p.run is None and len(runs) == 1)]
        if own:
            _refuse_mixture([place.path for place in own])
            paths, right = _by_hemisphere(own, first)
            found.append(Residuals(run, paths, None, dof_beside(paths[0]), right=right))
    if not found:
        named = ", ".join(p.path for p in places[:3])
        raise InputError(
            f"--residuals {' '.join(patterns)}: none of the files ({named} ...) is of a run of the "
            f"images ({', '.join(map(str, runs))}).",
            "Let the pattern name the run with a {run} field.",
        )
    return tuple(found)


def _by_hemisphere(
    places: Sequence[Place], image: ConditionImage
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sort a run's residuals into those of the image's hemisphere and those of the right one.

    Raises
    ------
    InputError
        Not as many of the left as of the right hemisphere, or none of the image's.
    """
    paths = sorted({place.path for place in places}, key=natural_key)
    if image.form != "surface":
        return tuple(paths), ()
    side_of = {
        place.path: place.hemi[0].upper() if place.hemi else hemisphere_named(place.path)
        for place in places
    }
    if image.right is None:
        alone = dict(image.others).get("hemi")
        left, right = [path for path in paths if side_of[path] in (alone, None)], []
    else:
        left, right = ([path for path in paths if side_of[path] == side] for side in "LR")
    if not left or (image.right is not None and len(left) != len(right)):
        wanted = f"hemi-{alone}" if image.right is None else "both hemispheres, as many of each"
        raise InputError(
            f"--residuals: the images are of {wanted}, and these residuals are not: {few(paths)}.",
            "Name the hemisphere in the files' names (hemi-L, lh.), or with a {hemi} field.",
        )
    return tuple(left), tuple(right)


def _fits(found: str | None, wanted: str | None) -> bool:
    """Tell whether a field that a pattern may lack is as wanted."""
    return found is None or wanted is None or found == wanted


def _fits_others(path: str, image: ConditionImage) -> bool:
    """Tell whether no further entity of a file's name (echo-, dir-, part- ...) is another one."""
    named, wanted = by_number(others_of(path)), by_number(image.others)
    return all(named.get(key, label) == label for key, label in wanted.items() if key != "hemi")


def _refuse_mixture(paths: Sequence[str]) -> None:
    """Refuse files of one run that differ in an entity: they are not volumes of one series.

    Raises
    ------
    InputError
        Names the entity and its labels.
    """
    names = [by_number(others_of(path)) for path in paths]
    for key in ENTITIES:
        labels = sorted({str(name.get(key) or "none") for name in names})
        if key != "hemi" and len(labels) > 1:
            given = next(label for label in labels if label != "none")
            raise InputError(
                f"--residuals: files of one run differ in {key}- ({', '.join(labels)}): "
                f"{few(paths)}.",
                f"Let the pattern name one of them, for example with {key}-{given}.",
            )


def _same_run(found: str | None, wanted: str | None) -> bool:
    """Compare runs as numbers where they are: 01 is 1."""
    return found is not None and wanted is not None and natural_key(found) == natural_key(wanted)
