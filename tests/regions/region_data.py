"""Small images and atlases for the tests of regions."""

import nibabel as nib
import numpy as np

AFFINE = np.array([[-3.0, 0, 0, 30], [0, 3, 0, -27], [0, 0, 3, -21], [0, 0, 0, 1]])
SHAPE = (12, 11, 10)
N_ITEMS = 6


def betas(seed=0, shape=SHAPE, n=N_ITEMS, affine=AFFINE):
    data = np.random.default_rng(seed).normal(size=(*shape, n))
    return nib.Nifti1Image(data, affine)


def models(n=2, seed=1, n_items=N_ITEMS):
    rng = np.random.default_rng(seed)
    return [rng.permutation(n_items * (n_items - 1) // 2).astype(float) for _ in range(n)]


def labels(shape=SHAPE):
    """Four blocks of voxels with the indices 3, 7, 12, 40, and background between them."""
    data = np.zeros(shape, np.int16)
    data[1:5, 1:5, 1:9] = 3
    data[6:11, 1:5, 1:9] = 7
    data[1:5, 6:10, 1:9] = 12
    data[6:11, 6:10, 2:7] = 40
    return data


def atlas(data=None, affine=AFFINE):
    return nib.Nifti1Image(labels() if data is None else data, affine)


NAMES = {3: "V1", 7: "V2", 12: "FFA", 40: "PPA"}


def write_table(path, names, header="index\tname"):
    lines = [header, *(f"{index}\t{name}" for index, name in names.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
