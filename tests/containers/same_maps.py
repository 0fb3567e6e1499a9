"""Compare the maps in two output folders: the same names, the same numbers to float32 precision.

Usage: same_maps.py REFERENCE OTHER [PATTERN]   (default pattern: sub-*/func/*_statmap.nii.gz)
"""

import sys
from pathlib import Path

import nibabel as nib
import numpy as np


def main(reference: str, other: str, pattern: str = "sub-*/func/*_statmap.nii.gz") -> int:
    expected = {path.relative_to(reference) for path in Path(reference).glob(pattern)}
    found = {path.relative_to(other) for path in Path(other).glob(pattern)}
    if not expected or expected != found:
        sys.stderr.write(f"missing {sorted(map(str, expected - found))}\n")
        sys.stderr.write(f"unexpected {sorted(map(str, found - expected))}\n")
        return 1
    worst, n_filled = 0.0, 0
    for name in sorted(expected):
        ours, theirs = (nib.load(Path(folder) / name) for folder in (reference, other))
        a, b = ours.get_fdata(), theirs.get_fdata()
        if a.shape != b.shape or not np.allclose(ours.affine, theirs.affine):
            sys.stderr.write(f"{name}: another grid\n")
            return 1
        n_filled += bool(a.any())
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b), err_msg=str(name))
        worst = max(worst, float(np.nanmax(np.abs(a - b))))
    sys.stdout.write(f"{len(expected)} maps, {n_filled} not empty, ")
    sys.stdout.write(f"largest difference {worst:.1e}\n")
    return 0 if n_filled and worst < 1e-5 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
