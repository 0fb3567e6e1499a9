"""Searchlight representational similarity analysis of fMRI: the public names, nothing else."""

import os as _os
from importlib import import_module as _import_module
from typing import Any as _Any

from bids_rsa._version import __version__

# without these, Nipype asks a server for its newest version at import
_os.environ.setdefault("NO_ET", "1")
_os.environ.setdefault("NIPYPE_NO_ET", "1")

_MODULES = {
    "compare_rdms": "bids_rsa.library.rdms",
    "compute_dsm": "bids_rsa.library.rdms",
    "compute_dsm_cv": "bids_rsa.library.rdms",
    "crossnobis": "bids_rsa.core.noise.definition",
    "mahalanobis": "bids_rsa.core.noise.definition",
    "noise_covariance": "bids_rsa.core.noise.covariance",
    "noise_from_images": "bids_rsa.core.noise.model",
    "noise_from_residuals": "bids_rsa.core.noise.model",
    "rsa_nifti": "bids_rsa.library.maps",
    "rsa_regions": "bids_rsa.library.regions",
    "searchlight_rsa": "bids_rsa.core.searchlight",
    "whiten": "bids_rsa.core.noise.definition",
}
__all__ = [
    "__version__",
    "compare_rdms",
    "compute_dsm",
    "compute_dsm_cv",
    "crossnobis",
    "mahalanobis",
    "noise_covariance",
    "noise_from_images",
    "noise_from_residuals",
    "rsa_nifti",
    "rsa_regions",
    "searchlight_rsa",
    "whiten",
]


def __getattr__(name: str) -> _Any:
    """Import the library on first use, so that the command line answers --help at once."""
    if name in _MODULES:
        return getattr(_import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'bids_rsa' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, so that a notebook completes them."""
    return sorted(__all__)
