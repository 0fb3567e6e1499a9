"""Names: of models that a user may choose, and of the files of estimates, after BEP041."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the options take names from here, and must be light to import
    from bids_rsa.records import BoldRun

HRF_NAMES = ("spm", "glover", "spm+derivative", "glover+derivative", "fir")
CONFOUND_STRATEGIES = ("motion6", "motion24", "motion24+wmcsf", "acompcor", "none")
NOISE_MODELS = ("ols", "ar1")
ESTIMATES = ("conditions", "trials", "lss")
SCALES = ("run", "voxel", "none")


def contrast_labels(conditions: Sequence[str]) -> dict[str, str]:
    """Make a BIDS label of letters and digits for each condition, different for different ones.

    Parameters
    ----------
    conditions : sequence of str

    Returns
    -------
    dict
        Condition to label. A condition whose label would be another's, or be empty, has a part of
        its hash in it.
    """
    plain = {name: _plain(name) for name in conditions}
    lowered = [label.casefold() for label in plain.values()]
    return {
        name: label if label and lowered.count(label.casefold()) == 1 else label + _digest(name)
        for name, label in plain.items()
    }


def _plain(name: str) -> str:
    """Keep letters and digits, without accents."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]", "", ascii_only)


def _digest(name: str) -> str:
    """Make letters and digits that stand for a name."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def run_folder(run: BoldRun) -> str:
    """Name the folder of a run's estimates, relative to the dataset."""
    subject = run.label.split("_")[0]
    session = f"/ses-{run.session}" if run.session else ""
    return f"{subject}{session}/func"


def estimate_path(run: BoldRun, contrast: str, stat: str) -> str:
    """Name an image of estimates, relative to the dataset."""
    return f"{run_folder(run)}/{run.label}_contrast-{contrast}_stat-{stat}_statmap.nii.gz"


def design_path(run: BoldRun) -> str:
    """Name the table of the design, relative to the dataset."""
    return f"{run_folder(run)}/{run.label}_design.tsv"


def residuals_path(run: BoldRun) -> str:
    """Name the image of residuals, relative to the dataset."""
    return f"{run_folder(run)}/{run.label}_stat-errorts_statmap.nii.gz"
