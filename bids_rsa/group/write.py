"""A group test's result under its final names: images, tables, and last their sidecars."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.group import tables
from bids_rsa.group.load import GroupScores
from bids_rsa.group.names import P_STATS, map_path, mask_path, table_path
from bids_rsa.group.records import GroupTest
from bids_rsa.group.sidecar import common_keys, map_sidecar, mask_sidecar, table_sidecar
from bids_rsa.group.statements import Tried
from bids_rsa.group.tests import GroupResult
from bids_rsa.outputs.dataset_files import write_json, write_text
from bids_rsa.outputs.derivatives import PlannedFile
from bids_rsa.outputs.whole_files import save_image
from bids_rsa.spaces.images import open_image, volume_image

# long lists that the maps' sidecars hold already
NOT_IN_TABLES = ("Sources", "SoftwareVersions")


@dataclass(frozen=True)
class GroupJob:
    """All that is needed to run one test and to write what comes out.

    ``n_joint`` tests have their maxima taken together. ``n_threads`` and ``memory_gb`` change no
    result.
    """

    test: GroupTest
    planned: tuple[PlannedFile, ...]
    others: tuple[str, ...]
    tried: Tried
    n_joint: int
    output_dir: str
    state_dir: str
    n_threads: int = 1
    memory_gb: float = 1.0


def write_result(job: GroupJob, scores: GroupScores, result: GroupResult) -> list[Path]:
    """Write the images and tables of a test, and after all of them their sidecars.

    A sidecar says that its file is finished, so the old ones go first and the new ones come last.

    Returns
    -------
    list of Path
        The images.
    """
    output, test = Path(job.output_dir), job.test
    for file in job.planned:
        (output / file.sidecar).unlink(missing_ok=True)
    settings = {key: json.loads(text) for key, text in job.planned[0].settings}
    common = common_keys(
        test, settings, job.planned[0].settings_hash, result.found, job.tried, output
    )
    template = open_image(test.members[0].maps[0][0].path)

    def save(path: str, values: NDArray[Any], outside: float = 0.0) -> None:
        """Put values into the mask, and save the image."""
        volume = np.full(scores.mask.shape, outside, values.dtype)
        volume[scores.mask] = values
        save_image(volume_image(volume, scores.affine, template), output / path)

    sidecars: dict[str, dict[str, Any]] = {}
    for stat, values in result.maps.items():
        path = map_path(test, stat)
        save(path, values.astype(np.float32), 1.0 if stat in P_STATS else 0.0)
        sidecars[_json(path)] = map_sidecar(stat, test, common, job.n_joint)
    save(mask_path(test), np.ones(result.maps["t"].size, np.uint8))
    sidecars[_json(mask_path(test))] = mask_sidecar(common)
    sidecars |= _write_tables(output, test, scores, result, common)
    for path, content in sidecars.items():
        write_json(output / path, content)
    return [output / file.path for file in job.planned]


def _json(path: str) -> str:
    """Give the JSON beside a file."""
    return path.removesuffix(".nii.gz").removesuffix(".tsv") + ".json"


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
            f"Clusters of voxels significant by {primary} at alpha {test.settings.alpha:g}",
            tables.CLUSTER_COLUMNS,
            tables.cluster_rows(result.clusters, scores),
        ),
        "peakscores": (
            "Scores of every subject at the peak of each cluster; chosen for being high, so no "
            "estimate of the effect's size",
            tables.PEAK_COLUMNS,
            tables.peak_rows(result.clusters, scores, test),
        ),
        "subjects": (
            "Subjects tested and left out",
            tables.SUBJECT_COLUMNS,
            tables.subject_rows(scores, test),
        ),
    }
    sidecars = {}
    for name, (description, columns, rows) in content.items():
        path = table_path(test, name)
        write_text(output / path, tables.as_tsv(list(columns), rows))
        sidecars[_json(path)] = table_sidecar(description, columns, common, NOT_IN_TABLES)
    return sidecars
