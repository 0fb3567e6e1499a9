"""Small real images for the library's tests."""

import nibabel as nib
import numpy as np

OBLIQUE = np.array(
    [[-2.4, 0.3, -0.2, 40.0], [0.25, 2.1, -1.1, -30.0], [-0.1, 0.9, 2.7, -20.0], [0, 0, 0, 1]]
)
ANISOTROPIC = np.diag([2.0, 3.0, 4.5, 1.0])
SHAPE = (7, 6, 5)


def noise(n_volumes, shape=SHAPE, seed=0, dtype=np.float64):
    """White noise, (X, Y, Z, n_volumes)."""
    return np.random.default_rng(seed).normal(size=(*shape, n_volumes)).astype(dtype)


def volume(data, affine=ANISOTROPIC, kind=nib.Nifti1Image):
    return kind(data, affine)


def reoriented(image, codes):
    """The same voxels stored along other axes."""
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(codes)
    )
    return image.as_reoriented(turn)
