"""How much memory each step of the participant level needs, from the size of its data."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np

from bids_rsa.core.limits import MANY_MODELS, thread_bytes
from bids_rsa.core.noise.covariance import MOST_BYTES
from bids_rsa.errors import ResourceError
from bids_rsa.machine import GIB, Machine
from bids_rsa.patterns.noise_plan import plan_noise
from bids_rsa.patterns.readers import source_layout
from bids_rsa.patterns.stack_plan import StackPlan
from bids_rsa.records import Analysis, BoldRun
from bids_rsa.settings import IMAGES, RsaSettings
from bids_rsa.spaces.grayordinate_layout import GrayordinateLayout
from bids_rsa.spaces.grid import Grid
from bids_rsa.spaces.headers import header_of
from bids_rsa.spaces.map_files import maps_header
from bids_rsa.spaces.masks import load_mask
from bids_rsa.spaces.vertex_layout import VertexLayout

# a process that has imported its libraries and compiled or loaded the kernels (measured: 0.3)
_LIBRARIES_GB = 0.4
# models: as read, aligned, and as a comparison prepares them
_MODEL_COPIES = 4
# voxels whose noise covariances a thread computes at a time
_TILE_VOXELS = 4500
# scores of permuted models at the centres of a block: as computed, compared, and squared
_NULL_COPIES = 4
_NULL_CENTERS = 512
# area of the smallest hemispheres, those of group averages (566 cm2)
_HEMISPHERE_MM2 = 5e4
_FLOAT64 = 8
_FLOAT32 = 4
_INT32 = 4
# volumes of a 4D file that one task reads before it hands them over
_VOLUMES_AHEAD = 8


@dataclass(frozen=True)
class AnalysisSize:
    """The sizes that decide how much memory an analysis needs.

    ``n_grid`` counts the voxels of the grid, ``n_voxels`` those that patches may use;
    ``n_maps`` is models times comparisons; ``n_noise_images`` and ``n_residual_volumes`` count
    what noise is estimated from; ``n_permutations`` and ``n_kept_null`` are permutations of the
    conditions, and null maps kept of each map. ``patch_size`` is the most voxels of a patch where
    patches are kept as lists; elsewhere, ``sphere_columns`` and ``sphere_length`` bound the columns
    of a sphere along rows of the grid, and the voxels of each. ``n_volumes_held`` are those of a
    run's residuals that are read as a whole, as GIFTI files are. ``weighted`` says whether voxels
    have weights or variances.
    """

    n_grid: int
    n_voxels: int
    n_folds: int
    n_conditions: int
    n_maps: int
    n_noise_images: int = 0
    n_residual_volumes: int = 0
    n_permutations: int = 0
    n_kept_null: int = 0
    patch_size: int = 0
    sphere_columns: int = 0
    sphere_length: int = 0
    n_volumes_held: int = 0
    weighted: bool = False


@dataclass(frozen=True)
class MemoryNeeds:
    """Memory of the three steps in GiB: an upper bound, not a guess at the mean."""

    read_gb: float
    searchlight_gb: float
    write_gb: float

    @property
    def largest_gb(self) -> float:
        """The memory of the step that needs most."""
        return max(self.read_gb, self.searchlight_gb, self.write_gb)


def analysis_size(
    analysis: Analysis, plan: StackPlan, rsa: RsaSettings, n_maps: int
) -> AnalysisSize:
    """Find the sizes of an analysis from headers and masks; no image's values are read."""
    first = plan.images[0]
    grid = source_layout(first)
    n_grid = n_voxels = grid.n_locations
    if analysis.brain_mask.paths and isinstance(grid, Grid):
        n_voxels = int(load_mask(analysis.brain_mask.paths[0], grid, "brain mask").voxels.sum())
    n_folds, n_conditions = plan.counts.shape
    noise = plan_noise(analysis, plan, rsa, grid)
    n_images = len(plan.images) if noise is not None and noise.source == IMAGES else 0
    n_volumes = sum(noise.volumes) if noise is not None else 0
    n_held = 0
    if noise is not None and isinstance(grid, VertexLayout):
        n_held = max(noise.volumes, default=0)
    sphere_columns, sphere_length = _sphere_size(grid, rsa)
    return AnalysisSize(
        n_grid, n_voxels, n_folds, n_conditions, n_maps, n_images, n_volumes,
        patch_size=rsa.patch_size or _disc_size(grid, rsa.radius_mm),
        sphere_columns=sphere_columns, sphere_length=sphere_length, n_volumes_held=n_held,
        weighted=not {"w", "V"}.isdisjoint(json.loads(rsa.dissimilarity_params)),
    )  # fmt: skip


def _sphere_size(layout: object, rsa: RsaSettings) -> tuple[int, int]:
    """Bound the columns of a sphere along any axis, and their length; 0 where there are none."""
    if not isinstance(layout, Grid) or rsa.patch_size:
        return 0, 0
    inverse = np.linalg.inv(layout.affine[:3, :3])
    reach = np.floor(rsa.radius_mm * (1 + 1e-6) * np.linalg.norm(inverse, axis=1))
    widths = np.sort(2 * np.minimum(reach, np.array(layout.shape) - 1) + 1).astype(int)
    return int(widths[1] * widths[2]), int(widths[2])


def _disc_size(layout: object, radius_mm: float) -> int:
    """Bound the vertices of a disc, on hemispheres as small as those of templates; 0 in volumes."""
    if isinstance(layout, VertexLayout):
        n_vertices = max(n for _, n in layout.hemispheres)
    elif isinstance(layout, GrayordinateLayout):
        n_vertices = max((n for _, n in layout.mesh_vertices), default=0)
    else:
        return 0
    share = math.pi * radius_mm**2 / _HEMISPHERE_MM2
    return min(n_vertices, math.ceil(n_vertices * share))


def memory_needs(size: AnalysisSize, n_threads: int) -> MemoryNeeds:
    """Bound the memory of each step.

    Parameters
    ----------
    size : AnalysisSize
    n_threads : int
        Files read, and blocks of centres computed, at a time.
    """
    patterns = size.n_voxels * size.n_folds * size.n_conditions * _FLOAT64 / GIB
    volume = size.n_grid * _FLOAT64 / GIB
    kept = size.n_voxels * _FLOAT64 / GIB
    scores = size.n_maps * kept
    # the sums, and the rows that are kept of them; files being read, and what is kept of them
    read = 2 * patterns + (n_threads + 1) * (2 * volume + _VOLUMES_AHEAD * kept)
    # GIFTI: arrays as they were decoded, and joined
    read += 2 * size.n_volumes_held * size.n_grid * _FLOAT32 / GIB
    # the patterns as they were read, and the engine's own copy
    cells = size.n_conditions * (size.n_conditions - 1) / 2 * _FLOAT64 / GIB
    one_thread = thread_bytes(
        size.n_conditions, size.n_folds, size.n_voxels, size.sphere_columns, size.sphere_length,
        weighted=size.weighted,
        n_models=max(size.n_maps, MANY_MODELS if size.n_permutations else 1),
    )  # fmt: skip
    blocks = n_threads * one_thread / GIB
    models = _MODEL_COPIES * size.n_maps * cells
    searchlight = 2 * patterns + 2 * scores + 4 * volume + blocks + models
    searchlight += _noise_gb(size, n_threads)
    # lists of patches: as they were found, and joined
    searchlight += 2 * size.n_voxels * size.patch_size * _INT32 / GIB
    write = 2 * scores + 8 * volume
    forms = size.n_permutations * cells
    searchlight += _MODEL_COPIES * size.n_maps * forms
    searchlight += n_threads * _NULL_COPIES * size.n_permutations * _NULL_CENTERS * _FLOAT64 / GIB
    null_maps = size.n_kept_null * _FLOAT32 / GIB
    searchlight += 2 * size.n_maps * null_maps * size.n_voxels
    write += null_maps * (size.n_maps * size.n_voxels + 2 * size.n_grid)
    return MemoryNeeds(*(_LIBRARIES_GB + need for need in (read, searchlight, write)))


def _noise_gb(size: AnalysisSize, n_threads: int) -> float:
    """Bound what noise covariances add; samples are mapped from a file.

    Each thread holds the matrix of a tile and its samples; of images, their rows are held as well.
    """
    if not size.n_noise_images and not size.n_residual_volumes:
        return 0.0
    n_samples = max(size.n_noise_images, size.n_residual_volumes)
    tile = min(size.n_voxels, _TILE_VOXELS)
    rows = size.n_voxels * size.n_noise_images
    # held out, each fold has rows of its own, as long as they are few
    rows = max(2 * rows, min(size.n_folds * rows, MOST_BYTES // _FLOAT64))
    return (n_threads * tile * (tile + 3 * n_samples) + rows) * _FLOAT64 / GIB


def estimation_needs(run: BoldRun) -> MemoryNeeds:
    """Bound the memory that estimating a run needs.

    The run's own array in single precision, the estimates, and a block of voxels for each thread.
    """
    if run.form == "volume":
        mask = load_mask(run.mask, header_of(run.path).grid, "brain mask").voxels
        n_locations = int(mask.sum())
    else:
        n_locations = sum(maps_header(path).layout.n_locations for path in run.paths)
    n_images = len(run.frame_times_s) + (2 * len(run.design.estimates) if run.design else 0)
    array = n_images * n_locations * _FLOAT32 / GIB
    return MemoryNeeds(_LIBRARIES_GB + 1.2 * array, 0.0, 0.0)


def threads_that_fit(size: AnalysisSize, n_threads: int, memory_gb: float) -> int:
    """Count the threads, ``n_threads`` at most and at least one, that fit into the memory."""
    for n in range(n_threads, 1, -1):
        if memory_needs(size, n).largest_gb <= memory_gb:
            return n
    return 1


def refuse_too_large(label: str, needs: MemoryNeeds, memory_gb: float, memory_from: str) -> None:
    """Refuse to start what will not fit into the memory there is.

    Raises
    ------
    ResourceError
        With both numbers.
    """
    if needs.largest_gb > memory_gb:
        raise ResourceError(
            f"{label} needs {needs.largest_gb:.1f} GB of memory, and this process may use "
            f"{memory_gb:.1f} GB ({memory_from}).",
            "Ask for more memory (docker run --memory, sbatch --mem), give a --brain-mask (only "
            "voxels inside it are held in memory), or compare fewer conditions.",
        )


def usable_memory(machine: Machine, asked_gb: float | None) -> tuple[float, str]:
    """Choose between the machine's limit and --mem-gb: GiB, and in words where from."""
    if asked_gb is not None and asked_gb < machine.memory_gb:
        return asked_gb, "--mem-gb"
    return machine.memory_gb, machine.memory_from
