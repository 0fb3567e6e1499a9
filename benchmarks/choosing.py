"""``python -m benchmarks.choosing``: which dissimilarity finds an effect, and which invents one.

Patches of simulated patterns, 8 conditions in two groups of four, several runs. In some scenarios
nothing differs between the groups of conditions, in others a weak difference is planted. Noise is
independent in each voxel, or correlated between voxels; all conditions have as many images, or the
second group fewer. How often does a group's one-sample test (greater, p < .05) find the model of
the two groups?
"""

import argparse
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bids_rsa import compute_dsm, compute_dsm_cv
from bids_rsa.core.comparison.plans import prepare
from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.core.noise.covariance import noise_covariance
from bids_rsa.core.noise.definition import crossnobis

ALPHA = 0.05
N_CONDITIONS, N_VOXELS, N_RUNS, N_SUBJECTS, N_RESIDUALS = 8, 60, 6, 16, 600
SECOND = np.arange(N_CONDITIONS) >= N_CONDITIONS // 2
MODEL = np.not_equal.outer(SECOND, SECOND).astype(float)[np.triu_indices(N_CONDITIONS, 1)]
# a model of within-group distances: what fewer images in one group of conditions look like
FEWER = np.logical_and.outer(SECOND, SECOND).astype(float)[np.triu_indices(N_CONDITIONS, 1)]


@dataclass(frozen=True)
class Scenario:
    """What is simulated: a planted effect, correlated noise, images a run in the second group."""

    name: str
    effect: float = 0.0
    correlated: bool = False
    n_first: int = 1


SCENARIOS = (
    Scenario("no effect"),
    Scenario("no effect, correlated noise", correlated=True),
    Scenario("no effect, 4 images a run against 1", n_first=4),
    Scenario("effect", effect=0.13),
    Scenario("effect, correlated noise", effect=0.13, correlated=True),
)


def noise_of(rng: np.random.Generator, shared: np.ndarray | None, n: int) -> np.ndarray:
    """Noise (n, n_voxels): independent, or of neighbours and of a few strong patterns as well."""
    noise = rng.standard_normal((n, N_VOXELS))
    if shared is None:
        return noise
    noise += rng.standard_normal((n, len(shared))) @ shared
    return (noise + np.roll(noise, 1, axis=1)) / np.sqrt(2)


def subject(rng: np.random.Generator, scenario: Scenario) -> tuple[np.ndarray, np.ndarray]:
    """Patterns (n_runs, n_conditions, n_voxels) of one subject, and residuals of the same noise."""
    shared = rng.standard_normal((3, N_VOXELS)) if scenario.correlated else None
    noise = noise_of(rng, shared, N_RUNS * N_CONDITIONS).reshape(N_RUNS, N_CONDITIONS, N_VOXELS)
    n_images = np.where(SECOND, 1, scenario.n_first)
    difference = scenario.effect * rng.standard_normal(N_VOXELS)
    folds = noise / np.sqrt(n_images)[None, :, None] + np.outer(SECOND, difference)
    return folds, noise_of(rng, shared, N_RESIDUALS)


def held_out(folds: np.ndarray) -> np.ndarray:
    """Crossnobis in which each fold is weighted by the noise of the others' images."""
    parts = []
    for fold in range(N_RUNS):
        others = np.delete(folds, fold, axis=0)
        deviations = (others - others.mean(axis=0)).reshape(-1, N_VOXELS)
        covariance = noise_covariance(deviations, (N_RUNS - 2) * N_CONDITIONS, "shrinkage").matrix
        parts.append(crossnobis(np.stack([others.mean(axis=0), folds[fold]]), covariance))
    return np.mean(parts, axis=0)


def rdms_of(folds: np.ndarray, residuals: np.ndarray) -> dict[str, np.ndarray]:
    """RDMs of one subject by each way to compute them."""
    deviations = (folds - folds.mean(axis=0)).reshape(-1, N_VOXELS)
    dof = (N_RUNS - 1) * N_CONDITIONS
    of_images = noise_covariance(deviations, dof, "shrinkage").matrix
    of_residuals = noise_covariance(residuals, N_RESIDUALS, "shrinkage").matrix
    mean = folds.mean(axis=0)
    return {
        "correlation": compute_dsm(mean, "correlation"),
        "euclidean": compute_dsm(mean, "euclidean"),
        "correlation, --folds runs": compute_dsm_cv(folds, "correlation"),
        "sqeuclidean, --folds runs": compute_dsm_cv(folds, "sqeuclidean"),
        "crossnobis, noise from images": held_out(folds),
        "crossnobis, noise from pooled images": crossnobis(folds, of_images),
        "crossnobis, noise from residuals": crossnobis(folds, of_residuals),
    }


def rates(scenario: Scenario, comparisons: tuple[str, ...], n_groups: int, seed: int) -> dict:
    """Share of groups with p < .05, by dissimilarity and comparison."""
    model = FEWER if scenario.n_first > 1 else MODEL
    plans = {name: prepare(model, name) for name in comparisons}
    found: dict[tuple[str, str], list[bool]] = {}
    for group in range(n_groups):
        rng = np.random.default_rng([seed, group])
        rdms = [rdms_of(*subject(rng, scenario)) for _ in range(N_SUBJECTS)]
        for way in rdms[0]:
            stack = np.array([one[way] for one in rdms])
            for name, plan in plans.items():
                scores = np.empty((1, N_SUBJECTS))
                plan.score(stack, scores)
                fisher = COMPARISONS[name].transform == "fisher"
                values = np.arctanh(scores[0]) if fisher else scores[0]
                p = stats.ttest_1samp(values, 0, alternative="greater").pvalue
                found.setdefault((way, name), []).append(p < ALPHA)
    return {key: float(np.mean(hits)) for key, hits in found.items()}


def main() -> None:
    """Print a table: a row for each dissimilarity and comparison, a column for each scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--groups", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--comparisons", nargs="+", default=["spearman", "rho-a", "regression", "whitened-cosine"]
    )
    arguments = parser.parse_args()
    columns = [
        rates(scenario, tuple(arguments.comparisons), arguments.groups, arguments.seed)
        for scenario in SCENARIOS
    ]
    print(f"| dissimilarity | comparison | {' | '.join(s.name for s in SCENARIOS)} |")
    print("| --- " * (len(SCENARIOS) + 2) + "|")
    for way, name in columns[0]:
        shares = " | ".join(f"{column[way, name]:.3f}" for column in columns)
        print(f"| {way} | {name} | {shares} |")


if __name__ == "__main__":
    main()
