"""Model RDMs from files and feature tables, checked, named, and aligned to conditions by name."""

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy

from bids_rsa.core.dissimilarity.table import dissimilarities_of_features
from bids_rsa.errors import ContentError, OptionError
from bids_rsa.models.cells import exclude_table, mark_nuisance, mirrored
from bids_rsa.models.files import read_features, read_npy, read_square
from bids_rsa.models.fits import positions_of
from bids_rsa.models.names import check_names, name_from, split_name
from bids_rsa.records import ModelRdm
from bids_rsa.settings import InputSettings
from bids_rsa.tables import existing_file

Floats = npt.NDArray[np.float64]


def load_models(inputs: InputSettings) -> tuple[ModelRdm, ...]:
    """Read and check every model that was asked for.

    Parameters
    ----------
    inputs : InputSettings
        ``models`` ([NAME=]FILE), ``features`` ([NAME=]FILE:METRIC), ``conditions``.

    Returns
    -------
    tuple of ModelRdm
        Models first, then features, each in the order given. With ``conditions`` the rows
        are in that order; without, as in the file.

    Raises
    ------
    OptionError
        A name that contains more than letters and digits, equal names, an unknown metric.
    InputError
        A file that is not there, or no model at all.
    ContentError
        A model that is no RDM, or whose conditions differ from another model's.
    """
    twice = sorted({name for name in inputs.conditions if inputs.conditions.count(name) > 1})
    if twice:
        raise OptionError(f"--conditions names {', '.join(twice)} twice.", "Name each once.")
    models = [_load_matrix(text, inputs.conditions) for text in inputs.models]
    models += [_load_features(text, inputs.conditions) for text in inputs.features]
    if not models:
        raise OptionError(
            "No model RDM was given, and at least one is needed.",
            "Give a square table with --model FILE, or features with --features FILE:METRIC.",
        )
    check_names(models)
    _check_same_conditions(models)
    return exclude_table(mark_nuisance(models, inputs.nuisance), inputs.exclude_cells)


def _load_matrix(text: str, conditions: Sequence[str]) -> ModelRdm:
    """One model from a square table or an .npy file."""
    name, rest = split_name(text, "--model")
    path = existing_file(rest, "--model")
    if path.suffix.lower() == ".npy":
        names, cells = read_npy(path, conditions)
    else:
        names, cells = read_square(path)
    cells = mirrored(cells)
    _check_rdm(cells, path, names)
    return _model(name or name_from(path, "--model"), path, names, cells, conditions)


def _load_features(text: str, conditions: Sequence[str]) -> ModelRdm:
    """One model from a table of features and a metric."""
    name, rest = split_name(text, "--features")
    file, colon, metric = rest.rpartition(":")
    known = dissimilarities_of_features()
    if not colon or not metric or "/" in metric:
        raise OptionError(
            f"--features {text}: a metric is needed after the file.",
            f"For example {rest}:euclidean; choose from: {', '.join(known)}.",
        )
    if metric not in known:
        near = difflib.get_close_matches(metric, known, 1)
        guess = f"Did you mean {near[0]}? " if near else ""
        raise OptionError(
            f"--features {text}: the metric {metric!r} is not known.",
            f"{guess}Choose from: {', '.join(known)}.",
        )
    path = existing_file(file, "--features")
    names, features = read_features(path)
    distance = scipy.spatial.distance
    with np.errstate(all="ignore"):
        cells = distance.squareform(distance.pdist(features, metric))
    if not np.isfinite(cells).all():
        i, j = np.argwhere(~np.isfinite(cells))[0]
        raise ContentError(
            f"{path}: the {metric} distance between {names[i]} and {names[j]} is not a number "
            f"(feature values {features[i].tolist()} and {features[j].tolist()}).",
            "Use a metric that is defined for these features, for example euclidean.",
        )
    _check_rdm(cells, path, names)
    name = name or name_from(path, "--features")
    return replace(_model(name, path, names, cells, conditions), metric=metric)


def _model(
    name: str, path: Path, names: Sequence[str], cells: Floats, conditions: Sequence[str]
) -> ModelRdm:
    """Make the frozen record, in the order of ``conditions`` where they are given."""
    if conditions:
        index = positions_of(names, conditions, str(path))
        names, cells = list(conditions), cells[np.ix_(index, index)]
    if len(names) < 2:
        raise ContentError(
            f"{path}: a model needs at least two conditions (better five), and this has "
            f"{len(names)}: {', '.join(names)}."
        )
    above = cells[np.triu_indices(len(names), 1)]
    finite = above[np.isfinite(above)]
    if finite.size == 0 or np.ptp(finite) <= 1e-12 * np.abs(finite).max():
        value = f"all {finite.size} dissimilarities are {finite[0]:g}" if finite.size else "no cell"
        raise ContentError(
            f"{path}: the model has constant values ({value}), so it predicts no difference "
            f"between conditions ({len(names)}: {', '.join(names)}).",
            "Give a model with at least two different dissimilarities.",
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    # the upper triangle speaks for both: rounding between the halves must not break ties
    full = np.triu(cells, 1)
    return ModelRdm(name, str(path), digest, tuple(names), full + full.T)


def _check_same_conditions(models: Sequence[ModelRdm]) -> None:
    """All models must speak of the same conditions."""
    first = models[0]
    for model in models[1:]:
        here, there = set(first.conditions), set(model.conditions)
        if here != there:
            only = [
                f"only in {m.path}: {', '.join(sorted(names))}."
                for m, names in ((first, here - there), (model, there - here))
                if names
            ]
            raise ContentError(
                "All models must share their set of conditions. " + " ".join(only),
                "Select the shared ones with --conditions, or correct the model files.",
            )


def _check_rdm(cells: Floats, path: Path, names: Sequence[str]) -> None:
    """Finite or NaN, symmetric, and zero or NaN on the diagonal."""
    scale = max(float(np.nanmax(np.abs(cells), initial=0.0)), 1e-300)
    if np.isinf(cells).any():
        i, j = np.argwhere(np.isinf(cells))[0]
        raise ContentError(
            f"{path}: row {i + 1}, column {j + 1} of the model is infinite.",
            "Write n/a for a cell that is to be left out.",
        )
    off = np.flatnonzero(np.abs(np.diag(cells)) > 1e-9 * scale)
    if off.size:
        raise ContentError(
            f"{path}: the diagonal of an RDM must be 0, and entry {off[0] + 1} of "
            f"{len(cells)} ({names[off[0]]}) is {cells[off[0], off[0]]:g}.",
            "A model contains dissimilarities; convert similarities, for example to 1 - value.",
        )
    differ = ~np.isclose(cells, cells.T, rtol=1e-6, atol=1e-9 * scale, equal_nan=True)
    if differ.any():
        i, j = np.argwhere(differ)[0]
        raise ContentError(
            f"{path}: an RDM must be symmetric, but row {i + 1}, column {j + 1} ({names[i]}, "
            f"{names[j]}) is {cells[i, j]:g}, and row {j + 1}, column {i + 1} is {cells[j, i]:g}.",
            "Correct one of the two values, or leave one half of the table empty.",
        )
