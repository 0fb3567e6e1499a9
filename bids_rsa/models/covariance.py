"""The covariance of the condition estimates, for whitened comparisons: from a table or designs."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.fit import check_condition_covariance
from bids_rsa.errors import ContentError, OptionError
from bids_rsa.models.files import read_square
from bids_rsa.records import Analysis
from bids_rsa.tables import existing_file
from bids_rsa.words import few

NONE, DESIGN = "none", "design"
Matrix = tuple[tuple[float, ...], ...]


def condition_covariance(
    choice: str, analysis: Analysis, conditions: Sequence[str], design: Matrix = ()
) -> NDArray[np.float64] | None:
    """Find the covariance of an analysis' condition estimates.

    Parameters
    ----------
    choice : str
        ``none``, ``design`` (mean over the runs of C (X'X)^-1 C'), or the path of a square table.
    analysis : Analysis
    conditions : sequence of str
        The order of rows and columns.
    design : tuple of tuple, n_conditions x n_conditions
        The mean over the runs used, in this order; empty where no run has all conditions.

    Returns
    -------
    covariance : (n_conditions, n_conditions) float64 or None

    Raises
    ------
    OptionError
        ``design`` without runs that were estimated here.
    ContentError
        A table or a design that lacks conditions, or is no covariance.
    """
    if choice == NONE:
        return None
    matrix = (
        _of_designs(design, analysis.label, bool(analysis.bold_runs))
        if choice == DESIGN
        else _of_table(choice, conditions)
    )
    n = len(conditions)
    try:
        return check_condition_covariance(matrix, n * (n - 1) // 2)
    except ValueError as error:
        raise ContentError(
            f"{analysis.label}: --condition-covariance {choice}: {error}.",
            "Use --condition-covariance none, or correct it.",
        ) from None


def covariance_identity(choice: str) -> str | dict[str, str]:
    """Say in a sidecar which covariance it is."""
    if choice in (NONE, DESIGN):
        return choice
    path = existing_file(choice, "--condition-covariance")
    return {"File": Path(path).name, "SHA256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _of_table(path: str, conditions: Sequence[str]) -> NDArray[np.float64]:
    """Read a square table, in the order of the conditions."""
    file = existing_file(path, "--condition-covariance")
    names, cells = read_square(file)
    missing = [name for name in conditions if name not in names]
    if missing:
        raise ContentError(
            f"--condition-covariance {file}: the table does not name {few(missing)}.",
            "Expected: all conditions as header and first column.",
        )
    place = [names.index(name) for name in conditions]
    return cells[np.ix_(place, place)]


def _of_designs(design: Matrix, label: str, is_estimated: bool) -> NDArray[np.float64]:
    """Return the mean over the runs used."""
    if not is_estimated:
        raise OptionError(
            f"{label}: --condition-covariance design needs the design matrices of the "
            "runs, which are known with --from-bold only.",
            "Use --from-bold, or give the covariance as a table.",
        )
    if not design:
        raise ContentError(
            f"{label}: --condition-covariance design: no run has all conditions.",
            "Give the covariance as a table.",
        )
    return np.array(design, dtype=np.float64)
