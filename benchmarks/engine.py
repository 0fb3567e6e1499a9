"""The engine's targets: ours and theirs, the same data, one thread each, per centre."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from bids_rsa.core.searchlight import searchlight_rsa

from .data import RADIUS_MM, Volume, noise, random_models
from .peers import MneRsa, RsaToolbox
from .timing import best_of

EVERY_OTHER = [
    "braycurtis", "canberra", "chebyshev", "cityblock", "dice", "hamming", "jaccard",
    "jensenshannon", "minkowski", "rogerstanimoto", "russellrao", "seuclidean", "sokalsneath",
    "yule",
]  # fmt: skip
BINARY = {"dice", "jaccard", "rogerstanimoto", "russellrao", "sokalsneath", "yule", "hamming"}


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    name: str
    target: float
    goal: float | None = None
    n_conditions: int = 24
    voxel_mm: float = 3.0
    dissimilarity: str = "correlation"
    comparison: str = "spearman"
    n_models: int = 1
    n_folds: int = 1
    kind: str = "normal"
    peer: str = "mne-rsa"
    n_voxels: int = 20_000
    n_sample: int = 400
    params: dict = field(default_factory=dict)

    def volume(self) -> Volume:
        """Return the data of both sides."""
        return noise(self.n_voxels, self.n_conditions, self.voxel_mm, self.n_folds, self.kind)

    def models(self) -> np.ndarray:
        """Return the models of both sides."""
        return random_models(self.n_models, self.n_conditions)


@dataclass(frozen=True)
class Row:
    """One case, measured."""

    case: str
    peer: str
    ours_us: float
    theirs_us: float
    ratio: float
    target: float
    goal: float | None
    agreement: str


def cases() -> list[Case]:
    """List the rows of the table."""
    big = {"n_conditions": 92, "voxel_mm": 2.0, "n_voxels": 12_000, "n_sample": 200}
    return [
        Case("correlation + spearman, 8 conditions, 3 mm", 150, 200, 8, n_voxels=40_000),
        Case("correlation + spearman, 24 conditions, 3 mm", 130),
        Case("correlation + spearman, 92 conditions, 2 mm", 45, **big),
        Case("correlation + spearman, 200 conditions, 2 mm", 25, **{**big, **_many(200)}),
        Case("correlation + spearman, 500 conditions, 2 mm", 12, **{**big, **_many(500)}),
        Case("correlation + pearson, 24", 150, comparison="pearson"),
        Case("correlation + kendall-tau-a, 24", 40, comparison="kendall-tau-a"),
        Case("correlation + kendall-tau-a, 92, 2 mm", 15, comparison="kendall-tau-a", **big),
        Case(
            "correlation + kendall-tau-a, 200, 2 mm",
            15, comparison="kendall-tau-a", **{**big, **_many(200)},
        ),
        Case(
            "correlation + partial-spearman, 3 models, 24",
            100, comparison="partial-spearman", n_models=3,
        ),
        Case("correlation + regression, 3 models, 24", 80, comparison="regression", n_models=3),
        *(Case(f"{d} + spearman, 24", 100, dissimilarity=d)
          for d in ("euclidean", "sqeuclidean", "cosine")),
        Case(
            "cross-validated sqeuclidean over 8 runs, 24",
            50, dissimilarity="sqeuclidean", n_folds=8, n_voxels=10_000, n_sample=200,
        ),
        *(Case(
            f"cross-validated {d} over 4 runs, 24",
            50, dissimilarity=d, n_folds=4, n_voxels=10_000, n_sample=200,
        ) for d in ("correlation", "cosine")),
        Case(
            "cross-validated sqeuclidean over 6 runs, 92, 2 mm",
            40, dissimilarity="sqeuclidean", n_folds=6, **{**big, "n_sample": 40},
        ),
        *(_other(d) for d in EVERY_OTHER),
        Case("ignore_nan, NaN in the data, 24", 20, kind="holes"),
        Case(
            "correlation + spearman, 92, 2 mm, against rsatoolbox",
            50, peer="rsatoolbox", **{**big, "n_sample": 60},
        ),
    ]  # fmt: skip


def _many(n_conditions: int) -> dict:
    """Return the settings of a case with hundreds of conditions, in few voxels."""
    return {"n_conditions": n_conditions, "n_voxels": 600_000 // n_conditions, "n_sample": 40}


def _other(dissimilarity: str) -> Case:
    """Return the case of a metric that is not computed from a Gram matrix."""
    kind = "normal"
    if dissimilarity in BINARY:
        kind = "binary"
    elif dissimilarity == "jensenshannon":
        kind = "positive"
    params = {"p": 3} if dissimilarity == "minkowski" else {}
    name = f"{dissimilarity}{' (p = 3)' if params else ''} + spearman, 24"
    return Case(
        name, 3, dissimilarity=dissimilarity, kind=kind, params=params, n_voxels=3000, n_sample=150
    )


def ours(case: Case, n_threads: int = 1, centers: np.ndarray | None = None) -> np.ndarray:
    """Scores (n_models, n_centers) of our searchlight, of all voxels or of some."""
    volume = case.volume()
    center_mask = volume.mask if centers is None else np.zeros_like(volume.mask)
    if centers is not None:
        center_mask[tuple(np.argwhere(volume.mask)[centers].T)] = True
    found = searchlight_rsa(
        volume.patterns, volume.mask, center_mask, volume.affine, RADIUS_MM, case.models(),
        dissimilarity=case.dissimilarity, params=case.params, comparisons=(case.comparison,),
        ignore_nan=case.kind == "holes", n_threads=n_threads,
    )  # fmt: skip
    return found.scores[case.comparison]


def theirs(case: Case, centers: np.ndarray) -> Callable[[], np.ndarray]:
    """Return the other program's computation of the same scores, ready to be timed."""
    volume, models = case.volume(), case.models()
    if case.peer == "rsatoolbox":
        return RsaToolbox(volume, centers, case.comparison, models).prepared()
    return MneRsa(
        volume, centers, case.dissimilarity, case.comparison, models, case.params
    ).prepared()


def measure(case: Case, repeats: int) -> Row:
    """Check that both sides agree, then time them."""
    n_centers = len(case.volume().patterns)
    sample = np.sort(
        np.random.default_rng(3).choice(n_centers, min(case.n_sample, n_centers), replace=False)
    )
    with threadpool_limits(1):
        run_theirs = theirs(case, sample)
        whole = ours(case)
        agreement = check(case, sample, whole[:, sample], run_theirs())
        # whoever else uses the machine disturbs both sides alike: they take turns
        times = [
            (best_of(lambda: ours(case), 1) / n_centers, best_of(run_theirs, 1) / len(sample))
            for _ in range(repeats)
        ]
    ours_us, theirs_us = (1e6 * min(side) for side in zip(*times, strict=True))
    return Row(
        case.name, case.peer, ours_us, theirs_us, theirs_us / ours_us, case.target, case.goal,
        agreement,
    )  # fmt: skip


def check(case: Case, sample: np.ndarray, mine: np.ndarray, other: np.ndarray) -> str:
    """Compare the two sides' maps; raise ValueError where they differ.

    Raises
    ------
    ValueError
        Scores differ by more than 1e-9.
    """
    mine, other = np.atleast_2d(mine), np.atleast_2d(other)
    if case.n_folds > 1:  # mne-rsa's training mean contains its test fold: compare with the plain
        other = np.array([plain_crossvalidated(case, c) for c in sample[:50]]).T
        mine = mine[:, :50]
    if case.kind == "holes":  # mne-rsa drops pairs with a NaN: compare patches without
        complete = [c for c in range(len(sample)) if _complete(case.volume(), sample[c])]
        mine, other = mine[:, complete], other[:, complete]
    worst = float(np.max(np.abs(mine - other)))
    if not worst < 1e-9:
        raise ValueError(f"{case.name}: the two sides differ by {worst}")
    with_whom = "plain computation" if case.n_folds > 1 else case.peer
    return f"{mine.shape[1]} centres equal {with_whom} to {worst:.0e}"


def plain_crossvalidated(case: Case, center: int) -> np.ndarray:
    """Score of one centre by the definition, written plainly.

    The estimator of Walther et al. 2016, or distances of each fold from the mean of all others.
    """
    from scipy.spatial.distance import cdist
    from scipy.stats import spearmanr

    volume = case.volume()
    ijk = np.argwhere(volume.mask) * volume.voxel_mm
    near = np.linalg.norm(ijk - ijk[center], axis=1) <= RADIUS_MM
    folds = volume.patterns[near].transpose(1, 2, 0)
    first, second = np.triu_indices(case.n_conditions, 1)
    if case.dissimilarity == "sqeuclidean":
        differences = folds[:, first] - folds[:, second]
        total = differences.sum(axis=0)
        same = np.einsum("fcv,fcv->c", differences, differences)
        rdm = (np.einsum("cv,cv->c", total, total) - same) / (len(folds) * (len(folds) - 1))
    else:
        left_out = sum(
            cdist(np.delete(folds, test, axis=0).mean(axis=0), folds[test], case.dissimilarity)
            for test in range(len(folds))
        )
        rdm = (left_out + left_out.T)[first, second]
    return np.array([spearmanr(rdm, model).statistic for model in case.models()])


def _complete(volume: Volume, center: int) -> bool:
    """Whether no pattern lacks a voxel of the patch."""
    ijk = np.argwhere(volume.mask) * volume.voxel_mm
    near = np.linalg.norm(ijk - ijk[center], axis=1) <= RADIUS_MM
    return bool(np.isfinite(volume.patterns[near]).all())


def many_models(repeats: int) -> dict[str, float]:
    """Ten models against one."""
    one, ten = Case("", 0), Case("", 0, n_models=10)
    with threadpool_limits(1):
        ours(one), ours(ten)
        times = [(best_of(lambda: ours(one), 1), best_of(lambda: ours(ten), 1))
                 for _ in range(repeats)]  # fmt: skip
    first, second = (min(side) for side in zip(*times, strict=True))
    return {"one_s": first, "ten_s": second, "ratio": second / first, "at_most": 1.5}


def two_threads(repeats: int) -> dict[str, object]:
    """Two threads against one, by the wall clock, and whether the bytes are the same."""
    found = {}
    for case in (Case("24 conditions, 3 mm", 0, n_voxels=60_000),
                 Case("92 conditions, 2 mm", 0, None, 92, 2.0, n_voxels=12_000)):  # fmt: skip
        same = ours(case, 1).tobytes() == ours(case, 2).tobytes()
        times = [
            [best_of(partial(ours, case, n), 1, time.perf_counter) for n in (1, 2)]
            for _ in range(repeats)
        ]
        one, two = (min(side) for side in zip(*times, strict=True))
        found[case.name] = {
            "one_s": one, "two_s": two, "ratio": one / two, "at_least": 1.8, "same_bytes": same,
        }  # fmt: skip
    return found
