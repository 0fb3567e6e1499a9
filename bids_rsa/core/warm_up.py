"""Compile every kernel by using it: ``python -m bids_rsa.core.warm_up``, when an image is built.

What a run needs is then read from the cache, whatever data type, metric and comparison it has.
"""

from contextlib import suppress
from itertools import product
from typing import Literal

import numpy as np

from bids_rsa.core.comparison.blocks import CompleteRdms
from bids_rsa.core.comparison.ceilings import subject_ceilings
from bids_rsa.core.comparison.permutations import draw_permutations
from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.core.condition_null import ConditionNull
from bids_rsa.core.dissimilarity.table import (
    DEFAULT_DISSIMILARITY,
    DISSIMILARITIES,
    dissimilarities_with_noise,
)
from bids_rsa.core.inference.clusters import find_clusters
from bids_rsa.core.inference.design import (
    Design,
    one_sample_design,
    slope_design,
    two_sample_design,
)
from bids_rsa.core.inference.lattice import grid_adjacency
from bids_rsa.core.inference.observed import observe
from bids_rsa.core.inference.permute import permutation_null
from bids_rsa.core.inference.plan import prepare_test
from bids_rsa.core.inference.relabel import draw_relabelings
from bids_rsa.core.inference.stelzer import stelzer_test
from bids_rsa.core.neighborhood.geodesics import geodesic_discs
from bids_rsa.core.neighborhood.mesh import surface_graph
from bids_rsa.core.neighborhood.nearest import nearest_voxels
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.neighborhood.ribbon import Cortex, ribbon_patches, ribbon_voxels
from bids_rsa.core.neighborhood.spheres import sphere_rows
from bids_rsa.core.noise.model import noise_from_images, noise_from_residuals
from bids_rsa.core.searchlight import plain_source, searchlight_rsa

_SHAPE = (7, 3, 3)
_N_CONDITIONS = 7  # whose cells have more levels than kernels count one by one


def warm_up() -> None:
    """Run searchlights of every kind, and tests across subjects of every kind, on little data."""
    for dtype, n_folds, ignore_nan in product((np.float32, np.float64), (1, 3), (False, True)):
        patterns = _patterns(dtype, n_folds, ignore_nan)
        for metric in DISSIMILARITIES:
            _search(patterns, metric, ignore_nan)
    for dtype, metric in product((np.float32, np.float64), dissimilarities_with_noise()):
        _search_with_noise(dtype, metric)
    for dtype, of_rows, n_folds in product((np.float32, np.float64), (np.int32, np.int64), (1, 3)):
        _search_lists(dtype, of_rows, n_folds)
        _search_constant(dtype)
    _find_discs()
    _find_patches()
    _rank()
    _find_ceilings()
    _search_with_null()
    for design in _designs():
        _test(design, "greater")
        _test(design, "two-sided")
    _test_clusters_of_nulls()


def _search_lists(dtype: type, of_rows: type, n_folds: int) -> None:
    """Compute RDMs of patches that are lists of rows, as regions and surfaces have them."""
    patterns = _patterns(dtype, n_folds, False)
    frozen = patterns.view()
    frozen.flags.writeable = False  # mapped from a file
    patches = Patches(np.array([0, 4, 9]), np.arange(9, dtype=of_rows), len(patterns))
    rdms = np.empty((2, _N_CONDITIONS * (_N_CONDITIONS - 1) // 2))
    for given, metric in product((patterns, frozen), DISSIMILARITIES):
        with suppress(ValueError):  # no such metric without parameters
            source = plain_source(given, patches, metric, {}, False, 2)
            for block in patches.blocks(2, source.max_length):
                source.fill(block, rdms)


def _search_constant(dtype: type) -> None:
    """Compute RDMs of patterns without spread, which are computed again by the textbook."""
    everywhere = np.ones(_SHAPE, dtype=bool)
    spheres = sphere_rows(everywhere, everywhere, np.eye(4), 2.0)
    patterns: np.ndarray = np.ones((everywhere.size, 1, _N_CONDITIONS), dtype)
    frozen = patterns.view()
    frozen.flags.writeable = False  # mapped from a file
    for given in (patterns, frozen):
        source = plain_source(given, spheres, DEFAULT_DISSIMILARITY, {}, False, 2)
        for block in spheres.blocks(9, source.max_length):
            rdms = np.empty((len(block.centers), _N_CONDITIONS * (_N_CONDITIONS - 1) // 2))
            source.fill(block, rdms)


def _find_discs() -> None:
    """Find discs on a surface of four triangles."""
    corners = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (-1, 0, 0), (0, -1, 0)]
    graph = surface_graph(corners, [(0, 1, 2), (0, 2, 3), (0, 3, 4), (0, 4, 1)])
    for with_distances in (False, True):
        geodesic_discs(graph, np.arange(5), 1.5, with_distances=with_distances)


def _find_patches() -> None:
    """Find patches of so many voxels, and of the voxels between two surfaces."""
    everywhere = np.ones(_SHAPE, dtype=bool)
    nearest_voxels(everywhere, everywhere, np.eye(4), 2.0, 5)
    white = np.array([(0.0, 0.0, 0.0), (2.0, 0.0, 0.0), (0.0, 2.0, 0.0)])
    cortex = Cortex(white, white + np.array([0.0, 0.0, 2.0]), np.array([(0, 1, 2)]))
    ribbon_patches(cortex, ribbon_voxels(cortex, np.eye(4), _SHAPE), everywhere, [0], 3.0)


def _rank() -> None:
    """Rank cells that are spread, and few and many that are not."""
    for cells in (np.arange(9.0), np.ones(9), np.ones(2**11)):
        CompleteRdms(np.tile(cells, (4, 1))).ranks()


def _find_ceilings() -> None:
    """Compute noise ceilings of all comparisons that have one."""
    rdms = np.random.default_rng(4).random((4, 3, _N_CONDITIONS * (_N_CONDITIONS - 1) // 2))
    for comparison in COMPARISONS:
        with suppress(ValueError):
            subject_ceilings(rdms, comparison)


def _search_with_null() -> None:
    """Run a searchlight with permutations of the conditions."""
    everywhere = np.ones(_SHAPE, dtype=bool)
    models = np.random.default_rng(1).random((1, _N_CONDITIONS * (_N_CONDITIONS - 1) // 2))
    null = ConditionNull(models, draw_permutations(_N_CONDITIONS, 9, 0))
    affine, patterns = np.diag([3.0, 3.0, 3.0, 1.0]), _patterns(np.float32, 1, False)
    searchlight_rsa(patterns, everywhere, everywhere, affine, 7.0, models, null=null)


def _patterns(dtype: type, n_folds: int, ignore_nan: bool) -> np.ndarray:
    """Draw patterns of both signs, (n_voxels, n_folds, n_conditions); one voxel is tiny."""
    shape = (int(np.prod(_SHAPE)), n_folds, _N_CONDITIONS)
    patterns: np.ndarray = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    patterns[-1] *= 1e-150 if dtype is np.float64 else 1e-15
    if ignore_nan:
        patterns[0] = np.nan
    return patterns


def _search(patterns: np.ndarray, metric: str, ignore_nan: bool) -> None:
    """Run a searchlight with all comparisons, on arrays as the app and the library hand them."""
    everywhere = np.ones(_SHAPE, dtype=bool)
    n_cells = _N_CONDITIONS * (_N_CONDITIONS - 1) // 2
    models = np.random.default_rng(1).random((2, n_cells))
    models[1] = models[1] > 0.5  # few levels
    frozen = patterns.view()
    frozen.flags.writeable = False  # mapped from a file
    for given in (patterns, frozen):
        with suppress(ValueError):  # no such metric across folds, or with missing values
            searchlight_rsa(
                given,
                everywhere,
                everywhere,
                np.diag([3.0, 3.0, 3.0, 1.0]),
                7.0,
                models,
                dissimilarity=metric,
                comparisons=tuple(COMPARISONS),
                ignore_nan=ignore_nan,
                standardize=True,
            )


def _search_with_noise(dtype: type, metric: str) -> None:
    """Run searchlights with noise from residuals and from images."""
    patterns = _patterns(dtype, 3, False)
    rows = patterns.reshape(len(patterns), -1)
    folds, conditions = np.indices(patterns.shape[1:]).reshape(2, -1)
    everywhere = np.ones(_SHAPE, dtype=bool)
    model = np.random.default_rng(1).random(_N_CONDITIONS * (_N_CONDITIONS - 1) // 2)
    of_images = (
        noise_from_images(rows, conditions, folds, held_out=held) for held in (True, False)
    )
    for noise in (noise_from_residuals(rows), *of_images):
        with suppress(ValueError):  # no such metric across folds
            searchlight_rsa(
                patterns,
                everywhere,
                everywhere,
                np.diag([3.0, 3.0, 3.0, 1.0]),
                7.0,
                model,
                dissimilarity=metric,
                noise=noise,
            )


def _designs() -> list[Design]:
    """Make one design of each kind."""
    values = np.arange(8.0)
    return [
        one_sample_design(8),
        one_sample_design(8, values[:, None]),
        two_sample_design(values < 3),
        two_sample_design(values < 3, values[:, None]),
        slope_design(values),
    ]


def _test(design: Design, tail: Literal["greater", "two-sided"]) -> None:
    """Run a test across subjects with every statistic."""
    mask = np.ones(_SHAPE, dtype=bool)
    data = np.random.default_rng(2).standard_normal((8, mask.sum()))
    adjacency = grid_adjacency(mask, 6)
    plan = prepare_test(data, design, tail)
    observed = observe(plan, adjacency)
    relabelings = draw_relabelings(design, 20, 0)
    permutation_null(plan, relabelings, adjacency, 0.01)
    find_clusters(observed.t, adjacency, 0.5, tail == "two-sided")


def _test_clusters_of_nulls() -> None:
    """Run a test across subjects by null maps of each."""
    mask = np.ones(_SHAPE, dtype=bool)
    scores = np.random.default_rng(3).standard_normal((8, 20, mask.sum()))
    nulls = scores[:, 1:].astype(np.float32)
    stelzer_test(scores[:, 0], nulls, grid_adjacency(mask, 6), 200, voxel_p=0.05)


if __name__ == "__main__":
    warm_up()
