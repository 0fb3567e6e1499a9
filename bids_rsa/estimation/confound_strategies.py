"""Sets of fMRIPrep's confounds by name: their columns, chosen by nilearn's load_confounds."""

import re
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from nilearn.interfaces.fmriprep import load_confounds

from bids_rsa.errors import ContentError
from bids_rsa.words import few, listing

N_COMPCOR = 5
# what each strategy asks nilearn's load_confounds for
STRATEGIES: dict[str, dict[str, Any]] = {
    "motion6": {"strategy": ("motion",), "motion": "basic"},
    "motion24": {"strategy": ("motion",), "motion": "full"},
    "motion24+wmcsf": {"strategy": ("motion", "wm_csf"), "motion": "full", "wm_csf": "basic"},
    "acompcor": {
        "strategy": ("motion", "high_pass", "compcor"),
        "motion": "basic",
        "compcor": "anat_combined",
        "n_compcor": N_COMPCOR,
    },
    "none": {"strategy": ()},
}
_MOTION = tuple(f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz")
_EXPANDED = ("", "_derivative1", "_power2", "_derivative1_power2")
_COMPONENT = re.compile(r"a_comp_cor_\d+")
_CAMEL_CASE = re.compile(r"[A-Za-z]*[a-z][A-Z][A-Za-z]*")


def strategy_columns(path: str, table: pd.DataFrame, name: str) -> list[str]:
    """List the columns that a strategy takes.

    Parameters
    ----------
    path : str
        fMRIPrep's table of confounds.
    table : DataFrame
        Its content.
    name : str
        One of `STRATEGIES`.

    Raises
    ------
    ContentError
        The table lacks columns that the strategy needs.
    """
    keywords = STRATEGIES[name]
    if not keywords["strategy"]:
        return []
    # nilearn finds the table by the name of its image
    image = re.sub(
        r"_desc-confounds_(timeseries|regressors)\.tsv$", "_desc-preproc_bold.nii.gz", path
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            chosen: pd.DataFrame = load_confounds(image, demean=True, **keywords)[0]
    except (ValueError, KeyError, OSError, AttributeError, TypeError) as error:
        raise ContentError(
            f"--confounds {name} cannot be used with {path}: "
            f"{_reason(Path(path), table, keywords, error)}",
            f"Its columns: {listing([str(column) for column in table.columns])}. Choose another of "
            f"{', '.join(STRATEGIES)} with --confounds, or name columns of the table.",
        ) from error
    return [str(column) for column in chosen.columns if column in table.columns]


def _reason(path: Path, table: pd.DataFrame, keywords: dict[str, Any], error: Exception) -> str:
    """Say why nilearn could not choose columns."""
    missing = [column for column in _needed(keywords) if column not in table.columns]
    if missing:
        return f"it has no column {few(missing, 6)}."
    if "compcor" in keywords:
        if not any(_COMPONENT.fullmatch(str(column)) for column in table.columns):
            return "it has no column a_comp_cor_00, and no other component of anatomical CompCor."
        beside = path.with_suffix(".json")
        if not beside.is_file():
            return f"{beside.name}, which describes the components of CompCor, is not next to it."
        return (
            f"{beside.name} does not describe its columns a_comp_cor_00 and so on as components "
            "of the combined mask (Method: aCompCor, Mask: combined), as fMRIPrep writes them."
        )
    camel = [str(column) for column in table.columns if _CAMEL_CASE.fullmatch(str(column))]
    if camel:
        return f"the column names {few(camel)} are not those of fMRIPrep 1.2 or later."
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _needed(keywords: dict[str, Any]) -> list[str]:
    """List the columns that a strategy cannot do without."""
    endings = _EXPANDED if keywords["motion"] == "full" else _EXPANDED[:1]
    tissues = ["csf", "white_matter"] if "wm_csf" in keywords else []
    return [f"{name}{ending}" for ending in endings for name in _MOTION] + tissues
