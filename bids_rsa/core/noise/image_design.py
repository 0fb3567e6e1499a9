"""Deviations of images from their condition's mean, as orthonormal rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.noise.contrasts import helmert

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ImageDesign:
    """What the rows of a patch are made of.

    The images (n_images, n_voxels) become ``contrasts`` (dof rows), which are orthonormal
    combinations of the deviations from the condition's mean, so that their products are those of
    the deviations.

    Attributes
    ----------
    contrasts : (dof, n_images)
    deviations : (n_images, dof)
        Deviations of the images from the contrasts.
    first, last : (n_images,) int64
        The contrasts of each image's condition.
    folds : (n_conditions * (n_folds - 1), dof)
        Contrasts between folds from the contrasts, each condition's side by side.
    is_identity : bool
        ``folds`` is the identity: each condition has one image in each fold.
    n_conditions, n_folds : int
    """

    contrasts: Floats
    deviations: Floats
    first: Integers
    last: Integers
    folds: Floats
    is_identity: bool
    n_conditions: int
    n_folds: int

    @property
    def dof(self) -> int:
        """Degrees of freedom."""
        return len(self.contrasts)


def image_design(condition_of: Integers, fold_of: Integers) -> ImageDesign:
    """Find the rows for images of these conditions and folds.

    Parameters
    ----------
    condition_of, fold_of : (n_images,) int64
        Each fold has an image of each condition.
    """
    conditions, folds = np.unique(condition_of), np.unique(fold_of)
    n, dof, n_folds = len(condition_of), len(condition_of) - len(conditions), len(folds)
    contrasts = np.zeros((dof, n))
    between = np.zeros((len(conditions), n_folds - 1, dof))
    spans = np.zeros((2, n), dtype=np.int64)
    row = 0
    for k, condition in enumerate(conditions):
        # in the order of folds, so that the contrasts of a balanced design are those of its folds
        mine = np.flatnonzero(condition_of == condition)
        mine = mine[np.argsort(fold_of[mine], kind="stable")]
        own = helmert(len(mine))
        rows = slice(row, row + len(own))
        contrasts[rows, mine] = own
        spans[:, mine] = np.array([[row], [row + len(own)]])
        of_fold = (fold_of[mine] == folds[:, None]).astype(np.float64)
        of_fold /= of_fold.sum(axis=1, keepdims=True)
        between[k, :, rows] = helmert(n_folds) @ of_fold @ own.T
        row += len(own)
    flat = between.reshape(len(conditions) * (n_folds - 1), dof)
    identity = flat.shape == (dof, dof) and bool(np.allclose(flat, np.eye(dof), atol=1e-12))
    return ImageDesign(
        contrasts, contrasts.T.copy(), spans[0], spans[1], flat, identity, len(conditions), n_folds
    )
