"""Benchmarks: this engine side by side with the other programs of the field."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # both sides on one thread; before numpy is imported
