"""Noise ceilings and null maps of surfaces at group level, by the command."""

import json
import shutil

import app_process
import nibabel as nib
import numpy as np
import pytest
from meshes import SHAPES, flat, save_flat_surfaces
from nibabel.gifti import GiftiLabel
from surface_data import describe, flat_maps, save_gifti, save_slab

from bids_rsa.spaces.gifti import maps_image

SUBJECTS = (11, 12, 13, 14)


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """The participants' outputs with null maps, and the surfaces."""
    root = tmp_path_factory.mktemp("group_options")
    data = describe(root / "data")
    for number in SUBJECTS:
        save_gifti(data, flat_maps(number))
        func = data / f"sub-{number}" / "func"
        func.mkdir(parents=True)
        for path in (data / "sub-01" / "func").iterdir():
            shutil.copy(path, func / path.name.replace("sub-01", f"sub-{number}"))
    shutil.rmtree(data / "sub-01")
    surface = ("--surface", save_flat_surfaces(root))
    done = run_app(
        data, root / "out", "participant", "--model", data / "models/kind.tsv", "--radius", "4.1",
        "--min-voxels", "5", "--condition-permutations", "60", "--keep-null", "40", "--no-report",
        "--no-figures", *surface,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return data, root / "out", surface


def run_app(*arguments):
    return app_process.run_app(*arguments, "--use-plugin", "Linear")


def run_group(output, *options):
    data, out, surface = output
    done = run_app(data, out, "group", "--n-permutations", "50", "--no-report", *surface, *options)
    assert done.returncode == 0, done.stderr
    return out / "group" / f"analysis-{options[-1]}"


def both(folder, stat):
    """The values of both hemispheres."""
    paths = sorted(folder.rglob(f"*_stat-{stat}_desc-kind_statmap.shape.gii"))
    assert len(paths) == 2
    return np.concatenate([nib.load(path).darrays[0].data for path in paths])


def test_the_lower_ceiling_lies_below_the_upper(output):
    """Scores computed again must be those of the maps, which the app checks."""
    folder = run_group(output, "--noise-ceiling", "--label", "ceiling")
    lower, upper = both(folder, "ceilingLower"), both(folder, "ceilingUpper")
    assert np.isfinite(lower).all() and (lower <= upper + 1e-6).all()
    assert 0 < lower.mean() < upper.mean() < 1


def test_null_maps_of_surfaces_are_used(output):
    folder = run_group(output, "--null", "conditions", "--label", "null")
    p = both(folder, "tFWEp")
    assert np.nanmin(p) >= 1 / 41 - 1e-6 and np.nanmax(p) <= 1


def test_random_combinations_of_null_maps_find_the_effect_on_both_hemispheres(output):
    folder = run_group(
        output, "--null", "stelzer", "--n-permutations", "3000", "--cluster-p", "0.02",
        "--label", "stelzer",
    )  # fmt: skip
    found = np.nan_to_num(both(folder, "tThr")) != 0
    points = {side: flat(side)[0] for side in "LR"}
    apart = np.concatenate(
        [np.linalg.norm(one - one[len(one) // 2], axis=1) for one in points.values()]
    )
    # an effect within 8 mm, and patches of 4 mm
    assert found[apart < 6].mean() > 0.9
    assert not found[apart > 8 + 4.1].any()
    (table,) = folder.glob("*_clusters.tsv")
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    assert sorted(row[1] for row in rows[1:]) == ["cortex L", "cortex R"]


def test_the_surfaces_of_both_hemispheres_are_settings_whatever_they_are_called(output, tmp_path):
    data, out, (_, pattern) = output
    for side in "LR":
        (tmp_path / side).mkdir()
        shutil.copy(pattern.format(hemi=side), tmp_path / side / "mid.surf.gii")
    surface = ("--surface", f"{tmp_path}/{{hemi}}/mid.surf.gii")
    folder = run_group((data, out, surface), "--label", "folders")
    path = next(folder.rglob("*_desc-kind_statmap.json"))
    files = json.loads(path.read_text())["SurfaceFiles"]
    assert [(one["Hemisphere"], one["File"]) for one in files] == [
        ("L", "mid.surf.gii"), ("R", "mid.surf.gii"),
    ]  # fmt: skip
    assert files[0]["SHA256"] != files[1]["SHA256"]


def test_one_surface_for_both_hemispheres_is_refused(output):
    data, out, (_, pattern) = output
    surface = ("--surface", pattern.format(hemi="L"))
    done = run_app(data, out, "group", "--n-permutations", "50", *surface, "--label", "one")
    assert done.returncode == 2 and "both hemispheres" in done.stderr


def test_surfaces_for_maps_of_volumes_are_refused(output, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(output[0], data)
    for folder in data.glob("sub-*"):
        for path in folder.glob("func/*.gii"):
            path.unlink()
    for number in SUBJECTS:
        slab = describe(tmp_path / f"slab{number}")
        save_slab(slab, flat_maps(number))
        for path in (slab / "sub-01" / "func").iterdir():
            shutil.copy(path, data / f"sub-{number}/func" / path.name.replace("01", str(number), 1))
    out = tmp_path / "out"
    done = run_app(
        data, out, "participant", "--model", data / "models/kind.tsv", "--radius", "4.1",
        "--min-voxels", "5", "--no-report", "--no-figures",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = run_app(data, out, "group", "--n-permutations", "50", *output[2])
    assert done.returncode == 2 and "--surface would be ignored" in done.stderr


@pytest.fixture(scope="module")
def apart(output, tmp_path_factory):
    """The same participants, with a call for each hemisphere."""
    data, _, surface = output
    root = tmp_path_factory.mktemp("apart")
    run_side(data, root / "out", surface, "L")
    run_side(data, root / "out", surface, "R")
    return data, root / "out", surface


def run_side(data, out, surface, side, radius="4.1", more=()):
    """Run the participant level on one hemisphere."""
    out.parent.mkdir(exist_ok=True)
    only = out.parent / f"{side}.json"
    only.write_text(json.dumps({"statmap": {"hemi": side}}))
    done = run_app(
        data, out, "participant", "--model", data / "models/kind.tsv", "--radius", radius,
        "--min-voxels", "5", "--no-report", "--no-figures", "--bids-filter-file", only, *surface,
        *more,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def save_atlas(folder, side):
    """Strips of a hemisphere as regions 1 to 4; 1 and 2 have the same names on both sides."""
    _, j = np.indices(SHAPES[side])
    keys = (1 + 4 * j // SHAPES[side][1]).ravel()
    image = maps_image(keys.astype(np.int32), side, ("strips",), "NIFTI_INTENT_LABEL")
    for key in range(1, 5):
        label = GiftiLabel(key, 0.5, 0.5, 0.5, 1.0)
        label.label = f"strip {key}" if key < 3 else f"{side} only {key}"
        image.labeltable.labels.append(label)
    nib.save(image, folder / f"hemi-{side}_strips.label.gii")


@pytest.fixture(scope="module")
def regions(output, tmp_path_factory):
    """Tables of regions that one call has made, and the same by a call for each hemisphere."""
    data, _, surface = output
    root = tmp_path_factory.mktemp("regions")
    for side in "LR":
        save_atlas(root, side)
    more = ("--atlas", f"{root}/hemi-{{hemi}}_strips.label.gii", "--roi-only",
            "--condition-permutations", "60", "--keep-null", "60")  # fmt: skip
    done = run_app(
        data, root / "one", "participant", "--model", data / "models/kind.tsv", "--radius", "4.1",
        "--min-voxels", "5", "--no-report", "--no-figures", *surface, *more,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for side in "LR":
        run_side(data, root / "two", surface, side, more=more)
    return root


@pytest.mark.parametrize("null", ["subjects", "conditions"])
def test_regions_of_two_calls_are_tested_as_those_of_one(output, regions, null):
    found = {}
    for calls in ("one", "two"):
        done = run_app(
            output[0], regions / calls, "group", "--null", null, "--no-figures", "--no-report",
            "--label", null,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert ("analysed in two calls; they are tested together" in done.stderr) == (
            calls == "two"
        )
        folder = regions / calls / "group" / f"analysis-{null}"
        found[calls] = {path.name: path.read_text() for path in folder.glob("*.tsv")}
    assert found["one"] == found["two"]
    (table,) = (text for name, text in found["one"].items() if "meas-spearman_scores" in name)
    rows = [line.split("\t") for line in table.splitlines()]
    names = [row[rows[0].index("name")] for row in rows[1:]]
    assert names[:4] == ["L strip 1", "L strip 2", "L only 3", "L only 4"] and len(names) == 8


def test_regions_of_one_hemisphere_only_are_refused(output, regions, tmp_path):
    shutil.copytree(regions / "two", tmp_path / "out", ignore=shutil.ignore_patterns("group*"))
    for path in (tmp_path / "out").glob("sub-12/func/*_hemi-R_*"):
        path.unlink()
    done = run_app(output[0], tmp_path / "out", "group", "--no-figures", "--no-report")
    assert done.returncode == 66, done.stderr
    assert "sub-12" in done.stderr and "no hemi-R next to it" in done.stderr
    # one hemisphere alone is tested as such
    for path in (tmp_path / "out").glob("sub-*/func/*_hemi-R_*"):
        path.unlink()
    done = run_app(output[0], tmp_path / "out", "group", "--no-figures", "--no-report")
    assert done.returncode == 0, done.stderr
    assert len([*(tmp_path / "out" / "group").glob("*_hemi-L_*_meas-spearman_scores.tsv")]) == 1


def test_regions_that_one_call_and_two_have_analysed_are_refused(output, regions, tmp_path):
    shutil.copytree(regions / "two", tmp_path / "out", ignore=shutil.ignore_patterns("group*"))
    for path in (regions / "one").glob("sub-11/func/*"):
        shutil.copy(path, tmp_path / "out" / "sub-11" / "func" / path.name)
    done = run_app(output[0], tmp_path / "out", "group", "--no-figures", "--no-report")
    assert done.returncode == 65, done.stderr
    assert "sub-11 exists twice" in done.stderr


def test_the_group_page_has_a_viewer_without_pictures_too(output):
    data, out, surface = output
    done = run_app(
        data, out, "group", "--n-permutations", "50", "--no-figures", "--label", "quiet", *surface
    )
    assert done.returncode == 0, done.stderr
    assert not list((out / "group" / "analysis-quiet").rglob("*.png"))
    assert 'class="viewer surfaces"' in (out / "group.html").read_text()


def test_hemispheres_of_two_calls_are_tested_as_those_of_one(output, apart):
    together = run_group(output, "--no-figures", "--label", "plain")
    folder = run_group(apart, "--no-figures", "--label", "plain")
    for stat in ("t", "tFWEp", "tfceFWEp", "clusterSizeFWEp", "mean"):
        np.testing.assert_array_equal(both(folder, stat), both(together, stat), err_msg=stat)


def test_ceilings_of_hemispheres_of_two_calls_are_those_of_one(output, apart, tmp_path):
    """Also where one call has analysed both hemispheres of some participants."""
    together = run_group(output, "--noise-ceiling", "--no-figures", "--label", "ceilings")
    mixed = tmp_path / "out"
    ignored = shutil.ignore_patterns("group*", ".work")
    shutil.copytree(apart[1], mixed, ignore=ignored)
    shutil.rmtree(mixed / "sub-12")
    shutil.copytree(output[1] / "sub-12", mixed / "sub-12", ignore=ignored)
    for out in (apart[1], mixed):
        folder = run_group(
            (apart[0], out, apart[2]), "--noise-ceiling", "--no-figures", "--label", "ceilings"
        )
        for stat in ("ceilingLower", "ceilingUpper", "relativeToLower", "relativeToUpper"):
            np.testing.assert_array_equal(both(folder, stat), both(together, stat), err_msg=stat)


def test_the_page_shows_both_hemispheres_of_two_calls(apart):
    data, out, surface = apart
    done = run_app(data, out, "group", "--n-permutations", "50", "--label", "page", *surface)
    assert done.returncode == 0, done.stderr
    page = (out / "group.html").read_text()
    section = page.partition('class="thumbs"')[2].partition("</div>")[0]
    assert section.count("<img") == len(SUBJECTS) and page.count('class="thumbs"') == 1


def test_hemispheres_that_were_analysed_in_different_ways_are_refused(apart, tmp_path):
    data, _, surface = apart
    out = tmp_path / "out"
    run_side(data, out, surface, "L")
    run_side(data, out, surface, "R", radius="6.1")
    done = run_app(data, out, "group", "--n-permutations", "50", *surface)
    assert done.returncode == 65, done.stderr
    assert "SearchlightRadius is 4.1" in done.stderr
    assert "sub-11 hemi-R (6.1)" in done.stderr


def test_participants_with_one_hemisphere_only_are_named(apart, tmp_path):
    data, made, surface = apart
    out = tmp_path / "out"
    shutil.copytree(made, out, ignore=shutil.ignore_patterns("group*"))
    for path in out.glob("sub-12/func/*_hemi-L_*"):
        path.unlink()
    for path in out.glob("sub-1[134]/func/*_hemi-R_*"):
        path.unlink()
    done = run_app(data, out, "group", "--n-permutations", "50", *surface)
    assert done.returncode == 66
    for number, lacking in ((11, "R"), (12, "L"), (13, "R"), (14, "R")):
        said = f"sub-{number}_task-x_hemi-{'L' if lacking == 'R' else 'R'}_"
        assert said in done.stderr and f"has no hemi-{lacking}" in done.stderr
    # those who all have the left one can be tested by it
    done = run_app(
        data, out, "group", "--n-permutations", "50", "--exclude-participant-label", "12",
        "--no-report", "--no-figures", *surface,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not list(out.glob("group/*_hemi-R_*")) and list(out.glob("group/*_hemi-L_*_mask*"))


def test_connectivity_of_voxels_is_refused(output):
    data, out, surface = output
    done = run_app(data, out, "group", "--connectivity", "26", "--label", "c", *surface)
    assert done.returncode == 2 and "--connectivity 26 would be ignored" in done.stderr


def test_texts_speak_of_vertices(output):
    """Log, messages, tables and sidecars: what was tested is called by its name."""
    data, out, surface = output
    done = run_app(data, out, "group", "--n-permutations", "50", "--label", "words", *surface)
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "vertices are tested" in said
    assert "voxel" not in said.lower(), said
    folder = out / "group" / "analysis-words"
    for path in (*folder.glob("*.tsv"), *folder.glob("figures/*.svg")):
        assert "voxel" not in path.read_text().lower(), path
    for path in folder.glob("*.json"):
        told = json.loads(path.read_text())
        told.pop("vertex", None)  # which says that it is n/a for a voxel
        texts = [v for v in told.values() if isinstance(v, str)]
        texts += [
            v["Description"] for v in told.values() if isinstance(v, dict) and "Description" in v
        ]
        assert not [text for text in texts if "voxel" in text.lower()], path
        assert told["Locations"] == "vertices" and "Connectivity" not in told
