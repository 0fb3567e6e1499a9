"""Which models and cells enter a comparison: nuisance models, and cells that are left out."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.table import Comparison, find_comparison
from bids_rsa.errors import ContentError, OptionError
from bids_rsa.models.files import read_square
from bids_rsa.records import ModelRdm
from bids_rsa.tables import existing_file
from bids_rsa.words import few

FEWEST_CELLS = 3


def scored(models: Sequence[ModelRdm]) -> tuple[ModelRdm, ...]:
    """List the models that get maps: all but nuisance models."""
    return tuple(model for model in models if not model.nuisance)


def in_fit(models: Sequence[ModelRdm], joint: bool) -> tuple[ModelRdm, ...]:
    """List the models of a comparison: nuisance models take part in joint fits, and come last."""
    nuisance = tuple(model for model in models if model.nuisance)
    return (*scored(models), *(nuisance if joint else ()))


def mark_nuisance(models: Sequence[ModelRdm], names: Sequence[str]) -> tuple[ModelRdm, ...]:
    """Mark the models that are nuisance models.

    Raises
    ------
    OptionError
        A name that is no model, or no model left.
    """
    there = [model.name for model in models]
    unknown = [name for name in names if name not in there]
    if unknown:
        raise OptionError(
            f"--nuisance {' '.join(unknown)}: no model has this name; the models are "
            f"{', '.join(there)}.",
            "Give the model as well: --model NAME=FILE --nuisance NAME.",
        )
    if set(there) <= set(names):
        raise OptionError(
            f"Every model ({', '.join(there)}) is a nuisance model, and no map would be left.",
            "Leave a model out of --nuisance.",
        )
    return tuple(replace(model, nuisance=model.name in names) for model in models)


def exclude_table(models: Sequence[ModelRdm], path: str | None) -> tuple[ModelRdm, ...]:
    """Leave cells out of all models that a table marks with 0 or leaves empty.

    Parameters
    ----------
    models : sequence of ModelRdm
    path : str or None
        A square table with condition names as header and first column.

    Raises
    ------
    InputError, ContentError
        No such file, or it is no symmetric table of the models' conditions.
    """
    if path is None:
        return tuple(models)
    file = existing_file(path, "--exclude-cells")
    names, cells = read_square(file)
    missing = [name for name in models[0].conditions if name not in names]
    if missing:
        raise ContentError(
            f"--exclude-cells {file}: the table does not name {few(missing)}, which the models do.",
            "Expected: the models' conditions as header and first column.",
        )
    used = np.isfinite(cells) & (cells != 0)
    np.fill_diagonal(used, True)
    if (used != used.T).any():
        i, j = np.argwhere(used != used.T)[0]
        raise ContentError(
            f"--exclude-cells {file}: {names[i]} and {names[j]} are left out in one direction "
            "only; the table must be symmetric."
        )
    identity = str(file), hashlib.sha256(file.read_bytes()).hexdigest()
    index = [names.index(name) for name in models[0].conditions]
    first = models[0].conditions
    chosen = []
    for model in models:
        own = [index[first.index(name)] for name in model.conditions]
        cells_used = used[np.ix_(own, own)]
        chosen.append(replace(leave_out(model, ~cells_used), excluded=identity))
    return tuple(chosen)


def leave_out(model: ModelRdm, cells: NDArray[np.bool_]) -> ModelRdm:
    """Leave cells (n_conditions, n_conditions), in the model's order, out of a model."""
    return replace(model, cells=np.where(cells, np.nan, model.cells))


def leave_out_of_all(
    models: Sequence[ModelRdm], conditions: Sequence[str], cells: NDArray[np.bool_]
) -> tuple[ModelRdm, ...]:
    """Leave cells out of all models, given in the order of some of their conditions."""
    chosen = []
    for model in models:
        place = [model.conditions.index(name) for name in conditions]
        own = np.zeros(model.cells.shape, dtype=bool)
        own[np.ix_(place, place)] = cells
        chosen.append(leave_out(model, own))
    return tuple(chosen)


def cells_compared(
    models: Sequence[ModelRdm], comparisons: Sequence[str], conditions: Sequence[str]
) -> dict[str, Any]:
    """Say which cells scores are of.

    Returns
    -------
    dict
        ``Number`` of cells, by comparison and name of the score, and ``LeftOut``, the pairs of
        conditions that no scored model has.
    """
    finite = {}
    above = np.triu_indices(len(conditions), 1)
    for model in models:
        place = [model.conditions.index(name) for name in conditions]
        finite[model.name] = np.isfinite(model.cells[np.ix_(place, place)][above])
    numbers: dict[str, dict[str, int]] = {}
    names = [model.name for model in scored(models)]
    for comparison in comparisons:
        entry = find_comparison(comparison)
        together = np.logical_and.reduce([finite[one.name] for one in in_fit(models, joint=True)])
        numbers[comparison] = {
            name: int((together if entry.joint else finite[name]).sum())
            for name in entry.score_names(names)
        }
    nowhere = ~np.logical_or.reduce([finite[name] for name in names])
    first, second = (one[nowhere] for one in above)
    pairs = [[conditions[i], conditions[j]] for i, j in zip(first, second, strict=True)]
    return {"Number": numbers, "LeftOut": pairs}


def check_cells_left(
    models: Sequence[ModelRdm], entries: Sequence[Comparison], conditions: Sequence[str]
) -> None:
    """Check that models keep enough cells, where cells were left out on purpose.

    Raises
    ------
    ContentError
        Fewer than three, for a model alone or for the models of a joint fit together.
    """
    above = np.triu_indices(len(conditions), 1)
    if len(above[0]) < FEWEST_CELLS:
        return  # few conditions: their scores are undefined, and said to be
    finite = {}
    for model in models:
        place = [model.conditions.index(name) for name in conditions if name in model.conditions]
        if len(place) < len(conditions):
            return  # other checks name the condition that is missing
        finite[model.name] = np.isfinite(model.cells[np.ix_(place, place)][above])
    for entry in entries:
        fit = in_fit(models, entry.joint)
        sets = [fit] if entry.joint else [(model,) for model in fit]
        for together in sets:
            left = int(np.logical_and.reduce([finite[model.name] for model in together]).sum())
            if left < FEWEST_CELLS:
                names = ", ".join(model.name for model in together)
                raise ContentError(
                    f"{entry.name} of {names}: {left} of {len(above[0])} cells are left, and at "
                    f"least {FEWEST_CELLS} are needed.",
                    "Exclude fewer cells (--exclude-cells, --exclude-within, empty cells of "
                    "models).",
                )


def mirrored(square: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fill the half of a square model that has no values at all from the other one."""
    upper = np.triu(np.ones(square.shape, bool), 1)
    for empty, filled in ((upper, upper.T), (upper.T, upper)):
        if np.isnan(square[empty]).all() and not np.isnan(square[filled]).all():
            return np.where(empty, square.T, square)
    return square
