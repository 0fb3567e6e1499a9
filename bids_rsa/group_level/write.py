"""The files of a test: maps and tables with their sidecars, each whole under its final name."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bids_rsa.derivatives import read_sidecar
from bids_rsa.errors import OutputError
from bids_rsa.group_level.names import group_path
from bids_rsa.group_level.records import GroupTest
from bids_rsa.group_level.results import P_LABELS, GroupResult
from bids_rsa.group_level.scores import GroupScores
from bids_rsa.group_level.sidecars import map_sidecar
from bids_rsa.group_level.tables import (
    CLUSTER_COLUMNS,
    PARTICIPANT_COLUMNS,
    Clusters,
    participants_table,
    peak_scores,
)
from bids_rsa.images import open_image, replacing, save_image, volume_image

FloatArray = npt.NDArray[np.float64]
# outside the mask: a p of 1, and 0 elsewhere
OUTSIDE = dict.fromkeys(P_LABELS, 1.0)


def write_maps(
    test: GroupTest,
    data: GroupScores,
    result: GroupResult,
    common: Mapping[str, Any],
    output_dir: Path,
) -> list[str]:
    """Write all maps and the group mask; return their paths in the dataset."""
    template = open_image(test.first.maps[0].path)
    written = []
    for stat, values in result.maps.items():
        volume = np.full(data.mask.shape, OUTSIDE.get(stat, 0.0), dtype=np.float32)
        volume[data.mask] = values
        path = group_path(test, stat)
        save_image(volume_image(volume, data.affine, template), output_dir / path)
        _write_json(map_sidecar(test, stat, common), output_dir / path)
        written.append(path)
    path = group_path(test, suffix="mask")
    mask = volume_image(data.mask.astype(np.uint8), data.affine, template)
    save_image(mask, output_dir / path)
    words = {"Description": f"{test.words}. Voxels tested.", "Type": "ROI"}
    _write_json(words | dict(common), output_dir / path)
    return [*written, path]


def write_tables(
    test: GroupTest,
    data: GroupScores,
    clusters: Clusters,
    common: Mapping[str, Any],
    output_dir: Path,
) -> list[str]:
    """Write the tables of subjects, clusters and peaks; return their paths in the dataset."""
    scores = peak_scores(test, data, clusters)
    columns = {"participant_id": "Subject", "group": "Group"} | {
        name: f"Score at the peak of cluster {name.removeprefix('cluster_')}, transformed as tested"
        for name in scores.columns
        if name.startswith("cluster_")
    }
    written = []
    for suffix, table, words in (
        ("participants", participants_table(test, data), PARTICIPANT_COLUMNS),
        ("clusters", clusters.table, CLUSTER_COLUMNS),
        ("peakscores", scores, columns),
    ):
        path = group_path(test, suffix=suffix, extension=".tsv")
        with replacing(output_dir / path) as beside:
            table.to_csv(beside, sep="\t", index=False, na_rep="n/a", float_format="%.6g")
        described = {name: {"Description": words[name]} for name in table.columns}
        _write_json(described | {"bids_rsa": dict(common)}, output_dir / path)
        written.append(path)
    return written


def _write_json(content: Mapping[str, Any], beside_of: Path) -> None:
    """Write a sidecar beside its file."""
    stem = beside_of.name.removesuffix(".gz").rsplit(".", 1)[0]
    with replacing(beside_of.with_name(f"{stem}.json")) as beside:
        beside.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def is_done(test: GroupTest, settings_hash: str, output_dir: Path) -> bool:
    """Tell whether a test's last written sidecar is there, with these settings."""
    found = read_sidecar(output_dir / done_marker(test))
    return found is not None and found.get("SettingsHash") == settings_hash


def check_replaceable(
    test: GroupTest, settings: Mapping[str, Any], settings_hash: str, output_dir: Path
) -> None:
    """Refuse to replace a test that was made with other settings or inputs.

    Raises
    ------
    OutputError
        Names the file and what differs.
    """
    path = output_dir / done_marker(test)
    found = read_sidecar(path)
    if found is None or found.get("SettingsHash") == settings_hash:
        return
    differing = [
        f"{key} is {_short(found.get(key))} there and {_short(value)} now"
        for key, value in settings.items()
        if key != "Membership" and found.get(key) != json.loads(json.dumps(value))
    ]
    raise OutputError(
        f"{path} was made with other settings or inputs: {'; '.join(differing) or 'unknown'}.",
        "Replace it with --overwrite, or keep a copy of group/ elsewhere first.",
    )


def done_marker(test: GroupTest) -> str:
    """Name the sidecar that is written last."""
    return group_path(test, "tThr", extension=".json")


def _short(value: Any) -> str:
    """Write a value for a message."""
    text = json.dumps(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
