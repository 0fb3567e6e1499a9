"""One participant's images become analyses whose conditions are the models'."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bids_rsa.discovery.conditions import Match, match_names, unmatched_error
from bids_rsa.discovery.grouping import check_files, check_variances, group_images
from bids_rsa.discovery.hemispheres import refuse_mixed_densities
from bids_rsa.discovery.index import IndexedFile
from bids_rsa.discovery.masks import background, brain_mask, roi_mask
from bids_rsa.discovery.ribbons import with_ribbon
from bids_rsa.discovery.selection import Filters
from bids_rsa.discovery.surface_inputs import with_surfaces
from bids_rsa.errors import BidsRsaError, ContentError, InputError, OptionError
from bids_rsa.records import (
    Analysis,
    ConditionImage,
    MaskChoice,
    ModelRdm,
    missing_by_run,
    natural_key,
)
from bids_rsa.settings import InputSettings, RsaSettings
from bids_rsa.tables import refuse_unwritable_name
from bids_rsa.words import listing


@dataclass(frozen=True)
class Wanted:
    """What every analysis is made for: the options, the models' conditions, the filters."""

    inputs: InputSettings
    rsa: RsaSettings
    models: tuple[ModelRdm, ...]
    filters: Filters = field(default_factory=dict)

    @property
    def conditions(self) -> tuple[str, ...]:
        """The models' conditions, in the first model's order."""
        return self.models[0].conditions

    @property
    def source(self) -> str:
        """Where the conditions come from, in words."""
        return f"the models ({', '.join(m.path for m in self.models)})"


class SkippedError(BidsRsaError):
    """A participant is left out, as asked."""


def check_rows(wanted: Wanted, images: Sequence[ConditionImage]) -> None:
    """Refuse model rows that no image of any participant has.

    Raises
    ------
    ContentError
        Lists both sides.
    """
    found: dict[str, set[str]] = {}
    for image in images:
        found.setdefault(image.subject, set()).add(image.condition)
    matches = [match_names(labels, wanted.conditions) for labels in found.values()]
    named = {name for match in matches for name in match.names.values()}
    missing = [name for name in wanted.conditions if name not in named]
    if missing:
        everything = set().union(*found.values())
        match = Match({}, (), tuple(dict.fromkeys(a for m in matches for a in m.ambiguous)))
        raise unmatched_error(missing, everything, wanted.conditions, wanted.source, match)


def subject_analyses(
    images: Sequence[ConditionImage],
    files: Sequence[IndexedFile],
    wanted: Wanted,
    datasets: Sequence[str] = (),
) -> list[Analysis]:
    """Make the analyses of one participant; ``datasets`` are the folders that were searched.

    Raises
    ------
    BidsRsaError
        Whatever keeps the participant from being analysed.
    SkippedError
        ``--missing skip`` and a condition is missing.
    """
    analyses = []
    idle = []
    groups = [
        (members, match_names({i.condition for i in members}, wanted.conditions))
        for members in group_images(images).values()
    ]
    refuse_mixed_densities(members for members, match in groups if match.names)
    for members, match in groups:
        if not match.names:
            idle.append(listing(sorted({i.condition for i in members})))
            continue
        analysis = _analysis(_empty_analysis(members[0]), members, match, wanted)
        if analysis.form == "volume":
            analysis = _with_masks(analysis, files, wanted)
            if wanted.inputs.patches != "auto":
                query = wanted.filters.get("mask", {})
                analysis = with_ribbon(analysis, files, datasets, wanted.inputs, query)
            analyses.append(analysis)
        else:
            analyses.append(with_surfaces(analysis, files, datasets, wanted.inputs))
    if not analyses:
        raise ContentError(
            f"sub-{images[0].subject}: no image is named by a condition of the models. Conditions "
            f"of the images: {'; '.join(idle)}. Conditions of the models: "
            f"{listing(list(wanted.conditions))}."
        )
    _refuse_one_name(analyses)
    return analyses


def _refuse_one_name(analyses: Sequence[Analysis]) -> None:
    """Refuse analyses whose maps would have the same names: those of surfaces name no resolution.

    Raises
    ------
    OptionError
        Names the first two.
    """
    seen: dict[tuple[str, str], Analysis] = {}
    for one in analyses:
        first = seen.setdefault((one.label, one.form), one)
        if first is not one:
            raise OptionError(
                f"{one.label}: images of two analyses would give maps of one name: "
                f"{first.images[0].path} and {one.images[0].path}.",
                "Analyse one of them at a time, each with a separate output folder (--space, "
                "--res or --bids-filter-file choose).",
            )


def _empty_analysis(image: ConditionImage) -> Analysis:
    """Start the analysis that an image belongs to."""
    return Analysis(image.subject, images=(), conditions=(), **image.named)


def _analysis(
    analysis: Analysis, members: Sequence[ConditionImage], match: Match, wanted: Wanted
) -> Analysis:
    """Keep the models' conditions, and deal with those that are missing."""
    named = [
        replace(i, condition=match.names[i.condition])
        for i in members
        if i.condition in match.names
    ]
    _check_one_dataset(analysis, named, wanted)
    there = {image.condition for image in named}
    missing = tuple(name for name in wanted.conditions if name not in there)
    if missing:
        _deal_with_missing(analysis, missing, there, match, wanted)
    check_files(named)
    if wanted.rsa.normalize == "variance":
        check_variances(named)
    left_out = tuple(sorted({i.condition for i in members} - match.names.keys()))
    notes = list(match.notes)
    if left_out:
        notes.append(f"Left out, because no model names them: {listing(left_out)}.")
    if missing:
        notes.append(f"No image; their cells are left out (--missing drop): {listing(missing)}.")
    order = {name: i for i, name in enumerate(wanted.conditions)}
    named.sort(key=lambda i: (natural_key(i.run), order[i.condition], i.path, i.volume or 0))
    return replace(
        analysis,
        images=tuple(named),
        conditions=wanted.conditions,
        dropped=missing,
        left_out=left_out,
        notes=tuple(notes),
    )


def _check_one_dataset(
    analysis: Analysis, images: Sequence[ConditionImage], wanted: Wanted
) -> None:
    """Refuse images of one analysis from several datasets: their scales need not agree."""
    datasets = sorted({image.dataset for image in images})
    if len(datasets) > 1 and not wanted.inputs.betas:
        raise ContentError(
            f"{analysis.label}: the images come from {len(datasets)} datasets: "
            f"{', '.join(datasets)}.",
            "Name the one to use with -d/--derivatives.",
        )


def _deal_with_missing(
    analysis: Analysis, missing: Sequence[str], there: set[str], match: Match, wanted: Wanted
) -> None:
    """Stop, skip or go on when an analysis has no image of some conditions."""
    unclear = f" Ambiguous: {'; '.join(match.ambiguous)}." if match.ambiguous else ""
    what = (
        f"{analysis.label} has no image for: {listing(list(missing))}.{unclear} It has: "
        f"{listing(sorted(there))}."
    )
    if wanted.inputs.missing == "skip":
        raise SkippedError(what)
    if wanted.inputs.missing == "error":
        raise InputError(
            what,
            "--missing skip leaves the participant out, --missing drop (with --ignore-nan) the "
            "cells; --conditions selects for everybody, --task-label the tasks.",
        )
    if len(there) < 3:
        raise InputError(f"{what} Fewer than 3 conditions are left, too few for an RDM.")


def _with_masks(analysis: Analysis, files: Sequence[IndexedFile], wanted: Wanted) -> Analysis:
    """Add masks and background; runs that will be left out have no say in them."""
    query = wanted.filters.get("mask", {})
    used = analysis
    if wanted.rsa.missing_runs == "complete":
        names = [name for name in analysis.conditions if name not in analysis.dropped]
        incomplete = missing_by_run(analysis.images, names)
        kept = tuple(image for image in analysis.images if image.run not in incomplete)
        used = replace(analysis, images=kept or analysis.images)
    roi = wanted.inputs.roi_mask
    by_label = roi is not None and "{" not in roi and not Path(roi).is_file()
    brain = brain_mask(used, files, wanted.inputs.brain_mask, query, by_label)
    of_voxels = wanted.inputs.patches == "auto"
    centers = roi_mask(used, files, roi, query) if of_voxels else MaskChoice()
    for path in (*brain.paths, *centers.paths):
        refuse_unwritable_name(path)
    return replace(
        analysis,
        brain_mask=brain,
        roi_mask=centers,
        background=background(used, files),
    )
