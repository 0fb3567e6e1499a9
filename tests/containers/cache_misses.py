"""Run searchlights of every kind in this process, and count the kernels that had to be compiled."""

import gc
import importlib
import pkgutil
import sys

import nibabel as nib
import numpy as np
from numba.core.dispatcher import Dispatcher

import bids_rsa.core
from bids_rsa import rsa_nifti
from bids_rsa.core.names import COMPARISON_NAMES

rng = np.random.default_rng(0)
data = rng.standard_normal((8, 8, 8, 12))
labels = np.tile(np.arange(6), 2)
model = [rng.random(15), rng.random(15)]
for dtype in (np.float32, np.float64):
    image = nib.Nifti1Image(data.astype(dtype), np.diag([3.0, 3, 3, 1]))
    for comparison in COMPARISON_NAMES:
        rsa_nifti(image, model, y=labels, rsa_metric=comparison)
    for metric in ("correlation", "euclidean", "sqeuclidean", "cosine", "cityblock"):
        rsa_nifti(image, model, image_dsm_metric=metric, y=labels)
        rsa_nifti(image, model, image_dsm_metric=metric, y=labels, n_folds=2)
        rsa_nifti(image, model, image_dsm_metric=metric, y=labels, ignore_nan=True)

for module in pkgutil.walk_packages(bids_rsa.core.__path__, "bids_rsa.core."):
    importlib.import_module(module.name)
kernels = [kernel for kernel in gc.get_objects() if isinstance(kernel, Dispatcher)]
ours = [kernel for kernel in kernels if kernel.py_func.__module__.startswith("bids_rsa.")]
hits = sum(sum(kernel.stats.cache_hits.values()) for kernel in ours)
misses = {
    f"{kernel.py_func.__module__}.{kernel.py_func.__name__}": dict(kernel.stats.cache_misses)
    for kernel in ours
    if kernel.stats.cache_misses
}
sys.stdout.write(f"{len(ours)} kernels, {hits} read from the cache, missed: {misses or 'none'}\n")
sys.exit(0 if hits and not misses else 1)
