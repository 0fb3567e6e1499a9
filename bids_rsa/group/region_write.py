"""Tests of regions across participants, written: tables, and last their sidecars."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.core.inference.region_tests import RegionTests
from bids_rsa.errors import ContentError
from bids_rsa.group.region_columns import LONG, difference_columns, score_columns
from bids_rsa.group.region_data import RegionData, read_regions
from bids_rsa.group.region_job import RegionGroupJob
from bids_rsa.group.region_records import RegionGroup
from bids_rsa.group.region_tests import (
    ComparedRegions,
    ceilings_wanted,
    compare_regions,
    mean_known,
)
from bids_rsa.outputs.dataset_files import dataset_lock, write_json, write_text
from bids_rsa.outputs.derivatives import PlannedFile, is_complete
from bids_rsa.outputs.provenance import software_versions
from bids_rsa.outputs.region_tables import as_lines, exact_number, relmat_text

LOGGER = logging.getLogger(__name__)
Floats = NDArray[np.float64]


def write_region_group(job: RegionGroupJob) -> list[Path]:
    """Test a set of regions, write its tables, and after all of them their sidecars.

    The old sidecars and pictures of tables that are replaced are removed first.
    """
    output = Path(job.output_dir)
    data = read_regions(job.group, job.settings, job.wanted)
    with dataset_lock(output):
        if not is_complete(output, job.planned, ()):
            for path in (*(file.sidecar for file in job.planned), *job.figures):
                (output / path).unlink(missing_ok=True)
    found = {name: compare_regions(data, name, job.settings) for name in data.models}
    for name in data.models:
        _log_without_ceiling(job, data, name)
    people = job.group.people
    columns = {
        "long": LONG,
        "scores": score_columns(people, job.settings),
        "differences": difference_columns(people, job.settings),
    }
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
        write_text(output / file.path, relmat_text(mean_known(data.rdms[:, place]), conditions))
    with dataset_lock(output):
        for what, comparison, file in job.tables:
            content = _sidecar(file, columns[what], comparison, found)
            write_json(output / file.sidecar, content)
        for place, file in enumerate(job.relmats):
            n = int(np.isfinite(data.rdms[:, place]).any(axis=1).sum())
            words = {"Description": "Mean RDM over participants", "N": n}
            write_json(output / file.sidecar, words | _of(file))
    return [output / file.path for file in job.planned]


def _log_without_ceiling(job: RegionGroupJob, data: RegionData, comparison: str) -> None:
    """Say which models have no noise ceiling, and why."""
    if ceilings_wanted(comparison, len(job.group.subjects), job.settings):
        for model, why in data.no_ceiling.get(comparison, {}).items():
            LOGGER.warning(
                "Regions %s, %s: model %s gets no noise ceiling: %s.",
                job.group.label, comparison, model, why,
            )  # fmt: skip


def _of(file: PlannedFile) -> dict[str, Any]:
    """Read a file's settings, as they are in its sidecar."""
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
        content["RelabelingsExhaustive"] = found[comparison].tests.exhaustive
        content["CeilingDefinition"] = (
            find_comparison(comparison).ceiling
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
    return [exact_number(known.mean()), exact_number(sd), exact_number(sd / np.sqrt(known.size))]


def _tested(tests: RegionTests, column: int) -> list[str]:
    """Write what a test found."""
    df = f"{tests.df[column]:.10g}" if tests.n[column] > 1 else "n/a"
    rest = (tests.p, tests.p_fwe, tests.q_fdr, tests.d)
    return [exact_number(tests.t[column]), df, *(exact_number(values[column]) for values in rest)]


def score_rows(data: RegionData, found: ComparedRegions) -> list[list[str]]:
    """List each region and model with its tests."""
    n_regions, rows = len(data.names), []
    for place, name in enumerate(data.names):
        for row, model in enumerate(found.models):
            column = row * n_regions + place
            ceiling = [float("nan")] * 3
            if found.to_ceiling and found.has_ceiling[row]:
                ceiling = [found.lower[place], found.upper[place], found.to_ceiling.p[column]]
            rows.append([
                str(data.indices[place]), name, model, str(found.tests.n[column]),
                *_summary(found.scores[:, row, place]), *_tested(found.tests, column),
                *map(exact_number, ceiling),
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
    for subject, label in enumerate(group.subjects):
        for place, name in enumerate(data.names):
            for comparison, one in found.items():
                for row, model in enumerate(one.models):
                    values = one.scores[subject, row, place], one.transformed[subject, row, place]
                    yield [
                        f"sub-{label}", str(data.indices[place]), name, comparison, model,
                        *map(exact_number, values),
                    ]  # fmt: skip
