"""Inputs of the runs that pages are made of: names that want to be markup, a planted effect."""

import nibabel as nib
import numpy as np

FAST = ("--n-permutations", "32", "--use-plugin", "Linear", "--nprocs", "1")
NAMES = ("<script>alert(1)</script>", 'a"b', "c'd", "e&f", "café", "{{ g }}")
N_SUBJECTS, N_RUNS = 5, 2
SHAPE, AFFINE = (14, 16, 12), np.diag([8.0, 8, 8, 1])


def write_inputs(root):
    """4D images with an effect in half of the brain, labels, a mask, two models."""
    affine = AFFINE.copy()
    affine[:3, 3] = -52, -80, -44
    rng = np.random.default_rng(8)
    kind = np.repeat([0, 1], 3)
    for number in range(1, N_SUBJECTS + 1):
        data = rng.normal(size=(*SHAPE, len(NAMES) * N_RUNS)).astype(np.float32)
        pattern = rng.normal(size=(2, 7, *SHAPE[1:]))
        for volume in range(data.shape[3]):
            data[:7, ..., volume] += 0.7 * pattern[kind[volume % len(NAMES)]]
        path = root / f"sub-{number:02d}_space-MNI152NLin2009cAsym_betas.nii.gz"
        nib.save(nib.Nifti1Image(data, affine), path)
    rows = [f"{v}\t{NAMES[v % len(NAMES)]}\t{1 + v // len(NAMES)}" for v in range(data.shape[3])]
    (root / "labels.tsv").write_text("volume\tcondition\trun\n" + "\n".join(rows) + "\n")
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:-1, 1:-1, 1:-1] = 1
    nib.save(nib.Nifti1Image(mask, affine), root / "mask.nii.gz")
    other = np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    for name, cells in (("halves", kind[:, None] != kind), ("steps", other)):
        lines = ["\t".join(("", *NAMES))]
        lines += [
            "\t".join((n, *map(str, row))) for n, row in zip(NAMES, cells.astype(int), strict=True)
        ]
        (root / f"{name}.tsv").write_text("\n".join(lines) + "\n")
