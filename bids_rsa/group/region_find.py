"""The participants' tables of regions in the output folder: found, read, and made to agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_rsa.entities import Pairs, joined, name_pairs
from bids_rsa.errors import ContentError, OptionError, SelectionError
from bids_rsa.group.agree import value_at
from bids_rsa.group.find import is_wanted, map_datasets
from bids_rsa.outputs.derivatives import read_sidecar
from bids_rsa.settings import GroupSettings, RegionSettings, Selection
from bids_rsa.words import listing

_SUFFIX = "_scores.tsv"
_SELECTED = (("ses", "session_label"), ("task", "task_label"), ("space", "space"), ("res", "res"))
# what must be equal in all participants' sidecars
_AGREE = (
    "Dissimilarity", "DissimilarityParameters", "Folds", "Conditions", "Models", "Normalization",
    "NoiseNormalization.Method", "NoiseNormalization.FoldsHeldOut", "Centering", "IgnoreNaN",
    "MinVoxels", "MinCoverage", "Standardize", "ConditionCovariance", "ExcludeWithin",
    "InputStatistic",
)  # fmt: skip


@dataclass(frozen=True)
class RegionTables:
    """One participant's tables of one set of regions."""

    subject: str
    scores: str
    rdms: str
    metadata: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class RegionGroup:
    """The tables of all participants of one set of regions; ``key`` is their common entities."""

    key: Pairs
    members: tuple[RegionTables, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def seg(self) -> str:
        """The label of the set of regions."""
        return dict(self.key)["seg"]

    @property
    def label(self) -> str:
        """The entities as they stand in file names."""
        return joined(self.key)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The first participant's sidecar, with which all others agree."""
        return self.members[0].metadata


def find_region_groups(
    output_dir: str,
    derivatives: Sequence[str],
    selection: Selection,
    regions: RegionSettings,
) -> tuple[RegionGroup, ...]:
    """Find the tables of regions, by set; those of one participant alone are left out.

    Raises
    ------
    SelectionError
        An atlas that no table is of.
    ContentError
        Tables that were made in different ways.
    """
    found: dict[Pairs, list[RegionTables]] = {}
    for key, tables in _tables(output_dir, derivatives):
        if is_wanted(tables.subject, selection) and _is_selected(dict(key), selection):
            found.setdefault(key, []).append(tables)
    there = sorted({dict(key)["seg"] for key in found})
    unknown = [label for label in regions.atlas if label not in there]
    if unknown:
        raise SelectionError(
            f"--atlas {unknown[0]}: there are no tables of these regions in the output folder.",
            f"There are: {listing(there) or 'none'}.",
        )
    groups = [
        RegionGroup(key, tuple(sorted(tables, key=lambda one: one.subject)))
        for key, tables in sorted(found.items())
        if not regions.atlas or dict(key)["seg"] in regions.atlas
    ]
    for group in groups:
        _check_agreement(group)
    return tuple(group for group in groups if len(group.members) > 1)


def _tables(output_dir: str, derivatives: Sequence[str]) -> Iterator[tuple[Pairs, RegionTables]]:
    """List the tables of scores that are finished, with their entities but for the subject."""
    for dataset in map_datasets(output_dir, derivatives):
        for path in sorted(Path(dataset.path).glob(f"sub-*/**/*_seg-*{_SUFFIX}")):
            pairs = dict(name_pairs(path.name))
            metadata = read_sidecar(path.with_name(path.name.removesuffix(".tsv") + ".json"))
            stem = path.name.removesuffix(_SUFFIX)
            rdms = sorted(path.parent.glob(f"{stem}_stat-*_rdms.tsv.gz"))
            if metadata is None or len(rdms) != 1 or "sub" not in pairs:
                continue
            subject = pairs.pop("sub")
            yield tuple(pairs.items()), RegionTables(subject, str(path), str(rdms[0]), metadata)


def _is_selected(pairs: Mapping[str, str], selection: Selection) -> bool:
    """Tell whether tables are of the sessions, tasks and spaces asked for."""
    for key, option in _SELECTED:
        wanted = [label.partition(":")[0] for label in getattr(selection, option)]
        if wanted and pairs.get(key, "none") not in wanted:
            return False
    return True


def _check_agreement(group: RegionGroup) -> None:
    """Refuse participants whose tables were made in different ways."""
    first = group.members[0]
    for one in group.members[1:]:
        for key in _AGREE:
            mine, theirs = (value_at(table.metadata, key) for table in (first, one))
            if mine != theirs:
                raise ContentError(
                    f"Regions {group.label}: {key} is {mine} for sub-{first.subject} and {theirs} "
                    f"for sub-{one.subject}.",
                    "Run the participant level with the same settings for all.",
                )


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
    """

    names: tuple[str, ...]
    indices: tuple[int, ...]
    models: dict[str, tuple[str, ...]]
    scores: dict[str, NDArray[np.float64]]
    rdms: NDArray[np.float64]


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
    tables = [_read(one.scores) for one in group.members]
    everything = pd.concat(tables)
    order = everything.drop_duplicates("name").sort_values(["index", "name"])
    names = _chosen(list(order["name"]), wanted, "--roi")
    comparisons = _chosen(
        list(dict.fromkeys(everything["comparison"])), settings.comparison, "--comparison"
    )
    _chosen(list(dict.fromkeys(everything["model"])), settings.model, "--model")
    models: dict[str, tuple[str, ...]] = {}
    scores = {}
    for comparison in comparisons:
        own = everything[everything["comparison"] == comparison]
        models[comparison] = tuple(
            model for model in dict.fromkeys(own["model"])
            if not settings.model or model in settings.model
        )  # fmt: skip
        wide = [
            table[table["comparison"] == comparison]
            .pivot(index="model", columns="name", values="score")
            .reindex(index=models[comparison], columns=names)
            for table in tables
        ]
        scores[comparison] = np.stack([one.to_numpy(dtype=np.float64) for one in wide])
    n_conditions = len(group.metadata["Conditions"])
    rdms = np.stack([_read_rdms(one.rdms, names, n_conditions) for one in group.members])
    known = order.set_index("name")["index"]
    indices = tuple(int(known[name]) for name in names)
    kept = {name: values for name, values in scores.items() if models[name]}
    return RegionData(tuple(names), indices, {name: models[name] for name in kept}, kept, rdms)


def _read(path: str) -> pd.DataFrame:
    """Read a table; a region may be called NA."""
    types = {"name": str, "comparison": str, "model": str}
    return pd.read_csv(
        path, sep="\t", dtype=types, keep_default_na=False, quoting=3,
        na_values={column: ["n/a"] for column in ("score", "coverage", "value")},
        float_precision="round_trip",
    )  # fmt: skip


def _read_rdms(path: str, names: Sequence[str], n_conditions: int) -> NDArray[np.float64]:
    """Read the RDMs of some regions, (n_regions, n_cells); NaN for one that is not there."""
    n_cells = n_conditions * (n_conditions - 1) // 2
    table = _read(path)
    rows = table["name"].to_numpy()[::n_cells]
    cells = table["value"].to_numpy(dtype=np.float64).reshape(-1, n_cells)
    place = {name: row for row, name in enumerate(rows)}
    found = np.full((len(names), n_cells), np.nan)
    for row, name in enumerate(names):
        if name in place:
            found[row] = cells[place[name]]
    return found


def _chosen(there: list[str], wanted: Sequence[str], option: str) -> list[str]:
    """Keep what was asked for, in the order of what is there."""
    unknown = [name for name in wanted if name not in there]
    if unknown:
        raise OptionError(
            f"{option} {unknown[0]}: no table of regions has it.",
            f"There are: {listing(there)}.",
        )
    return [name for name in there if name in wanted] if wanted else there
