"""The example dataset as BOLD: raw events and what fMRIPrep leaves, with a planted model effect."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.datasets import load_mni152_brain_mask
from nilearn.glm.first_level import make_first_level_design_matrix
from numpy.typing import NDArray

from bids_rsa.example.planted import (
    BOLD_SUBJECTS,
    CONDITIONS,
    SPACE,
    TASK,
    ExampleSettings,
    new_folder,
    planted_mask,
    planted_patterns,
    smooth_noise,
    write_image,
    write_model,
    write_participants,
)
from bids_rsa.example.surface import ExampleSurface

BIDS_VERSION = "1.11.1"
BASELINE = 10_000.0
_MOTION = tuple(f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz")


@dataclass(frozen=True)
class BoldExampleSettings(ExampleSettings):
    """How large the dataset is, and how strong and where its effect.

    ``signal`` and ``noise_percent`` are in percent of the baseline; ``start_time_s`` is the time
    within a volume that its slices stand for. ``on_surface`` adds BOLD on fsaverage5.
    """

    n_subjects: int = BOLD_SUBJECTS
    voxel_mm: int = 8
    signal: float = 1.0
    noise_percent: float = 0.8
    repetition_time_s: float = 2.0
    start_time_s: float = 1.0
    events_per_condition: int = 4
    event_duration_s: float = 2.0
    intervals_s: tuple[float, ...] = (3.0, 4.0, 5.0, 14.0)
    on_surface: bool = False

    @property
    def run_intervals_s(self) -> NDArray[np.float64]:
        """From each event of a run to the next, unordered: unequal ones tell responses apart."""
        return np.resize(self.intervals_s, len(CONDITIONS) * self.events_per_condition)

    @property
    def n_volumes(self) -> int:
        """Volumes of a run: all events, and 16 s for the last response."""
        return int((self.run_intervals_s.sum() + 16.0) / self.repetition_time_s)

    @property
    def frame_times_s(self) -> NDArray[np.float64]:
        """The times that the volumes stand for."""
        return self.start_time_s + self.repetition_time_s * np.arange(self.n_volumes, dtype=float)


def make_bold_example(directory: str | Path, settings: BoldExampleSettings | None = None) -> Path:
    """Write the example dataset: raw BOLD and events, and derivatives as fMRIPrep names them.

    Parameters
    ----------
    directory : str or Path
        A folder that does not exist yet, or is empty.
    settings : BoldExampleSettings, optional

    Returns
    -------
    Path
        The raw dataset; ``derivatives/fmriprep`` holds the preprocessed BOLD,
        ``derivatives/models/planted.tsv`` the model RDM, and
        ``derivatives/models/planted_mask.nii.gz`` is 1 where the effect was planted, as are
        ``hemi-?_space-fsaverage5_desc-planted_mask.label.gii`` beside it with ``on_surface``.

    Raises
    ------
    FileExistsError
        The folder holds something already.
    """
    settings = settings or BoldExampleSettings()
    root = new_folder(directory)
    prep = root / "derivatives" / "fmriprep"
    brain = load_mni152_brain_mask(resolution=settings.voxel_mm)
    planted = planted_mask(brain, settings)
    models = root / "derivatives" / "models"
    write_model(models / "planted.tsv")
    write_image(planted.astype(np.uint8), brain.affine, models / "planted_mask.nii.gz")
    surface = ExampleSurface.load() if settings.on_surface else None
    if surface is not None:
        near = surface.within(settings.center_mm, settings.planted_radius_mm)
        surface.write_mask(models, near, "planted")
    _write_descriptions(root, prep, settings)
    for number in range(1, settings.n_subjects + 1):
        _write_subject(root, prep, f"{number:02d}", brain, planted, settings, surface)
    return root


def _write_subject(
    root: Path,
    prep: Path,
    subject: str,
    brain: nib.Nifti1Image,
    planted: NDArray[np.bool_],
    settings: BoldExampleSettings,
    surface: ExampleSurface | None,
) -> None:
    """Write the runs of a subject, who has the same patterns in all of them."""
    random = np.random.default_rng([settings.seed, int(subject)])
    on_surface = None if surface is None else _SurfaceRuns(surface, subject, settings)
    inside = np.asanyarray(brain.dataobj) > 0
    patterns = settings.signal * planted_patterns(random, int(planted.sum()))
    for run in range(1, settings.n_runs + 1):
        events = _events(random, settings)
        motion = np.cumsum(random.normal(scale=0.02, size=(settings.n_volumes, 6)), axis=0)
        noise = [smooth_noise(random, inside.shape, settings) for _ in range(settings.n_volumes)]
        percent = _with_motion(np.stack(noise), random, motion, settings)
        responses = _responses(events, settings)
        bold = _as_bold(
            inside * _series(percent, planted, responses @ patterns), brain.affine, settings
        )
        stem = f"sub-{subject}_task-{TASK}_run-{run:02d}"
        _write_raw(root / f"sub-{subject}" / "func" / stem, bold, events, settings)
        func = prep / f"sub-{subject}" / "func"
        _write_preprocessed(func / stem, bold, inside, brain.affine, motion, settings)
        if on_surface is not None:
            on_surface.write(func / stem, responses, motion)


class _SurfaceRuns:
    """The runs of a subject on the surface: the events of the volumes, other noise and patterns."""

    def __init__(
        self, surface: ExampleSurface, subject: str, settings: BoldExampleSettings
    ) -> None:
        self._surface, self._settings = surface, settings
        self._random = np.random.default_rng([settings.seed, int(subject), 1])
        self._planted = surface.within(settings.center_mm, settings.planted_radius_mm)
        drawn = planted_patterns(self._random, int(self._planted.sum()))
        self._patterns = settings.signal * drawn

    def write(
        self, stem: Path, responses: NDArray[np.float64], motion: NDArray[np.float64]
    ) -> None:
        """Write a run."""
        noise = self._surface.smooth_noise(self._random, self._settings.n_volumes)
        percent = _with_motion(noise, self._random, motion, self._settings)
        series = _series(percent, self._planted, responses @ self._patterns)
        self._surface.write_bold(stem, series, _preprocessed(self._settings))


def _series(
    percent: NDArray[np.float64], planted: NDArray[np.bool_], effect: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Add the planted effect to noise in percent, and turn it into values around the baseline."""
    percent[:, planted] += effect
    percent[0] += 20.0  # the first volume is not in steady state
    return np.asarray(BASELINE * (1 + percent / 100))


def _events(random: np.random.Generator, settings: BoldExampleSettings) -> pd.DataFrame:
    """Draw the order of a run's events."""
    order = random.permutation(np.repeat(CONDITIONS, settings.events_per_condition))
    intervals = random.permutation(settings.run_intervals_s)
    return pd.DataFrame(
        {
            "onset": np.cumsum(intervals) - intervals[0],
            "duration": settings.event_duration_s,
            "trial_type": order,
        }
    )


def _responses(events: pd.DataFrame, settings: BoldExampleSettings) -> NDArray[np.float64]:
    """Compute the responses to the conditions, (n_volumes, n_conditions), each with peak 1."""
    matrix = make_first_level_design_matrix(
        settings.frame_times_s, events, hrf_model="spm", drift_model=None
    )
    responses = matrix[list(CONDITIONS)].to_numpy()
    return np.asarray(responses / responses.max())


def _with_motion(
    noise: NDArray[np.float64],
    random: np.random.Generator,
    motion: NDArray[np.float64],
    settings: BoldExampleSettings,
) -> NDArray[np.float64]:
    """Add a slow drift, and what motion leaves behind, to noise (n_volumes, ...); in percent."""
    n = len(noise)
    drift = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    left = random.normal(size=(6, *noise.shape[1:]))
    noise += drift.reshape(-1, *[1] * (noise.ndim - 1)) + np.tensordot(motion, left, axes=1)
    return np.asarray(settings.noise_percent * noise)


def _as_bold(
    series: NDArray[np.float64], affine: NDArray[np.float64], settings: BoldExampleSettings
) -> nib.Nifti1Image:
    """Make an image of (n_volumes, X, Y, Z)."""
    image = nib.Nifti1Image(np.rint(series).astype(np.int16).transpose(1, 2, 3, 0), affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((*image.header.get_zooms()[:3], settings.repetition_time_s))
    return image


def _write_raw(
    stem: Path, bold: nib.Nifti1Image, events: pd.DataFrame, settings: BoldExampleSettings
) -> None:
    """Write what a scanner and a stimulus program would leave."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    nib.save(bold, f"{stem}_bold.nii.gz")
    _write_json(f"{stem}_bold.json", _scan(settings))
    events.to_csv(f"{stem}_events.tsv", sep="\t", index=False)


def _scan(settings: BoldExampleSettings) -> dict[str, Any]:
    """Describe a scan as a sidecar does."""
    return {"TaskName": TASK, "RepetitionTime": settings.repetition_time_s}


def _preprocessed(settings: BoldExampleSettings) -> dict[str, Any]:
    """Describe a preprocessed series as its sidecar does."""
    times = {"SliceTimingCorrected": True, "StartTime": settings.start_time_s}
    return _scan(settings) | times


def _write_preprocessed(
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
    sidecar = _preprocessed(settings) | {"SkullStripped": False}
    _write_json(f"{stem}_space-{SPACE}_desc-preproc_bold.json", sidecar)
    mask = Path(f"{stem}_space-{SPACE}_desc-brain_mask.nii.gz")
    write_image(inside.astype(np.uint8), affine, mask)
    _write_json(str(mask).replace(".nii.gz", ".json"), {"Type": "Brain"})
    table = _confounds(motion, settings)
    path = f"{stem}_desc-confounds_timeseries.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    _write_json(path.replace(".tsv", ".json"), {})


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


def _write_descriptions(root: Path, prep: Path, settings: BoldExampleSettings) -> None:
    """Write what makes the folders BIDS datasets."""
    prep.mkdir(parents=True, exist_ok=True)
    raw = {
        "Name": "bids_rsa example: synthetic BOLD with a planted effect",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        "License": "CC0",
        "GeneratedBy": [{"Name": "bids_rsa.example", "Description": "Synthetic data"}],
    }
    _write_json(root / "dataset_description.json", raw)
    derived = {
        "Name": "Synthetic BOLD in the layout of fMRIPrep",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "bids_rsa.example", "Description": "Names as fMRIPrep's"}],
    }
    _write_json(prep / "dataset_description.json", derived)
    # the validator knows no BOLD on surfaces
    ignored = "*_timeseries.*\n" + "*_space-fsaverage5_bold.*\n" * settings.on_surface
    (prep / ".bidsignore").write_text(ignored)
    x, y, z = settings.center_mm
    (root / "README.md").write_text(
        "# Synthetic BOLD\n\n"
        f"{settings.n_subjects} subjects, {settings.n_runs} runs, {len(CONDITIONS)} conditions. "
        f"Within {settings.planted_radius_mm:g} mm of ({x:g}, {y:g}, {z:g}) mm\n"
        "each subject responds with patterns whose correlations follow "
        "`derivatives/models/planted.tsv`;\n"
        "`derivatives/models/planted_mask.nii.gz` is 1 there. `derivatives/fmriprep` holds the "
        "runs as fMRIPrep\nwould leave them"
        + ", in volumes and on the surface (fsaverage5)" * settings.on_surface
        + ". Nothing here was measured on a person.\n"
    )
    write_participants(root, settings)


def _write_json(path: str | Path, content: dict[str, Any]) -> None:
    """Write a JSON file."""
    Path(path).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
