"""BOLD on surfaces and grayordinates: as in a volume, known answers, what is refused."""

import numpy as np
import pytest
from bold_runs import CONDITIONS
from surface_bold import (
    COUNTS,
    estimates,
    make_surface_dataset,
    save_flat_surfaces,
    series_of,
)

RADIUS = ("--radius", "4.1", "--min-voxels", "5")  # discs and spheres coincide


@pytest.fixture(scope="session")
def flat_betas():
    rng = np.random.default_rng(5)
    return {side: rng.normal(size=(len(CONDITIONS), n)) for side, n in COUNTS.items()}


@pytest.fixture(scope="session")
def flat_trees(tmp_path_factory, flat_betas):
    """The same series as GIFTI, CIFTI, a slab of one hemisphere and a line; --surface."""
    root, series = tmp_path_factory.mktemp("flat"), series_of(flat_betas)
    trees = {
        form: make_surface_dataset(root / form, series, form)
        for form in ("gifti", "cifti", "slab", "line")
    }
    return trees, ("--surface", save_flat_surfaces(root))


def given(form, surface, *options):
    return (*RADIUS, *options, *(surface if form in ("gifti", "cifti") else ()))


OPTIONS = {
    "default": (),
    "ar1": ("--glm-noise", "ar1", "--hrf", "glover+derivative"),
    "voxel": ("--scale", "voxel", "--confounds", "motion6", "--high-pass", "100"),
    "trials": ("--estimate", "trials", "--hrf", "glover", "--scale", "none"),
    "lss": ("--estimate", "lss", "--start-time", "0.5", "--dummy-scans", "2"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_estimates_are_those_of_the_same_series_in_voxels(flat_trees, tmp_path, from_bold, name):
    trees, surface = flat_trees
    found = {}
    for form in ("gifti", "cifti", "line"):
        options = given(form, surface, *OPTIONS[name], "--keep-residuals")
        code, said = from_bold(trees[form], tmp_path / form, *options)
        assert code == 0, said
        found[form] = {
            stat: estimates(tmp_path / form, stat) for stat in ("effect", "variance", "errorts")
        }
    for stat, of_line in found["line"].items():
        assert len(of_line) == (2 if stat == "errorts" else 2 * len(CONDITIONS))
        for key, values in of_line.items():
            assert np.isfinite(values).all() and values.any(axis=0).all()
            for form in ("gifti", "cifti"):
                np.testing.assert_array_equal(found[form][stat][key], values, err_msg=stat)
