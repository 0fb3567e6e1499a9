"""BOLD on surfaces and grayordinates: as in a volume, known answers, what is refused."""

import gzip
import json
import re
import shutil
import subprocess
import tracemalloc
from pathlib import Path

import app_process
import nibabel as nib
import numpy as np
import pytest
from bold_runs import CONDITIONS, TR, N, arguments, confounds, copy, events, matrix, write_json
from meshes import SHAPES, flat, save_flat_surfaces
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData
from nilearn.glm.first_level import FirstLevelModel
from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage
from surface_bold import (
    COUNTS,
    design_of,
    estimates,
    make_surface_dataset,
    read_maps,
    save_dtseries,
    save_func_gii,
    series_axes,
    series_of,
)
from watched import start_until, wait_until_stopped

from bids_rsa.app.preflight import validator_command
from bids_rsa.estimation.images import estimate_run
from bids_rsa.records import BoldRun
from bids_rsa.settings import BoldSettings
from bids_rsa.spaces.open_series import open_time_series

RADIUS = ("--radius", "4.1", "--min-voxels", "5")  # discs and spheres coincide


@pytest.fixture(scope="session")
def flat_betas():
    rng = np.random.default_rng(5)
    return {side: rng.normal(size=(len(CONDITIONS), n)) for side, n in COUNTS.items()}


@pytest.fixture(scope="session")
def flat_series(flat_betas):
    return series_of(flat_betas)


@pytest.fixture(scope="session")
def flat_trees(tmp_path_factory, flat_series):
    """The same series as GIFTI, CIFTI, a slab of one hemisphere and a line; not to be changed."""
    root = tmp_path_factory.mktemp("flat")
    return {
        form: make_surface_dataset(root / form, flat_series, form)
        for form in ("gifti", "cifti", "slab", "line")
    }


@pytest.fixture(scope="session")
def surface(tmp_path_factory):
    """The option that names the flat surfaces, and what makes discs and spheres the same."""
    return (*RADIUS, "--surface", save_flat_surfaces(tmp_path_factory.mktemp("surfaces")))


@pytest.fixture
def gifti(flat_trees, tmp_path):
    """A copy of the GIFTI dataset, to be changed at will."""
    return copy(flat_trees["gifti"], tmp_path / "raw")


@pytest.fixture
def cifti(flat_trees, tmp_path):
    """A copy of the CIFTI dataset, to be changed at will."""
    return copy(flat_trees["cifti"], tmp_path / "raw-cifti")


def bold_files(root, pattern="*_bold.*"):
    found = (root / "derivatives" / "fmriprep" / "sub-01" / "func").glob(pattern)
    return sorted(path for path in found if path.suffix != ".json")


def scores_of(out, stat="spearman", desc="m"):
    """The scores of an output, of both hemispheres one after the other."""
    found = sorted(Path(out).glob(f"sub-01/func/*_stat-{stat}_desc-{desc}_statmap.*i*"))
    return np.concatenate([read_maps(path) for path in found if path.suffix != ".json"])[:, 0]


def sidecar_of(out, stat="spearman", desc="m"):
    path = next(Path(out).glob(f"sub-01/func/*_stat-{stat}_desc-{desc}_statmap.json"))
    return json.loads(path.read_text())


OPTIONS = {
    "default": (),
    "ar1": ("--glm-noise", "ar1", "--hrf", "glover+derivative"),
    "voxel": ("--scale", "voxel", "--confounds", "motion6", "--high-pass", "100"),
    "trials": ("--estimate", "trials", "--hrf", "glover", "--scale", "none"),
    "lss": ("--estimate", "lss", "--start-time", "0.5", "--dummy-scans", "2"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_estimates_are_those_of_the_same_series_in_voxels(
    flat_trees, surface, tmp_path, from_bold, name
):
    found = {}
    for form in ("gifti", "cifti", "line"):
        options = RADIUS if form == "line" else surface
        options = (*options, *OPTIONS[name], "--keep-residuals")
        code, said = from_bold(flat_trees[form], tmp_path / form, *options)
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


@pytest.mark.parametrize(
    "options",
    [
        ("--normalize", "variance", "--glm-noise", "ar1"),
        ("--folds", "runs", "--dissimilarity", "crossnobis", "--noise", "shrinkage"),
        ("--comparison", "whitened-cosine", "--condition-covariance", "design",
         "--estimate", "trials"),
    ],
)  # fmt: skip
def test_the_searchlight_on_them_is_that_of_the_slab(
    flat_trees, surface, tmp_path, from_bold, options
):
    # the mean of a run would be that of one hemisphere in the slab, and of both on surfaces
    options = (*options, "--scale", "none")
    stat = "whitenedcosine" if "whitened-cosine" in options else "spearman"
    scores = {}
    for form in ("gifti", "cifti", "slab"):
        own = RADIUS if form == "slab" else surface
        code, said = from_bold(flat_trees[form], tmp_path / form, *own, *options)
        assert code == 0, said
        scores[form] = scores_of(tmp_path / form, stat)
        told = sidecar_of(tmp_path / form, stat)
        assert told["TrialsPerCondition"] == dict.fromkeys(CONDITIONS, 10)
        assert "Largest" in told["DesignCorrelation"]
        if "--noise" in options:
            assert f"{2 * (N - 14)} degrees of freedom (the first-level models)" in said
    np.testing.assert_array_equal(scores["gifti"], scores["cifti"])
    left = scores["gifti"][: COUNTS["L"]]
    inside = np.isfinite(left)
    assert inside.sum() > 100
    np.testing.assert_allclose(left[inside], scores["slab"][inside], atol=2e-6)


def test_known_betas_without_noise_come_back(flat_betas, surface, tmp_path, from_bold):
    series = series_of(flat_betas, noise=0, level=100.0)
    root = make_surface_dataset(tmp_path / "raw", series, "gifti")
    code, said = from_bold(root, tmp_path / "out", *surface, "--scale", "none")
    assert code == 0, said
    expected = np.concatenate([flat_betas["L"], flat_betas["R"]], axis=1)
    found = estimates(tmp_path / "out")
    for run in (1, 2):
        for number, name in enumerate(CONDITIONS):
            # the files hold 100 + signal in single precision
            np.testing.assert_allclose(found[run, name][:, 0], expected[number], atol=1e-4)


# nilearn's model warns of its own call of its own masker
@pytest.mark.filterwarnings("ignore:.*Generation of a mask has been requested:RuntimeWarning")
@pytest.mark.parametrize("noise", ["ols", "ar1"])
def test_nilearns_model_of_surface_images_agrees(
    flat_trees, flat_series, surface, tmp_path, from_bold, noise
):
    options = ("--scale", "none", "--glm-noise", noise)
    code, said = from_bold(flat_trees["gifti"], tmp_path / "out", *surface, *options)
    assert code == 0, said
    meshes = {name: InMemoryMesh(*flat(side)) for side, name in (("L", "left"), ("R", "right"))}
    effects, variances = (estimates(tmp_path / "out", stat) for stat in ("effect", "variance"))
    for run in (1, 2):
        data = {
            name: flat_series[side, run].T.astype(float)
            for side, name in (("L", "left"), ("R", "right"))
        }
        image = SurfaceImage(PolyMesh(**meshes), data)
        model = FirstLevelModel(
            mask_img=SurfaceImage(
                PolyMesh(**meshes), {k: np.ones(len(v), bool) for k, v in data.items()}
            ),
            noise_model=noise, signal_scaling=False, standardize=False,
        )  # fmt: skip
        model.fit(image, design_matrices=matrix(events(run), confounds(run)))
        for name in CONDITIONS:
            for found, kind in ((effects, "effect_size"), (variances, "effect_variance")):
                wanted = model.compute_contrast(name, output_type=kind).data.parts
                wanted = np.concatenate([wanted["left"], wanted["right"]]).ravel()
                np.testing.assert_allclose(found[run, name][:, 0], wanted, rtol=1e-5, err_msg=kind)


def test_vertices_without_signal_are_left_out(flat_series, surface, tmp_path, from_bold):
    """Zeros, constants and NaN, as fMRIPrep's medial wall: in no mean, no estimate, no patch."""
    walled = {key: values.copy() for key, values in flat_series.items()}
    for (side, _), values in walled.items():
        if side == "L":
            values[:, :5], values[:, 5:9], values[:, 9:12] = 0, 7.25, np.nan
    out, whole = tmp_path / "out", tmp_path / "whole"
    root = make_surface_dataset(tmp_path / "raw", walled, "gifti")
    code, said = from_bold(root, out, *surface, "--keep-residuals")
    assert code == 0, said
    rest = {key: values[:, 12:] if key[0] == "L" else values for key, values in flat_series.items()}
    line = make_surface_dataset(tmp_path / "line", rest, "line")
    assert from_bold(line, whole, *RADIUS)[0] == 0
    for stat in ("effect", "variance"):
        wanted = estimates(whole, stat)
        for key, values in estimates(out, stat).items():
            assert (values[:9] == 0).all() and np.isnan(values[9:12]).all()
            np.testing.assert_allclose(values[12:], wanted[key], rtol=1e-6)
    assert sidecar_of(out)["VoxelsLeftOut"] == {"NotFinite": 3, "ZeroInARun": 9}
    assert np.isnan(scores_of(out)[:12]).all()
    assert np.isfinite(scores_of(out)[12:]).mean() > 0.95


@pytest.mark.parametrize("form", ["gifti", "cifti"])
def test_cortex_masks_say_what_is_estimated(flat_trees, surface, tmp_path, from_bold, form):
    masks = {}
    for side in "LR":
        masks[side] = (np.arange(COUNTS[side]) % SHAPES[side][1]) > 2
        save_func_gii(
            tmp_path / f"hemi-{side}_cortex.func.gii", [masks[side].astype(np.float32)], side
        )
    options = (*surface, "--cortex-mask", f"{tmp_path}/hemi-{{hemi}}_cortex.func.gii")
    out, plain = tmp_path / "out", tmp_path / "plain"
    assert from_bold(flat_trees[form], out, *options, "--scale", "none")[0] == 0
    assert from_bold(flat_trees[form], plain, *surface, "--scale", "none")[0] == 0
    inside = np.concatenate([masks["L"], masks["R"]])
    wanted = estimates(plain)
    for key, values in estimates(out).items():
        np.testing.assert_allclose(values[inside], wanted[key][inside], rtol=1e-6)
        assert np.isnan(values[~inside]).all()
    assert design_of(out, 1)["InputHashes"]["CortexMask"] != "none"
    assert any("cortex" in source for source in design_of(out, 1)["Sources"])
    # the mean of a run is that of its cortex: what lies outside makes no difference to it
    assert from_bold(flat_trees[form], tmp_path / "run", *options)[0] == 0
    ratio = (estimates(tmp_path / "run")[1, "face"] / wanted[1, "face"])[inside, 0]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
    assert ratio[0] == pytest.approx(100 / 1025, rel=0.01)


def test_a_planted_effect_is_found_on_fsaverage5_and_nothing_else(tmp_path, from_bold):
    """Two participants through both levels; the maps pass the validator."""
    from nilearn.datasets import load_fsaverage

    meshes, seeds, away = load_fsaverage("fsaverage5"), {"L": 1000, "R": 4000}, {}
    for side, name in (("L", "left"), ("R", "right")):
        kinds = (meshes[kind].parts[name].coordinates for kind in ("white_matter", "pial"))
        points = np.mean(list(kinds), axis=0)
        away[side] = np.linalg.norm(points - points[seeds[side]], axis=1)
    counts = {side: len(values) for side, values in away.items()}
    for subject in ("01", "02"):
        rng = np.random.default_rng(int(subject))
        betas = {}
        for side in "LR":
            kinds = rng.normal(size=(2, counts[side])) * (away[side] < 16)
            betas[side] = 8 * kinds[[0, 0, 1, 1]]
        series = series_of(betas, counts, noise=4.0, seed=int(subject))
        make_surface_dataset(tmp_path / "raw", series, "gifti", "fsaverage5", subject)
    names = ["\t".join(["condition", *CONDITIONS])]
    for i, name in enumerate(CONDITIONS):
        names.append("\t".join([name, *(str(int(i // 2 != j // 2)) for j in range(4))]))
    (tmp_path / "raw/derivatives/models/m.tsv").write_text("\n".join(names) + "\n")
    out = tmp_path / "out"
    options = ("--folds", "runs", "--dissimilarity", "sqeuclidean", "--comparison", "cosine",
               "--radius", "10", "--space", "fsaverage5")  # fmt: skip
    code, said = from_bold(tmp_path / "raw", out, *options)
    assert code == 0, said
    assert "fsaverage5 of nilearn" in said and "10242 of 20484" not in said
    for subject in ("01", "02"):
        for side in "LR":
            (path,) = out.glob(
                f"sub-{subject}/func/*_hemi-{side}_space-fsaverage5_den-10k_stat-cosine_*.gii"
            )
            scores = read_maps(path)[:, 0]
            near, far = scores[away[side] < 6], scores[away[side] > 45]
            assert near.min() > 0.9
            assert np.isfinite(far).mean() > 0.99 and len(far) > 5000
            n_apart = len(far) / 45  # vertices of a patch: neighbours share most of theirs
            assert abs(np.nanmean(far)) < 4 * np.nanstd(far) / np.sqrt(n_apart)
            assert np.nanmax(far) < near.min()
    done = app_process.run_app(out, out, "group", "--random-seed", "1")
    assert done.returncode == 0, done.stderr
    for side in "LR":
        (path,) = out.glob(f"group/*_hemi-{side}_space-fsaverage5_*_stat-mean_desc-m_statmap.*.gii")
        mean = read_maps(path)[:, 0]
        assert away[side][np.nanargmax(mean)] < 16
    validator = validator_command()
    if validator is None:
        pytest.skip("bids-validator-deno is not installed")
    checked = subprocess.run(
        [validator, "--ignoreWarnings", str(out)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def swap_metadata(root):
    """Each file says the other hemisphere than its name."""
    for path in bold_files(root, "*_hemi-L_*"):
        other = Path(str(path).replace("_hemi-L", "_hemi-R"))
        aside = path.with_suffix(".aside")
        path.rename(aside)
        other.rename(path)
        aside.rename(other)


def no_right(root):
    for path in bold_files(root, "*_run-2_hemi-R_*"):
        path.unlink()


def shorter_right(root):
    (path,) = bold_files(root, "*_run-2_hemi-R_*")
    values = read_maps(path).T
    save_func_gii(path, values[:-1], "R")


def other_mesh(root):
    (path,) = bold_files(root, "*_run-2_hemi-R_*")
    save_func_gii(path, read_maps(path)[:-6].T, "R")


def other_density(root):
    for run, density in ((1, "10k"), (2, "41k")):
        for path in bold_files(root, f"*_run-{run}_hemi-*"):
            path.rename(str(path).replace("space-flat", f"space-flat_den-{density}"))


def other_times(root):
    (path,) = bold_files(root, "*_run-1_hemi-R_*")
    keys = {"RepetitionTime": TR, "StartTime": 0.0}
    write_json(str(path).replace(".func.gii", ".json"), keys)


def other_steps(root):
    for side, step in (("L", "2000"), ("R", "2500")):
        (path,) = bold_files(root, f"*_run-1_hemi-{side}_*")
        save_func_gii(path, read_maps(path).T, side, {"TimeStep": step})


def twice_with_another_desc(root):
    (path,) = bold_files(root, "*_run-2_hemi-L_*")
    shutil.copy(path, path.with_name(path.name.replace("_bold", "_desc-preproc_bold")))


def lower_case(root):
    for path in bold_files(root):
        path.rename(str(path).replace("hemi-L", "hemi-l").replace("hemi-R", "hemi-r"))


def one_volume(root):
    (path,) = bold_files(root, "*_run-1_hemi-L_*")
    save_func_gii(path, read_maps(path).T[:1], "L")


def damaged(root):
    (path,) = bold_files(root, "*_run-1_hemi-L_*")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("change", "options", "exit_code", "words"),
    [
        (swap_metadata, (), 65, ("CortexRight", "hemi-L", "swapped")),
        (no_right, (), 65, ("run-2", "no BOLD image of hemi-R", "--bids-filter-file")),
        (shorter_right, (), 65, ("run-2", "100 volumes", "99", "same volumes")),
        (other_mesh, (), 65, ("numbers of vertices differ",
                              "_run-1_hemi-R_space-flat_bold.func.gii: 156 vertices",
                              "_run-2_hemi-R_space-flat_bold.func.gii: 150")),
        (other_density, (), 65, ("different densities", "_run-1_hemi-L_space-flat_den-10k_bold",
                                 "_run-2_hemi-L_space-flat_den-41k_bold", "--space")),
        (other_times, (), 65, ("run-1", "disagree", "StartTime", "1.0 and 0.0")),
        (other_steps, (), 65, ("TimeStep", "2000", "2500", "same run")),
        (twice_with_another_desc, (), 65, ("Two BOLD images of one hemisphere", "desc-preproc")),
        (lower_case, (), 65, ("hemi-l", "hemi-L or hemi-R")),
        (one_volume, (), 65, ("run-1", "a single volume", "series")),
        (damaged, (), 65, ("run-1_hemi-L", "cannot be read as GIFTI")),
        (None, ("--brain-mask", "{bold}"), 2, ("--brain-mask names voxels", "--cortex-mask")),
        (None, ("--patches", "ribbon"), 2, ("--patches ribbon", "volumes")),
        (None, ("--space", "T1w"), 18, ("--space T1w matches no BOLD image", "flat")),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said(
    gifti, surface, tmp_path, from_bold, change, options, exit_code, words
):
    if change:
        change(gifti)
    options = [option.replace("{bold}", str(bold_files(gifti)[0])) for option in options]
    code, said = from_bold(gifti, tmp_path / "out", *surface, *options)
    assert code == exit_code, said
    assert all(word in said for word in words), said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("out/sub-01/func/*"))


def test_one_hemisphere_alone_is_analysed_as_such(flat_trees, gifti, surface, tmp_path, from_bold):
    only = tmp_path / "filter.json"
    only.write_text(json.dumps({"bold": {"hemi": "R"}}))
    options = (*surface, "--scale", "none", "--bids-filter-file", only)
    code, said = from_bold(gifti, tmp_path / "out", *options)
    assert code == 0, said
    assert from_bold(flat_trees["gifti"], tmp_path / "both", *surface, "--scale", "none")[0] == 0
    assert "sub-01: there is BOLD of hemi-R alone" in said
    path = next((tmp_path / "out").glob("sub-01/func/*_hemi-R_*_stat-spearman_*.gii"))
    np.testing.assert_array_equal(
        read_maps(path)[:, 0], scores_of(tmp_path / "both")[COUNTS["L"] :]
    )
    assert not list((tmp_path / "out").rglob("*hemi-L*"))


def test_hemispheres_that_write_a_run_differently_are_of_one_run(
    flat_trees, gifti, surface, tmp_path, from_bold
):
    for path in bold_files(gifti, "*_run-2_hemi-R_*"):
        for one in (path, Path(str(path).replace(".func.gii", ".json"))):
            one.rename(str(one).replace("_run-2_", "_run-02_"))
    code, said = from_bold(gifti, tmp_path / "out", *surface)
    assert code == 0, said
    assert from_bold(flat_trees["gifti"], tmp_path / "plain", *surface)[0] == 0
    np.testing.assert_array_equal(scores_of(tmp_path / "out"), scores_of(tmp_path / "plain"))
    assert "BOLD runs found: 2." in said


def test_series_in_files_of_their_own_are_read_and_missed(
    flat_trees, gifti, surface, tmp_path, from_bold
):
    for path in bold_files(gifti, "*_run-1_hemi-*"):
        image = nib.load(path)
        values = np.concatenate([array.data for array in image.darrays])
        name = path.name.replace(".func.gii", ".data")
        values.astype("<f4").tofile(path.with_name(name))
        text = re.sub(r"(?s)<Data>.*?</Data>", "<Data></Data>", path.read_text())
        text = text.replace("GZipBase64Binary", "ExternalFileBinary")
        parts = text.split('ExternalFileName="" ExternalFileOffset="0"')
        size = 4 * len(values) // len(image.darrays)
        named = [f'ExternalFileName="{name}" ExternalFileOffset="{k * size}"' for k in range(N)]
        path.write_text("".join(x for pair in zip(parts, [*named, ""], strict=True) for x in pair))
    code, said = from_bold(gifti, tmp_path / "out", *surface)
    assert code == 0, said
    assert from_bold(flat_trees["gifti"], tmp_path / "plain", *surface)[0] == 0
    np.testing.assert_array_equal(scores_of(tmp_path / "out"), scores_of(tmp_path / "plain"))
    values_file = bold_files(gifti, "*_run-1_hemi-R_*")[0].with_name(name)
    assert values_file.exists()
    values_file.unlink()
    code, said = from_bold(gifti, tmp_path / "none", *surface)
    assert code == 66 and f"{values_file}, which does not exist" in said, said
    assert not list(tmp_path.glob("none/sub-01/func/*"))


def test_the_repetition_time_of_the_image_is_compared_with_the_sidecars(
    cifti, gifti, surface, tmp_path, from_bold
):
    for path in bold_files(cifti):
        values = read_maps(path).T
        save_dtseries(path, values, series_axes(values, step=1.5))
    code, said = from_bold(cifti, tmp_path / "cifti", *surface)
    assert code == 0, said
    assert "a repetition time of 1.5 s, and the sidecar 2 s, which was used" in said
    assert design_of(tmp_path / "cifti", 1)["RepetitionTime"] == TR
    # without a sidecar the series says it
    for path in [*cifti.rglob("*_bold.json")]:
        path.unlink()
    code, said = from_bold(cifti, tmp_path / "alone", *surface)
    assert code == 0, said
    keys = design_of(tmp_path / "alone", 1)
    assert (keys["RepetitionTime"], keys["StartTime"]) == (1.5, 0.75)
    assert keys["RepetitionTimeSource"] == "the series of the image"
    # GIFTI files need not say it
    for path in [*gifti.rglob("*_bold.json")]:
        path.unlink()
    code, said = from_bold(gifti, tmp_path / "gifti", *surface)
    assert code == 65
    assert "no repetition time was found" in said


def test_spaces_and_forms_need_a_choice(flat_trees, gifti, surface, tmp_path, from_bold):
    """A dataset of volumes, surfaces and grayordinates, as fMRIPrep leaves it."""
    func = gifti / "derivatives" / "fmriprep" / "sub-01" / "func"
    for form, space in (("line", "T1w"), ("cifti", "fsLR")):
        for path in (flat_trees[form] / "derivatives/fmriprep/sub-01/func").glob("*space-flat*"):
            shutil.copy(path, func / path.name.replace("space-flat", f"space-{space}"))
    code, said = from_bold(gifti, tmp_path / "out", *surface)
    assert code == 2
    assert "T1w (volumes), flat (surfaces), fsLR (grayordinates)" in said and "--space" in said
    for space, ending in (("T1w", ".nii.gz"), ("flat", ".shape.gii"), ("fsLR", ".dscalar.nii")):
        options = RADIUS if space == "T1w" else surface
        code, said = from_bold(gifti, tmp_path / space, *options, "--space", space)
        assert code == 0, said
        names = [p.name for p in (tmp_path / space / "sub-01" / "func").glob("*_stat-spearman_*")]
        assert any(name.endswith(ending) for name in names)
        assert all(f"space-{space}" in name for name in names)
    # surfaces and grayordinates of one space
    for path in func.glob("*space-fsLR*"):
        shutil.copy(path, func / path.name.replace("space-fsLR", "space-flat"))
    code, said = from_bold(gifti, tmp_path / "both", *surface, "--space", "flat")
    assert code == 2
    assert "of several forms" in said and "--bids-filter-file" in said
    only = tmp_path / "filter.json"
    only.write_text(json.dumps({"bold": {"extension": ".dtseries.nii"}}))
    options = (*surface, "--space", "flat", "--bids-filter-file", only)
    code, said = from_bold(gifti, tmp_path / "both", *options)
    assert code == 0, said


def test_names_of_older_versions_are_read(gifti, surface, tmp_path, from_bold):
    """space- before hemi-, as fMRIPrep 20 writes it."""
    for path in (gifti / "derivatives/fmriprep/sub-01/func").glob("*_hemi-*"):
        side = path.name.partition("_hemi-")[2][0]
        name = path.name.replace(f"_hemi-{side}", "")
        path.rename(path.with_name(name.replace("space-flat", f"space-flat_hemi-{side}")))
    code, said = from_bold(gifti, tmp_path / "out", *surface)
    assert code == 0, said
    assert len(list(tmp_path.glob("out/sub-01/func/*space-flat_hemi-R_*_stat-effect_*.gii"))) == 8
    assert len(scores_of(tmp_path / "out")) == sum(COUNTS.values())


def files(folder):
    found = (path for path in (folder / "sub-01").rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if "log" not in path.parts and path.suffix not in (".png", ".svg")
    }


@pytest.mark.parametrize("form", ["gifti", "cifti"])
def test_a_killed_run_goes_on_to_the_same_bytes(flat_betas, surface, tmp_path, from_bold, form):
    root = make_surface_dataset(tmp_path / "raw", series_of(flat_betas, runs=range(1, 6)), form)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    options = (*surface, "--keep-residuals")
    assert from_bold(root, whole, *options)[0] == 0
    process = start_until(
        broken, arguments(root, broken, *options), there="sub-01/func/*_design.json", count=2
    )
    wait_until_stopped(process)
    process.kill()
    process.communicate()
    done = broken / "sub-01" / "func"
    assert len(list(done.glob("*_design.json"))) == 2
    times = {p: p.stat().st_mtime_ns for p in done.glob("*run-1*statmap.*i*")}
    code, said = from_bold(root, broken, *options)
    assert code == 0, said
    assert times == {p: p.stat().st_mtime_ns for p in times}  # what was finished was kept
    ours, theirs = files(broken), files(whole)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


@pytest.mark.parametrize("form", ["gifti", "cifti"])
def test_kept_residuals_are_found_again_by_their_names(
    flat_trees, surface, tmp_path, from_bold, form
):
    """By the app itself, and beside condition images that are read by name."""
    noise = ("--dissimilarity", "crossnobis", "--noise", "shrinkage", "--folds", "runs")
    kept, work = tmp_path / "kept", tmp_path / "work"
    code, said = from_bold(flat_trees[form], kept, *surface, *noise, "--keep-residuals")
    assert code == 0, said
    assert from_bold(flat_trees[form], work, *surface, *noise)[0] == 0
    assert not list(work.rglob("*errorts*"))
    np.testing.assert_array_equal(scores_of(work), scores_of(kept))
    glm = tmp_path / "glm"
    shutil.copytree(kept / "sub-01" / "func", glm / "sub-01" / "func")
    for path in glm.rglob("*_desc-*"):
        path.unlink()
    write_json(glm / "dataset_description.json", {"Name": "g", "BIDSVersion": "1.11.1",
               "DatasetType": "derivative", "GeneratedBy": [{"Name": "other"}]})  # fmt: skip
    model = flat_trees[form] / "derivatives/models/m.tsv"
    done = app_process.run_app(
        glm, tmp_path / "theirs", "participant", *surface, *noise, "--model", model,
        "--noise-from", "residuals", *app_process.UNDRAWN,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(scores_of(tmp_path / "theirs"), scores_of(kept))
    code, said = from_bold(
        flat_trees[form], kept, *surface, *noise, "--keep-residuals", "--comparison", "pearson"
    )
    assert code == 0, said
    assert "324 of 324 vertices" not in said  # nothing is estimated again


def test_the_dry_run_shows_the_runs(flat_trees, surface, tmp_path, from_bold):
    code, said = from_bold(flat_trees["gifti"], tmp_path / "out", *surface, "--dry-run")
    assert code == 0, said
    assert not (tmp_path / "out").exists()
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert next(line for line in lines if line.startswith("1 100 2 1 ")).endswith("14 14 86")


def test_grayordinates_may_have_voxels(flat_series, surface, tmp_path, from_bold):
    """Cortex and a structure below it in one file: as each of them alone."""
    axis = nib.cifti2.BrainModelAxis.from_mask(
        np.ones((4, 4, 3)), "CIFTI_STRUCTURE_THALAMUS_LEFT", np.diag([2.0, 2.0, 2.0, 1.0])
    )
    rng = np.random.default_rng(2)
    root = make_surface_dataset(tmp_path / "raw", flat_series, "cifti")
    voxels = {}
    for run, path in enumerate(bold_files(root), start=1):
        values = read_maps(path).T
        steps, cortex = series_axes(values)
        voxels[run] = (1000 + 5 * rng.normal(size=(N, 48))).astype(np.float32)
        save_dtseries(path, np.concatenate([values, voxels[run]], axis=1), (steps, cortex + axis))
    out = tmp_path / "out"
    code, said = from_bold(root, out, *surface, "--scale", "none")
    assert code == 0, said
    design = matrix(events(1), confounds(1))
    betas = np.linalg.lstsq(design.to_numpy(), voxels[1].astype(float), rcond=None)[0]
    wanted = betas[list(design.columns).index("face")]
    found = estimates(out)[1, "face"]
    assert len(found) == sum(COUNTS.values()) + 48
    np.testing.assert_allclose(found[-48:, 0], wanted, rtol=1e-4, atol=1e-4)
    skipped = (*surface, "--scale", "none", "--cifti-volume", "skip")
    code, said = from_bold(root, tmp_path / "skip", *skipped)
    assert code == 0, said
    np.testing.assert_array_equal(
        scores_of(tmp_path / "skip")[:-48], scores_of(out)[: sum(COUNTS.values())]
    )


def test_keys_of_the_bold_that_say_where_it_lies_reach_the_maps(
    flat_series, surface, tmp_path, from_bold
):
    for form, name in (("gifti", "flat"), ("slab", "plain")):
        root = make_surface_dataset(tmp_path / form, flat_series, form, space=f"{name}_den-own")
        for path in root.rglob("*space-*_bold.json"):
            write_json(path, json.loads(path.read_text()) | {"SpatialReference": "a sheet"})
        options = surface if form == "gifti" else RADIUS
        code, said = from_bold(root, tmp_path / f"out-{form}", *options)
        assert code == 0, said
        for path in (tmp_path / f"out-{form}" / "sub-01" / "func").glob("*_statmap.json"):
            assert json.loads(path.read_text())["SpatialReference"] == "a sheet", path
    of_gifti = tmp_path / "out-gifti" / "sub-01" / "func"
    path = next(of_gifti.glob("*_run-1_hemi-L_*_contrast-face_stat-effect_statmap.json"))
    described = json.loads(path.read_text())["Density"]
    assert described == "168 vertices of hemi-L, 156 vertices of hemi-R"


def test_noise_ceilings_make_the_residuals_again(flat_betas, surface, tmp_path, from_bold):
    """At group level, of three participants, as from CIFTI."""
    options = ("--folds", "runs", "--dissimilarity", "crossnobis", "--noise", "diagonal")
    found = {}
    for form in ("gifti", "cifti"):
        root, out = tmp_path / form, tmp_path / f"out-{form}"
        for number in (1, 2, 3):
            series = series_of(flat_betas, seed=number, noise=0.5)
            make_surface_dataset(root, series, form, subject=f"{number:02d}")
        code, said = from_bold(root, out, *surface, *options)
        assert code == 0, said
        done = app_process.run_app(
            out, out, "group", "--noise-ceiling", "--random-seed", "1", *surface[-2:],
            *app_process.UNDRAWN,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        for bound in ("Lower", "Upper"):
            paths = sorted(out.glob(f"group/*_stat-ceiling{bound}_*_statmap.*i*"))
            paths = [path for path in paths if path.suffix != ".json"]
            found[form, bound] = np.concatenate([read_maps(path) for path in paths])
            assert np.isfinite(found[form, bound]).sum() > 300
    for bound in ("Lower", "Upper"):
        np.testing.assert_array_equal(found["gifti", bound], found["cifti", bound])
    # the betas are the same for all, and well above the noise
    assert np.nanmedian(found["gifti", "Lower"]) > 0.7


@pytest.mark.parametrize("form", ["gifti", "cifti"])
def test_a_run_is_estimated_in_little_more_memory_than_its_array(tmp_path, form):
    """From files to files, with residuals: below 1.5 times the run in single precision."""
    counts, n_volumes = dict.fromkeys("LR", 20_000), 300
    rng = np.random.default_rng(0)
    values = {
        side: rng.integers(900, 1100, size=(n_volumes, n)).astype(np.float32)
        for side, n in counts.items()
    }
    paths = [str(tmp_path / "sub-1_bold.dtseries.nii")]
    if form == "gifti":
        paths = [str(tmp_path / f"sub-1_hemi-{side}_bold.func.gii") for side in counts]
        for path, (side, own) in zip(paths, values.items(), strict=True):
            save_func_gii(path, own, side)
    else:
        both = np.concatenate(list(values.values()), axis=1)
        save_dtseries(paths[0], both, series_axes(both, counts))
    rows = [f"{3 + 4 * i}\t1\t{name}" for i, name in enumerate(CONDITIONS * 5)]
    (tmp_path / "events.tsv").write_text("\n".join(["onset\tduration\ttrial_type", *rows]))
    run = BoldRun(
        path=paths[0], label="sub-1", events=str(tmp_path / "events.tsv"), confounds=None, mask="",
        frame_times_s=tuple((1.0 + 2.0 * np.arange(n_volumes)).tolist()),
        repetition_time_s=2.0, repetition_time_source="", start_time_s=1.0, start_time_source="",
        settings=BoldSettings(from_bold=True, confounds=("none",)),
        form="surface" if form == "gifti" else "grayordinates", right=(*paths, None)[1],
    )  # fmt: skip
    del values
    both = None
    tracemalloc.start()
    files = estimate_run(run, tmp_path, keep_residuals=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(files.images) == 8 * len(paths) and len(files.residuals) == len(paths)
    assert peak < 1.5 * 40_000 * n_volumes * 4


def test_series_of_all_kinds_of_gifti_are_read(tmp_path):
    """One array of two dimensions, as nilearn writes it; integers; other encodings; compressed."""
    values = np.random.default_rng(0).integers(-500, 500, size=(7, 40))
    inside = np.random.default_rng(1).random(40) > 0.3
    meta = GiftiMetaData({"AnatomicalStructurePrimary": "CortexLeft", "TimeStep": "2500.0"})
    kinds = {
        "plane": [GiftiDataArray(values.T.astype(np.float32))],
        "integers": [GiftiDataArray(v.astype(np.int32)) for v in values],
        "ascii": [
            GiftiDataArray(v.astype(np.float32), encoding="GIFTI_ENCODING_ASCII") for v in values
        ],
        "columns": [GiftiDataArray(v.astype(np.float32)[:, None]) for v in values],
    }
    for name, arrays in kinds.items():
        path = tmp_path / f"{name}_bold.func.gii"
        nib.save(GiftiImage(meta=meta, darrays=arrays), path)
        series = open_time_series([str(path)])
        assert (series.n_volumes, series.step.value) == (7, 2500.0)
        np.testing.assert_array_equal(series.read(inside), values[:, inside], err_msg=name)
    packed = tmp_path / "packed_bold.func.gii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(open_time_series([str(packed)]).read(inside), values[:, inside])


def test_scaled_integers_of_a_dense_series_are_read(tmp_path):
    values = np.random.default_rng(0).normal(size=(7, 30)).astype(np.float32)
    axes = series_axes(values, {"L": 20, "R": 10}, step=0.72)
    image = nib.Cifti2Image(values, header=nib.cifti2.Cifti2Header.from_axes(axes))
    path = tmp_path / "a_bold.dtseries.nii"
    image.to_filename(path, dtype=np.int16)
    found = open_time_series([str(path)])
    stored = np.asarray(nib.load(path).dataobj)
    assert (found.step.value, found.step.unit) == (pytest.approx(0.72), "sec")
    np.testing.assert_allclose(found.read(np.ones(30, bool)), stored, rtol=1e-6)
    np.testing.assert_allclose(stored, values, atol=1e-3)
