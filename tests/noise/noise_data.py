"""Data for noise normalisation: a GLM of real BOLD, real betas, and simulated patterns."""

from dataclasses import dataclass
from functools import cache

import nibabel as nib
import numpy as np
import pandas as pd
from shared_data import shared_path


@dataclass(frozen=True)
class NoiseData:
    """Images of conditions and runs on a grid, and the residuals of each run."""

    images: np.ndarray  # (n_images, n_voxels)
    condition_of: np.ndarray
    run_of: np.ndarray
    residuals: np.ndarray  # (n_volumes, n_voxels), mean 0 in each run
    residual_run_of: np.ndarray
    dof: float
    mask: np.ndarray
    affine: np.ndarray
    radius_mm: float

    @property
    def folds(self):
        """Mean of each run and condition, (n_runs, n_conditions, n_voxels)."""
        runs, conditions = np.unique(self.run_of), np.unique(self.condition_of)
        return np.array(
            [
                [
                    self.images[(self.run_of == r) & (self.condition_of == c)].mean(0)
                    for c in conditions
                ]
                for r in runs
            ]
        )

    def patches(self, n_patches, seed=0, min_voxels=3):
        """Voxels around random centres."""
        points = np.argwhere(self.mask) @ self.affine[:3, :3].T
        for center in np.random.default_rng(seed).permutation(points):
            near = np.flatnonzero(np.linalg.norm(points - center, axis=1) <= self.radius_mm)
            if len(near) >= min_voxels and n_patches:
                n_patches -= 1
                yield near


@cache
def fmriprep():
    """Run-wise OLS of the Haxby slice: nilearn's design, its betas and residuals."""
    from nilearn.glm.first_level import make_first_level_design_matrix

    root = shared_path("data", "haxby2001-fmriprep")
    folder = root / "derivatives" / "fmriprep" / "sub-01" / "func"
    masks = [nib.load(p).get_fdata() != 0 for p in sorted(folder.glob("*brain_mask.nii.gz"))]
    mask = np.logical_and.reduce(masks)
    betas, conditions, runs, residuals, residual_runs, dof = [], [], [], [], [], 0
    for run, path in enumerate(sorted(folder.glob("*space-T1w*preproc_bold.nii.gz"))):
        image = nib.load(path)
        series = image.get_fdata()[mask].T
        name = path.name.split("_space")[0]
        confounds = pd.read_csv(folder / f"{name}_desc-confounds_timeseries.tsv", sep="\t")
        motion = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
        kept = confounds[[*motion, *(c for c in confounds if c.startswith("cosine"))]]
        events = pd.read_csv(root / "sub-01" / "func" / f"{name}_events.tsv", sep="\t")
        times = 1.25 + 2.5 * np.arange(len(series))
        design = make_first_level_design_matrix(
            times, events, hrf_model="spm", drift_model=None,
            add_regs=kept.to_numpy(), add_reg_names=list(kept),
        )  # fmt: skip
        x = design.to_numpy()
        fit, _, rank, _ = np.linalg.lstsq(x, series, rcond=None)
        names = sorted(set(events["trial_type"]))
        betas += [fit[list(design).index(n)] for n in names]
        conditions += names
        runs += [run] * len(names)
        rest = series - x @ fit
        residuals.append(rest - rest.mean(axis=0))
        residual_runs += [run] * len(series)
        dof += len(series) - rank
    return NoiseData(
        np.array(betas), np.array(conditions), np.array(runs), np.concatenate(residuals),
        np.array(residual_runs), float(dof), mask, image.affine, 12.0,
    )  # fmt: skip


@cache
def betas():
    """The Haxby betas; each run's deviations from its mean stand for residuals."""
    folder = shared_path("data", "haxby2001-betas", "sub-1", "func")
    first = nib.load(next(folder.glob("*vt_mask.nii.gz")))
    mask = first.get_fdata() != 0
    images, conditions, runs = [], [], []
    for path in sorted(folder.glob("*_stat-effect_statmap.nii.gz")):
        _, _, run, contrast, *_ = path.name.split("_")
        images.append(nib.load(path).get_fdata()[mask])
        conditions.append(contrast)
        runs.append(run)
    values, runs = np.array(images), np.array(runs)
    rest = np.concatenate([values[runs == r] - values[runs == r].mean(0) for r in np.unique(runs)])
    return NoiseData(
        values, np.array(conditions), runs, rest, np.sort(runs),
        float(len(rest) - len(np.unique(runs))), mask, first.affine, 8.0,
    )  # fmt: skip


@cache
def simulated(n_runs=6, n_conditions=7, shape=(9, 8, 7), n_volumes=60, seed=0):
    """Spatially smooth noise, some voxels far noisier than others."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    mask = np.ones(shape, bool)
    mask[rng.random(shape) < 0.1] = False
    gains = np.exp(rng.normal(size=shape))

    def noise(n):
        white = rng.normal(size=(n, *shape))
        return (np.stack([gaussian_filter(w, 0.8) for w in white]) * gains)[:, mask]

    residuals = noise(n_runs * n_volumes).reshape(n_runs, n_volumes, -1)
    residuals -= residuals.mean(axis=1, keepdims=True)
    truth = rng.normal(size=(n_conditions, 1)) * gains[mask] * 0.1
    return NoiseData(
        noise(n_runs * n_conditions) + np.tile(truth, (n_runs, 1)),
        np.tile(np.arange(n_conditions), n_runs), np.repeat(np.arange(n_runs), n_conditions),
        residuals.reshape(n_runs * n_volumes, -1), np.repeat(np.arange(n_runs), n_volumes),
        float(n_runs * (n_volumes - 1)), mask, np.diag([3.0, 3.0, 3.0, 1.0]), 7.0,
    )  # fmt: skip


DATASETS = {"fmriprep": fmriprep, "betas": betas, "simulated": simulated}
PEER = {
    "diagonal": "diag",
    "shrinkage": "shrinkage_diag",
    "shrinkage-identity": "shrinkage_eye",
    "full": "full",
}


def peer_dataset(data, voxels):
    """The images of a patch as rsatoolbox holds them."""
    from rsatoolbox.data import Dataset

    descriptors = {"condition": data.condition_of, "run": data.run_of}
    return Dataset(data.images[:, voxels], obs_descriptors=descriptors)


def peer_covariance(data, voxels, source, method):
    """rsatoolbox's covariance of a patch."""
    from rsatoolbox.data.noise import cov_from_residuals, cov_from_unbalanced

    if source == "residuals":
        return cov_from_residuals(data.residuals[:, voxels], dof=data.dof, method=PEER[method])
    return cov_from_unbalanced(
        peer_dataset(data, voxels), obs_desc="condition", method=PEER[method]
    )


def peer_rdm(data, voxels, metric, covariance):
    """rsatoolbox's crossnobis or mahalanobis RDM of a patch, conditions in sorted order."""
    from rsatoolbox.rdm import calc_rdm

    given = {"cv_descriptor": "run"} if metric == "crossnobis" else {}
    with np.errstate(invalid="ignore"):  # it fills an array of integers with NaN, and then anew
        found = calc_rdm(
            peer_dataset(data, voxels), method=metric, descriptor="condition",
            noise=np.linalg.inv(covariance), **given,
        )  # fmt: skip
    order = np.argsort(found.pattern_descriptors["condition"])
    square = found.get_matrices()[0][np.ix_(order, order)]
    return square[np.triu_indices(len(square), 1)]


def deviations(data):
    """Images minus the mean of their condition, and their degrees of freedom."""
    names, inverse = np.unique(data.condition_of, return_inverse=True)
    means = np.array([data.images[data.condition_of == n].mean(0) for n in names])
    return data.images - means[inverse], float(len(data.images) - len(names))
