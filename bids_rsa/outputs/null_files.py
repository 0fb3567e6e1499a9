"""Files of a participant's null of conditions: p, z, corrected p, and null maps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.permutations import ConditionRelabelings, draw_permutations
from bids_rsa.outputs.derivatives import PlannedFile
from bids_rsa.outputs.input_hashes import digest
from bids_rsa.outputs.provenance import software_versions
from bids_rsa.settings import RsaSettings
from bids_rsa.words import few

if TYPE_CHECKING:
    from bids_rsa.core.condition_null import NullOfScore

# what is added to the comparison's label in a file name, and what the map contains
STATS = {
    "P": "p of the score under permutations of the conditions, not corrected",
    "Z": "score minus the mean of its null, in standard deviations of the null",
    "MaxFWEp": "p of the score under permutations of the conditions, corrected for the "
    "family-wise error by the maximum of the score over centres",
}
NULL_MAPS = "nullmaps"
ASSUMPTION = (
    "Without an effect the conditions are assumed to be exchangeable. Unequal numbers of images "
    "of the conditions violate this."
)


def plan_null_files(score: PlannedFile, rsa: RsaSettings) -> tuple[PlannedFile, ...]:
    """List the files that permutations of the conditions add to a map of scores."""
    if not rsa.condition_permutations:
        return ()
    settings = {key: json.loads(text) for key, text in score.settings} | {
        "ConditionPermutations": rsa.condition_permutations,
        "RandomSeed": rsa.random_seed,
    }
    stem, _, desc = score.path.rpartition("_desc-")
    files = [(stat, f"{stem}{stat}_desc-{desc}", settings) for stat in STATS]
    if rsa.keep_null:
        path = score.path.replace("_statmap.", f"_{NULL_MAPS}.")
        files.append((NULL_MAPS, path, settings | {"KeptNullMaps": rsa.keep_null}))
    return tuple(
        replace(
            score,
            path=path,
            settings=tuple((key, json.dumps(value)) for key, value in own.items()),
            settings_hash=digest(own),
            comparison="",
            model="",
            kind=kind,
        )
        for kind, path, own in files
    )


def null_values(
    file: PlannedFile, null: NullOfScore, evaluated: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Give the values of a file at the evaluated centres; (n_centers, n_kept) of null maps."""
    if file.kind == NULL_MAPS:
        return np.ascontiguousarray(null.kept[:, evaluated].T)
    values = {"P": null.p, "Z": null.z, "MaxFWEp": null.max_p}[file.kind]
    return values[evaluated].astype(np.float32)


def outside(file: PlannedFile) -> float:
    """Give the value of a map where there is no centre: p is 1 there."""
    return 1.0 if file.kind in ("P", "MaxFWEp") else 0.0


def null_sidecar(
    file: PlannedFile,
    null: NullOfScore,
    shared: Mapping[str, Any],
    evaluated: NDArray[np.bool_],
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Gather the sidecar of a file; ``shared`` are the keys that all images of an analysis have."""
    settings = {key: json.loads(text) for key, text in file.settings}
    is_maps = file.kind == NULL_MAPS
    defined = np.isfinite(null.p[evaluated])
    what = (
        "Scores under permutations of the conditions, one volume each; the same permutations in "
        "all maps and participants with the same conditions"
        if is_maps
        else STATS[file.kind]
    )
    score = f"{settings['Comparison']}, model {settings['Model']['Name']}"
    said = [*shared.get("Warnings", ()), *warnings]
    return {
        "Description": f"{what}: {score}",
        **shared,
        **settings,
        "Relabelings": _kept(null, settings) if is_maps else _used(null),
        "SmallestP": null.smallest_p,
        "NullMean": _summary(null.mean[evaluated][defined]),
        "NullSD": _summary(null.sd[evaluated][defined]),
        "Assumption": ASSUMPTION,
        "Warnings": said,
        "CentersEvaluated": int(evaluated.sum()),
        "CentersUndefined": int((~defined).sum()),
        "SettingsHash": file.settings_hash,
        "SoftwareVersions": software_versions(),
    }


def _used(null: NullOfScore) -> dict[str, Any]:
    """Say how many relabelings p is made of, and how many there are."""
    return {
        "Used": null.n_used,
        "Distinct": null.n_distinct,
        "DistinctIsLowerBound": null.is_lower_bound,
        "Exhaustive": null.exhaustive,
    }


def _kept(null: NullOfScore, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Say which permutations the null maps are of, and how many forms the model has."""
    kept = kept_relabelings(len(null.kept), settings)
    distinct = {"Distinct": null.n_distinct, "DistinctIsLowerBound": null.is_lower_bound}
    return {"Kept": kept.pop("Kept"), **distinct, **kept}


def kept_relabelings(n_kept: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Say which permutations are kept."""
    permutations = draw_permutations(
        len(settings["Conditions"]), settings["ConditionPermutations"], settings["RandomSeed"]
    )
    orders, whole = permutations.kept(settings["KeptNullMaps"])
    return {
        "Kept": n_kept,
        "Exhaustive": whole,
        "SHA256": hashlib.sha256(orders.astype("<i4").tobytes()).hexdigest(),
    }


def _summary(values: NDArray[np.float64]) -> dict[str, float] | None:
    """Summarise values over centres."""
    if not values.size:
        return None
    found = (values.min(), np.median(values), values.max())
    return {key: float(f"{x:.6g}") for key, x in zip(("Min", "Median", "Max"), found, strict=True)}


def relabeling_notes(
    relabelings: Mapping[str, Sequence[ConditionRelabelings]],
    names: Mapping[str, Sequence[str]],
    alpha: float,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Say how many relabelings there are, and where they are too few; each once.

    Parameters
    ----------
    relabelings : mapping of str to sequence of Relabelings
        For each comparison, one for each score.
    names : mapping of str to sequence of str
        The names of the scores.
    alpha : float

    Returns
    -------
    notes, warnings : tuple of str
        Each begins with the scores that it is about.
    """
    notes: dict[str, list[str]] = {}
    told: dict[str, list[str]] = {}
    for comparison, found in relabelings.items():
        for name, one in zip(names[comparison], found, strict=True):
            score = f"{name} ({comparison})"
            sentence = _counted(one)
            notes.setdefault(f"{sentence}.", []).append(score)
            if one.smallest_p > alpha:
                advice = (
                    "More conditions, or a model with more levels, have more relabelings."
                    if one.exhaustive or 1 / one.n_distinct > alpha
                    else "Use more --condition-permutations."
                )
                warning = f"{sentence}, above alpha {alpha:g}: nothing can be significant. {advice}"
                told.setdefault(warning, []).append(score)
    return tuple(_of_scores(notes)), tuple(_of_scores(told))


def _counted(one: ConditionRelabelings) -> str:
    """Say how many relabelings there are, how many are used, and what p they can give."""
    count = f"{'more than ' if one.is_lower_bound else ''}{one.n_distinct:,}"
    which = "all of them" if one.exhaustive else f"{len(one.used):,} permutations"
    return (
        f"{count} distinct relabelings of the conditions, {which} used; the smallest p is "
        f"{one.smallest_p:.3g}"
    )


def _of_scores(sentences: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Put the scores in front of what is said of them."""
    for sentence, scores in sentences.items():
        yield f"{few(scores, 6)}: {sentence}"


def unequal_images_warning(images_per_condition: Mapping[str, int]) -> tuple[str, ...]:
    """Warn that conditions with unequal numbers of images are not exchangeable."""
    counts = images_per_condition.values()
    if len(set(counts)) <= 1:
        return ()
    return (
        f"Conditions have {min(counts)} to {max(counts)} images: they are then not exchangeable "
        "where nothing differs, so p of --condition-permutations can be too small or too large.",
    )
