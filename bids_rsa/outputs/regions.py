"""The files of a participant's regions: their names, the settings behind them, their tables."""

from __future__ import annotations

import gzip
import io
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from numpy.typing import NDArray

from bids_rsa.core.comparison.table import DEFAULT_COMPARISON, find_comparison
from bids_rsa.entities import joined, name_pairs
from bids_rsa.models.cells import scored
from bids_rsa.outputs.dataset_files import dataset_lock, write_json, write_text
from bids_rsa.outputs.derivatives import PlannedFile, is_complete, with_vectors
from bids_rsa.outputs.provenance import (
    FileState,
    InputHashes,
    bids_uri,
    file_state,
    software_versions,
)
from bids_rsa.outputs.sidecars import (
    geometry_settings,
    map_settings,
    model_identity,
    plan_file,
    shared_keys,
)
from bids_rsa.outputs.whole_files import replacing
from bids_rsa.records import Analysis, ModelRdm, RegionSource
from bids_rsa.regions.region import Region
from bids_rsa.settings import RegionSettings, RsaSettings

if TYPE_CHECKING:
    from bids_rsa.patterns.stacking import StackedPatterns
    from bids_rsa.regions.compute import RegionScores

COLUMNS = {
    "index": "Index of the region in the label image; of masks and spheres their number",
    "name": "Name of the region",
    "n_voxels": "Number of the region's voxels inside the images and all masks",
    "coverage": "Share of the region that lies inside the images and all masks; n/a for a region "
    "that the label image lacks",
    "comparison": "How the RDM of the region was compared with the model",
    "model": "Name of the model; allmodels for a score of all models together",
    "score": "Score; n/a where undefined",
}
NULL_COLUMNS = {
    "p": "p of the score under permutations of conditions, not corrected",
    "z": "Score minus the mean of those under permutations, over their standard deviation",
    "p_fwe": "p corrected by the maximum over the regions",
}
RDM_COLUMNS = {
    "index": COLUMNS["index"],
    "name": COLUMNS["name"],
    "condition_1": "First condition",
    "condition_2": "Second condition",
    "value": "Dissimilarity of the two conditions; n/a where undefined",
    "n_voxels": COLUMNS["n_voxels"],
}
# what the settings of a map say of its searchlight and its one model
_NOT_OF_REGIONS = (
    "SearchlightRadius", "SearchlightRadiusUnits", "SearchlightRule", "MaxPatchSize", "Comparison",
    "Model", "ModelsInFit",
)  # fmt: skip


@dataclass(frozen=True)
class RegionPlan:
    """The regions of one set, and the files that they become.

    Attributes
    ----------
    source : RegionSource
    regions : tuple of Region
    scores, rdms : PlannedFile
        The table of scores, and the table of all RDMs.
    relmats : tuple of PlannedFile
        One for each region that is present, in their order.
    figures : tuple of str
    files : tuple of FileState
        The files that the regions are read from, as they were hashed.
    """

    source: RegionSource
    regions: tuple[Region, ...]
    scores: PlannedFile
    rdms: PlannedFile
    relmats: tuple[PlannedFile, ...]
    figures: tuple[str, ...]
    files: tuple[FileState, ...] = ()

    @property
    def planned(self) -> tuple[PlannedFile, ...]:
        """All files but the pictures."""
        return (self.scores, self.rdms, *self.relmats)


def region_stem(analysis_label: str, seg: str, region: str = "", stat: str = "") -> str:
    """Name a file of regions, without folder, suffix and extension."""
    pairs = name_pairs(f"{analysis_label}_x")
    measure = f"_stat-{stat}" if stat else ""
    return joined((*pairs, ("seg", seg), ("label", region))) + measure


def dissimilarity_label(dissimilarity: str) -> str:
    """Write a dissimilarity as a label."""
    return "".join(c for c in dissimilarity if c.isalnum())


def plan_regions(
    analysis: Analysis,
    source: RegionSource,
    regions: Sequence[Region],
    rsa: RsaSettings,
    settings: RegionSettings,
    models: Sequence[ModelRdm],
    hashes: InputHashes,
) -> RegionPlan:
    """Name the files of a set of regions, and list the settings that determine them."""
    states = tuple(file_state(path) for path in source.files)
    shared = _settings_of(analysis, rsa, models, hashes, (DEFAULT_COMPARISON,)) | {
        "MinCoverage": settings.min_coverage,
        "Regions": _source_identity(source, states),
    }
    chosen = {"RegionNames": [[region.index, region.name] for region in regions]}
    of_scores = _settings_of(analysis, rsa, models, hashes, rsa.comparisons) | {
        "Comparisons": list(rsa.comparisons),
        "Models": [model_identity(model) for model in models],
        "Standardize": rsa.standardize,
    }
    if rsa.condition_permutations:
        of_scores["ConditionPermutations"] = rsa.condition_permutations
        of_scores["RandomSeed"] = rsa.random_seed
    stat = dissimilarity_label(rsa.dissimilarity)
    session = f"ses-{analysis.session}/" if analysis.session else ""
    folder = f"sub-{analysis.subject}/{session}func"

    def path(suffix: str, region: str = "", stat: str = "") -> str:
        return f"{folder}/{region_stem(analysis.label, source.name, region, stat)}_{suffix}"

    relmats = [
        plan_file(
            path("relmat.tsv", region.label, stat),
            shared | {"Region": {"Index": region.index, "Name": region.name}},
        )
        for region in regions
        if region.present
    ]
    picture = f"{region_stem(analysis.label, source.name, stat=stat)}_rdms.png"
    return RegionPlan(
        source=source,
        regions=tuple(regions),
        scores=plan_file(path("scores.tsv"), of_scores | shared | chosen),
        rdms=plan_file(path("rdms.tsv.gz", stat=stat), shared | chosen),
        relmats=tuple(relmats),
        figures=with_vectors([f"sub-{analysis.subject}/figures/{picture}"]),
        files=states,
    )


def _settings_of(
    analysis: Analysis,
    rsa: RsaSettings,
    models: Sequence[ModelRdm],
    hashes: InputHashes,
    comparisons: Sequence[str],
) -> dict[str, Any]:
    """List the settings that determine RDMs: those of maps, without searchlight and model."""
    everything = geometry_settings(rsa, hashes)
    names = [model.name for model in scored(models)]
    for comparison in comparisons:
        name = find_comparison(comparison).score_names(names)[0]
        everything |= map_settings(analysis, rsa, comparison, name, models)
    return {key: value for key, value in everything.items() if key not in _NOT_OF_REGIONS}


def _source_identity(source: RegionSource, states: Sequence[FileState]) -> dict[str, Any]:
    """Say what the regions were made from."""
    files = [{"File": Path(one.path).name, "SHA256": one.sha256} for one in states]
    identity: dict[str, Any] = {"Name": source.name}
    if files:
        identity["Files"] = files
    if source.names:
        identity["Masks"] = list(source.names)
    if source.spheres:
        identity["Spheres"] = list(source.spheres)
    if source.threshold:
        identity["ProbabilityThreshold"] = source.threshold
    return identity


@dataclass(frozen=True, eq=False)
class FoundRegions:
    """What was found in one set of regions, with what was noticed about it in sentences."""

    scores: RegionScores
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class AllRegions:
    """What was found in all sets of regions of an analysis, in the order of their plans."""

    sets: tuple[FoundRegions, ...]


def write_regions(
    output_dir: Path,
    plan: RegionPlan,
    found: FoundRegions,
    stacked: StackedPatterns,
    models: Sequence[ModelRdm],
    links: Mapping[str, str],
) -> list[Path]:
    """Write the tables of a set of regions, and after all of them their sidecars.

    Returns
    -------
    list of Path
        The tables.
    """
    with dataset_lock(output_dir):
        for file in plan.planned:
            if not is_complete(output_dir, [file], ()):
                (output_dir / file.sidecar).unlink(missing_ok=True)
        for figure in plan.figures:
            (output_dir / figure).unlink(missing_ok=True)
    conditions = stacked.conditions
    scores = found.scores
    write_text(output_dir / plan.scores.path, _scores_table(plan.regions, scores, models))
    _write_gzip(output_dir / plan.rdms.path, rdms_table(plan.regions, scores, conditions))
    present = [place for place, region in enumerate(plan.regions) if region.present]
    for file, place in zip(plan.relmats, present, strict=True):
        write_text(output_dir / file.path, relmat_text(scores.rdms[place], conditions))
    sources = [bids_uri(path, links) for path in (*stacked.files, *plan.source.files)]
    own = _shared(stacked, found, sources, plan.scores.path)
    with dataset_lock(output_dir):
        for file, place in zip(plan.relmats, present, strict=True):
            write_json(output_dir / file.sidecar, _relmat_sidecar(file, plan, scores, place))
        of_scores = COLUMNS | (NULL_COLUMNS if scores.nulls else {})
        for file, columns in ((plan.rdms, RDM_COLUMNS), (plan.scores, of_scores)):
            write_json(output_dir / file.sidecar, _table_sidecar(file, columns, own))
    return [output_dir / file.path for file in plan.planned]


def _scores_table(
    regions: Sequence[Region], found: RegionScores, models: Sequence[ModelRdm]
) -> str:
    """Write the scores as TSV: a row for each region, comparison and model."""
    names = [model.name for model in scored(models)]
    rows = [[*COLUMNS, *(NULL_COLUMNS if found.nulls else ())]]
    for place, region in enumerate(regions):
        head = [str(region.index), region.name, str(found.n_voxels[place]),
                number(found.coverage[place])]  # fmt: skip
        for comparison, scores in found.scores.items():
            row_names = find_comparison(comparison).score_names(names)
            for row, name in enumerate(row_names):
                null = found.nulls[comparison][:, row, place] if found.nulls else ()
                values = map(number, (scores[row, place], *null))
                rows.append([*head, comparison, name, *values])
    return as_lines(rows)


def rdms_table(regions: Sequence[Region], found: RegionScores, conditions: Sequence[str]) -> str:
    """Write all RDMs as one long TSV; regions that their label image lacks are left out."""
    pairs = [f"{first}\t{second}" for first, second in itertools.combinations(conditions, 2)]
    lines = ["\t".join(RDM_COLUMNS)]
    for place, region in enumerate(regions):
        if not region.present:
            continue
        size = found.n_voxels[place]
        lines += [
            f"{region.index}\t{region.name}\t{pair}\t{number(value)}\t{size}"
            for pair, value in zip(pairs, found.rdms[place].tolist(), strict=True)
        ]
    return "\n".join(lines) + "\n"


def relmat_text(rdm: NDArray[np.float64], conditions: Sequence[str]) -> str:
    """Write an RDM as a square TSV, condition names as header and first column."""
    square = scipy.spatial.distance.squareform(rdm, checks=False)
    rows = [["", *conditions]]
    rows += [
        [name, *map(number, values)]
        for name, values in zip(conditions, square.tolist(), strict=True)
    ]
    return as_lines(rows)


def number(value: float) -> str:
    """Write a number so that it is read back exactly, NaN as n/a."""
    return repr(float(value)) if np.isfinite(value) else "n/a"


def as_lines(rows: Iterable[Sequence[str]]) -> str:
    """Write a TSV."""
    return "".join("\t".join(row) + "\n" for row in rows)


def _write_gzip(path: Path, text: str) -> None:
    """Write a compressed table; the same table gives the same bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, compresslevel=6) as stream:
        stream.write(text.encode())
    with replacing(path) as beside:
        beside.write_bytes(buffer.getvalue())


def _settings(file: PlannedFile) -> dict[str, Any]:
    """Read a file's settings."""
    return {key: json.loads(text) for key, text in file.settings}


def _shared(
    stacked: StackedPatterns, found: FoundRegions, sources: Sequence[str], path: str
) -> dict[str, Any]:
    """Say what both tables of a set have in common."""
    keys = shared_keys(stacked, sources, path)
    keys["Warnings"] = [*keys["Warnings"], *found.warnings]
    keys["Notes"] = [*keys["Notes"], *found.notes]
    return keys | {"RegionsLeftOut": list(found.scores.left_out)}


def _table_sidecar(
    file: PlannedFile, columns: Mapping[str, str], own: Mapping[str, Any]
) -> dict[str, Any]:
    """Gather the sidecar of a table."""
    what = "Scores of models" if "score" in columns else "RDMs: dissimilarities of conditions"
    return {
        "Description": f"{what} in regions; a region is one patch",
        **{name: {"Description": text} for name, text in columns.items()},
        **own,
        **_settings(file),
        "SettingsHash": file.settings_hash,
        "SoftwareVersions": software_versions(),
    }


def _relmat_sidecar(
    file: PlannedFile, plan: RegionPlan, found: RegionScores, place: int
) -> dict[str, Any]:
    """Gather the sidecar of a region's RDM; that of the table of all RDMs says the rest."""
    coverage = found.coverage[place]
    return {
        "Description": "RDM: dissimilarities of conditions in a region",
        "Sources": [f"bids::{plan.rdms.path}"],
        **_settings(file),
        "Voxels": int(found.n_voxels[place]),
        "Coverage": float(coverage) if np.isfinite(coverage) else None,
        "SettingsHash": file.settings_hash,
    }
