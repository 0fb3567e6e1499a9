"""Searchlight representational similarity analysis of fMRI: the public names, nothing else."""

import os
from importlib import import_module
from typing import Any

from bids_rsa._version import __version__

# Nipype asks a server for its newest version at import unless told not to
os.environ.setdefault("NO_ET", "1")
os.environ.setdefault("NIPYPE_NO_ET", "1")

_MODULES = {
    "compare_rdms": "bids_rsa.rdms",
    "compute_dsm": "bids_rsa.rdms",
    "compute_dsm_cv": "bids_rsa.rdms",
    "rsa_nifti": "bids_rsa.api",
    "rsa_regions": "bids_rsa.region_api",
}
__all__ = [
    "__version__",
    "compare_rdms",
    "compute_dsm",
    "compute_dsm_cv",
    "rsa_nifti",
    "rsa_regions",
]


def __getattr__(name: str) -> Any:
    """Import the library on first use, so that the command line answers --help at once."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'bids_rsa' has no attribute {name!r}")
