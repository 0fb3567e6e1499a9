"""Model RDMs as library users hold them: arrays, lists and data frames become condensed rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import squareform

from bids_rsa.errors import ContentError
from bids_rsa.models.cells import mirrored

_TOLERANCE = 1e-8  # of the largest cell: rounding of whoever computed the model


def condensed_models(
    dsm_model: Any, items: NDArray[Any], *, named: bool, name: str = "dsm_model"
) -> tuple[NDArray[np.float64], bool]:
    """Bring one or several models to rows of condensed cells.

    Parameters
    ----------
    dsm_model : array, DataFrame, or list or tuple of them
        Square (n, n) or condensed (n * (n - 1) / 2,). A list of plain numbers is one condensed
        model.
    items : ndarray, shape (n,)
        The items in the order of the data.
    named : bool
        The items have names (labels), by which a DataFrame is put in order.
    name : str
        What the models are called in messages.

    Returns
    -------
    models : ndarray, shape (n_models, n_cells)
        NaN for a cell that is left out of the comparison.
    several : bool
        A list of models was given, also if it contains only one.

    Raises
    ------
    ContentError
        A ValueError: wrong size, not symmetric, non-zero diagonal, names that don't match, no
        finite cell.
    """
    if len(items) < 2:
        raise ContentError(f"There is only {len(items)} item; an RDM needs at least two.")
    several = isinstance(dsm_model, list | tuple)
    if several and not len(dsm_model):
        raise ContentError(f"{name} is an empty list; give at least one model RDM.")
    several = several and not all(map(np.isscalar, dsm_model))
    given = list(dsm_model) if several else [dsm_model]
    rows = []
    for index, model in enumerate(given):
        own = f"{name}[{index}]" if several else name
        rows_of_one = several and isinstance(model, list | tuple) and len(model) == len(items)
        if rows_of_one and len(given) == len(items) != 3:  # three items have three cells
            raise ContentError(
                f"{name} is a list of {len(given)} lists, and each would be one model.",
                "Make one square RDM an array: numpy.array(rdm).",
            )
        row = _condensed(model, items, named, own)
        if np.isinf(row).any():
            raise ContentError(f"{own} contains infinite cells; a cell is a finite number or NaN.")
        if np.isnan(row).all():
            raise ContentError(f"All {row.size} cells of {own} are NaN, so it predicts nothing.")
        rows.append(row)
    return np.array(rows), several


def _condensed(model: Any, items: NDArray[Any], named: bool, name: str) -> NDArray[np.float64]:
    """Check one model and bring it to the order of the items."""
    if isinstance(model, pd.DataFrame):
        model = _by_name(model, items, named, name)
    try:
        cells = np.asarray(model, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ContentError(f"{name} is not an array of numbers: {error}.") from error
    n = len(items)
    if cells.ndim == 2 and cells.shape == (n, n):
        return _upper_triangle(cells, name)
    if cells.ndim == 1 and len(cells) == n * (n - 1) // 2:
        return cells
    raise ContentError(
        f"{name} has shape {cells.shape}, but the data contain {n} items: "
        f"({n}, {n}) or condensed ({n * (n - 1) // 2},) is expected.",
        "" if named else "If several images belong to one item, name the items with y.",
    )


def _upper_triangle(square: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """Check that a square model is a dissimilarity matrix; return its condensed cells."""
    square = mirrored(square)
    finite = np.abs(square[np.isfinite(square)])
    tolerance = _TOLERANCE * finite.max(initial=0.0)
    diagonal = np.nan_to_num(np.abs(np.diag(square)))
    if diagonal.max() > tolerance:
        item = int(diagonal.argmax())
        raise ContentError(
            f"{name} has a non-zero diagonal: {square[item, item]:g} in row {item}; an item's "
            "dissimilarity to itself is 0.",
            "If it contains similarities, turn them into dissimilarities (1 - similarity).",
        )
    asymmetry = np.abs(square - square.T)
    asymmetry[np.isnan(square) != np.isnan(square.T)] = np.inf
    asymmetry[np.isnan(asymmetry)] = 0
    if asymmetry.max() > tolerance:
        row, column = np.unravel_index(asymmetry.argmax(), square.shape)
        raise ContentError(
            f"{name} is not symmetric: [{row}, {column}] is {square[row, column]:g}, "
            f"[{column}, {row}] is {square[column, row]:g}."
        )
    return np.asarray(squareform(square, checks=False), dtype=np.float64)


def _by_name(
    frame: pd.DataFrame, items: NDArray[Any], named: bool, name: str
) -> NDArray[np.float64]:
    """Put a labelled model's rows and columns in the order of the items."""
    rows, columns = (list(map(_plain, axis)) for axis in (frame.index, frame.columns))
    if len(set(rows)) < len(rows) or len(set(columns)) < len(columns):
        raise ContentError(f"{name} has duplicate row or column names: {rows}, {columns}.")
    if set(rows) != set(columns):
        odd = sorted(set(rows) ^ set(columns))
        raise ContentError(f"The rows and columns of {name} have different names: {odd}.")
    wanted = list(map(_plain, items.tolist())) if named else rows
    if set(wanted) != set(rows):
        only_data, only_model = sorted(set(wanted) - set(rows)), sorted(set(rows) - set(wanted))
        raise ContentError(
            f"{name} and y name different items: only in y {only_data}, only in the model "
            f"{only_model}.",
            "Name its rows and columns as in y, or give an array in the order of numpy.unique(y).",
        )
    places = [{item: place for place, item in enumerate(axis)} for axis in (rows, columns)]
    return frame.to_numpy()[np.ix_(*([place[item] for item in wanted] for place in places))]


def _plain(name: Any) -> str:
    """Write a name as text; 1, 1.0 and "1" are the same, since tables read from files mix them."""
    if isinstance(name, float | np.floating) and float(name).is_integer():
        return str(int(name))
    return str(name)
