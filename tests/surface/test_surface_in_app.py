"""The participant level on surfaces and grayordinates: as in a volume, found, refused, valid."""

import json
import shutil
import subprocess

import app_process
import nibabel as nib
import numpy as np
import pytest
from meshes import SHAPES, flat, save_flat_surfaces, save_surface
from surface_data import (
    CONDITIONS,
    RUNS,
    cifti_axis,
    describe,
    flat_maps,
    keep_values_apart,
    maps_of,
    save_cifti,
    save_gifti,
    save_scalars,
    save_slab,
    stem,
)

from bids_rsa.app.preflight import validator_command
from bids_rsa.outputs.dataset_files import resolve_sources
from bids_rsa.reports.collect import participant_maps
from bids_rsa.spaces.gifti import maps_image
from bids_rsa.spaces.hemispheres import STRUCTURES

OPTIONS = {
    "scores": ("--comparison", "pearson", "spearman", "--reliability",
               "--condition-permutations", "40", "--keep-null", "3"),
    "noise": ("--folds", "runs", "--dissimilarity", "crossnobis", "--noise", "diagonal",
              "--noise-from", "images", "--comparison", "pearson"),
}  # fmt: skip
RADIUS = ("--radius", "4.1", "--min-voxels", "5")  # discs and spheres coincide


def run_app(data, out, *arguments, drawn=False):
    words = arguments if drawn else (*arguments, *app_process.UNDRAWN)
    return app_process.run_app(
        data, out, "participant", "--model", f"{data}/models/kind.tsv", *words
    )


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """The same data as GIFTI, as CIFTI, and one hemisphere as a slab; and the surfaces."""
    root, values = tmp_path_factory.mktemp("flat"), flat_maps()
    data = {
        "gifti": save_gifti(describe(root / "gifti"), values),
        "cifti": save_cifti(describe(root / "cifti"), values),
        "slab": save_slab(describe(root / "slab"), values),
    }
    return data, ("--surface", save_flat_surfaces(root))


@pytest.fixture(scope="module", params=OPTIONS)
def outputs(request, trees, tmp_path_factory):
    """The outputs of all three."""
    data, surface = trees
    out = tmp_path_factory.mktemp(request.param)
    for form, tree in data.items():
        given = (*RADIUS, *OPTIONS[request.param], *(surface if form != "slab" else ()))
        found = run_app(tree, out / form, *given, drawn=request.param == "scores")
        assert found.returncode == 0, found.stderr
    return out


def compared(outputs):
    """The stat- labels of maps whose values depend on nothing beyond a patch."""
    there = {p.name.split("_stat-")[1].split("_")[0] for p in outputs.glob("slab/sub-01/func/*")
             if "_stat-" in p.name}  # fmt: skip
    return sorted(s for s in there if not s.endswith("MaxFWEp") and s != "nvoxels")


def test_a_flat_surface_is_searched_as_the_slab_of_voxels(outputs):
    stats = compared(outputs)
    assert "pearson" in stats
    for stat in stats:
        desc = "searchlight" if stat.startswith("reliability") else "kind"
        left = maps_of(outputs / "gifti", stat, desc)["L"]
        slab = maps_of(outputs / "slab", stat, desc)[""].ravel()
        evaluated = np.isfinite(left)
        assert evaluated.sum() > 100
        np.testing.assert_allclose(left[evaluated], slab[evaluated], atol=2e-6, err_msg=stat)
    sizes = maps_of(outputs / "gifti", "nvertices", "searchlight")["L"]
    np.testing.assert_array_equal(
        sizes, maps_of(outputs / "slab", "nvoxels", "searchlight")[""].ravel()
    )


def test_grayordinates_are_searched_as_the_two_gifti_files(outputs):
    for path in sorted(outputs.glob("gifti/sub-01/func/*_hemi-L_*_statmap.shape.gii")):
        stat, desc = (path.name.split(f"_{key}-")[1].split("_")[0] for key in ("stat", "desc"))
        of_cifti = "ngrayordinates" if stat == "nvertices" else stat
        sides = maps_of(outputs / "gifti", stat, desc)
        both = np.concatenate([sides["L"], sides["R"]])
        cifti = maps_of(outputs / "cifti", of_cifti, desc)[""]
        np.testing.assert_array_equal(cifti, both, err_msg=stat)
    masks = maps_of(outputs / "gifti", "", "searchlight", "mask")
    cifti = maps_of(outputs / "cifti", "", "searchlight", "mask")[""]
    np.testing.assert_array_equal(cifti, np.concatenate([masks["L"], masks["R"]]))


def test_sidecars_and_files_say_where_maps_lie(outputs):
    for side in "LR":
        (path,) = outputs.glob(
            f"gifti/sub-01/func/*_hemi-{side}_*_stat-pearson_desc-kind_statmap.json"
        )
        sidecar = json.loads(path.read_text())
        assert sidecar["Hemisphere"] == side
        assert sidecar["SurfaceDistance"].startswith("dijkstra")
        assert f"hemi-{'{hemi}'}_midthickness" in sidecar["SurfaceGeometry"]
        assert sidecar["SpatialReference"] == "flat"
        assert sidecar["PatchArea"]["Max"] <= 13 * 4.0 + 1e-9
        assert any("hemi-L_midthickness" in source for source in sidecar["Sources"])
        image = nib.load(path.with_suffix(".shape.gii"))
        assert image.meta["AnatomicalStructurePrimary"] == STRUCTURES[side]
        assert image.darrays[0].intent == nib.nifti1.intent_codes["NIFTI_INTENT_SHAPE"]


def test_the_official_validator_takes_the_outputs(outputs):
    validator = validator_command()
    if validator is None:
        pytest.skip("the BIDS validator is not installed")
    for form in ("gifti", "cifti"):
        found = subprocess.run([validator, outputs / form], capture_output=True, text=True)
        assert found.returncode == 0, found.stdout


def test_regions_of_a_flat_surface_are_those_of_the_slab(trees, tmp_path):
    """A mask and a disc; all that is computed in a patch, permutations and noise included."""
    data, surface = trees
    inside = np.random.default_rng(6).random(SHAPES["L"]) < 0.4
    nib.save(maps_image(inside.ravel().astype(np.float32), "L"), tmp_path / "m_hemi-L.shape.gii")
    affine = nib.load(next(data["slab"].glob("sub-01/func/*.nii.gz"))).affine
    nib.save(nib.Nifti1Image(inside[:, :, None].astype(np.uint8), affine), tmp_path / "m.nii.gz")
    points, _ = flat("L")
    place = ",".join(map(str, points[75]))
    for options in OPTIONS.values():
        tables = {}
        for form, mask in (("gifti", "m_hemi-L.shape.gii"), ("slab", "m.nii.gz")):
            out = tmp_path / f"{form}{len(options)}"
            regions = ("--rois", f"m={tmp_path}/{mask}", "--roi-sphere", f"s:{place}:4.1")
            # most of the sphere is above and below the slab
            given = (*regions, "--roi-only", "--min-voxels", "5", "--min-coverage", "0", *options)
            found = run_app(data[form], out, *given, *(surface if form == "gifti" else ()))
            assert found.returncode == 0, found.stderr
            paths = sorted(out.glob("sub-01/func/*_scores.tsv"))
            rows = [line.split("\t") for path in paths for line in path.read_text().splitlines()]
            tables[form] = rows
        assert len(tables["gifti"]) == len(tables["slab"]) >= 4
        for own, expected in zip(tables["gifti"], tables["slab"], strict=True):
            for a, b in zip(own[:3] + own[4:], expected[:3] + expected[4:], strict=True):
                assert a == b or float(a) == pytest.approx(float(b), abs=1e-9)


def test_residuals_of_both_hemispheres_give_the_noise_of_the_slab(trees, tmp_path):
    rng, n_volumes = np.random.default_rng(8), 30
    data = {"gifti": save_gifti(describe(tmp_path / "gifti"), flat_maps()),
            "slab": save_slab(describe(tmp_path / "slab"), flat_maps())}  # fmt: skip
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -60, 0, 0
    for run in RUNS:
        for side in "LR":
            n_vertices = int(np.prod(SHAPES[side]))
            series = rng.normal(size=(n_vertices, n_volumes)).astype(np.float32)
            series += 2 * rng.normal(size=n_volumes).astype(np.float32)  # correlated noise
            series *= np.linspace(0.5, 3, n_vertices, dtype=np.float32)[:, None]
            array = nib.gifti.GiftiDataArray(series)  # one array of two dimensions, as nilearn's
            meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": STRUCTURES[side]})
            file = f"{stem(run, side)}_stat-errorts_statmap.gii"
            image = nib.gifti.GiftiImage(meta=meta, darrays=[array])
            nib.save(image, data["gifti"] / "sub-01" / "func" / file)
            if side == "L":
                volumes = series.reshape(*SHAPES["L"], 1, n_volumes)
                file = f"{stem(run)}_stat-errorts_statmap.nii.gz"
                slab = data["slab"] / "sub-01" / "func" / file
                nib.save(nib.Nifti1Image(volumes, affine), slab)
    given = (*RADIUS, "--folds", "runs", "--dissimilarity", "crossnobis", "--noise", "shrinkage",
             "--noise-from", "residuals")  # fmt: skip
    found = run_app(data["gifti"], tmp_path / "a", *given, *trees[1])
    assert found.returncode == 0, found.stderr
    assert run_app(data["slab"], tmp_path / "b", *given).returncode == 0
    for stat, desc in (("spearman", "kind"), ("shrinkage", "searchlight")):
        left = maps_of(tmp_path / "a", stat, desc)["L"]
        slab = maps_of(tmp_path / "b", stat, desc)[""].ravel()
        inside = np.isfinite(left)
        assert inside.sum() > 100
        np.testing.assert_allclose(left[inside], slab[inside], rtol=1e-5, atol=2e-6)
    # named by a pattern, they are the same
    pattern = f"{data['gifti']}/sub-{{subject}}/func/*_run-{{run}}_hemi-*_stat-errorts_*.gii"
    found = run_app(data["gifti"], tmp_path / "c", *given, "--residuals", pattern, *trees[1])
    assert found.returncode == 0, found.stderr
    wanted = maps_of(tmp_path / "a", "spearman")
    for side, scores in maps_of(tmp_path / "c", "spearman").items():
        np.testing.assert_array_equal(scores, wanted[side])
    # a run is its number, however the maps of a hemisphere write it
    for path in [*(data["gifti"] / "sub-01" / "func").glob("*_run-2_hemi-R_*_contrast-*")]:
        path.rename(str(path).replace("_run-2_", "_run-02_"))
    found = run_app(data["gifti"], tmp_path / "n", *given, *trees[1])
    assert found.returncode == 0, found.stderr
    for side, scores in maps_of(tmp_path / "n", "spearman").items():
        np.testing.assert_array_equal(scores, wanted[side])
    # of one hemisphere alone, those of the other one are not taken
    only = tmp_path / "filter.json"
    only.write_text(json.dumps({"statmap": {"hemi": "R"}}))
    given = (*given, "--bids-filter-file", only)
    found = run_app(data["gifti"], tmp_path / "d", *given, "--residuals", pattern, *trees[1])
    assert found.returncode == 0, found.stderr
    right = maps_of(tmp_path / "d", "spearman")
    assert list(right) == ["R"]
    np.testing.assert_array_equal(right["R"], wanted["R"])
    given = (*given[:-2], "--residuals", pattern.replace("hemi-*", "hemi-L_*"))
    found = run_app(data["gifti"], tmp_path / "e", *given, *trees[1])
    assert found.returncode == 66 and "both hemispheres" in found.stderr


def test_a_planted_effect_is_found_on_fsaverage5_and_nothing_else(tmp_path):
    """On the template that comes with nilearn; the medial wall holds zeros, as fMRIPrep's may."""
    from nilearn.datasets import load_fsaverage

    rng, data = np.random.default_rng(2), describe(tmp_path / "data")
    meshes, seed, walls, values = load_fsaverage("fsaverage5"), {"L": 1000, "R": 4000}, {}, {}
    away = {}
    for side, name in (("L", "left"), ("R", "right")):
        surfaces = (meshes[kind].parts[name].coordinates for kind in ("white_matter", "pial"))
        points = np.mean(list(surfaces), axis=0)
        away[side] = np.linalg.norm(points - points[seed[side]], axis=1)
        walls[side] = away[side] > np.sort(away[side])[-500]
        kinds = {kind: 3 * rng.normal(size=len(points)) * (away[side] < 16) for kind in "ab"}
        for run in RUNS:
            for condition in CONDITIONS:
                own = rng.normal(size=len(points)) + kinds[condition[0]]
                own[walls[side]] = 0
                values[side, run, condition] = own.astype(np.float32)
    save_gifti(data, values, space="fsaverage5")
    found = run_app(data, tmp_path / "out", "--space", "fsaverage5", "--dissimilarity",
                    "sqeuclidean", "--folds", "runs", "--comparison", "cosine")  # fmt: skip
    assert found.returncode == 0, found.stderr
    for side, scores in maps_of(tmp_path / "out", "cosine").items():
        evaluated = maps_of(tmp_path / "out", "", "searchlight", "mask")[side].astype(bool)
        np.testing.assert_array_equal(np.isfinite(scores), evaluated)
        assert not evaluated[walls[side]].any()
        assert evaluated[~walls[side]].mean() > 0.99  # but where few vertices are near
        assert scores[away[side] < 6].min() > 0.9
        elsewhere = scores[(away[side] > 45) & evaluated]  # no patch there reaches the effect
        assert len(elsewhere) > 5000
        n_apart = len(elsewhere) / 45  # vertices of a patch: neighbours share most of theirs
        assert abs(elsewhere.mean()) < 4 * elsewhere.std() / np.sqrt(n_apart)
        assert np.nanmax(elsewhere) < scores[away[side] < 6].min()
    (sidecar,) = (tmp_path / "out").glob("sub-01/func/*hemi-L*_stat-cosine_desc-kind_statmap.json")
    assert "_den-10k_" in sidecar.name
    told = json.loads(sidecar.read_text())
    assert "fsaverage5 of nilearn" in told["SurfaceGeometry"]
    assert any("group-average" in note for note in told["Notes"])


def halved(points, triangles):
    """Cut each triangle into four, new vertices behind the old ones, as fsaverage's meshes are."""
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges, number = np.unique(np.sort(sides, axis=1), axis=0, return_inverse=True)
    ab, bc, ca = len(points) + number.reshape(3, -1)
    a, b, c = triangles.T
    finer = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return (
        np.concatenate([points, points[edges].mean(axis=1)]),
        np.concatenate([np.stack(corners, axis=1) for corners in finer]),
    )


def test_centres_on_a_coarser_mesh_have_the_scores_of_its_vertices(tmp_path):
    """fsaverage6 made of fsaverage5, which comes with nilearn."""
    from nilearn.datasets import load_fsaverage

    mesh, rng = load_fsaverage("fsaverage5")["white_matter"], np.random.default_rng(4)
    data, surface = describe(tmp_path / "data"), tmp_path / "surfaces"
    surface.mkdir()
    for side, name in (("L", "left"), ("R", "right")):
        points, triangles = halved(mesh.parts[name].coordinates, np.asarray(mesh.parts[name].faces))
        assert len(points) == 40962
        save_surface(surface / f"hemi-{side}_white.surf.gii", points, triangles, side)
        maps = rng.normal(size=(len(CONDITIONS), len(points))).astype(np.float32)
        values = {(side, "1", one): own for one, own in zip(CONDITIONS, maps, strict=True)}
        save_gifti(data, values, space="fsaverage")
    given = ("--radius", "5", "--comparison", "pearson", "--roi-sphere", "a:R30000:9",
             "--surface", f"{surface}/hemi-{{hemi}}_white.surf.gii")  # fmt: skip
    for out, more in (("fine", ()), ("coarse", ("--center-density", "10k"))):
        found = run_app(data, tmp_path / out, *given, *more)
        assert found.returncode == 0, found.stderr
    assert list((tmp_path / "coarse").glob("sub-01/func/*_hemi-L_*den-10k_*_statmap.shape.gii"))
    for stat, desc in (("pearson", "kind"), ("nvertices", "searchlight"), ("area", "searchlight")):
        fine, coarse = (maps_of(tmp_path / out, stat, desc) for out in ("fine", "coarse"))
        for side in "LR":
            assert len(coarse[side]) == 10242
            np.testing.assert_array_equal(coarse[side], fine[side][:10242], err_msg=stat)
    tables = [next((tmp_path / out).glob("sub-01/func/*_scores.tsv")) for out in ("fine", "coarse")]
    assert tables[0].name == tables[1].name and "den-41k" in tables[0].name
    assert tables[0].read_text() == tables[1].read_text()
    found = run_app(data, tmp_path / "other", *given, "--center-density", "32k")
    assert found.returncode == 2
    assert "usable: 3k, 10k" in found.stderr
    for side in "LR":
        mask = np.zeros(40962, np.float32)
        mask[30000] = 1
        nib.save(maps_image(mask, side), tmp_path / f"roi_hemi-{side}.func.gii")
    roi = ("--roi-mask", f"{tmp_path}/roi_hemi-{{hemi}}.func.gii", "--center-density", "10k")
    found = run_app(data, tmp_path / "roi", *given, *roi)
    assert found.returncode == 65, found.stderr
    assert "--center-density" in found.stderr and "roi_hemi-L" in found.stderr


def test_vertices_in_another_order_permute_the_maps(trees, tmp_path):
    values, surface = flat_maps(), tmp_path / "surfaces"
    surface.mkdir()
    orders = {}
    for side in "LR":
        points, triangles = flat(side)
        orders[side] = np.random.default_rng(5).permutation(len(points))
        place = np.argsort(orders[side])
        save_surface(
            surface / f"hemi-{side}_midthickness.surf.gii",
            points[orders[side]], place[triangles], side,
        )  # fmt: skip
    shuffled = {key: own[orders[key[0]]] for key, own in values.items()}
    data = save_gifti(describe(tmp_path / "data"), shuffled)
    for path in data.glob("sub-01/func/*.gii"):
        path.with_suffix(".json").write_text('{"SpatialReference": "the sheet"}')
    given = (*RADIUS, "--comparison", "pearson")
    named = ("--surface", f"{surface}/hemi-{{hemi}}_midthickness.surf.gii")
    assert run_app(data, tmp_path / "b", *given, *named).returncode == 0
    assert run_app(trees[0]["gifti"], tmp_path / "a", *given, *trees[1]).returncode == 0
    before, after = (maps_of(tmp_path / name, "pearson") for name in "ab")
    for side in "LR":
        np.testing.assert_allclose(after[side], before[side][orders[side]], atol=1e-6)
    for path in (tmp_path / "b").glob("sub-01/func/*_statmap.json"):
        assert json.loads(path.read_text())["SpatialReference"] == "the sheet"


def test_swapped_hemispheres_are_refused(trees, tmp_path):
    values = flat_maps()
    data = describe(tmp_path / "data")
    swapped = {"L": "R", "R": "L"}
    for (side, run, name), own in values.items():
        file = (
            f"sub-01_task-x_run-{run}_hemi-{swapped[side]}_space-flat_contrast-{name}_stat-effect"
        )
        nib.save(maps_image(own, side), data / "sub-01" / "func" / f"{file}_statmap.func.gii")
    found = run_app(data, tmp_path / "out", *RADIUS, *trees[1])
    assert found.returncode == 65
    assert "CortexRight" in found.stderr and "swapped" in found.stderr


def test_swapped_surfaces_are_refused(trees, tmp_path):
    surfaces = tmp_path / "surfaces"
    surfaces.mkdir()
    for side, other in ("LR", "RL"):
        save_surface(surfaces / f"hemi-{side}_midthickness.surf.gii", *flat(side), other)
    named = ("--surface", f"{surfaces}/hemi-{{hemi}}_midthickness.surf.gii")
    found = run_app(trees[0]["gifti"], tmp_path / "out", *RADIUS, *named)
    assert found.returncode == 65
    assert "swapped" in found.stderr


def test_a_map_of_one_hemisphere_alone_is_missed(tmp_path):
    data = save_gifti(describe(tmp_path / "data"), flat_maps())
    (path,) = data.glob("sub-01/func/*run-2_hemi-R_*contrast-b1_*")
    path.unlink()
    found = run_app(data, tmp_path / "out", *RADIUS, "--surface", save_flat_surfaces(tmp_path))
    assert found.returncode == 65
    assert "hemi-R of b1 in run 2" in found.stderr


def test_one_hemisphere_alone_can_be_analysed(trees, tmp_path):
    filters = tmp_path / "filter.json"
    filters.write_text(json.dumps({"statmap": {"hemi": "R"}}))
    given = (*RADIUS, "--comparison", "pearson", "--bids-filter-file", filters, *trees[1])
    found = run_app(trees[0]["gifti"], tmp_path / "one", *given, drawn=True)
    assert found.returncode == 0, found.stderr
    assert run_app(trees[0]["gifti"], tmp_path / "two", *given[:-4], *trees[1]).returncode == 0
    one, two = (maps_of(tmp_path / name, "pearson") for name in ("one", "two"))
    assert set(one) == {"R"}
    (sidecar,) = (tmp_path / "one").glob("sub-01/func/*_stat-pearson_desc-kind_statmap.json")
    assert json.loads(sidecar.read_text())["Hemisphere"] == "R"
    page = (tmp_path / "one" / "sub-01.html").read_text()
    assert "centred on the vertices of the cortical surface" in page and "grayordinates" not in page
    np.testing.assert_array_equal(one["R"], two["R"])


def sidecars_sources(out):
    """The Sources of a map of the left hemisphere."""
    (sidecar,) = out.glob("sub-01/func/*_hemi-L_*_stat-pearson_desc-kind_statmap.json")
    return json.loads(sidecar.read_text())["Sources"]


def test_values_in_files_of_their_own_are_read_hashed_named_and_missed(trees, tmp_path):
    """GIFTI's ExternalFileBinary: whatever happens to that file happens to the image."""
    data = tmp_path / "data"
    shutil.copytree(trees[0]["gifti"], data)
    func = data / "sub-01" / "func"
    for path in func.glob("*_run-2_hemi-L_*"):
        keep_values_apart(path)
    given = (*RADIUS, "--comparison", "pearson", *trees[1])
    for tree, out in ((trees[0]["gifti"], "inside"), (data, "apart")):
        found = run_app(tree, tmp_path / out, *given)
        assert found.returncode == 0, found.stderr
    inside, apart = (maps_of(tmp_path / out, "pearson") for out in ("inside", "apart"))
    for side, scores in inside.items():
        np.testing.assert_array_equal(apart[side], scores)
    values = func / "sub-01_task-x_run-2_hemi-L_space-flat_contrast-b1_stat-effect_statmap.data"
    sources = sidecars_sources(tmp_path / "apart")
    named = {path.name for path in func.glob("*.data")}
    assert len(named) == len(list(func.glob("*_run-2_hemi-L_*.gii"))) > 1
    assert named == {uri.rpartition("/")[2] for uri in sources if uri.endswith(".data")}
    assert len(sources) == len(set(sources))
    assert set(resolve_sources(tmp_path / "apart", sources)) >= set(func.glob("*.data"))
    plain = [uri.split(":")[2] for uri in sidecars_sources(tmp_path / "inside")]
    others = [uri.split(":")[2] for uri in sources if not uri.endswith(".data")]
    assert others == plain
    content = values.read_bytes()
    # other values are other inputs
    values.write_bytes(np.roll(np.frombuffer(content, np.float32), 3).tobytes())
    found = run_app(data, tmp_path / "apart", *given)
    assert found.returncode == 73, found.stderr
    values.write_bytes(content[:-8])
    found = run_app(data, tmp_path / "short", *given)
    assert found.returncode == 65 and "contrast-b1" in found.stderr, found.stderr
    values.unlink()
    found = run_app(data, tmp_path / "none", *given)
    assert found.returncode == 66, found.stderr
    assert f"{values}, which does not exist" in found.stderr
    assert not list(tmp_path.glob("none/sub-01/func/*"))
    assert "Traceback" not in found.stderr


def test_the_page_has_a_viewer_without_pictures_too(trees, tmp_path):
    given = (*RADIUS, "--comparison", "pearson", "--no-figures")
    for kind, more in (("gifti", trees[1]), ("cifti", trees[1]), ("slab", ())):
        found = run_app(trees[0][kind], tmp_path / kind, *given, *more, drawn=True)
        assert found.returncode == 0, found.stderr
        page = (tmp_path / kind / "sub-01.html").read_text()
        assert page.count('class="viewer ') == 1 and "No pictures of these maps" in page
        assert not list(tmp_path.glob(f"{kind}/sub-01/figures/*.png"))
        again = run_app(trees[0][kind], tmp_path / kind, *given, *more, drawn=True)
        assert again.returncode == 0 and "complete" in again.stderr


def test_hemispheres_of_two_calls_are_two_analyses_of_the_page(trees, tmp_path):
    n_pictures = []
    for side in "LR":
        filters = tmp_path / f"{side}.json"
        filters.write_text(json.dumps({"statmap": {"hemi": side}}))
        given = (*RADIUS, "--comparison", "pearson", "--bids-filter-file", filters, *trees[1])
        found = run_app(trees[0]["gifti"], tmp_path / "apart", *given, drawn=True)
        assert found.returncode == 0, found.stderr
        page = (tmp_path / "apart" / "sub-01.html").read_text()
        n_pictures.append(page.count("<img"))
        assert f"hemi {side}" in page
    assert n_pictures[1] == 2 * n_pictures[0] - 1 > 1  # the model is shown once
    given = (*given[:-4], *trees[1])
    assert run_app(trees[0]["gifti"], tmp_path / "both", *given, drawn=True).returncode == 0
    apart, both = (participant_maps(tmp_path / out, "01") for out in ("apart", "both"))
    assert len(apart) == 2 * len(both) > 0
    assert not any(one.right for one in apart) and all(one.right for one in both)
    assert all(one.picture.exists() for one in (*apart, *both))


def test_betas_of_any_name_with_conditions_as_names_of_maps(trees, tmp_path):
    values, folder = flat_maps(), tmp_path / "maps"
    folder.mkdir()
    for run in RUNS:
        for side in "LR":
            columns = np.stack([values[side, run, name] for name in CONDITIONS], axis=1)
            nib.save(
                maps_image(columns, side, CONDITIONS),
                folder / f"S01_run{run}_{side.lower()}h.func.gii",
            )
    given = (*RADIUS, "--comparison", "pearson", *trees[1])
    pattern = f"{folder}/S{{subject}}_run{{run}}_{{hemi}}.func.gii"
    data = describe(tmp_path / "data")
    found = run_app(data, tmp_path / "a", *given, "--betas", pattern)
    assert found.returncode == 0, found.stderr
    assert run_app(trees[0]["gifti"], tmp_path / "b", *given).returncode == 0
    named, bids = (maps_of(tmp_path / name, "pearson") for name in "ab")
    for side in "LR":
        np.testing.assert_array_equal(named[side], bids[side])


def test_vertices_that_hold_nothing_and_those_outside_the_cortex_are_left_out(tmp_path):
    values = flat_maps()
    for own in values.values():
        own[:10] = 0
    for key in values:
        if key[0] == "R":
            values[key][20:25] = np.nan
    data = save_gifti(describe(tmp_path / "data"), values)
    surface = save_flat_surfaces(tmp_path)
    for side in "LR":
        inside = np.ones(int(np.prod(SHAPES[side])), np.int32)
        inside[30:40] = 0
        nib.save(maps_image(inside, side), tmp_path / f"hemi-{side}_cortex.label.gii")
    cortex = ("--cortex-mask", f"{tmp_path}/hemi-{{hemi}}_cortex.label.gii")
    found = run_app(data, tmp_path / "out", *RADIUS, "--surface", surface, *cortex)
    assert found.returncode == 0, found.stderr
    masks = maps_of(tmp_path / "out", "", "searchlight", "mask")
    scores = maps_of(tmp_path / "out", "spearman")
    for side, outside in (("L", [*range(10), *range(30, 40)]),
                          ("R", [*range(10), *range(20, 25), *range(30, 40)])):  # fmt: skip
        assert not masks[side][outside].any()
        assert np.isnan(scores[side][outside]).all()
        assert masks[side][50:].all()


def test_a_folder_of_gifti_maps_is_not_called_empty(tmp_path):
    data = describe(tmp_path / "data")
    for (side, run, name), own in flat_maps().items():
        file = f"sub-01_run-{run}_hemi-{side}_space-flat_desc-{name}_thing.gii"
        nib.save(maps_image(own, side), data / "sub-01" / "func" / file)
    found = run_app(data, tmp_path / "out")
    assert found.returncode == 66
    assert "48 thing" in found.stderr and "GIFTI" in found.stderr
    assert "hemi-L" in found.stderr  # how such files should be named


def test_subcortical_voxels_stay_in_their_structure(tmp_path):
    """Spheres in a structure are those of a volume that holds nothing else."""
    rng = np.random.default_rng(3)
    counts = {side: int(np.prod(SHAPES[side])) for side in "LR"}
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    boxes = {"THALAMUS_LEFT": (slice(0, 5), slice(0, 5), slice(0, 5)),
             "THALAMUS_RIGHT": (slice(5, 9), slice(0, 5), slice(0, 5))}  # fmt: skip
    axis = cifti_axis(counts)
    for name, box in boxes.items():
        inside = np.zeros((9, 5, 5), bool)
        inside[box] = True
        axis += nib.cifti2.BrainModelAxis.from_mask(
            inside, name=f"CIFTI_STRUCTURE_{name}", affine=affine
        )
    values, whole = flat_maps(), {}
    data, voxels = describe(tmp_path / "cifti"), describe(tmp_path / "voxels")
    func = data / "sub-01" / "func"
    for run in RUNS:
        columns = []
        for name in CONDITIONS:
            below = rng.normal(size=(9, 5, 5)).astype(np.float32)
            whole[run, name] = below
            parts = [values[side, run, name] for side in "LR"]
            columns.append(
                np.concatenate([*parts, *(below[box].ravel() for box in boxes.values())])
            )
            left = below[boxes["THALAMUS_LEFT"]]
            file = f"{stem(run)}_contrast-{name}_stat-effect_statmap.nii.gz"
            nib.save(nib.Nifti1Image(left, affine), voxels / "sub-01" / "func" / file)
        path = func / f"{stem(run)}_stat-effect_statmap.dscalar.nii"
        save_scalars(path, columns, CONDITIONS, axis)
    surface = ("--surface", save_flat_surfaces(tmp_path))
    given = (*RADIUS, "--comparison", "pearson")
    found = run_app(data, tmp_path / "a", *given, *surface)
    assert found.returncode == 0, found.stderr
    assert run_app(voxels, tmp_path / "b", *given).returncode == 0
    scores = maps_of(tmp_path / "a", "pearson")[""]
    n_vertices = sum(counts.values())
    wanted = maps_of(tmp_path / "b", "pearson")[""].ravel()
    np.testing.assert_allclose(scores[n_vertices : n_vertices + 125], wanted, atol=2e-6)
    assert np.isfinite(scores).all()
    areas = maps_of(tmp_path / "a", "area", "searchlight")[""]
    assert np.isnan(areas[n_vertices:]).all() and np.isfinite(areas[:n_vertices]).all()

    # without them, the cortex has the same scores
    found = run_app(data, tmp_path / "c", *given, *surface, "--cifti-volume", "skip")
    assert found.returncode == 0, found.stderr
    cortex = maps_of(tmp_path / "c", "pearson")[""]
    np.testing.assert_array_equal(cortex[:n_vertices], scores[:n_vertices])
    assert np.isnan(cortex[n_vertices:]).all()
    again = run_app(data, tmp_path / "c", *given, *surface)
    assert again.returncode == 73 and "BrainMask" in again.stderr


def test_a_file_of_voxels_alone_is_searched_as_a_volume(tmp_path):
    rng, affine = np.random.default_rng(6), np.diag([2.0, 2.0, 2.0, 1.0])
    axis = nib.cifti2.BrainModelAxis.from_mask(
        np.ones((6, 5, 5), bool), name="CIFTI_STRUCTURE_THALAMUS_LEFT", affine=affine
    )
    data, voxels = describe(tmp_path / "cifti"), describe(tmp_path / "voxels")
    for run in RUNS:
        maps = rng.normal(size=(len(CONDITIONS), 6, 5, 5)).astype(np.float32)
        path = data / "sub-01" / "func" / f"{stem(run)}_stat-effect_statmap.dscalar.nii"
        save_scalars(path, maps.reshape(len(CONDITIONS), -1), CONDITIONS, axis)
        for name, own in zip(CONDITIONS, maps, strict=True):
            file = f"{stem(run)}_contrast-{name}_stat-effect_statmap.nii.gz"
            nib.save(nib.Nifti1Image(own, affine), voxels / "sub-01" / "func" / file)
    given = (*RADIUS, "--comparison", "pearson")
    for tree, out in ((data, "a"), (voxels, "b")):
        found = run_app(tree, tmp_path / out, *given, drawn=tree == data)
        assert found.returncode == 0, found.stderr
    scores, wanted = (maps_of(tmp_path / out, "pearson")[""].ravel() for out in "ab")
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores, wanted, atol=2e-6)
    page = (tmp_path / "a" / "sub-01.html").read_text()
    assert 'class="viewer slices"' in page and "--no-figures" not in page
    found = run_app(data, tmp_path / "c", "--radius", "1.5")
    assert found.returncode == 2 and "the voxels of" in found.stderr
    found = run_app(data, tmp_path / "c", *given, "--cifti-volume", "skip")
    assert found.returncode == 65 and "Traceback" not in found.stderr
