"""The files of the example dataset of BOLD: what a scanner and fMRIPrep would leave."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_rsa.example.bold_settings import BoldExampleSettings
from bids_rsa.example.planted import (
    CONDITIONS,
    SPACE,
    TASK,
    write_description,
    write_image,
    write_json,
    write_participants,
)

_MOTION = tuple(f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz")


def as_bold(
    series: NDArray[np.float64], affine: NDArray[np.float64], settings: BoldExampleSettings
) -> nib.Nifti1Image:
    """Make an image of (n_volumes, X, Y, Z)."""
    image = nib.Nifti1Image(np.rint(series).astype(np.int16).transpose(1, 2, 3, 0), affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((*image.header.get_zooms()[:3], settings.repetition_time_s))
    return image


def write_raw(
    stem: Path, bold: nib.Nifti1Image, events: pd.DataFrame, settings: BoldExampleSettings
) -> None:
    """Write what a scanner and a stimulus program would leave."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    nib.save(bold, f"{stem}_bold.nii.gz")
    write_json(f"{stem}_bold.json", _scan(settings))
    events.to_csv(f"{stem}_events.tsv", sep="\t", index=False)


def _scan(settings: BoldExampleSettings) -> dict[str, Any]:
    """Describe a scan as a sidecar does."""
    return {"TaskName": TASK, "RepetitionTime": settings.repetition_time_s}


def preprocessed(settings: BoldExampleSettings) -> dict[str, Any]:
    """Describe a preprocessed series as its sidecar does."""
    times = {"SliceTimingCorrected": True, "StartTime": settings.start_time_s}
    return _scan(settings) | times


def write_preprocessed(
    stem: Path,
    bold: nib.Nifti1Image,
    inside: NDArray[np.bool_],
    affine: NDArray[np.float64],
    motion: NDArray[np.float64],
    settings: BoldExampleSettings,
) -> None:
    """Write what fMRIPrep would leave."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    nib.save(bold, f"{stem}_space-{SPACE}_desc-preproc_bold.nii.gz")
    sidecar = preprocessed(settings) | {"SkullStripped": False}
    write_json(f"{stem}_space-{SPACE}_desc-preproc_bold.json", sidecar)
    mask = Path(f"{stem}_space-{SPACE}_desc-brain_mask.nii.gz")
    write_image(inside.astype(np.uint8), affine, mask)
    write_json(str(mask).replace(".nii.gz", ".json"), {"Type": "Brain"})
    table = _confounds(motion, settings)
    path = f"{stem}_desc-confounds_timeseries.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    write_json(path.replace(".tsv", ".json"), {})


def _confounds(motion: NDArray[np.float64], settings: BoldExampleSettings) -> pd.DataFrame:
    """Make a table of confounds: motion, its derivative, cosines, the unsteady first volume."""
    n, run_s = settings.n_volumes, settings.n_volumes * settings.repetition_time_s
    table = pd.DataFrame(motion, columns=list(_MOTION))
    for name in _MOTION:
        table[f"{name}_derivative1"] = table[name].diff()
    table["framewise_displacement"] = (
        table[list(_MOTION[:3])].diff().abs().sum(axis=1, skipna=False)
    )
    for k in range(1, int(2 * run_s / 128.0) + 1):
        table[f"cosine{k - 1:02d}"] = np.sqrt(2 / n) * np.cos(np.pi * k * (np.arange(n) + 0.5) / n)
    table["non_steady_state_outlier00"] = np.eye(n)[0]
    return table


def write_descriptions(root: Path, prep: Path, settings: BoldExampleSettings) -> None:
    """Write what makes the folders BIDS datasets."""
    prep.mkdir(parents=True, exist_ok=True)
    name = "bids_rsa example: synthetic BOLD with a planted effect"
    write_description(root, name, "raw")
    name = "Synthetic BOLD in the layout of fMRIPrep"
    write_description(prep, name, "derivative", "Names as fMRIPrep's")
    # the validator knows no BOLD on surfaces
    ignored = "*_timeseries.*\n" + "*_space-fsaverage5_bold.*\n" * settings.on_surface
    (prep / ".bidsignore").write_text(ignored)
    x, y, z = settings.center_mm
    (root / "README.md").write_text(
        f"# Synthetic BOLD\n\n{settings.n_subjects} participants, {settings.n_runs} runs, "
        f"{len(CONDITIONS)} conditions. Within {settings.planted_radius_mm:g} mm of ({x:g}, "
        f"{y:g}, {z:g}) mm\neach participant responds with patterns whose correlations follow "
        "`derivatives/models/planted.tsv`;\n`derivatives/models/planted_mask.nii.gz` is 1 "
        "there. `derivatives/fmriprep` contains the runs as fMRIPrep\nwould leave them"
        + ", in volumes and on the surface (fsaverage5)" * settings.on_surface
        + ". Nothing here was measured on a person.\n"
    )
    write_participants(root, settings)
