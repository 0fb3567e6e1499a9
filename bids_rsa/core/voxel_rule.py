"""Which voxels may take part: those with a value in every image and not 0 in a whole run."""

import numpy as np
from numpy.typing import NDArray


class VoxelRule:
    """Collects, image by image, which voxels are not finite, or 0 in all images of a run.

    Parameters
    ----------
    n_voxels : int
        Length of each image.
    n_runs : int
    ignore_nan : bool
        Voxels finite in some image stay.
    """

    def __init__(self, n_voxels: int, n_runs: int, ignore_nan: bool = False) -> None:
        self._finite_in_some = np.zeros(n_voxels, dtype=bool)
        self._finite_in_all = np.ones(n_voxels, dtype=bool)
        self._zero_in_run = np.ones((n_runs, n_voxels), dtype=bool)
        self._ignore_nan = ignore_nan

    def see(self, values: NDArray[np.floating], run: int) -> bool:
        """Take the values (n_voxels,) of one image of a run into account.

        Returns
        -------
        bool
            False when the image holds nothing: no value that is finite and not 0.
        """
        finite = np.isfinite(values)
        self._finite_in_some |= finite
        self._finite_in_all &= finite
        zero = values == 0
        self._zero_in_run[run] &= zero
        return bool((finite & ~zero).any())

    def result(self) -> tuple[NDArray[np.bool_], dict[str, int]]:
        """Return the voxels to keep (n_voxels,), and how many are left out for which reason."""
        finite = self._finite_in_some if self._ignore_nan else self._finite_in_all
        zero = self._zero_in_run.any(axis=0) & finite
        return finite & ~zero, {"NotFinite": int((~finite).sum()), "ZeroInARun": int(zero.sum())}
