"""Run the app in this process, and count the kernels that were read from the cache, and compiled.

Expects the dataset at /data and an empty folder at /out, as the other runs in a container.
"""

import gc
import sys

from numba.core.dispatcher import Dispatcher

from bids_rsa.cli import main

RUNS = (
    ("spearman", "correlation", ()),
    ("pearson", "euclidean", ("--folds", "runs")),
    ("kendall-tau-a", "cityblock", ("--ignore-nan",)),
)


def run_app() -> None:
    """Run both levels, with metrics that take different ways through the engine."""
    common = ["--radius", "20", "--use-plugin", "Linear"]
    model = "/data/models/planted.tsv"
    for number, (comparison, dissimilarity, options) in enumerate(RUNS):
        labels = [] if number == 0 else ["--participant-label", "01"]
        arguments = ["/data", f"/out/{number}", "participant", "--model", model, *common, *labels]
        arguments += ["--comparison", comparison, "--dissimilarity", dissimilarity, *options]
        if main(arguments) != 0:
            sys.exit(f"this run failed: {arguments}")
    group = ["/data", "/out/0", "group", "--n-permutations", "50", "--use-plugin", "Linear"]
    if main(group) != 0:
        sys.exit("the group level failed")


run_app()
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
