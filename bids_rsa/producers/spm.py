"""SPM: a folder with SPM.mat and beta_*, con_* and spmT_* images.

Regressors are named ``Sn(<session>) <condition>*bf(<basis>)`` in SPM.xX.name, one for each beta in
SPM.Vbeta (spm_fMRI_design.m, spm_spm.m); contrasts are in SPM.xCon. An SPM session is a run.
Paths inside are those of the machine that fitted the model, so files are found by base name.
"""

import re
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

from bids_rsa.errors import ContentError, OptionError
from bids_rsa.producers.common import from_place, volume_file, without_ending
from bids_rsa.producers.matfile import read_spm
from bids_rsa.producers.places import Place
from bids_rsa.records import ConditionImage

NAME = "spm"
REGRESSOR = re.compile(r"^(?:Sn\((\d+)\)\s+)?(.+?)\*bf\((\d+)\)$")
# SPM's replicated contrasts say which session they are of
REPLICATED = re.compile(r"^(.+?) - (?:Session (\d+)|All Sessions)$")


def recognises(path: Path) -> bool:
    """Tell whether this is an SPM.mat, or a folder with one."""
    return path.name == "SPM.mat" or (path / "SPM.mat").is_file()


def find(
    place: Place, stat: str = "effect", basis_function: int | None = None
) -> list[ConditionImage]:
    """Turn one SPM folder into records: betas are effects, spmT t, contrasts ``con``.

    Motion regressors and constants are left out, and so are the derivatives of the canonical
    response.

    Parameters
    ----------
    place : Place
    stat : str
        The statistic wanted: only betas need a basis function.
    basis_function : int, optional
        Which one's betas are taken, from 1; needed for sets other than the canonical response.

    Raises
    ------
    ContentError
        An SPM.mat that cannot be read, or contains no estimated model.
    OptionError
        Several basis functions and none chosen, or one that is not there.
    """
    path = Path(place.path)
    path = path if path.name == "SPM.mat" else path / "SPM.mat"
    design = read_spm(path)
    there = sorted({int(m[3]) for name in design.regressors if (m := REGRESSOR.match(name))})
    chosen = 1
    if stat == "effect" and there:
        chosen = choose_basis(there, design.basis, basis_function, str(path))
    images = [*_betas(design, path, place, chosen), *_contrasts(design, path, place)]
    if not any(image.statistic == "effect" for image in images):
        names = ", ".join(design.regressors[:8])
        raise ContentError(
            f"{path} names no condition regressor (Sn(r) name*bf({chosen})) with an estimated "
            f"beta; its {len(design.regressors)} regressors: {names or 'none'}.",
            "Is this a first-level model, and was it estimated?",
        )
    return images


def choose_basis(there: Sequence[int], name: str, wanted: int | None, where: str) -> int:
    """Choose the basis function whose betas are the conditions' images.

    Parameters
    ----------
    there : sequence of int
        The numbers of the basis functions, from 1.
    name : str
        SPM's name of the set; ``hrf`` and ``hrf (with ... derivatives)`` begin with the canonical
        response, whose size the first one is.
    wanted : int or None
        What --basis-function says.
    where : str
        For messages.

    Raises
    ------
    OptionError
        Several basis functions and none chosen, or one that is not there.
    """
    numbers = ", ".join(map(str, there))
    if wanted is not None:
        if wanted not in there:
            raise OptionError(
                f"--basis-function {wanted}: {where} has the basis functions {numbers} "
                f"({name or 'their set is not named'}).",
                "Choose one of them.",
            )
        return wanted
    if len(there) == 1 or name.startswith("hrf"):
        return there[0]
    raise OptionError(
        f"{where} models each condition by {len(there)} basis functions: {name or 'not named'}. "
        "No single one of them is the condition's response"
        + (": bf(1) is only the first time bin." if "Impulse" in name else "."),
        f"Choose one with --basis-function ({numbers}), or use contrasts that combine them "
        "(--stat con or t).",
    )


def condition_of(regressor: str) -> str:
    """Return the condition in a regressor's name."""
    match = REGRESSOR.match(regressor)
    return match[2] if match else regressor


def basis_of(regressor: str) -> int | None:
    """Return the number of the basis function in a regressor's name."""
    match = REGRESSOR.match(regressor)
    return int(match[3]) if match else None


def _betas(design: Any, path: Path, place: Place, basis_function: int) -> list[ConditionImage]:
    """Make records of the betas of conditions."""
    if len(design.betas) not in (0, len(design.regressors)):
        raise ContentError(
            f"{path} has {len(design.regressors)} regressors and {len(design.betas)} betas; was "
            "the model changed after it was estimated?"
        )
    runs = {m[1] for name in design.regressors if (m := REGRESSOR.match(name))}
    noise = volume_file(path.parent, "ResMS")
    found = []
    for regressor, file in zip(design.regressors, design.betas, strict=False):
        match = REGRESSOR.match(regressor)
        if match is None or int(match[3]) != basis_function:
            continue
        run = place.run if place.run and len(runs) == 1 else match[1]
        variance = str(noise) if noise else None
        image = _image_path(path.parent, file)
        found.append(
            from_place(place, image, match[2], "effect", NAME, run=run, variance_path=variance)
        )
    return found


def _contrasts(design: Any, path: Path, place: Place) -> list[ConditionImage]:
    """Make records of the contrasts' images, of con and of t."""
    found = []
    for name, con, t in design.contrasts:
        match = REPLICATED.match(name)
        condition = match[1] if match else name
        run = match[2] if match and match[2] else place.run
        for statistic, file in (("con", con), ("t", t)):
            if file:
                image = _image_path(path.parent, file)
                found.append(from_place(place, image, condition, statistic, NAME, run=run))
    return found


def _image_path(folder: Path, name: str) -> str:
    """Return where an image is now: base name in the folder of SPM.mat, any ending."""
    base = PureWindowsPath(name).name  # splits at both kinds of slashes
    there = volume_file(folder, without_ending(base))
    return str(there or folder / base.split(",")[0])
