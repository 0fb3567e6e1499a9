"""The tables of a group test: clusters, scores of all participants at the peaks, who is in."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.inference.group_maps import Cluster
from bids_rsa.group.load import GroupScores
from bids_rsa.group.records import GroupTest
from bids_rsa.spaces.volume import VolumeSpace

Row = tuple[str, ...]

_SIZES = {"mm3": "Their volume in cubic millimetres", "mm2": "Their area in square millimetres"}
# what the statistic is multiplied by in the mass of a cluster; nothing for voxels
_TIMES = {
    "mm2": ", times their areas in mm2",
    "mm2 or mm3": ", on the cortex times their areas in mm2",
}


def cluster_columns(scores: GroupScores) -> dict[str, str]:
    """Name the columns of the table of clusters, and say what they contain."""
    (one, several), unit = scores.space.words, scores.space.size_unit
    on_surface = {
        "structure": f"Structure that the {one} with the largest statistic is of",
        "vertex": "Number of that vertex in its hemisphere, from 0; n/a for a voxel",
    }
    return {
        "cluster": "Number of the cluster, the largest first",
        **({} if isinstance(scores.space, VolumeSpace) else on_surface),
        "peak_x": f"x of the {one} with the largest statistic, in mm",
        "peak_y": f"y of that {one}, in mm",
        "peak_z": f"z of that {one}, in mm",
        f"size_{several}": f"Number of significant {several} that are connected",
        f"size_{unit}": _SIZES.get(unit, f"Their area or volume in {unit}"),
        "mass": "Sum of the statistic minus the cluster-forming threshold over those "
        f"{several} above it{_TIMES.get(scores.space.size_unit, '')}",
        "t": "t at the peak",
        "p": "Smallest p of the primary method in the cluster",
        "share_above_0": "Share of participants with a score (or difference) above 0 at the peak",
    }


PEAK_COLUMNS = {
    "participant_id": "Participant",
    "cluster": "Number of the cluster in the table of clusters",
    "score": "Score at the cluster's peak as tested: transformed; a difference for two models",
    "group": "The participant's group, n/a without groups",
}


def subject_columns(scores: GroupScores) -> dict[str, str]:
    """Name the columns of the table of participants, and say what they contain."""
    several = scores.space.words[1]
    return {
        "participant_id": "Participant",
        "status": "in: tested; out: left out",
        "why": "Why the participant is left out",
        "centers": f"{several.capitalize()} at which the participant has a score",
        f"{several}_lost_alone": f"{several.capitalize()} that are not tested because of this "
        "participant alone",
        "mean_score": f"Mean score over the participant's {several} inside the mask, not "
        "transformed",
    }


def cluster_rows(clusters: Sequence[Cluster], scores: GroupScores) -> list[Row]:
    """Describe each cluster."""
    places = peak_places_mm(clusters, scores)
    sizes = scores.space.sizes()[scores.mask]
    return [
        (
            str(number),
            *structure,
            *(f"{coordinate:g}" for coordinate in np.round(place, 3)),
            str(len(one.voxels)),
            f"{sizes[one.voxels].sum():.6g}",
            f"{one.mass:.6g}",
            f"{one.t:.6g}",
            f"{one.p:.6g}",
            f"{one.share_above_0:.4g}",
        )
        for number, (one, place, structure) in enumerate(
            zip(clusters, places, _structures(clusters, scores), strict=True), start=1
        )
    ]


def peak_places_mm(clusters: Sequence[Cluster], scores: GroupScores) -> NDArray[np.float64]:
    """Give the peaks in mm, (n_clusters, 3)."""
    peaks = np.flatnonzero(scores.mask)[[one.peak for one in clusters]]
    return scores.space.places_mm(peaks).reshape(-1, 3)


def _structures(clusters: Sequence[Cluster], scores: GroupScores) -> list[tuple[str, ...]]:
    """Name the structure and the vertex of each peak; nothing for volumes."""
    peaks = np.flatnonzero(scores.mask)[[one.peak for one in clusters]]
    if isinstance(scores.space, VolumeSpace):
        return [()] * len(peaks)
    found = (scores.space.structure_of(int(peak)) for peak in peaks)
    return [(name, "n/a" if vertex is None else str(vertex)) for name, vertex in found]


def peak_rows(clusters: Sequence[Cluster], scores: GroupScores, test: GroupTest) -> list[Row]:
    """List every participant's score at each peak."""
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
