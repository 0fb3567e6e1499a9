"""The tables of a test: subjects in and out, clusters and their peaks, scores at the peaks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bids_rsa.core.inference import find_clusters, neighbor_table
from bids_rsa.group_level.records import GroupTest
from bids_rsa.group_level.results import PRIMARY, GroupResult
from bids_rsa.group_level.scores import GroupScores

CLUSTER_COLUMNS = {
    "cluster": "Number of the cluster of significant voxels, from the largest |t| at its peak",
    "peak_x_mm": "First coordinate of the voxel with the largest |t|, in mm",
    "peak_y_mm": "Second coordinate, in mm",
    "peak_z_mm": "Third coordinate, in mm",
    "size_voxels": "Number of voxels",
    "size_mm3": "Volume in cubic mm",
    "mass": "Sum over voxels of |t| minus the cluster-forming threshold, where above it",
    "t": "t at the peak",
    "p": "Smallest p in the cluster by the primary method",
    "share_above_0": "Share of the subjects whose score at the peak is above 0",
}
PARTICIPANT_COLUMNS = {
    "participant_id": "Subject",
    "included": "yes or no",
    "reason": "Why the subject is not included",
    "n_centers": "Centres with a score",
    "n_voxels_lost_alone": "Voxels that the group mask lacks because of this subject alone",
    "mean_score": "Mean transformed score in the group mask",
}


@dataclass(frozen=True, eq=False)
class Clusters:
    """The table of clusters of significant voxels, and the places of their peaks."""

    table: pd.DataFrame
    peaks: npt.NDArray[np.int64]


def cluster_table(test: GroupTest, data: GroupScores, result: GroupResult) -> Clusters:
    """Describe each cluster of significant voxels; the two signs never share one."""
    t = result.maps["t"]
    neighbors = neighbor_table(data.mask, test.settings.connectivity)
    signed = np.where(result.significant, np.sign(t), 0.0)
    found = find_clusters(signed, neighbors, 0.5, two_sided=True)
    ijk = np.argwhere(data.mask)
    voxel_mm3 = abs(np.linalg.det(data.affine[:3, :3]))
    p = result.maps[PRIMARY[test.settings.primary][0]]
    rows, peaks = [], []
    for label in range(1, len(found.sizes) + 1):
        voxels = np.flatnonzero(found.labels == label)
        peak = voxels[np.argmax(np.abs(t[voxels]))]
        x, y, z = data.affine[:3, :3] @ ijk[peak] + data.affine[:3, 3]
        mass = np.maximum(np.abs(t[voxels]) - result.cluster_threshold, 0).sum()
        there = data.scores[np.isfinite(data.scores[:, peak]), peak]
        row = (x, y, z, len(voxels), len(voxels) * voxel_mm3, mass, t[peak], p[voxels].min())
        rows.append((*row, (there > 0).mean()))
        peaks.append(peak)
    order = np.argsort([-abs(row[6]) for row in rows], kind="stable").astype(int)
    table = pd.DataFrame([rows[k] for k in order], columns=list(CLUSTER_COLUMNS)[1:])
    table.insert(0, "cluster", np.arange(1, len(table) + 1))
    return Clusters(table, np.array([peaks[k] for k in order], dtype=np.int64))


def peak_scores(test: GroupTest, data: GroupScores, clusters: Clusters) -> pd.DataFrame:
    """List every subject's score at each peak, transformed as tested."""
    columns = {
        f"cluster_{number}": data.scores[:, peak]
        for number, peak in enumerate(clusters.peaks, start=1)
    }
    frame = pd.DataFrame({"participant_id": [f"sub-{s}" for s in test.subjects]})
    if test.groups:
        frame["group"] = [
            test.groups[0] if first else test.groups[1] for first in test.in_first_group
        ]
    return pd.concat([frame, pd.DataFrame(columns)], axis=1)


def participants_table(test: GroupTest, data: GroupScores) -> pd.DataFrame:
    """List the subjects that are in and those that are not, and why."""
    rows: list[tuple[object, ...]] = []
    for row, subject in enumerate(test.subjects):
        mean = float(np.nanmean(data.scores[row]))
        rows.append(
            (f"sub-{subject}", "yes", None, int(data.n_centers[row]), int(data.n_lost[row]), mean)
        )
    rows += [(f"sub-{one.subject}", "no", one.why, None, None, None) for one in test.left_out]
    rows.sort(key=lambda row: str(row[0]))
    frame = pd.DataFrame(rows, columns=list(PARTICIPANT_COLUMNS))
    return frame.astype({"n_centers": "Int64", "n_voxels_lost_alone": "Int64"})
