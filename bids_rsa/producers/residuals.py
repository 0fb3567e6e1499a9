"""Residuals of first-level models beside the condition images, where a producer leaves them.

nilearn and fitlins write ``stat-errorts``, FEAT ``stats/res4d``, SPM one ``Res_`` file for each
volume (of all sessions), AFNI ``errts``. Those of FEAT, SPM, 3dREMLfit's -Rwherr and of fitlins
(which takes -Rwherr) were whitened in time.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bids_rsa.discovery.assemble import Wanted
from bids_rsa.discovery.index import IndexedFile
from bids_rsa.entities import by_value, name_pairs
from bids_rsa.errors import ContentError, InputError
from bids_rsa.producers import afni, feat, spm
from bids_rsa.producers.common import volume_file
from bids_rsa.producers.matfile import read_spm
from bids_rsa.producers.places import Place, find_places
from bids_rsa.records import Analysis, BoldRun, ConditionImage, Residuals, natural_key
from bids_rsa.settings import AUTO, RESIDUALS
from bids_rsa.spaces.hemispheres import hemisphere_named
from bids_rsa.spaces.map_files import is_cifti, is_gifti, is_series, sidecar_of
from bids_rsa.words import few

RESIDUAL_STAT = "errorts"
_DOF_KEY = "DegreesOfFreedom"


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
            finder = _FINDERS.get(image.source, _statmap)
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
    ]
    runs = sorted({image.run for image in images}, key=natural_key)
    found = []
    for run in runs:
        own = [p for p in places if _same_run(p.run, run) or (p.run is None and len(runs) == 1)]
        if own:
            paths, right = _by_hemisphere(own, first)
            found.append(Residuals(run, paths, None, _dof_beside(paths[0]), right=right))
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


def _same_run(found: str | None, wanted: str | None) -> bool:
    """Compare runs as numbers where they are: 01 is 1."""
    return found is not None and wanted is not None and natural_key(found) == natural_key(wanted)


def _statmap(image: ConditionImage, files: Sequence[IndexedFile]) -> Residuals | None:
    """Find the BIDS-named residuals of the model that an image comes from."""
    found = [_named_like(half, files) for half in image.halves]
    paths = [path for path in found if path is not None]
    if len(paths) < len(found):
        return None
    whitened = image.source == "fitlins" if image.source in ("fitlins", "nilearn") else None
    dof = _dof_beside(paths[0])
    return Residuals(image.run, (paths[0],), whitened, dof, right=tuple(paths[1:]))


def _named_like(image: ConditionImage, files: Sequence[IndexedFile]) -> str | None:
    """Find the residuals named like an image, of the same hemisphere on surfaces."""
    side = dict(name_pairs(image.path)).get("hemi")
    same = [
        f.path
        for f in files
        if f.stat == RESIDUAL_STAT
        and f.suffix == "statmap"
        and f.dataset.path == image.dataset
        and _form_of(f.path) == image.form
        and dict(f.others).get("hemi") == side
        and by_value(f.run) == by_value(image.run)
        and (f.session, f.task, f.acquisition, f.space, f.resolution)
        == (image.session, image.task, image.acquisition, image.space, image.resolution)
    ]
    _refuse_several(same, image)
    return same[0] if same else None


def _form_of(path: str) -> str:
    """Say by its name whether a file is of volumes, vertices or grayordinates."""
    if is_gifti(path):
        return "surface"
    return "grayordinates" if is_cifti(path) or is_series(path) else "volume"


def _dof_beside(path: str) -> float | None:
    """Read the degrees of freedom from a sidecar, where it holds them."""
    beside = sidecar_of(path)
    try:
        value = json.loads(beside.read_text(encoding="utf-8")).get(_DOF_KEY)
    except (OSError, ValueError, AttributeError):
        return None
    return float(value) if isinstance(value, int | float) else None


def _feat(image: ConditionImage, files: Sequence[IndexedFile]) -> Residuals | None:
    """Find the res4d beside a cope, and the dof that FEAT writes beside it."""
    folder = Path(image.path).parent
    path = volume_file(folder, "res4d")
    if path is None:
        return None
    try:
        dof = float((folder / "dof").read_text(encoding="utf-8").split()[0])
    except (OSError, ValueError, IndexError):
        dof = None
    return Residuals(image.run, (str(path),), True, dof)


def _spm(image: ConditionImage, files: Sequence[IndexedFile]) -> Residuals | None:
    """Find the Res_ files of a session among those of all sessions."""
    folder = Path(image.path).parent
    paths = sorted((str(p) for p in folder.glob("Res_[0-9]*.nii*")), key=natural_key)
    if not paths:
        return None
    design = read_spm(folder / "SPM.mat")
    counts = design.n_volumes
    if not counts:
        return Residuals(image.run, tuple(paths), True, design.residual_dof)
    if len(paths) != sum(counts):
        raise ContentError(
            f"{folder} holds {len(paths)} Res_ images, and SPM.mat counts {sum(counts)} volumes "
            f"({' + '.join(map(str, counts))}).",
            "Let SPM write the residuals of all volumes again, or use --noise-from images.",
        )
    session = 0 if len(counts) == 1 else int(image.run or 1) - 1
    start = sum(counts[:session])
    own = paths[start : start + counts[session]]
    dof = design.residual_dof
    share = None if dof is None else dof * counts[session] / sum(counts)
    return Residuals(image.run, tuple(own), True, share)


def _afni(image: ConditionImage, files: Sequence[IndexedFile]) -> Residuals | None:
    """Find the errts (or -Rwherr's) data set beside a bucket, of the same view and program."""
    bucket = Path(image.path)
    view = re.search(r"\+(orig|acpc|tlrc)", bucket.name)
    ending = f"*{view[0] if view else ''}.HEAD"
    heads = sorted({*bucket.parent.glob(f"errts{ending}"), *bucket.parent.glob(f"wherr{ending}")})
    if len(heads) > 1:
        reml = "REML" in bucket.name
        heads = [head for head in heads if ("REML" in head.name) == reml] or heads
    if not heads:
        return None
    _refuse_several([str(head) for head in heads], image)
    return Residuals(image.run, (str(heads[0]),), "wherr" in heads[0].name, None)


def _refuse_several(paths: Sequence[str], image: ConditionImage) -> None:
    """Refuse to choose between files."""
    if len(paths) > 1:
        raise InputError(
            f"{len(paths)} files may be the residuals of {image.path}: {', '.join(paths)}.",
            "Name them with --residuals, or use --noise-from images.",
        )


_Finder = Callable[[ConditionImage, Sequence[IndexedFile]], Residuals | None]
_FINDERS: dict[str, _Finder] = {feat.NAME: _feat, spm.NAME: _spm, afni.NAME: _afni}
