"""Names: of models that a user may choose, and of the files of estimates, after BEP041."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # the options take names from here, and must be light to import
    from bids_rsa.records import Form

HRF_NAMES = ("spm", "glover", "spm+derivative", "glover+derivative", "fir")
CONFOUND_STRATEGIES = ("motion6", "motion24", "motion24+wmcsf", "acompcor", "none")
NOISE_MODELS = ("ols", "ar1")
ESTIMATES = ("conditions", "trials", "lss")
SCALES = ("run", "voxel", "none")
# of maps and of series
EXTENSIONS = {
    "volume": (".nii.gz", ".nii.gz"),
    "surface": (".shape.gii", ".func.gii"),
    "grayordinates": (".dscalar.nii", ".dtseries.nii"),
}
_AFTER_STEM = re.compile(
    r"(?:_desc-[a-zA-Z0-9+]+)?_bold\.(?:nii(?:\.gz)?|func\.gii(?:\.gz)?|dtseries\.nii)$"
)


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


class RunNames(Protocol):
    """What the names of a run's files are made of: a `BoldRun`, or the BOLD it is planned from."""

    @property
    def label(self) -> str:
        """The entities that the names keep."""

    @property
    def session(self) -> str | None:
        """The session, which has a folder."""

    @property
    def form(self) -> Form:
        """Whether values are on a grid, on vertices, or on both."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The image, or those of both hemispheres."""


def run_folder(run: RunNames) -> str:
    """Name the folder of a run's estimates, relative to the dataset."""
    subject = run.label.split("_")[0]
    session = f"/ses-{run.session}" if run.session else ""
    return f"{subject}{session}/func"


def bold_stem(path: str) -> str:
    """Return the part of a BOLD image's name that the names of its estimates keep."""
    return _AFTER_STEM.sub("", path.rpartition("/")[2])


def without_hemisphere(stem: str) -> str:
    """Leave the hemisphere out, where something is of both."""
    return re.sub(r"_hemi-[LR](?=_|$)", "", stem)


def _paths(run: RunNames, what: str, extension: str) -> tuple[str, ...]:
    """Name a file, or one of each hemisphere, relative to the dataset."""
    folder = run_folder(run)
    return tuple(f"{folder}/{bold_stem(path)}_{what}_statmap{extension}" for path in run.paths)


def estimate_paths(run: RunNames, contrast: str, stat: str) -> tuple[str, ...]:
    """Name an image of estimates, or those of both hemispheres, relative to the dataset."""
    return _paths(run, f"contrast-{contrast}_stat-{stat}", EXTENSIONS[run.form][0])


def design_path(run: RunNames) -> str:
    """Name the table of the design, relative to the dataset."""
    return f"{run_folder(run)}/{run.label}_design.tsv"


def residuals_paths(run: RunNames) -> tuple[str, ...]:
    """Name the residuals, one file or one of each hemisphere, relative to the dataset."""
    return _paths(run, "stat-errorts", EXTENSIONS[run.form][1])
