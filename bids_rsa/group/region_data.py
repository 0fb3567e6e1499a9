"""Participants' scores and RDMs of regions, aligned by the names of regions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.core.inference.group_scores import fisher_z
from bids_rsa.core.inference.resolution import score_resolution
from bids_rsa.errors import OptionError
from bids_rsa.group.region_cells import cells_left_out, cells_used, why_no_ceiling
from bids_rsa.group.region_people import RegionPeople
from bids_rsa.group.region_read import DRAW, read_nulls, read_rdms, read_scores
from bids_rsa.group.region_records import RegionGroup
from bids_rsa.settings import GroupSettings
from bids_rsa.words import listing

_FEWEST_CELLS = 3  # fewer give no score


@dataclass(frozen=True, eq=False)
class RegionData:
    """Scores and RDMs of all participants, aligned by the names of regions.

    Attributes
    ----------
    names : tuple of str
    indices, labels : tuple
        Index of each region, and its label in file names.
    models : dict of str to tuple of str
        What is scored under each comparison.
    scores : dict of str to (n_subjects, n_models, n_regions) float64
        NaN where a participant lacks a region.
    rdms : (n_subjects, n_regions, n_cells) float64
    transformed : dict of str to (n_subjects, n_models, n_regions) float64
        The scores as they are tested.
    resolution : dict of str to (n_models, n_regions) float64
        How finely these are known, as a standard deviation.
    nulls : dict of str to (n_subjects, n_draws, n_models, n_regions) float64
        The same of models whose conditions were permuted, where that is the null.
    exhaustive : bool
        The draws of the nulls are all distinct relabelings.
    people : RegionPeople
    left_out : (n_cells,) bool, or None for none
        Cells that no model has.
    no_ceiling : dict of str to dict of str to str
        Models without a noise ceiling under each comparison, and why.
    """

    names: tuple[str, ...]
    indices: tuple[int, ...]
    models: dict[str, tuple[str, ...]]
    scores: dict[str, NDArray[np.float64]]
    rdms: NDArray[np.float64]
    transformed: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    resolution: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    nulls: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    exhaustive: bool = False
    people: RegionPeople = field(default_factory=RegionPeople)
    left_out: NDArray[np.bool_] | None = None
    no_ceiling: dict[str, dict[str, str]] = field(default_factory=dict)


def transformer(
    comparison: str, settings: GroupSettings, n_cells: ArrayLike
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Choose how scores are transformed before they are tested: Fisher's z, or not.

    ``n_cells`` is a number, or (n_tables, n_models) for scores
    (n_tables, ..., n_models, n_regions).
    """
    if transform_of(comparison, settings) != "fisher":
        return np.asarray
    counts = np.maximum(n_cells, _FEWEST_CELLS)

    def transform(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Transform by the number of cells of each table and model."""
        if not counts.ndim:
            return fisher_z(values, int(counts))[0]
        found = np.empty(values.shape)
        for table, model in np.ndindex(*counts.shape):
            own = values[table, ..., model, :]
            found[table, ..., model, :] = fisher_z(own, int(counts[table, model]))[0]
        return found

    return transform


def transform_of(comparison: str, settings: GroupSettings) -> str:
    """Name the transform of scores."""
    auto = settings.transform == "auto"
    return find_comparison(comparison).transform if auto else settings.transform


def read_regions(
    group: RegionGroup, settings: GroupSettings, wanted: Sequence[str] = ()
) -> RegionData:
    """Read all participants' tables.

    Parameters
    ----------
    group : RegionGroup
    settings : GroupSettings
        Comparisons and models to keep.
    wanted : sequence of str
        Names of regions to keep; all where it is empty.

    Raises
    ------
    OptionError
        A region, a comparison or a model that no table has.
    """
    tables, of_both = read_scores(group)
    everything = pd.concat(tables)
    order = everything.drop_duplicates("name").sort_values(["index", "name"])
    names = _chosen(list(order["name"]), wanted, "--roi")
    comparisons = _chosen(
        list(dict.fromkeys(everything["comparison"])), settings.comparison, "--comparison"
    )
    _chosen(list(dict.fromkeys(everything["model"])), settings.model, "--model")
    rdms = read_rdms(group, names, of_both)
    by_conditions = settings.null == "conditions"
    nulls, exhaustive = read_nulls(group, of_both) if by_conditions else ([], False)
    found = RegionData(
        tuple(names), tuple(int(k) for k in order.set_index("name")["index"][names]), {}, {},
        _over_sessions(rdms, group), exhaustive=exhaustive, people=group.people,
        left_out=cells_left_out(group),
    )  # fmt: skip
    by_participant = _Tables(group, settings, names, tables, nulls)
    for comparison in comparisons:
        own = everything[everything["comparison"] == comparison]
        models = [
            model for model in dict.fromkeys(own["model"])
            if not settings.model or model in settings.model
        ]  # fmt: skip
        if models:
            by_participant.add(found, comparison, models)
    return found


@dataclass(frozen=True, eq=False)
class _Tables:
    """The tables of scores of all participants, and those of null scores where they are used."""

    group: RegionGroup
    settings: GroupSettings
    names: Sequence[str]
    scores: Sequence[pd.DataFrame]
    nulls: Sequence[pd.DataFrame]

    def add(self, found: RegionData, comparison: str, models: Sequence[str]) -> None:
        """Add the scores of one comparison, and all that is known of them."""
        group, names = self.group, self.names
        n_cells = cells_used(group, comparison, models)
        transform = transformer(comparison, self.settings, n_cells)
        wide = np.stack([_wide(one, comparison, models, names, ["score"]) for one in self.scores])[
            :, 0
        ]
        found.models[comparison] = tuple(models)
        found.scores[comparison] = _over_sessions(wide, group)
        # permuted scores are kept in single precision: only then are equal ones equal
        tested = wide.astype(np.float32).astype(np.float64) if self.nulls else wide
        found.transformed[comparison] = _over_sessions(transform(tested), group)
        found.resolution[comparison] = _resolution(wide, group, comparison, self.settings, n_cells)
        found.no_ceiling[comparison] = why_no_ceiling(group, comparison, models)
        if self.nulls:
            draws = [name for name in self.nulls[0].columns if name.startswith(DRAW)]
            of_draws = [_wide(one, comparison, models, names, draws) for one in self.nulls]
            found.nulls[comparison] = _over_sessions(transform(np.stack(of_draws)), group)


def _wide(
    table: pd.DataFrame,
    comparison: str,
    models: Sequence[str],
    names: Sequence[str],
    columns: Sequence[str],
) -> NDArray[np.float64]:
    """Spread columns of a table over models and regions, (n_columns, n_models, n_regions)."""
    own = table[table["comparison"] == comparison].set_index(["model", "name"])
    places = pd.MultiIndex.from_product([models, names])
    values = own[list(columns)].reindex(places).to_numpy(dtype=np.float64)
    return values.T.reshape(len(columns), len(models), len(names))


def _resolution(
    scores: NDArray[np.float64],
    group: RegionGroup,
    comparison: str,
    settings: GroupSettings,
    n_cells: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Give the resolution of transformed scores; ``scores`` are (n_tables, n_models, n_regions)."""
    is_fisher = transform_of(comparison, settings) == "fisher"
    known = np.empty_like(scores)
    for place in np.ndindex(scores.shape[:2]):
        n = max(int(n_cells[place]), _FEWEST_CELLS)
        step = find_comparison(comparison).score_step(n)
        known[place] = score_resolution(scores[place], n, step, is_fisher)
    of = np.array([group.subjects.index(one.subject) for one in group.members])
    variances = [_of_a_mean(known[of == place]) for place in np.unique(of)]
    return np.sqrt(_mean(np.stack(variances)))


def _of_a_mean(known: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the variance of a mean of tables, (n_tables, ...) to (...)."""
    n = np.isfinite(known).sum(axis=0)
    return np.asarray(np.nansum(known**2, axis=0) / np.where(n > 0, n, np.nan) ** 2)


def _over_sessions(values: NDArray[np.float64], group: RegionGroup) -> NDArray[np.float64]:
    """Average the tables of each participant, (n_tables, ...) to (n_subjects, ...)."""
    if not group.is_averaged:
        return values
    of = np.array([group.subjects.index(one.subject) for one in group.members])
    return np.stack([_mean(values[of == place]) for place in range(len(group.subjects))])


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average over the first axis what is there; NaN where nothing is."""
    n = np.isfinite(values).sum(axis=0)
    return np.asarray(np.nansum(values, axis=0) / np.where(n > 0, n, np.nan))


def _chosen(there: list[str], wanted: Sequence[str], option: str) -> list[str]:
    """Keep what was asked for, in the order of what is there."""
    unknown = [name for name in wanted if name not in there]
    if unknown:
        raise OptionError(
            f"{option} {unknown[0]}: no table of regions has it.",
            f"There are: {listing(there)}.",
        )
    return [name for name in there if name in wanted] if wanted else there
