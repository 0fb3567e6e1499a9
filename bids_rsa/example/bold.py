"""The example dataset as BOLD: raw events and what fMRIPrep leaves, with a planted model effect."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nilearn.datasets import load_mni152_brain_mask
from nilearn.glm.first_level import make_first_level_design_matrix
from numpy.typing import NDArray

from bids_rsa.example.bold_files import (
    as_bold,
    preprocessed,
    write_descriptions,
    write_preprocessed,
    write_raw,
)
from bids_rsa.example.bold_settings import BoldExampleSettings
from bids_rsa.example.planted import (
    CONDITIONS,
    TASK,
    new_folder,
    planted_mask,
    planted_patterns,
    smooth_noise,
    write_image,
    write_model,
)
from bids_rsa.example.surface import ExampleSurface

BASELINE = 10_000.0


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
        The raw dataset; ``derivatives/fmriprep`` contains the preprocessed BOLD,
        ``derivatives/models/planted.tsv`` the model RDM, and
        ``derivatives/models/planted_mask.nii.gz`` is 1 where the effect was planted, as are
        ``hemi-?_space-fsaverage5_desc-planted_mask.label.gii`` next to it with ``on_surface``.

    Raises
    ------
    FileExistsError
        The folder is not empty.
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
    write_descriptions(root, prep, settings)
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
    """Write the runs of a participant, who has the same patterns in all of them."""
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
        bold = as_bold(
            inside * _series(percent, planted, responses @ patterns), brain.affine, settings
        )
        stem = f"sub-{subject}_task-{TASK}_run-{run:02d}"
        write_raw(root / f"sub-{subject}" / "func" / stem, bold, events, settings)
        func = prep / f"sub-{subject}" / "func"
        write_preprocessed(func / stem, bold, inside, brain.affine, motion, settings)
        if on_surface is not None:
            on_surface.write(func / stem, responses, motion)


class _SurfaceRuns:
    """The runs of a participant on the surface: events as for volumes, other noise and patterns."""

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
        self._surface.write_bold(stem, series, preprocessed(self._settings))


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
