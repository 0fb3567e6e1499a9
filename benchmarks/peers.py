"""The other programs: the same searchlight on a sample of centres, on one thread."""

import contextlib
import io
import warnings
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .data import RADIUS_MM, Volume


@dataclass(frozen=True)
class MneRsa:
    """mne-rsa's searchlight over arrays; finding distances between voxels is not timed."""

    volume: Volume
    centers: np.ndarray  # positions among the mask's voxels
    dissimilarity: str
    comparison: str
    models: np.ndarray
    params: dict

    def prepared(self):
        """Return a function that computes the scores (n_models, n_centers)."""
        import mne
        from mne_rsa import rsa_array, searchlight

        mne.set_log_level("WARNING")

        n_voxels, n_folds, n_conditions = self.volume.patterns.shape
        data = self.volume.patterns.transpose(1, 2, 0).reshape(n_folds * n_conditions, n_voxels)
        distances = _distances_from(self.centers, self.volume)
        models = list(self.models)
        options = {
            "data_rdm_metric": self.dissimilarity,
            "data_rdm_params": self.params,
            "rsa_metric": self.comparison,
            "ignore_nan": bool(np.isnan(data).any()),
        }
        if n_folds > 1:
            options["labels_X"] = list(range(n_conditions)) * n_folds
            options["n_folds"] = n_folds
        shape = data.shape if n_folds == 1 else (n_conditions, n_voxels)

        def run() -> np.ndarray:
            patches = searchlight(
                shape, dist=distances, spatial_radius=RADIUS_MM / 1000, sel_series=self.centers
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return np.asarray(rsa_array(data, models, patches, **options))

        return run


def _distances_from(centers: np.ndarray, volume: Volume):
    """Sparse distances in metres from the centres to the voxels around them."""
    from scipy.sparse import csr_matrix

    ijk = np.argwhere(volume.mask) * volume.voxel_mm / 1000
    found = cKDTree(ijk).query_ball_point(ijk[centers], RADIUS_MM / 1000 * 1.1)
    rows = np.repeat(centers, [len(f) for f in found])
    columns = np.concatenate([np.asarray(f) for f in found])
    metres = np.linalg.norm(ijk[rows] - ijk[columns], axis=1)
    others = metres > 0  # mne-rsa adds the centre itself
    entries = metres[others], (rows[others], columns[others])
    return csr_matrix(entries, shape=(len(ijk), len(ijk)))


@dataclass(frozen=True)
class RsaToolbox:
    """rsatoolbox's searchlight; finding the neighborhoods is not timed."""

    volume: Volume
    centers: np.ndarray
    comparison: str
    models: np.ndarray

    def prepared(self):
        """Return a function that computes the scores (1, n_centers)."""
        from rsatoolbox.inference import eval_fixed
        from rsatoolbox.model import ModelFixed
        from rsatoolbox.util.searchlight import (
            evaluate_models_searchlight,
            get_searchlight_RDMs,
        )

        data = self.volume.patterns[:, 0].T
        ijk = np.argwhere(self.volume.mask) * self.volume.voxel_mm
        neighbors = [
            np.array(f) for f in cKDTree(ijk).query_ball_point(ijk[self.centers], RADIUS_MM)
        ]
        model = ModelFixed("model", self.models[0])
        conditions = np.arange(len(data))

        def run() -> np.ndarray:
            with (
                warnings.catch_warnings(),
                contextlib.redirect_stderr(io.StringIO()),
                contextlib.redirect_stdout(io.StringIO()),
            ):
                warnings.simplefilter("ignore")
                rdms = get_searchlight_RDMs(
                    data, self.centers, neighbors, conditions, method="correlation", verbose=False
                )
                results = evaluate_models_searchlight(
                    rdms, model, eval_fixed, method=self.comparison, n_jobs=1
                )
            return np.array([[float(np.ravel(r.evaluations)[0]) for r in results]])

        return run
