"""Where each program leaves the residuals of the model that a condition image comes from.

nilearn and fitlins write ``stat-errorts``, FEAT ``stats/res4d``, SPM one ``Res_`` file for each
volume (of all sessions), AFNI ``errts``. Those of FEAT, SPM, 3dREMLfit's -Rwherr and of fitlins
(which takes -Rwherr) were whitened in time.
"""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from bids_rsa.discovery.index import IndexedFile
from bids_rsa.entities import ENTITIES, Pairs, by_number, by_value, name_pairs
from bids_rsa.errors import ContentError, InputError
from bids_rsa.producers import afni, feat, spm
from bids_rsa.producers.common import volume_file
from bids_rsa.producers.matfile import read_spm
from bids_rsa.records import ConditionImage, Residuals, natural_key
from bids_rsa.spaces.map_files import is_cifti, is_gifti, is_series, sidecar_of

RESIDUAL_STAT = "errorts"
_DOF_KEY = "DegreesOfFreedom"


def named_residuals(image: ConditionImage, files: Sequence[IndexedFile]) -> Residuals | None:
    """Find the BIDS-named residuals of the model that an image comes from."""
    found = [_named_like(half, files) for half in image.halves]
    paths = [path for path in found if path is not None]
    if len(paths) < len(found):
        return None
    whitened = image.source == "fitlins" if image.source in ("fitlins", "nilearn") else None
    dof = dof_beside(paths[0])
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
        and _same_others(f.others, image.others)
    ]
    _refuse_several(same, image)
    return same[0] if same else None


def _same_others(residuals: Pairs, image: Pairs) -> bool:
    """Compare further entities (echo-, dir-, part-, den- ...), hemispheres apart.

    Only keys that BIDS does not know may be lacking in the residuals' name.
    """
    there, wanted = by_number(residuals), by_number(image)
    there.pop("hemi", None)
    wanted.pop("hemi", None)
    needed = {key: label for key, label in wanted.items() if key in ENTITIES or key in there}
    return there == needed


def _form_of(path: str) -> str:
    """Say by its name whether a file is of volumes, vertices or grayordinates."""
    if is_gifti(path):
        return "surface"
    return "grayordinates" if is_cifti(path) or is_series(path) else "volume"


def dof_beside(path: str) -> float | None:
    """Read the degrees of freedom from a sidecar, where it holds them."""
    beside = sidecar_of(path)
    try:
        value = json.loads(beside.read_text(encoding="utf-8")).get(_DOF_KEY)
    except (OSError, ValueError, AttributeError):
        return None
    return float(value) if isinstance(value, int | float) else None


def _feat(image: ConditionImage, files: Sequence[IndexedFile]) -> Residuals | None:
    """Find the res4d next to a cope, and the dof that FEAT writes next to it."""
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
            f"{folder} contains {len(paths)} Res_ images, and SPM.mat counts {sum(counts)} volumes "
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
    """Find the errts (or -Rwherr's) data set next to a bucket, of the same view and program."""
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
FINDERS: dict[str, _Finder] = {feat.NAME: _feat, spm.NAME: _spm, afni.NAME: _afni}
