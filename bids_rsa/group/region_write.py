"""Tests of regions across participants, and the tables that they become."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.ceilings import subject_ceilings
from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.core.inference.group_scores import fisher_z
from bids_rsa.core.inference.region_tests import RegionTests, region_tests
from bids_rsa.errors import ContentError
from bids_rsa.group.records import FOLDER
from bids_rsa.group.region_find import RegionData, RegionGroup, read_regions
from bids_rsa.outputs.dataset_files import dataset_lock, write_json, write_text
from bids_rsa.outputs.derivatives import PlannedFile, with_vectors
from bids_rsa.outputs.provenance import digest, hash_file, software_versions
from bids_rsa.outputs.region_plan import dissimilarity_label
from bids_rsa.outputs.region_tables import as_lines, number, relmat_text
from bids_rsa.outputs.sidecars import plan_file
from bids_rsa.regions.region import make_regions
from bids_rsa.settings import GroupSettings

Floats = NDArray[np.float64]
MEANS = "mean"
SCORES = {
    "index": "Index of the region, as in the first participant's table",
    "name": "Name of the region",
    "model": "Name of the model",
    "n": "Participants with a score",
    "mean": "Mean score",
    "sd": "Standard deviation of the scores",
    "se": "Standard error of the mean score",
    "t": "Student's t of the transformed scores against 0",
    "df": "Its degrees of freedom",
    "p": "p by sign flips of participants",
    "p_fwe": "p corrected for the family-wise error by the maximum over the family",
    "q_fdr": "Benjamini and Hochberg's adjusted p, over the same family",
    "d": "Cohen's d of the transformed scores",
    "ceiling_lower": "Lower noise ceiling: mean similarity of a participant's RDM with the mean "
    "RDM of the others",
    "ceiling_upper": "Upper noise ceiling: the same with the mean RDM of all",
    "p_ceiling": "Two-sided p, by sign flips, of the model's scores against each participant's "
    "share in the lower ceiling",
}
DIFFERENCES = {
    "index": SCORES["index"],
    "name": SCORES["name"],
    "model_1": "First model",
    "model_2": "Second model, whose score is taken away",
    "n": "Participants with both scores",
    "mean": "Mean difference of the scores",
    "sd": "Standard deviation of the differences",
    "se": "Standard error of the mean difference",
    "t": "Student's t of the differences of transformed scores",
    "df": SCORES["df"],
    "p": "Two-sided p by sign flips of participants",
    "p_fwe": SCORES["p_fwe"],
    "q_fdr": SCORES["q_fdr"],
    "d": "Cohen's d of the differences of transformed scores",
}
LONG = {
    "participant_id": "Participant",
    "index": SCORES["index"],
    "name": SCORES["name"],
    "comparison": "How RDM and model were compared",
    "model": "Name of the model",
    "score": "Score; n/a where the participant has none",
    "transformed": "The score as it is tested",
}


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
    inputs = [[one.subject, hash_file(one.scores), hash_file(one.rdms)] for one in group.members]
    return {
        "Regions": group.metadata["Regions"].get("Name", group.seg),
        "RegionNames": list(wanted) or "all",
        "Models": list(settings.model) or "all",
        "Tail": settings.tail or "greater",
        "Null": "signs of participants' scores are flipped",
        "Permutations": settings.n_permutations,
        "RandomSeed": settings.random_seed,
        "Transform": settings.transform,
        "Alpha": settings.alpha,
        "FWEOver": "regions and models" if settings.fwe_over == "models" else "regions",
        "Participants": [f"sub-{one.subject}" for one in group.members],
        "Dissimilarity": group.metadata["Dissimilarity"],
        "Conditions": group.metadata["Conditions"],
        "InputHash": digest(inputs),
    }


@dataclass(frozen=True, eq=False)
class ComparedRegions:
    """What is tested under one comparison.

    ``scores`` and ``transformed`` are (n_subjects, n_models, n_regions); ``pairs`` the models of
    each difference; ``tests``, ``differences`` and ``to_ceiling`` have one column for each model
    (or pair) and region, regions running fastest; ceilings are (n_regions,), NaN without any.
    """

    models: tuple[str, ...]
    scores: Floats
    transformed: Floats
    tests: RegionTests
    pairs: tuple[tuple[int, int], ...]
    differences: RegionTests | None
    lower: Floats
    upper: Floats
    to_ceiling: RegionTests | None


def compare_regions(data: RegionData, comparison: str, settings: GroupSettings) -> ComparedRegions:
    """Test the scores of all models in all regions, their differences, and the noise ceiling."""
    entry, scores = find_comparison(comparison), data.scores[comparison]
    n_subjects, n_models, n_regions = scores.shape
    wanted = settings.transform if settings.transform != "auto" else entry.transform
    n_cells = data.rdms.shape[2]

    def transform(values: Floats) -> Floats:
        """Take Fisher's z where it is wanted."""
        return fisher_z(values, n_cells)[0] if wanted == "fisher" else values

    transformed = transform(scores)
    options = {"n_permutations": settings.n_permutations, "seed": settings.random_seed}

    def families(n_sets: int) -> list[NDArray[np.intp]]:
        """Correct over regions, and over models where asked for."""
        columns = np.arange(n_sets * n_regions).reshape(n_sets, n_regions)
        return [columns.ravel()] if settings.fwe_over == "models" else list(columns)

    def test(values: Floats, tail: Any) -> RegionTests:
        """Test (n_subjects, n_sets, n_regions) against 0."""
        flat = values.reshape(n_subjects, -1)
        return region_tests(flat, tail, families=families(values.shape[1]), **options)

    pairs = tuple(itertools.combinations(range(n_models), 2))
    first, second = [one for one, _ in pairs], [two for _, two in pairs]
    apart = transformed[:, first] - transformed[:, second]
    lower, upper, to_ceiling = np.full(n_regions, np.nan), np.full(n_regions, np.nan), None
    if entry.ceiling and n_subjects > 2:
        by_subject, upper = ceilings_of_regions(data.rdms, comparison)
        lower = np.where(np.isfinite(by_subject).any(axis=0), _mean(by_subject), np.nan)
        to_ceiling = test(transformed - transform(by_subject)[:, None], "two-sided")
    return ComparedRegions(
        data.models[comparison], scores, transformed,
        test(transformed, settings.tail or "greater"), pairs,
        test(apart, "two-sided") if pairs else None, lower, upper, to_ceiling,
    )  # fmt: skip


def ceilings_of_regions(rdms: Floats, comparison: str) -> tuple[Floats, Floats]:
    """Compute noise ceilings of each region, over the participants who have it.

    Parameters
    ----------
    rdms : (n_subjects, n_regions, n_cells) float64
    comparison : str

    Returns
    -------
    lower : (n_subjects, n_regions) float64
        Similarity of each participant's RDM with the mean RDM of the others.
    upper : (n_regions,) float64
    """
    n_subjects, n_regions, _ = rdms.shape
    lower, upper = np.full((n_subjects, n_regions), np.nan), np.full(n_regions, np.nan)
    there = np.isfinite(rdms).any(axis=2)
    for pattern in np.unique(there.T, axis=0):
        regions = np.flatnonzero((pattern == there.T).all(axis=1))
        subjects = np.flatnonzero(pattern)
        if len(subjects) > 2:
            own = rdms[np.ix_(subjects, regions)]
            lower[np.ix_(subjects, regions)], upper[regions] = subject_ceilings(own, comparison)
    return lower, upper


def _mean(values: Floats) -> Floats:
    """Average over participants who have a value; NaN where nobody has."""
    n = np.isfinite(values).sum(axis=0)
    return np.asarray(np.nansum(values, axis=0) / np.where(n > 0, n, np.nan))


def write_region_group(job: RegionGroupJob) -> list[Path]:
    """Test a set of regions, write its tables, and after all of them their sidecars."""
    output = Path(job.output_dir)
    data = read_regions(job.group, job.settings, job.wanted)
    with dataset_lock(output):
        for file in job.planned:
            (output / file.sidecar).unlink(missing_ok=True)
    found = {name: compare_regions(data, name, job.settings) for name in data.models}
    columns = {"long": LONG, "scores": SCORES, "differences": DIFFERENCES}
    for what, comparison, file in job.tables:
        if what == "long":
            rows = _long_rows(job.group, data, found)
        elif what == "scores":
            rows = score_rows(data, found[comparison])
        else:
            rows = _difference_rows(data, found[comparison])
        write_text(output / file.path, as_lines([list(columns[what]), *rows]))
    conditions = job.group.metadata["Conditions"]
    for place, file in enumerate(job.relmats):
        write_text(output / file.path, relmat_text(mean_rdm(data.rdms[:, place]), conditions))
    with dataset_lock(output):
        for what, comparison, file in job.tables:
            content = _sidecar(file, columns[what], comparison, found)
            write_json(output / file.sidecar, content)
        for place, file in enumerate(job.relmats):
            n = int(np.isfinite(data.rdms[:, place]).any(axis=1).sum())
            words = {"Description": "Mean RDM over participants", "N": n}
            write_json(output / file.sidecar, words | _of(file))
    return [output / file.path for file in job.planned]


def mean_rdm(rdms: Floats) -> Floats:
    """Average RDMs over the participants who have a cell."""
    return _mean(rdms)


def _of(file: PlannedFile) -> dict[str, Any]:
    """Read a file's settings, as they stand in its sidecar."""
    settings = {key: json.loads(text) for key, text in file.settings}
    versions = {"SettingsHash": file.settings_hash, "SoftwareVersions": software_versions()}
    return settings | versions


def _sidecar(
    file: PlannedFile,
    columns: dict[str, str],
    comparison: str,
    found: dict[str, ComparedRegions],
) -> dict[str, Any]:
    """Gather the sidecar of a table."""
    content: dict[str, Any] = {"Description": "Scores of models in regions, across participants"}
    content |= {name: {"Description": text} for name, text in columns.items()}
    if comparison:
        content["ExactSignFlips"] = found[comparison].tests.exhaustive
        content["CeilingDefinition"] = (
            "Nili et al. 2014; of what the comparison compares, see the documentation"
            if np.isfinite(found[comparison].upper).any()
            else "none"
        )
    return content | _of(file)


def _summary(values: Floats) -> list[str]:
    """Write mean, standard deviation and standard error of the scores that are there."""
    known = values[np.isfinite(values)]
    if not known.size:
        return ["n/a"] * 3
    sd = float(known.std(ddof=1)) if known.size > 1 else float("nan")
    return [number(known.mean()), number(sd), number(sd / np.sqrt(known.size))]


def _tested(tests: RegionTests, column: int) -> list[str]:
    """Write what a test found."""
    df = str(tests.df[column]) if tests.n[column] > 1 else "n/a"
    rest = (tests.p, tests.p_fwe, tests.q_fdr, tests.d)
    return [number(tests.t[column]), df, *(number(values[column]) for values in rest)]


def score_rows(data: RegionData, found: ComparedRegions) -> list[list[str]]:
    """List each region and model with its tests."""
    n_regions, rows = len(data.names), []
    for place, name in enumerate(data.names):
        for row, model in enumerate(found.models):
            column = row * n_regions + place
            nearness = found.to_ceiling.p[column] if found.to_ceiling else float("nan")
            rows.append([
                str(data.indices[place]), name, model, str(found.tests.n[column]),
                *_summary(found.scores[:, row, place]), *_tested(found.tests, column),
                *map(number, (found.lower[place], found.upper[place], nearness)),
            ])  # fmt: skip
    return rows


def _difference_rows(data: RegionData, found: ComparedRegions) -> list[list[str]]:
    """List each region and pair of models with its test."""
    if found.differences is None:
        raise ContentError("there is one model, and no pair")
    n_regions, rows = len(data.names), []
    for place, name in enumerate(data.names):
        for row, (one, two) in enumerate(found.pairs):
            column = row * n_regions + place
            rows.append([
                str(data.indices[place]), name, found.models[one], found.models[two],
                str(found.differences.n[column]),
                *_summary(found.scores[:, one, place] - found.scores[:, two, place]),
                *_tested(found.differences, column),
            ])  # fmt: skip
    return rows


def _long_rows(
    group: RegionGroup, data: RegionData, found: dict[str, ComparedRegions]
) -> Iterable[list[str]]:
    """List each participant's score of each model in each region."""
    for subject, member in enumerate(group.members):
        for place, name in enumerate(data.names):
            for comparison, one in found.items():
                for row, model in enumerate(one.models):
                    values = one.scores[subject, row, place], one.transformed[subject, row, place]
                    yield [
                        f"sub-{member.subject}", str(data.indices[place]), name, comparison, model,
                        *map(number, values),
                    ]  # fmt: skip
