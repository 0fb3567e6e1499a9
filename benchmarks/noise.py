"""Crossnobis with the noise covariance of each patch, beside rsatoolbox, one thread each."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, minimum_filter
from threadpoolctl import threadpool_limits

from bids_rsa.core.comparison.plans import compare
from bids_rsa.core.noise.model import NoiseModel, noise_from_images, noise_from_residuals
from bids_rsa.core.searchlight import searchlight_rsa

from .data import ellipsoid, random_models
from .timing import best_of

N_CONDITIONS, N_RUNS, N_VOLUMES = 12, 12, 1440
VOXEL_MM = 2.0
RADII = {123: 6.0, 515: 10.0}
AT_LEAST = {"residuals": 30, "images": 50, "pooled images": 50}
GOAL = {"residuals": None, "images": 100, "pooled images": 100}
N_SAMPLE = {123: 40, 515: 6}


@dataclass(frozen=True)
class Scene:
    """Spatially smooth noise in a mask, its images and residuals."""

    mask: np.ndarray
    images: np.ndarray  # (n_voxels, n_images) float32
    residuals: np.ndarray  # (n_voxels, n_volumes) float32

    def centers(self, n_voxels: int) -> np.ndarray:
        """All centres with whole patches, (X, Y, Z)."""
        reach = round(RADII[n_voxels] / VOXEL_MM)
        steps = np.indices([2 * reach + 1] * 3) - reach
        ball = (steps**2).sum(axis=0) <= (RADII[n_voxels] / VOXEL_MM) ** 2
        return minimum_filter(self.mask, footprint=ball, mode="constant")

    @property
    def patterns(self) -> np.ndarray:
        return np.ascontiguousarray(self.images.reshape(-1, N_RUNS, N_CONDITIONS))

    def noise(self, source: str) -> NoiseModel:
        if source == "residuals":
            runs = np.repeat(np.arange(N_RUNS), N_VOLUMES // N_RUNS)
            return noise_from_residuals(self.residuals, runs)
        conditions = np.tile(np.arange(N_CONDITIONS), N_RUNS)
        folds = np.repeat(np.arange(N_RUNS), N_CONDITIONS)
        return noise_from_images(self.images, conditions, folds, held_out=source == "images")


def scene() -> Scene:
    """Make the data of both sides."""
    mask = ellipsoid(12_000)
    rng = np.random.default_rng(0)

    def smooth(n: int) -> np.ndarray:
        volumes = (rng.standard_normal(mask.shape, dtype=np.float32) for _ in range(n))
        return np.stack([gaussian_filter(v, 0.7)[mask] for v in volumes], axis=1)

    return Scene(mask, smooth(N_RUNS * N_CONDITIONS), smooth(N_VOLUMES))


def measure(repeats: int) -> list[dict[str, object]]:
    """Time every source and size of patch; the two sides' scores must agree to 1e-8."""
    data, model = scene(), random_models(1, N_CONDITIONS)
    with threadpool_limits(1):
        return [
            _measure_one(data, model, source, n_voxels, repeats)
            for source in AT_LEAST
            for n_voxels in RADII
        ]


def _measure_one(
    data: Scene, model: np.ndarray, source: str, n_voxels: int, repeats: int
) -> dict[str, object]:
    """One row of the table."""
    noise, affine = data.noise(source), np.diag([VOXEL_MM] * 3 + [1.0])
    patterns, centers = data.patterns, data.centers(n_voxels)
    n_centers = int(centers.sum())

    def ours() -> np.ndarray:
        found = searchlight_rsa(
            patterns, data.mask, centers, affine, RADII[n_voxels], model,
            dissimilarity="crossnobis", noise=noise,
        )  # fmt: skip
        assert (found.n_voxels == n_voxels).all()
        return found.scores["spearman"][0]

    chosen = np.random.default_rng(1).choice(n_centers, N_SAMPLE[n_voxels], replace=False)
    points = np.argwhere(data.mask)
    patches = [
        np.flatnonzero(
            ((points - center) ** 2).sum(axis=1) * VOXEL_MM**2 <= RADII[n_voxels] ** 2 * 1.000001
        )
        for center in np.argwhere(centers)[chosen]
    ]
    scores = ours()[chosen]
    theirs = [compare(rdm, model)[0] for rdm in _rsatoolbox(data, source, patches, noise.dof)]
    worst = float(np.abs(scores - theirs).max())
    if not worst < 1e-8:
        raise ValueError(f"{source}, {n_voxels} voxels: the two sides differ by {worst}")
    times = [
        (
            best_of(ours, 1) / n_centers,
            best_of(lambda: _rsatoolbox(data, source, patches, noise.dof), 1) / len(patches),
        )
        for _ in range(repeats)
    ]
    ours_us, theirs_us = (1e6 * min(side) for side in zip(*times, strict=True))
    return {
        "case": f"crossnobis, shrinkage from {source}, {n_voxels} voxels",
        "ours_us": ours_us, "theirs_us": theirs_us, "ratio": theirs_us / ours_us,
        "at_least": AT_LEAST[source], "goal": GOAL[source],
        "agreement": f"{len(patches)} centres equal rsatoolbox to {worst:.0e}",
    }  # fmt: skip


def _rsatoolbox(data: Scene, source: str, patches: list, dof: float) -> list[np.ndarray]:
    """Covariance and crossnobis RDM of each patch, as rsatoolbox computes them."""
    from rsatoolbox.data import Dataset
    from rsatoolbox.data.noise import prec_from_residuals, prec_from_unbalanced
    from rsatoolbox.rdm import calc_rdm

    descriptors = {
        "condition": np.tile(np.arange(N_CONDITIONS), N_RUNS),
        "run": np.repeat(np.arange(N_RUNS), N_CONDITIONS),
    }
    found = []
    for patch in patches:
        images = data.images[patch].T.astype(np.float64)
        dataset = Dataset(images, obs_descriptors=descriptors)
        if source == "residuals":
            rest = data.residuals[patch].T.astype(np.float64)
            for run in range(N_RUNS):
                part = slice(run * N_VOLUMES // N_RUNS, (run + 1) * N_VOLUMES // N_RUNS)
                rest[part] -= rest[part].mean(axis=0)
            precision = prec_from_residuals(rest, dof=dof)
        elif source == "images":
            found.append(_rsatoolbox_held_out(dataset))
            continue
        else:
            precision = prec_from_unbalanced(dataset, obs_desc="condition")
        rdm = calc_rdm(
            dataset, method="crossnobis", descriptor="condition", noise=precision,
            cv_descriptor="run",
        )  # fmt: skip
        found.append(rdm.dissimilarities[0])
    return found


def _rsatoolbox_held_out(dataset: object) -> np.ndarray:
    """For each run, rsatoolbox's crossnobis of it and the others' mean, by their covariance."""
    from rsatoolbox.data import Dataset
    from rsatoolbox.data.noise import prec_from_unbalanced
    from rsatoolbox.rdm import calc_rdm

    folds = dataset.measurements.reshape(N_RUNS, N_CONDITIONS, -1)
    descriptors = {
        "condition": np.tile(np.arange(N_CONDITIONS), 2), "run": np.repeat([0, 1], N_CONDITIONS),
    }  # fmt: skip
    total = 0.0
    for run in range(N_RUNS):
        others = [other for other in range(N_RUNS) if other != run]
        precision = prec_from_unbalanced(dataset.subset_obs("run", others), obs_desc="condition")
        both = Dataset(
            np.concatenate([folds[others].mean(axis=0), folds[run]]), obs_descriptors=descriptors
        )
        total = total + calc_rdm(
            both, method="crossnobis", descriptor="condition", noise=precision, cv_descriptor="run"
        ).dissimilarities[0]  # fmt: skip
    return total / N_RUNS


def memory(n_threads: int) -> dict[str, float]:
    """Run part of a whole brain in a new process and ask the system for its own memory."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.noise", str(n_threads)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def _whole_brain(n_threads: int) -> dict[str, float]:
    """92 conditions, 8 runs and 2,400 residual volumes of 228,000 voxels, in mapped files."""
    n_conditions, n_runs, n_volumes = 92, 8, 2400
    mask = ellipsoid(228_000)
    n_voxels = int(mask.sum())
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        arrays = []
        for name, shape in (
            ("patterns", (n_voxels, n_runs * n_conditions)), ("residuals", (n_voxels, n_volumes)),
        ):  # fmt: skip
            path = Path(folder) / f"{name}.npy"
            array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
            common = rng.standard_normal((1, shape[1]), dtype=np.float32)
            for start in range(0, n_voxels, 4096):
                part = array[start : start + 4096]
                part[:] = rng.standard_normal(part.shape, dtype=np.float32) + 0.3 * common
            array.flush()
            del array
            arrays.append(np.load(path, mmap_mode="r"))
        patterns, residuals = arrays[0].reshape(n_voxels, n_runs, n_conditions), arrays[1]
        # a slab through the middle: as many tiles as threads can have at once, and more
        centers = mask.copy()
        middle = mask.shape[0] // 2
        centers[: middle - 2], centers[middle + 2 :] = False, False
        centers[:, ::2] = False
        start = time.perf_counter()
        noise = noise_from_residuals(residuals, np.repeat(np.arange(n_runs), n_volumes // n_runs))
        read_s = time.perf_counter() - start
        searchlight_rsa(
            patterns, mask, centers, np.diag([2.0, 2.0, 2.0, 1.0]), 10.0,
            random_models(1, n_conditions), dissimilarity="crossnobis", noise=noise,
            n_threads=n_threads,
        )  # fmt: skip
        seconds = time.perf_counter() - start - read_s
    return {
        "n_voxels": n_voxels, "n_centers": int(centers.sum()), "n_threads": n_threads,
        "variances_s": read_s, "seconds": seconds, "own_peak_mb": _own_peak_mb(),
        "peak_with_mapped_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "at_most_mb": 2048.0,
    }  # fmt: skip


def _own_peak_mb() -> float:
    """Largest anonymous memory seen: pages of mapped files are not counted."""
    return _WATCH.peak_kb / 1024


class _Watch:
    """Looks at the process's anonymous memory ten times a second."""

    def __init__(self) -> None:
        import threading

        self.peak_kb = 0.0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("RssAnon"):
                    self.peak_kb = max(self.peak_kb, float(line.split()[1]))
            time.sleep(0.1)


if __name__ == "__main__":
    _WATCH = _Watch()
    print(json.dumps(_whole_brain(int(sys.argv[1]))))
