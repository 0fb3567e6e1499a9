"""Models lined up with the conditions, and whether they can enter the comparisons asked for."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bids_rsa.core.comparison.table import find_comparison, single_model_comparisons
from bids_rsa.core.plain_statistics import average_ranks
from bids_rsa.errors import ContentError, OptionError
from bids_rsa.models.cells import check_cells_left
from bids_rsa.records import ModelRdm

Floats = npt.NDArray[np.float64]

RANK_TOLERANCE = 1e-10


def condensed(models: Sequence[ModelRdm], conditions: Sequence[str]) -> Floats:
    """Line the models up with the order of the patterns.

    Parameters
    ----------
    models : sequence of ModelRdm
    conditions : sequence of str
        The conditions in the order of the patterns; a subset of the models' is fine.

    Returns
    -------
    (n_models, n_cells) float64
        Condensed RDMs in the order of `scipy.spatial.distance.squareform`; NaN for a cell left out.

    Raises
    ------
    ContentError
        A condition that a model does not have.
    """
    above = np.triu_indices(len(conditions), 1)
    rows = np.empty((len(models), above[0].size))
    for i, model in enumerate(models):
        index = positions_of(model.conditions, conditions, model.path)
        rows[i] = np.asarray(model.cells)[np.ix_(index, index)][above]
    return rows


def check_models(
    models: Sequence[ModelRdm],
    comparisons: Sequence[str],
    conditions: Sequence[str] | None = None,
) -> None:
    """Check that the models can enter the comparisons asked for.

    Parameters
    ----------
    models : sequence of ModelRdm
    comparisons : sequence of str
        Names of comparisons, as on the command line.
    conditions : sequence of str, optional
        The conditions that will be compared; all of the models' by default.

    Raises
    ------
    OptionError
        Fewer models than a comparison needs.
    ContentError
        Linearly dependent models with a comparison that fits all of them at once.
    """
    entries = [find_comparison(name) for name in comparisons]
    alone = single_model_comparisons(2)
    check_cells_left(models, entries, conditions or models[0].conditions)
    for entry in entries:
        if len(models) < entry.min_models:
            raise OptionError(
                f"The comparison {entry.name} needs at least {entry.min_models} models, and only "
                f"{len(models)} was given: {models[0].name} ({models[0].path}).",
                f"Give another --model, or use {' or '.join(alone)}.",
            )
    names = [model.name for model in models]
    cells = condensed(models, conditions or models[0].conditions)
    cells = cells[:, np.isfinite(cells).all(axis=0)]
    for entry in entries:
        if not entry.joint:
            continue
        ranked = entry.ranked and cells.shape[1]
        dependent = _dependent_set(average_ranks(cells) if ranked else cells)
        if dependent:
            raise ContentError(
                f"With {entry.name} the models must be linearly independent, and these are not: "
                f"{', '.join(names[i] for i in dependent)}.",
                f"Leave one of them out, or compare them one by one ({', '.join(alone)}).",
            )


def _dependent_set(cells: Floats) -> list[int]:
    """Find the models whose centred unit-norm RDMs are linearly dependent, or none."""
    centred = cells - cells.mean(axis=1, keepdims=True) if cells.shape[1] else cells
    norms = np.linalg.norm(centred, axis=1)
    if not cells.shape[1] or (norms == 0).any():
        return [int(i) for i in np.flatnonzero(norms == 0)]
    _, singular, right = np.linalg.svd((centred / norms[:, None]).T, full_matrices=True)
    singular = np.r_[singular, np.zeros(len(cells) - singular.size)]
    null = right[singular <= RANK_TOLERANCE * singular[0]]
    return [int(i) for i in np.flatnonzero(np.abs(null).max(axis=0) > 1e-8)] if len(null) else []


def positions_of(names: Sequence[str], wanted: Sequence[str], path: str) -> list[int]:
    """Where each wanted condition is among a model's."""
    place = {name: i for i, name in enumerate(names)}
    unknown = [name for name in wanted if name not in place]
    if unknown:
        raise ContentError(
            f"{path}: the model does not name {', '.join(unknown)}; it names {', '.join(names)}.",
            "Check --conditions against the model's header.",
        )
    return [place[name] for name in wanted]
