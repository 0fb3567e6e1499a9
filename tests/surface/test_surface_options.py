"""Options for surfaces are used or refused, and masks by label are of the images' mesh."""

import shutil

import app_process
import numpy as np
import pytest
from meshes import flat, save_flat_surfaces
from surface_data import describe, flat_maps, maps_of, save_cifti, save_gifti, save_slab
from test_find_surfaces import save_mask

from bids_rsa.errors import OptionError


def run_app(data, out, *arguments):
    return app_process.run_app(
        data, out, "participant", "--model", f"{data}/models/kind.tsv", "--radius", "4.1",
        "--min-voxels", "5", "--comparison", "pearson", "--no-report", "--no-figures", *arguments,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """The same data as GIFTI, as CIFTI, and one hemisphere as a slab; and the surfaces."""
    root, values = tmp_path_factory.mktemp("options"), flat_maps()
    data = {
        "gifti": save_gifti(describe(root / "gifti"), values),
        "cifti": save_cifti(describe(root / "cifti"), values),
        "slab": save_slab(describe(root / "slab"), values),
    }
    surface = save_flat_surfaces(root)
    for side in "LR":
        save_mask(root / f"hemi-{side}_cortex.label.gii", np.ones(len(flat(side)[0])), side)
    return data, surface, f"{root}/hemi-{{hemi}}_cortex.label.gii"


@pytest.mark.parametrize(("form", "options"), [
    ("slab", ("--surface", "SURFACE")),
    ("slab", ("--cortex-mask", "CORTEX")),
    ("slab", ("--center-density", "10k")),
    ("slab", ("--cifti-volume", "skip")),
    ("gifti", ("--patches", "ribbon", "--surface", "SURFACE")),
    ("gifti", ("--cifti-volume", "skip", "--surface", "SURFACE")),
    ("cifti", ("--patches", "ribbon", "--surface", "SURFACE")),
])  # fmt: skip
def test_an_option_that_no_image_could_use_is_refused(trees, tmp_path, form, options):
    data, surface, cortex = trees
    given = [{"SURFACE": surface, "CORTEX": cortex}.get(word, word) for word in options]
    done = run_app(data[form], tmp_path / "out", *given)
    assert done.returncode == OptionError("").exit_code == 2, done.stderr
    assert options[0] in done.stderr and "ignored" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "out" / "sub-01").exists()


@pytest.mark.parametrize(("form", "options"), [
    ("gifti", ("--cortex-mask", "CORTEX")), ("cifti", ("--cifti-volume", "skip")),
])  # fmt: skip
def test_an_option_that_is_used_is_taken(trees, tmp_path, form, options):
    data, surface, cortex = trees
    given = [cortex if word == "CORTEX" else word for word in options]
    done = run_app(data[form], tmp_path / "out", "--surface", surface, "--dry-run", *given)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("option", ["--surface", "--cortex-mask"])
def test_one_file_for_both_hemispheres_is_refused(trees, tmp_path, option):
    data, surface, cortex = trees
    given = {"--surface": surface, "--cortex-mask": cortex}
    given[option] = given[option].replace("{hemi}", "L")
    words = [word for pair in given.items() for word in pair]
    done = run_app(data["gifti"], tmp_path / "out", *words)
    assert done.returncode == 2 and "both hemispheres" in done.stderr
    assert option in done.stderr and "{hemi}" in done.stderr


def test_a_roi_mask_by_label_is_that_of_the_mesh(tmp_path):
    data = save_gifti(describe(tmp_path / "data"), flat_maps())
    surface, func = save_flat_surfaces(tmp_path), data / "sub-01" / "func"
    inside = {side: np.arange(len(flat(side)[0])) < 80 for side in "LR"}
    for side in "LR":
        start = f"sub-01_hemi-{side}_space-flat"
        save_mask(func / f"{start}_den-10k_desc-place_mask.label.gii", np.ones(40), side)
        save_mask(func / f"{start}_den-50k_desc-place_mask.label.gii", inside[side], side)
    done = run_app(data, tmp_path / "out", "--surface", surface, "--roi-mask", "place")
    assert done.returncode == 0, done.stderr
    for side, scores in maps_of(tmp_path / "out", "pearson").items():
        np.testing.assert_array_equal(np.isfinite(scores), inside[side])


def test_hemispheres_in_paths_may_have_freesurfers_names(trees, tmp_path):
    """For --surface, --cortex-mask and --roi-mask alike: the same map as with L and R."""
    data, surface, cortex = trees
    maps = []
    for names in ({"L": "L", "R": "R"}, {"L": "lh", "R": "rh"}, {"L": "left", "R": "right"}):
        place = tmp_path / names["L"]
        place.mkdir()
        for side, name in names.items():
            for kind, path in (("mid.surf.gii", surface), ("cortex.label.gii", cortex)):
                shutil.copy(path.replace("{hemi}", side), place / f"{name}.{kind}")
            save_mask(place / f"{name}.roi.label.gii", np.arange(len(flat(side)[0])) < 80, side)
        paths = ("--surface", f"{place}/{{hemi}}.mid.surf.gii",
                 "--cortex-mask", f"{place}/{{hemi}}.cortex.label.gii",
                 "--roi-mask", f"{place}/{{hemi}}.roi.label.gii")  # fmt: skip
        done = run_app(data["gifti"], place / "out", *paths)
        assert done.returncode == 0, done.stderr
        maps.append(maps_of(place / "out", "pearson"))
        assert all(np.isfinite(scores).sum() == 80 for scores in maps[-1].values())
    for other in maps[1:]:
        for side in "LR":
            np.testing.assert_array_equal(other[side], maps[0][side])
    readme = (place / "out" / "README.md").read_text(encoding="utf-8")
    for path in (place / "out" / "sub-01" / "func").glob("*.gii"):
        assert path.name.partition(".")[2] in readme  # the endings of what was written
