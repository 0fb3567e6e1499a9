"""A set of regions to test across participants, and the files that it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.group.records import FOLDER
from bids_rsa.group.region_cells import CELLS
from bids_rsa.group.region_columns import tail_of
from bids_rsa.group.region_data import read_regions
from bids_rsa.group.region_records import RegionGroup
from bids_rsa.outputs.derivatives import PlannedFile, with_vectors
from bids_rsa.outputs.image_plan import plan_file
from bids_rsa.outputs.input_hashes import digest, hash_file
from bids_rsa.outputs.region_plan import dissimilarity_label
from bids_rsa.regions.region import make_regions
from bids_rsa.settings import GroupSettings

MEANS = "mean"
# what participants' sidecars say of the cells that were compared
_OF_CELLS = ("ExcludedCells", "ExcludeWithin", "NuisanceModels", "ConditionCovariance")
RUN_WORKFLOW = "group_regions"


@dataclass(frozen=True)
class RegionGroupJob:
    """A set of regions to test across participants, and the files that it becomes.

    ``tables`` are (what, comparison, file); ``relmats`` and ``figures`` are in the regions' order.
    ``is_drawn`` is False where no pictures are wanted.
    """

    name: str
    group: RegionGroup
    settings: GroupSettings
    wanted: tuple[str, ...]
    tables: tuple[tuple[str, str, PlannedFile], ...]
    relmats: tuple[PlannedFile, ...]
    figures: tuple[str, ...]
    output_dir: str
    is_drawn: bool = True

    @property
    def planned(self) -> tuple[PlannedFile, ...]:
        """All files but the pictures."""
        return (*(file for _, _, file in self.tables), *self.relmats)


def plan_region_group(
    group: RegionGroup, settings: GroupSettings, wanted: Sequence[str], output_dir: str, name: str
) -> RegionGroupJob:
    """Name the files of a set of regions, and list the settings that determine them."""
    data = read_regions(group, settings, wanted)
    shared = _settings(group, settings, wanted)
    folder = f"{FOLDER}/analysis-{settings.label}" if settings.label else FOLDER
    start = f"{folder}/analysis-{settings.label}_" if settings.label else f"{folder}/"
    stem = f"{start}{group.label}"
    tables = [("long", "", plan_file(f"{stem}_desc-participants_scores.tsv", shared))]
    for comparison, models in data.models.items():
        label = find_comparison(comparison).label
        own = shared | {"Comparison": comparison}
        tables.append(("scores", comparison, plan_file(f"{stem}_meas-{label}_scores.tsv", own)))
        if len(models) > 1:
            path = f"{stem}_meas-{label}_desc-differences_scores.tsv"
            tables.append(("differences", comparison, plan_file(path, own)))
    stat = dissimilarity_label(group.metadata["Dissimilarity"])
    regions = make_regions(data.indices, data.names)
    relmats = tuple(
        plan_file(f"{stem}_label-{one.label}_stat-{stat}_desc-{MEANS}_relmat.tsv",
                  shared | {"Region": {"Index": one.index, "Name": one.name}})
        for one in regions
    )  # fmt: skip
    pictures = f"{folder}/figures/{Path(stem).name}"
    figures = [
        f"{pictures}_label-{one.label}_meas-{find_comparison(comparison).label}_scores.png"
        for comparison in data.models for one in regions
    ]  # fmt: skip
    figures += [f"{pictures}_label-{one.label}_stat-{stat}_rdm.png" for one in regions]
    return RegionGroupJob(
        name, group, settings, tuple(wanted), tuple(tables), relmats, with_vectors(figures),
        output_dir,
    )  # fmt: skip


def _settings(group: RegionGroup, settings: GroupSettings, wanted: Sequence[str]) -> dict[str, Any]:
    """List what determines the numbers of all files of a set of regions."""
    by_conditions = settings.null == "conditions"
    inputs = [
        [one.subject, hash_file(one.scores), hash_file(one.rdms)]
        + ([hash_file(one.null)] if by_conditions else [])
        + ([one.metadata[CELLS]] if CELLS in one.metadata else [])
        for member in group.members
        for one in member.halves
    ]
    people = group.people
    return {
        "Regions": group.metadata["Regions"].get("Name", group.seg),
        "RegionNames": list(wanted) or "all",
        "Models": list(settings.model) or "all",
        "Test": people.words,
        "Tail": tail_of(people, settings),
        "Null": "permuted conditions" if by_conditions else people.null,
        **({"CovariateCoding": dict(people.codings)} if people.codings else {}),
        **({"SessionsAveraged": True} if settings.average_sessions else {}),
        "Permutations": settings.n_permutations,
        "RandomSeed": settings.random_seed,
        "Transform": settings.transform,
        "Alpha": settings.alpha,
        "FWEOver": "regions and models" if settings.fwe_over == "models" else "regions",
        "Participants": [f"sub-{subject}" for subject in group.subjects],
        "Dissimilarity": group.metadata["Dissimilarity"],
        "Conditions": group.metadata["Conditions"],
        **{key: group.metadata[key] for key in _OF_CELLS if key in group.metadata},
        "InputHash": digest(inputs),
    }
