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


def condition_covariance(
    choice: str, analysis: Analysis, conditions: Sequence[str]
) -> NDArray[np.float64] | None:
    """Find the covariance of an analysis' condition estimates.

    Parameters
    ----------
    choice : str
        ``none``, ``design`` (mean over the runs of C (X'X)^-1 C'), or the path of a square table.
    analysis : Analysis
    conditions : sequence of str
        The order of rows and columns.

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
        _of_designs(analysis, conditions) if choice == DESIGN else _of_table(choice, conditions)
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


def _of_designs(analysis: Analysis, conditions: Sequence[str]) -> NDArray[np.float64]:
    """Average the designs' covariances over the runs of an analysis."""
    designs = [run.design for run in analysis.bold_runs if run.design is not None]
    if not designs:
        raise OptionError(
            f"{analysis.label}: --condition-covariance design needs the design matrices of the "
            "runs, which are known with --from-bold only.",
            "Use --from-bold, or give the covariance as a table.",
        )
    parts = []
    for design in designs:
        missing = [name for name in conditions if name not in design.conditions]
        if missing:
            raise ContentError(
                f"{analysis.label}: the design of a run lacks {few(missing)}.",
                "Use --missing-runs complete, or give the covariance as a table.",
            )
        place = [design.conditions.index(name) for name in conditions]
        parts.append(np.array(design.covariance, dtype=np.float64)[np.ix_(place, place)])
    mean: NDArray[np.float64] = np.mean(parts, axis=0)
    return mean
