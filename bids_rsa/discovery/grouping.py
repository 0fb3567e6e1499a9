"""From images to analyses: no duplicates, run level before participant level, one space."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bids_rsa.discovery.findings import values
from bids_rsa.entities import (
    FIELDS,
    Pairs,
    by_value,
    file_facts,
    in_order,
    name_pairs,
    respelled,
    spellings,
)
from bids_rsa.errors import ContentError, InputError, OptionError
from bids_rsa.records import ConditionImage
from bids_rsa.settings import Selection
from bids_rsa.spaces.read_errors import missing_file
from bids_rsa.tables import refuse_unwritable_name
from bids_rsa.words import few, listing

# images that agree in these are analysed together
GROUP_FIELDS = ("subject", "session", "task", "acquisition", "space", "resolution")
Key = tuple[tuple[str | None, ...], Pairs]


def analysis_key(image: ConditionImage) -> Key:
    """Return the entities an image's analysis is named by, and whether it is a volume."""
    return (*(getattr(image, field) for field in GROUP_FIELDS), image.form), image.others


def group_images(images: Iterable[ConditionImage]) -> dict[Key, list[ConditionImage]]:
    """Sort images into analyses that agree in all entities but run, contrast, stat and desc."""
    analyses: dict[Key, list[ConditionImage]] = {}
    for image in images:
        analyses.setdefault(analysis_key(image), []).append(image)
    return dict(
        sorted(analyses.items(), key=lambda item: ([part or "" for part in item[0][0]], item[0][1]))
    )


def same_indices(images: Iterable[ConditionImage]) -> list[ConditionImage]:
    """Write each run, echo ... of a participant in one way: 1 and 01 are the same."""
    images = list(images)
    indices: dict[str, list[tuple[str, str]]] = {}
    for image in images:
        indices.setdefault(image.subject, []).extend(in_order((("run", image.run), *image.others)))
    longest = {subject: spellings(pairs) for subject, pairs in indices.items()}

    def written(image: ConditionImage, pairs: Pairs) -> Pairs:
        return respelled(pairs, longest[image.subject])

    return [
        replace(
            image,
            run=image.run and written(image, (("run", image.run),))[0][1],
            others=written(image, image.others),
        )
        for image in images
    ]


def lowest_node_wins(images: Sequence[ConditionImage]) -> tuple[list[ConditionImage], list[str]]:
    """Leave out what a node of fitlins only carries on from the node before it.

    With one run that has no number, both levels' images carry no run. The lower level names more
    entities, or is called after the run.
    """
    nodes: dict[str, tuple[int, bool]] = {}
    for image in images:
        node = file_facts(image.path).get("node", "")
        n_entities = sum(getattr(image, f) is not None for f in (*GROUP_FIELDS, "run"))
        rank = (n_entities + len(image.others), "run" in node.lower())
        nodes[node] = max(nodes.get(node, rank), rank)
    if len(nodes) < 2:
        return list(images), []
    kept: list[ConditionImage] = []
    left: list[ConditionImage] = []
    for image in images:
        rank = nodes[file_facts(image.path).get("node", "")]
        carried = image.run is None and any(
            nodes[file_facts(lower.path).get("node", "")] > rank
            and (lower.condition, lower.statistic) == (image.condition, image.statistic)
            and _combines(image, lower)
            for lower in images
        )
        (left if carried else kept).append(image)
    if not left:
        return kept, []
    lowest = max(nodes, key=lambda node: nodes[node])
    return kept, [
        f"sub-{left[0].subject}: {len(left)} images (for example {left[0].path}) were left out, "
        f"because node-{lowest} has those they are made of."
    ]


def run_level_wins(images: Sequence[ConditionImage]) -> tuple[list[ConditionImage], list[str]]:
    """Leave out images without a run that combine runs which are there themselves.

    fitlins writes both: the participant level carries no run, and often no session or task.
    """
    by_run = [i for i in images if i.run is not None]
    kept: list[ConditionImage] = []
    left: list[ConditionImage] = []
    for image in images:
        combined = image.run is None and any(_combines(image, single) for single in by_run)
        (left if combined else kept).append(image)
    if not left:
        return kept, []
    note = (
        f"sub-{left[0].subject}: {len(left)} images without a run (for example {left[0].path}) "
        f"were left out, because {len(by_run)} images of single runs are there."
    )
    return kept, [note]


def _combines(image: ConditionImage, single: ConditionImage) -> bool:
    """Tell whether an image without a run can be a combination that contains a single run's."""
    if (image.subject, image.space, image.resolution) != (
        single.subject, single.space, single.resolution,
    ):  # fmt: skip
        return False
    fields = ("session", "task", "acquisition")
    if not set(image.others) <= set(single.others):
        return False
    return all(getattr(image, f) in (None, getattr(single, f)) for f in fields)


def refuse_duplicates(images: Iterable[ConditionImage]) -> None:
    """Refuse two files for one record.

    Raises
    ------
    ContentError
        Names both files.
    """
    seen: dict[tuple[Any, ...], ConditionImage] = {}
    for image in images:
        key = (*analysis_key(image), by_value(image.run), image.condition, image.statistic)
        first = seen.setdefault(key, image)
        # volumes of one file are repeats of their condition, not duplicates
        if first is not image and (first.path != image.path or first.volume == image.volume):
            where = f" in run {image.run}" if image.run else ""
            raise ContentError(
                f"sub-{image.subject}: two images for the condition {image.condition}{where}: "
                f"{first.path} and {image.path}.",
                _how_to_choose(first, image),
            )


def _how_to_choose(first: ConditionImage, second: ConditionImage) -> str:
    """Say what tells two files for one record apart."""
    if first.dataset != second.dataset:
        return "Name the dataset to use with -d/--derivatives."
    one, other = (
        file_facts(image.path) | dict(name_pairs(image.path)) for image in (first, second)
    )
    differing = [
        key for key in {**one, **other} if one.get(key) != other.get(key) and key not in FIELDS
    ]
    if not differing:
        return "Remove one of them."
    told = "; ".join(
        f"{key}: {one.get(key, 'none')} and {other.get(key, 'none')}" for key in differing
    )
    query = json.dumps({"statmap": {differing[0]: one.get(differing[0])}})
    return f"They differ in {told}. Choose with --bids-filter-file, for example {query}."


def check_one_each(images: Sequence[ConditionImage], selection: Selection) -> None:
    """Refuse several spaces or resolutions where none was asked for.

    Raises
    ------
    OptionError
        Lists them.
    """
    for field, option, asked in (
        ("space", "--space", selection.space),
        ("resolution", "--res", selection.res),
    ):
        there = values(images, field)
        if len(there) > 1 and not asked:
            # one resolution per space is no ambiguity once the spaces were named
            spaces = values(images, "space")
            by_space = [
                values([i for i in images if (i.space or "none") == s], field) for s in spaces
            ]
            if field == "resolution" and selection.space and all(len(r) == 1 for r in by_space):
                continue
            raise OptionError(
                f"The condition images come in several {field}s, and one must be chosen: "
                f"{listing([_with_participants(label, field, images) for label in there])}.",
                f"Choose with {option} {there[0]}; several labels are analysed separately"
                + (" (none: images without the entity)." if "none" in there else "."),
            )


def _with_participants(label: str, field: str, images: Sequence[ConditionImage]) -> str:
    """Add to a space or resolution the participants that have it, if others lack it."""
    having = {i.subject for i in images if (getattr(i, field) or "none") == label}
    if having == {i.subject for i in images}:
        return label
    return f"{label} ({few([f'sub-{subject}' for subject in sorted(having)])})"


def pair_variances(
    images: Sequence[ConditionImage], everything: Iterable[ConditionImage]
) -> list[ConditionImage]:
    """Give each image the variance image of the same record, where there is one."""
    variances = {
        (*analysis_key(i), i.run, i.condition, i.volume): i
        for i in everything
        if i.statistic == "variance"
    }
    paired = []
    for image in images:
        match = variances.get((*analysis_key(image), image.run, image.condition, image.volume))
        if match and image.variance_path is None and image.statistic == "effect":
            image = replace(image, variance_path=match.path, variance_volume=match.volume)
        paired.append(image)
    return paired


def check_files(images: Iterable[ConditionImage]) -> None:
    """Check that each file is there: git-annex leaves links that lead nowhere.

    Raises
    ------
    MissingFileError
        Names the first such file.
    """
    for path in dict.fromkeys(half.source_file for i in images for half in i.halves):
        refuse_unwritable_name(path)
        if not Path(path).exists():
            raise missing_file(path)


def check_variances(images: Iterable[ConditionImage]) -> None:
    """Check that each image has a variance image.

    Raises
    ------
    InputError
        Names the first image without.
    """
    for image in (half for whole in images for half in whole.halves):
        if image.variance_path is None:
            raise InputError(
                f"--normalize variance needs a variance image for each condition image, and "
                f"{image.path} ({image.condition}) has none.",
                "Use --normalize none, or t maps with --stat t.",
            )
