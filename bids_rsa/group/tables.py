"""The tables of a group test: clusters, scores of all subjects at the peaks, who is in."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.inference.group_maps import Cluster
from bids_rsa.group.load import GroupScores
from bids_rsa.group.records import GroupTest

Row = tuple[str, ...]

CLUSTER_COLUMNS = {
    "cluster": "Number of the cluster, the largest first",
    "peak_x": "x of the voxel with the largest statistic, in mm",
    "peak_y": "y of that voxel, in mm",
    "peak_z": "z of that voxel, in mm",
    "size_voxels": "Number of significant voxels that are connected",
    "size_mm3": "Their volume in cubic millimetres",
    "mass": "Sum of the statistic minus the cluster-forming threshold over those voxels above it",
    "t": "t at the peak",
    "p": "Smallest p of the primary method in the cluster",
    "share_above_0": "Share of subjects with a score (or difference) above 0 at the peak",
}
PEAK_COLUMNS = {
    "participant_id": "Participant",
    "cluster": "Number of the cluster in the table of clusters",
    "score": "Score at the cluster's peak as tested: transformed; a difference for two models",
    "group": "The participant's group, n/a without groups",
}
SUBJECT_COLUMNS = {
    "participant_id": "Participant",
    "status": "in: tested; out: left out",
    "why": "Why the participant is left out",
    "centers": "Voxels at which the participant has a score",
    "voxels_lost_alone": "Voxels that are not tested because of this participant alone",
    "mean_score": "Mean score over the participant's voxels inside the mask, not transformed",
}


def cluster_rows(clusters: Sequence[Cluster], scores: GroupScores) -> list[Row]:
    """Describe each cluster."""
    places = peak_places_mm(clusters, scores)
    sizes = scores.space.sizes()[scores.mask]
    return [
        (
            str(number),
            *(f"{coordinate:g}" for coordinate in np.round(place, 3)),
            str(len(one.voxels)),
            f"{sizes[one.voxels].sum():.6g}",
            f"{one.mass:.6g}",
            f"{one.t:.6g}",
            f"{one.p:.6g}",
            f"{one.share_above_0:.4g}",
        )
        for number, (one, place) in enumerate(zip(clusters, places, strict=True), start=1)
    ]


def peak_places_mm(clusters: Sequence[Cluster], scores: GroupScores) -> NDArray[np.float64]:
    """Give the peaks in mm, (n_clusters, 3)."""
    peaks = np.flatnonzero(scores.mask)[[one.peak for one in clusters]]
    return scores.space.places_mm(peaks).reshape(-1, 3)


def peak_rows(clusters: Sequence[Cluster], scores: GroupScores, test: GroupTest) -> list[Row]:
    """List every subject's score at each peak."""
    groups = test.group_of or ("n/a",) * len(test.members)
    return [
        (f"sub-{subject}", str(number), _number(scores.scores[row, one.peak]), group)
        for number, one in enumerate(clusters, start=1)
        for row, (subject, group) in enumerate(zip(test.subjects, groups, strict=True))
    ]


def subject_rows(scores: GroupScores, test: GroupTest) -> list[Row]:
    """List who is in and who is not, and why."""
    inside = [
        (f"sub-{subject}", "in", "n/a", str(centers), str(lost), _number(mean))
        for subject, centers, lost, mean in zip(
            test.subjects, scores.centers, scores.lost_alone, scores.mean_scores, strict=True
        )
    ]
    outside = [
        (f"sub-{subject}", "out", why, "n/a", "n/a", "n/a") for subject, why in test.left_out
    ]
    return sorted([*inside, *outside])


def _number(value: float) -> str:
    """Write a number, or n/a."""
    return f"{value:.6g}" if np.isfinite(value) else "n/a"


def as_tsv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Write a table as TSV."""
    return "".join("\t".join(row) + "\n" for row in (tuple(columns), *rows))
