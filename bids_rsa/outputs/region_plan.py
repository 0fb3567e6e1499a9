"""The files of a participant's regions: their names, and the settings that determine them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bids_rsa.core.comparison.table import DEFAULT_COMPARISON, find_comparison
from bids_rsa.discovery.hemispheres import with_density
from bids_rsa.entities import join_entities, name_pairs
from bids_rsa.models.cells import scored
from bids_rsa.outputs.derivatives import PlannedFile, with_vectors
from bids_rsa.outputs.image_plan import geometry_settings, map_settings, model_identity, plan_file
from bids_rsa.outputs.input_hashes import FileState, InputHashes, file_state
from bids_rsa.outputs.reliability_files import reliability_comparison
from bids_rsa.records import Analysis, ModelRdm, RegionSource
from bids_rsa.regions.region import Region
from bids_rsa.settings import RegionSettings, RsaSettings
from bids_rsa.spaces.ribbon import LINES_RULE

NULL_SCORES = "null"
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
    null : PlannedFile or None
        The table of scores under permutations that are kept for the group level.
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
    null: PlannedFile | None = None

    @property
    def planned(self) -> tuple[PlannedFile, ...]:
        """All files but the pictures."""
        kept = () if self.null is None else (self.null,)
        return (self.scores, self.rdms, *kept, *self.relmats)


def region_stem(analysis_label: str, seg: str, region: str = "", stat: str = "") -> str:
    """Name a file of regions, without folder, suffix and extension."""
    pairs = name_pairs(f"{analysis_label}_x")
    measure = f"_stat-{stat}" if stat else ""
    return join_entities((*pairs, ("seg", seg), ("label", region))) + measure


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
    of_scores = _score_settings(analysis, rsa, models, hashes) | shared | chosen
    stat, own = dissimilarity_label(rsa.dissimilarity), _of_all_vertices(analysis)
    path = partial(_path, own, source.name)
    relmats = [
        plan_file(
            path("relmat.tsv", region=region.label, stat=stat),
            shared | {"Region": {"Index": region.index, "Name": region.name}},
        )
        for region in regions
        if region.present
    ]
    null = path(f"desc-{NULL_SCORES}_scores.tsv.gz")
    picture = f"{region_stem(own.label, source.name, stat=stat)}_rdms.png"
    return RegionPlan(
        source=source,
        regions=tuple(regions),
        scores=plan_file(path("scores.tsv"), of_scores),
        rdms=plan_file(path("rdms.tsv.gz", stat=stat), shared | chosen),
        relmats=tuple(relmats),
        figures=with_vectors([f"sub-{analysis.subject}/figures/{picture}"]),
        files=states,
        null=plan_file(null, of_scores | {"KeptNullMaps": rsa.keep_null})
        if rsa.keep_null
        else None,
    )


def _path(analysis: Analysis, seg: str, suffix: str, region: str = "", stat: str = "") -> str:
    """Name a file of regions within the output folder."""
    session = f"ses-{analysis.session}/" if analysis.session else ""
    stem = region_stem(analysis.label, seg, region, stat)
    return f"sub-{analysis.subject}/{session}func/{stem}_{suffix}"


def _of_all_vertices(analysis: Analysis) -> Analysis:
    """Name the mesh of the images, where the centres of the searchlight are on a coarser one."""
    if not any(one.coarse for one in analysis.surfaces):
        return analysis
    return replace(analysis, others=with_density(analysis.others, analysis.images[0]))


def _score_settings(
    analysis: Analysis, rsa: RsaSettings, models: Sequence[ModelRdm], hashes: InputHashes
) -> dict[str, Any]:
    """List the settings that determine scores, and what goes with them in their table."""
    settings = _settings_of(analysis, rsa, models, hashes, rsa.comparisons) | {
        "Comparisons": list(rsa.comparisons),
        "Models": [model_identity(model) for model in models],
        "Standardize": rsa.standardize,
    }
    if rsa.condition_permutations:
        settings["ConditionPermutations"] = rsa.condition_permutations
        settings["RandomSeed"] = rsa.random_seed
    if rsa.reliability:
        settings["ReliabilityComparison"] = reliability_comparison(rsa.comparisons)
    return settings


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
    own = {key: value for key, value in everything.items() if key not in _NOT_OF_REGIONS}
    # which voxels belong to the vertices of a region
    return own | ({"SearchlightRule": LINES_RULE} if analysis.on_lines else {})


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
