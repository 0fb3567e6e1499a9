"""Maps to a matrix of scores: transform, sessions, group mask, smoothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_rsa.errors import ContentError
from bids_rsa.grid import Grid
from bids_rsa.group_level.records import GroupTest, MapSet, ScoreMap
from bids_rsa.images import load_mask, load_volume

FloatArray = npt.NDArray[np.float64]
FWHM_PER_SIGMA = float(np.sqrt(8 * np.log(2)))
NEARLY_ONE = 1e-12


@dataclass(frozen=True, eq=False)
class GroupScores:
    """The data of a test.

    Attributes
    ----------
    scores : (n_subjects, n_voxels) float64
        Transformed (and, for two models, subtracted) scores, NaN where a subject has none.
    mask : (X, Y, Z) bool
        The voxels tested.
    affine : (4, 4) float64
        Voxel to mm.
    n_centers : (n_subjects,) int
        Centres with a score in each subject.
    n_lost : (n_subjects,) int
        Voxels that the group mask lacks because of this subject alone.
    n_clipped : int
        Scores of (nearly) +-1 that the Fisher transform moved half a rank step inwards.
    """

    scores: FloatArray
    mask: npt.NDArray[np.bool_]
    affine: FloatArray
    n_centers: npt.NDArray[np.int64]
    n_lost: npt.NDArray[np.int64]
    n_clipped: int


def load_scores(test: GroupTest) -> GroupScores:
    """Read a test's maps into a matrix.

    Raises
    ------
    ContentError
        A map without any score; no voxel in enough subjects; a transform that does not fit.
    """
    volumes, grid, n_clipped = _volumes(test.first, test)
    if test.second is not None:
        subtracted, _, clipped = _volumes(test.second, test)
        volumes, n_clipped = volumes - subtracted, n_clipped + clipped
    there = np.isfinite(volumes)
    n_needed = max(2, int(np.ceil(test.settings.coverage * len(volumes) - 1e-9)))
    mask = there.sum(axis=0) >= n_needed
    if test.settings.group_mask:
        mask &= load_mask(test.settings.group_mask, grid, "group mask").voxels
    if not mask.any():
        raise ContentError(
            f"{test.words}: no voxel has a score in {n_needed} of {len(volumes)} subjects"
            f"{' inside the group mask' if test.settings.group_mask else ''}; scores per subject: "
            + ", ".join(
                f"sub-{s}: {int(n)}"
                for s, n in zip(test.subjects, there.sum(axis=(1, 2, 3)), strict=True)
            )
            + ".",
            "Look at the masks of the subjects with few, or lower --coverage.",
        )
    if test.settings.smoothing_fwhm > 0:
        volumes = _smooth(volumes, mask & there, grid, test.settings.smoothing_fwhm)
    return GroupScores(
        scores=np.ascontiguousarray(volumes[:, mask]),
        mask=mask,
        affine=grid.affine,
        n_centers=there.sum(axis=(1, 2, 3)),
        n_lost=_lost_alone(there, n_needed),
        n_clipped=n_clipped,
    )


def _volumes(one: MapSet, test: GroupTest) -> tuple[FloatArray, Grid, int]:
    """Read one map per subject, NaN outside its mask; sessions are averaged after transform."""
    rows, n_clipped, grid = [], 0, None
    for subject in test.subjects:
        volumes = []
        for score in (m for m in one.maps if m.subject == subject):
            volume, grid = _read(score)
            volume, clipped = transformed(volume, test.transform, score.n_cells, score.path)
            n_clipped += clipped
            volumes.append(volume)
        # a voxel that one session lacks is missing for the subject
        rows.append(np.mean(volumes, axis=0))
    if grid is None:
        raise ContentError(f"{one.where}: there is no map.")
    return np.stack(rows), grid, n_clipped


def _read(score: ScoreMap) -> tuple[FloatArray, Grid]:
    """Read a map, NaN outside the evaluated centres."""
    data, grid = load_volume(score.path)
    mask = load_mask(score.mask, grid, f"mask of evaluated centres of sub-{score.subject}")
    volume = np.where(mask.voxels, np.asarray(data, dtype=np.float64), np.nan)
    volume[~np.isfinite(volume)] = np.nan
    if np.isnan(volume).all():
        raise ContentError(
            f"{score.path} has no finite score inside {score.mask}: every centre is undefined.",
            f"Look at the participant's log, or leave out sub-{score.subject}.",
        )
    return volume, grid


def transformed(
    volume: FloatArray, transform: str, n_cells: int, path: str
) -> tuple[FloatArray, int]:
    """Fisher's z of correlations; +-1 becomes half a rank step less (m cells).

    Raises
    ------
    ContentError
        Scores beyond +-1, or an unknown number of cells where one is needed.
    """
    if transform == "none":
        return volume, 0
    with np.errstate(invalid="ignore"):
        extreme = np.abs(volume) >= 1 - NEARLY_ONE
        beyond = np.abs(volume) > 1 + 1e-6
    if beyond.any():
        raise ContentError(
            f"{path} holds scores beyond 1 (up to {np.nanmax(np.abs(volume)):.4g}), which Fisher's "
            "transform does not take.",
            "Use --transform none for such scores.",
        )
    n_extreme = int(extreme.sum())
    if n_extreme:
        if n_cells < 3:
            raise ContentError(
                f"{path} holds {n_extreme} scores of 1, and its sidecar has no CellsUsed, which "
                "says how far from 1 half a rank step is.",
                "Make the map again with this version, or use --transform none.",
            )
        largest = 1 - 6 / (n_cells * (n_cells**2 - 1))
        volume = np.where(extreme, np.sign(volume) * largest, volume)
    return np.arctanh(volume), n_extreme


def _lost_alone(there: npt.NDArray[np.bool_], n_needed: int) -> npt.NDArray[np.int64]:
    """Count for each subject the voxels that are lost only because it has no score there."""
    missing_one = there.sum(axis=0) == n_needed - 1
    return np.array([(missing_one & ~own).sum() for own in there], dtype=np.int64)


def _smooth(
    volumes: FloatArray, inside: npt.NDArray[np.bool_], grid: Grid, fwhm_mm: float
) -> FloatArray:
    """Smooth inside each subject's mask only: what lies outside has no weight."""
    sigma = fwhm_mm / FWHM_PER_SIGMA / grid.voxel_sizes_mm
    smoothed = np.full_like(volumes, np.nan)
    for row, (volume, mask) in enumerate(zip(volumes, inside, strict=True)):
        values = ndimage.gaussian_filter(np.where(mask, volume, 0.0), sigma, mode="constant")
        weight = ndimage.gaussian_filter(mask.astype(np.float64), sigma, mode="constant")
        smoothed[row, mask] = values[mask] / weight[mask]
    return smoothed


def back_transformed(mean: FloatArray, transform: str) -> FloatArray:
    """Bring a mean back into the scores' own units."""
    return np.tanh(mean) if transform == "fisher" else mean


def describe_losses(subjects: Sequence[str], data: GroupScores) -> str:
    """Say how many voxels the mask has, and which subject alone costs how many."""
    lost = [f"sub-{subject} {n}" for subject, n in zip(subjects, data.n_lost, strict=True) if n > 0]
    told = f"; voxels lost through one subject alone: {', '.join(lost)}" if lost else ""
    return f"{int(data.mask.sum())} voxels are tested in {len(subjects)} subjects{told}."
