"""A group test's result under its final names: images, tables, and last their sidecars."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_rsa.group import tables
from bids_rsa.group.load import GroupScores
from bids_rsa.group.names import P_STATS, map_path, mask_path, table_path
from bids_rsa.group.records import GroupTest
from bids_rsa.group.sidecar import common_keys, group_map_sidecar, group_mask_sidecar, table_sidecar
from bids_rsa.group.statements import Tried
from bids_rsa.group.tests import GroupResult
from bids_rsa.outputs.dataset_files import dataset_lock, write_json, write_text
from bids_rsa.outputs.derivatives import (
    PlannedFile,
    is_complete,
    without_extension,
    without_pictures,
)
from bids_rsa.outputs.whole_files import replacing_together

# long lists that the maps' sidecars contain already
NOT_IN_TABLES = ("Sources", "SoftwareVersions")

RUN_WORKFLOW = "group"


def nulls_name(name: str) -> str:
    """Name the node that gathers the null distributions of all tests, after the first test."""
    return f"{name}_all_nulls"


@dataclass(frozen=True)
class GroupJob:
    """All that is needed to run one test and to write what comes out.

    ``n_joint`` tests have their maxima taken together. ``links`` are (path, name) of the datasets
    that the participants' maps are in, but for the output. ``name`` is the graph's, ``state_dir``
    keeps finished permutations. ``is_drawn`` is False where no pictures are wanted. ``n_threads``
    and ``memory_gb`` change no result.
    """

    test: GroupTest
    planned: tuple[PlannedFile, ...]
    others: tuple[str, ...]
    tried: Tried
    n_joint: int
    output_dir: str
    links: tuple[tuple[str, str], ...]
    name: str
    state_dir: str = ""
    n_threads: int = 1
    memory_gb: float = 1.0
    is_drawn: bool = True

    @property
    def awaited(self) -> tuple[str, ...]:
        """Files next to the maps that belong to a complete test: pictures where they are wanted."""
        return self.others if self.is_drawn else without_pictures(self.others)

    @property
    def label(self) -> str:
        """Name the job for people."""
        return self.test.title

    @property
    def graphs(self) -> tuple[str, ...]:
        """Name its two graphs: up to the null distribution, and from there."""
        return self.name, f"{self.name}_results"


def write_result(job: GroupJob, scores: GroupScores, result: GroupResult) -> list[Path]:
    """Write the images and tables of a test, and after all of them their sidecars.

    A sidecar says that its file is finished, so the old ones and the old pictures go first, and the
    new sidecars come last.

    Returns
    -------
    list of Path
        The images.
    """
    output, test = Path(job.output_dir), job.test
    settings = {key: json.loads(text) for key, text in job.planned[0].settings}
    common = common_keys(
        test, settings, job.planned[0].settings_hash, result.found, job.tried, dict(job.links)
    )

    @contextmanager
    def described() -> Iterator[None]:
        """Remove sidecars and pictures of the old images; write the new tables and sidecars."""
        with dataset_lock(output):
            if not is_complete(output, job.planned, ()):
                for path in (*(file.sidecar for file in job.planned), *job.others):
                    (output / path).unlink(missing_ok=True)
            yield
            of_tables = _write_tables(output, test, scores, result, common)
            # those of the maps last: they say that the test is complete
            for path, content in (of_tables | sidecars).items():
                write_json(output / path, content)

    sidecars: dict[str, dict[str, Any]] = {}
    paths = [output / file.path for file in job.planned]
    with replacing_together(paths, described()) as beside:
        for part in test.parts:
            hemisphere = {"Hemisphere": part} if part else {}
            sidecars[_json(mask_path(test, part))] = group_mask_sidecar(test, common) | hemisphere
            mask = _image(scores, np.ones(result.maps["t"].size, np.uint8), part)
            nib.save(mask, beside[output / mask_path(test, part)])
            for stat, values in result.maps.items():
                path = map_path(test, stat, part)
                outside = 1.0 if stat in P_STATS else 0.0
                image = _image(scores, values.astype(np.float32), part, outside)
                nib.save(image, beside[output / path])
                sidecars[_json(path)] = (
                    group_map_sidecar(stat, test, common, job.n_joint) | hemisphere
                )
    return paths


def _image(scores: GroupScores, values: NDArray[Any], part: str, outside: float = 0.0) -> Any:
    """Put values into the mask of a test; NaN is outside of it on surfaces."""
    is_mask = values.dtype == np.uint8
    if not is_mask and np.isnan(scores.space.outside):
        outside = scores.space.outside
    everywhere = np.full(scores.space.n_locations, outside, values.dtype)
    everywhere[scores.mask] = values
    return scores.space.image(everywhere, part, is_mask=is_mask)


def _json(path: str) -> str:
    """Give the JSON next to a file."""
    return without_extension(path) + ".json"


def _write_tables(
    output: Path,
    test: GroupTest,
    scores: GroupScores,
    result: GroupResult,
    common: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """Write the tables; return their sidecars by path."""
    primary = test.settings.primary
    content: dict[str, tuple[str, Mapping[str, str], Sequence[tables.Row]]] = {
        "clusters": (
            f"Clusters of {scores.space.words[1]} significant by {primary} at alpha "
            f"{test.settings.alpha:g}",
            tables.cluster_columns(scores),
            tables.cluster_rows(result.clusters, scores),
        ),
        "peakscores": (
            "Scores of every participant at the peak of each cluster; selected for high values, so "
            "not an estimate of the effect size",
            tables.PEAK_COLUMNS,
            tables.peak_rows(result.clusters, scores, test),
        ),
        "subjects": (
            "Participants tested and left out",
            tables.subject_columns(scores),
            tables.subject_rows(scores, test),
        ),
    }
    sidecars = {}
    for name, (description, columns, rows) in content.items():
        path = table_path(test, name)
        write_text(output / path, tables.as_tsv(list(columns), rows))
        sidecars[_json(path)] = table_sidecar(description, columns, common, NOT_IN_TABLES)
    return sidecars
