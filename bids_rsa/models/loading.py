"""Model RDMs from files and feature tables, checked, named, and aligned to conditions by name."""

import difflib
import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy

from bids_rsa.core.comparison.table import ALL_MODELS, find_comparison, single_model_comparisons
from bids_rsa.core.dissimilarity.table import dissimilarities_of_features
from bids_rsa.core.plain_statistics import average_ranks
from bids_rsa.errors import ContentError, OptionError
from bids_rsa.models.cells import check_cells_left, exclude_table, mark_nuisance
from bids_rsa.models.files import read_features, read_npy, read_square
from bids_rsa.records import ModelRdm
from bids_rsa.settings import InputSettings
from bids_rsa.tables import existing_file

Floats = npt.NDArray[np.float64]

RANK_TOLERANCE = 1e-10
# desc- labels of maps that are not of one model
RESERVED = {"searchlight": "maps of the searchlight itself", ALL_MODELS: "scores of all models"}


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
        stand in that order; without, as in the file.

    Raises
    ------
    OptionError
        A name that holds more than letters and digits, equal names, an unknown metric.
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
    _check_names(models)
    _check_same_conditions(models)
    return exclude_table(mark_nuisance(models, inputs.nuisance), inputs.exclude_cells)


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
        index = _positions(model.conditions, conditions, model.path)
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


def _split_name(text: str, option: str) -> tuple[str, str]:
    """Part ``[NAME=]REST``: the name (given, or from the file's stem), and the rest."""
    name, equals, rest = text.partition("=")
    if not equals or "/" in name or Path(text).exists():
        return "", text
    if not re.fullmatch(r"[A-Za-z0-9]+", name):
        raise OptionError(
            f"{option} {text}: the name {name!r} may hold letters and digits only, because it "
            "becomes the desc- label of the maps.",
            f"For example {re.sub(r'[^A-Za-z0-9]', '', name) or 'model1'}={rest}",
        )
    return name, rest


def _name_from(path: Path, option: str) -> str:
    """Take a model's name from its file's stem, letters and digits only."""
    name = re.sub(r"[^A-Za-z0-9]", "", path.stem)
    if not name:
        raise OptionError(
            f"{option} {path}: the file's name holds no letter or digit to name the model by.",
            f"Give a name: {option} NAME={path}",
        )
    return name


def _load_matrix(text: str, conditions: Sequence[str]) -> ModelRdm:
    """One model from a square table or an .npy file."""
    name, rest = _split_name(text, "--model")
    path = existing_file(rest, "--model")
    if path.suffix.lower() == ".npy":
        names, cells = read_npy(path, conditions)
    else:
        names, cells = read_square(path)
    _check_rdm(cells, path)
    return _model(name or _name_from(path, "--model"), path, names, cells, conditions)


def _load_features(text: str, conditions: Sequence[str]) -> ModelRdm:
    """One model from a table of features and a metric."""
    name, rest = _split_name(text, "--features")
    file, colon, metric = rest.rpartition(":")
    known = dissimilarities_of_features()
    if not colon or not metric or "/" in metric:
        raise OptionError(
            f"--features {text}: a metric is needed behind the file.",
            f"For example {rest}:euclidean; known: {', '.join(known)}",
        )
    if metric not in known:
        near = difflib.get_close_matches(metric, known, 1)
        guess = f"Did you mean {near[0]}? " if near else ""
        raise OptionError(
            f"--features {text}: the metric {metric!r} is not known.",
            f"{guess}Known: {', '.join(known)}",
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
    _check_rdm(cells, path)
    name = name or _name_from(path, "--features")
    return replace(_model(name, path, names, cells, conditions), metric=metric)


def _model(
    name: str, path: Path, names: Sequence[str], cells: Floats, conditions: Sequence[str]
) -> ModelRdm:
    """Make the frozen record, in the order of ``conditions`` where they are given."""
    if conditions:
        index = _positions(names, conditions, str(path))
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


def _positions(names: Sequence[str], wanted: Sequence[str], path: str) -> list[int]:
    """Where each wanted condition stands among a model's."""
    place = {name: i for i, name in enumerate(names)}
    unknown = [name for name in wanted if name not in place]
    if unknown:
        raise ContentError(
            f"{path}: the model does not name {', '.join(unknown)}; it names {', '.join(names)}.",
            "Check --conditions against the model's header.",
        )
    return [place[name] for name in wanted]


def _check_names(models: Sequence[ModelRdm]) -> None:
    """No two models may have one name: their maps would overwrite each other."""
    seen: dict[str, str] = {}
    for model in models:
        if model.name in RESERVED:
            raise OptionError(
                f"A model cannot be named {model.name}: {RESERVED[model.name]} are "
                f"(desc-{model.name}).",
                f"Name it: --model OTHERNAME={model.path}",
            )
        if model.name in seen:
            raise OptionError(
                f"Two models are named {model.name}: {seen[model.name]} and {model.path}.",
                f"Name one of them: --model OTHERNAME={model.path}",
            )
        seen[model.name] = model.path


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


def _check_rdm(cells: Floats, path: Path) -> None:
    """Finite or NaN, symmetric, and zero on the diagonal."""
    scale = max(float(np.nanmax(np.abs(cells), initial=0.0)), 1e-300)
    if np.isinf(cells).any():
        i, j = np.argwhere(np.isinf(cells))[0]
        raise ContentError(
            f"{path}: row {i + 1}, column {j + 1} of the model is infinite.",
            "Write n/a for a cell that shall be left out.",
        )
    off = np.flatnonzero(~(np.abs(np.diag(cells)) <= 1e-9 * scale))
    if off.size:
        raise ContentError(
            f"{path}: the diagonal of an RDM must be 0, and entry {off[0] + 1} of "
            f"{len(cells)} is {cells[off[0], off[0]]:g}.",
            "A model holds dissimilarities: for similarities take 1 - value.",
        )
    differ = ~np.isclose(cells, cells.T, rtol=1e-6, atol=1e-9 * scale, equal_nan=True)
    if differ.any():
        i, j = np.argwhere(differ)[0]
        raise ContentError(
            f"{path}: an RDM must be symmetric, and row {i + 1}, column {j + 1} is "
            f"{cells[i, j]:g} where row {j + 1}, column {i + 1} is {cells[j, i]:g}."
        )
