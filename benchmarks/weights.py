"""Weights of voxels: RDMs of a searchlight beside scipy's ``pdist`` of each patch, one thread."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist, pdist
from threadpoolctl import threadpool_limits

from bids_rsa.core.measures import RdmWriter
from bids_rsa.core.neighborhood.spheres import sphere_rows
from bids_rsa.core.searchlight import searchlight

from .data import RADIUS_MM, Volume, noise
from .engine import Row
from .timing import best_of

AT_LEAST = 20
N_CONDITIONS, VOXEL_MM = 24, 3.0


@dataclass(frozen=True)
class Case:
    """RDMs with weights; the patches are known to scipy and found by us."""

    dissimilarity: str
    parameter: str
    n_folds: int = 1
    n_voxels: int = 20_000
    n_sample: int = 200

    @property
    def name(self) -> str:
        """What stands in the table."""
        folds = f", {self.n_folds} folds" if self.n_folds > 1 else ""
        return f"RDMs: {self.dissimilarity} with {self.parameter}{folds}, {N_CONDITIONS}"

    def volume(self) -> Volume:
        """Return the patterns."""
        return noise(self.n_voxels, N_CONDITIONS, VOXEL_MM, self.n_folds)

    def values(self) -> np.ndarray:
        """Return the parameter of each voxel."""
        return np.random.default_rng(1).uniform(0.5, 1.5, len(self.volume().patterns))


CASES = (
    Case("euclidean", "w"),
    Case("sqeuclidean", "w"),
    Case("seuclidean", "V"),
    Case("cosine", "w", n_sample=20),
    Case("correlation", "w", n_sample=20),
    Case("correlation", "w", 4, 10_000, n_sample=5),
    Case("cosine", "w", 4, 10_000, n_sample=5),
)


class _Nothing:
    """A measure that leaves the RDMs as they are."""

    cells_at_a_time = 2**16

    def start(self, n_centers: int, n_cells: int) -> None:
        """Allocate nothing."""

    def take(self, block: object) -> None:
        """Look at nothing."""


def ours(case: Case, measure: object) -> None:
    """Compute the RDMs of all centres."""
    volume = case.volume()
    spheres = sphere_rows(volume.mask, volume.mask, volume.affine, RADIUS_MM)
    searchlight(
        volume.patterns, spheres, [measure],
        dissimilarity=case.dissimilarity, params={case.parameter: case.values()},
    )  # fmt: skip


def theirs(case: Case, patches: list[np.ndarray]) -> list[np.ndarray]:
    """Compute the RDM of each patch by scipy."""
    folds, values = case.volume().patterns.transpose(1, 2, 0), case.values()
    if case.n_folds == 1:
        return [
            pdist(folds[0][:, near], case.dissimilarity, **{case.parameter: values[near]})
            for near in patches
        ]
    first, second = np.triu_indices(N_CONDITIONS, 1)
    found = []
    for near in patches:
        own = folds[:, :, near]
        cells = sum(
            cdist(
                np.delete(own, test, axis=0).mean(axis=0), own[test], case.dissimilarity,
                **{case.parameter: values[near]},
            )
            for test in range(case.n_folds)
        ) / case.n_folds  # fmt: skip
        found.append((cells + cells.T)[first, second] / 2)
    return found


def measure(repeats: int) -> list[dict[str, object]]:
    """Check that both sides agree, then time them in turns."""
    with threadpool_limits(1):
        return [vars(_measure(case, repeats)) for case in CASES]


def _measure(case: Case, repeats: int) -> Row:
    """Time one case.

    Raises
    ------
    ValueError
        RDMs differ by more than 1e-10 of their largest cell.
    """
    volume = case.volume()
    n_centers = len(volume.patterns)
    sample = np.sort(np.random.default_rng(3).choice(n_centers, case.n_sample, replace=False))
    points = np.argwhere(volume.mask) * volume.voxel_mm
    patches = [np.sort(f) for f in cKDTree(points).query_ball_point(points[sample], RADIUS_MM)]
    writer = RdmWriter()
    ours(case, writer)
    expected = np.array(theirs(case, patches))
    worst = float(np.max(np.abs(writer.rdms[sample] - expected)) / np.max(expected))
    if not worst < 1e-10:
        raise ValueError(f"{case.name}: the two sides differ by {worst}")
    times = [
        (best_of(lambda: ours(case, _Nothing()), 1) / n_centers,
         best_of(lambda: theirs(case, patches), 1) / len(sample))
        for _ in range(repeats)
    ]  # fmt: skip
    ours_us, theirs_us = (1e6 * min(side) for side in zip(*times, strict=True))
    agreement = f"{len(sample)} RDMs equal scipy's to {worst:.0e}"
    return Row(
        case.name, "scipy", ours_us, theirs_us, theirs_us / ours_us, AT_LEAST, None, agreement
    )
