"""The participant level end to end: right numbers, whole derivatives, nothing done twice."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from app_runs import RADIUS, contents, files_under, image, rewrite, run_app, sidecar

from bids_rsa import rsa_nifti
from bids_rsa.app.preflight import validator_command
from bids_rsa.example import CONDITIONS, model_rdm

SPACE = "sub-01_task-objects_space-MNI152NLin2009aSym"
SIDECAR_KEYS = {
    "Description", "Sources", "Dissimilarity", "DissimilarityParameters", "Comparison",
    "SearchlightRadius", "SearchlightRadiusUnits", "SearchlightRule", "PatchSize", "MinVoxels",
    "Folds", "IgnoreNaN", "Conditions", "ImagesPerCondition", "RunsPerCondition", "CellsUsed",
    "Model", "InputStatistic", "BrainMask", "ROIMask", "VoxelsLeftOut", "CentersEvaluated",
    "CentersUndefined", "Warnings", "SettingsHash", "SoftwareVersions",
}  # fmt: skip


def model_of(dataset):
    return dataset / "models" / "planted.tsv"


def run_small(dataset, output, *more):
    return run_app(
        dataset, output, "participant", "--model", model_of(dataset), *RADIUS, *more
    )  # fmt: skip


def validate(folder):
    return subprocess.run(
        [validator_command(), str(folder)], capture_output=True, text=True, check=False
    )


def test_maps_are_what_the_library_computes(small_run, small_dataset):
    output, _ = small_run
    paths = sorted((small_dataset / "sub-01/func").glob("*_statmap.nii.gz"))
    names = [path.name.split("contrast-")[1].split("_")[0] for path in paths]
    mask = next((small_dataset / "sub-01/func").glob("*run-1*_mask.nii.gz"))
    for comparison in ("spearman", "pearson"):
        expected = rsa_nifti(
            [str(path) for path in paths],
            model_rdm(),
            spatial_radius=0.016,
            rsa_metric=comparison,
            y=[CONDITIONS.index(name) for name in names],
            brain_mask=str(mask),
        )
        found = image(output, "01", f"stat-{comparison}_desc-planted_statmap")
        centers = np.asarray(image(output, "01", "desc-searchlight_mask").dataobj) > 0
        assert found.get_data_dtype() == np.float32
        assert centers.sum() > 1000
        np.testing.assert_allclose(
            np.asarray(found.dataobj)[centers], expected.get_fdata()[centers], atol=1e-6
        )
        assert not np.asarray(found.dataobj)[~centers].any()


def test_the_official_validator_passes_the_output(small_run):
    found = validate(small_run[0])
    assert found.returncode == 0, found.stdout


def test_the_example_passes_the_official_validator(small_dataset):
    found = validate(small_dataset)
    assert found.returncode == 0, found.stdout


def test_every_planned_file_is_there_and_nothing_else(small_run):
    output, _ = small_run
    stems = [f"{SPACE}_desc-searchlight_mask", f"{SPACE}_stat-nvoxels_desc-searchlight_statmap"]
    stems += [f"{SPACE}_stat-{c}_desc-planted_statmap" for c in ("spearman", "pearson")]
    expected = {f"sub-01/func/{stem}{end}" for stem in stems for end in (".nii.gz", ".json")}
    expected |= {f"sub-01/figures/{stem}.{end}" for stem in stems[1:] for end in ("png", "svg")}
    expected |= {
        f"sub-01/figures/{stem.removesuffix('_statmap')}_details.json" for stem in stems[2:]
    }
    found = {name for name in files_under(output) if name.startswith("sub-01/")}
    logs = {name for name in found if name.startswith("sub-01/log/")}
    assert found - logs == expected
    assert {Path(name).name for name in logs} == {"bids_rsa.toml", "bids_rsa.log"}
    assert {name for name in files_under(output) if "/" not in name} == {
        "dataset_description.json", "README.md", "descriptions.tsv", "descriptions.json",
        "sub-01.html", "sub-02.html",
    }  # fmt: skip


def test_a_sidecar_says_everything_and_its_sources_exist(small_run, small_dataset):
    output, _ = small_run
    found = sidecar(output, "02", "stat-spearman_desc-planted_statmap")
    assert found.keys() >= SIDECAR_KEYS
    links = json.loads((output / "dataset_description.json").read_text())["DatasetLinks"]
    for uri in found["Sources"]:
        scheme, name, path = uri.split(":", 2)
        root = Path(links[name].removeprefix("file://"))
        assert scheme == "bids"
        assert (root / path).is_file()
    assert len(found["Sources"]) == 8 * 3 + 3
    assert found["Conditions"] == list(CONDITIONS)
    assert set(found["ImagesPerCondition"].values()) == {3}
    assert found["CellsUsed"] == 28
    nvoxels = np.asarray(image(output, "02", "stat-nvoxels_desc-searchlight_statmap").dataobj)
    sizes = nvoxels[nvoxels > 0]
    assert found["PatchSize"] == {
        "Min": sizes.min(), "Median": np.median(sizes), "Max": sizes.max()
    }  # fmt: skip
    assert found["CentersEvaluated"] == len(sizes)


def test_the_table_at_the_end_shows_what_is_there(small_run):
    _, done = small_run
    lines = [line for line in done.stdout.splitlines() if line.startswith("sub-")]
    assert [line.split()[:2] for line in lines] == [
        [SPACE, "2"], [SPACE.replace("01", "02"), "2"]
    ]  # fmt: skip
    for line in lines:
        assert list(Path(line.split()[-1]).glob("*_statmap.nii.gz"))


def test_the_default_work_directory_is_gone_after_success(small_run):
    assert not (small_run[0] / ".work").exists()


def test_a_complete_participant_is_skipped(small_run, small_dataset, tmp_path):
    output = shutil.copytree(small_run[0], tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in output.rglob("sub-*/*/*")}
    done = run_small(small_dataset, output, "--comparison", "pearson", "-w", tmp_path / "work")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("there before") == 2
    assert {path: path.stat().st_mtime_ns for path in output.rglob("sub-*/*/*")} == before


def test_other_settings_do_not_replace_without_overwrite(small_run, small_dataset, tmp_path):
    output = shutil.copytree(small_run[0], tmp_path / "out")
    before = contents(output)
    only = ("--participant-label", "01", "--radius", "20")
    done = run_small(small_dataset, output, *only)
    assert done.returncode == 73
    assert "SearchlightRadius is 16.0 there and 20.0 now" in done.stderr
    assert "--overwrite" in done.stderr
    assert contents(output) == before
    # the map of the other comparison shares the mask, which would no longer describe it
    done = run_small(small_dataset, output, *only, "--overwrite")
    assert done.returncode == 73
    assert "stat-pearson_desc-planted" in done.stderr
    assert contents(output) == before
    both = ("--comparison", "spearman", "pearson")
    done = run_small(small_dataset, output, *only, *both, "--overwrite")
    assert done.returncode == 0, done.stderr
    assert sidecar(output, "01", "stat-spearman_desc-planted_statmap")["SearchlightRadius"] == 20
    assert sidecar(output, "02", "stat-spearman_desc-planted_statmap")["SearchlightRadius"] == 16


def test_features_by_another_metric_do_not_pass_for_the_same_model(
    small_run, small_dataset, tmp_path
):
    output = shutil.copytree(small_run[0], tmp_path / "out")
    features = tmp_path / "features.tsv"
    rows = (f"{name}\t{i}\t{i * i % 5}\n" for i, name in enumerate(CONDITIONS))
    features.write_text("condition\ta\tb\n" + "".join(rows))
    call = (small_dataset, output, "participant", "--participant-label", "01", *RADIUS)
    done = run_app(*call, "--features", f"f={features}:euclidean")
    assert done.returncode == 0, done.stderr
    assert sidecar(output, "01", "stat-spearman_desc-f_statmap")["Model"]["Metric"] == "euclidean"
    before = contents(output)
    done = run_app(*call, "--features", f"f={features}:cityblock")
    assert done.returncode == 73
    assert "euclidean" in done.stderr
    assert "cityblock" in done.stderr
    assert contents(output) == before


def test_other_input_does_not_replace_without_overwrite(small_run, dataset, tmp_path):
    output = shutil.copytree(small_run[0], tmp_path / "out")
    rewrite(next((dataset / "sub-01/func").glob("*contrast-cat*")), lambda data: data * 1.5)
    done = run_small(dataset, output, "--participant-label", "01")
    assert done.returncode == 73
    assert "the input differs (Images)" in done.stderr


def test_a_second_model_joins_the_first(small_run, small_dataset, tmp_path):
    output = shutil.copytree(small_run[0], tmp_path / "out")
    other = tmp_path / "other.tsv"
    shutil.copy(model_of(small_dataset), other)
    done = run_app(
        small_dataset, output, "participant", "--model", other, *RADIUS, "--use-plugin", "Linear"
    )
    assert done.returncode == 0, done.stderr
    planted = image(output, "01", "stat-spearman_desc-planted_statmap").get_fdata()
    assert np.array_equal(image(output, "01", "desc-other_statmap").get_fdata(), planted)
    described = (output / "descriptions.tsv").read_text()
    assert "desc-planted\t" in described
    assert "desc-other\t" in described


def test_multiproc_writes_the_same_bytes(small_run, small_dataset, tmp_path):
    done = run_small(
        small_dataset, tmp_path / "out", "--comparison", "spearman", "pearson",
        "--use-plugin", "MultiProc", "--n_cpus", 2,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "out") == contents(small_run[0])


@pytest.fixture(scope="module")
def cached(small_dataset, tmp_path_factory):
    """A dataset and a work directory with the nodes of one run in it."""
    folder = tmp_path_factory.mktemp("cached")
    dataset = shutil.copytree(small_dataset, folder / "data")
    arguments = ("--participant-label", "01", "-w", folder / "work")
    done = run_small(dataset, folder / "out", *arguments)
    assert done.returncode == 0, done.stderr
    return dataset, folder, arguments


def computed(folder):
    """When each node was last computed."""
    return {
        node: next((folder / "work").rglob(f"result_{node}.pklz")).stat().st_mtime_ns
        for node in ("masking", "searchlight")
    }


def run_again(cached, *more):
    """Run into a new output, with the old work directory; which nodes were computed again."""
    dataset, folder, arguments = cached
    before = computed(folder)
    shutil.rmtree(folder / "out")
    done = run_small(dataset, folder / "out", *arguments, *more)
    assert done.returncode == 0, done.stderr
    after = computed(folder)
    return {node for node in after if after[node] != before[node]}


def test_a_second_run_recomputes_nothing(cached):
    assert run_again(cached) == set()


def test_a_changed_radius_recomputes_the_searchlight_alone(cached):
    assert run_again(cached, "--radius", "20") == {"searchlight"}


def test_a_changed_image_recomputes_all(cached):
    dataset, _, _ = cached
    rewrite(next((dataset / "sub-01/func").glob("*contrast-cat*")), lambda data: data * 1.5)
    assert run_again(cached) == {"masking", "searchlight"}


def test_one_subject_that_fails_does_not_stop_the_others(dataset, tmp_path):
    broken = next((dataset / "sub-01/func").glob("*run-2*contrast-cat*"))
    broken.write_bytes(broken.read_bytes()[:2000])
    done = run_small(dataset, tmp_path / "out", "--use-plugin", "MultiProc", "--nprocs", 2)
    assert done.returncode == 1
    assert broken.name in done.stderr
    assert "truncated" in done.stderr
    assert "sub-01" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    found = files_under(tmp_path / "out")
    assert any(name.startswith("sub-02/func/") for name in found)
    assert not any(name.startswith("sub-01/") for name in found)
    assert "sub-01_" not in done.stdout


def test_the_written_configuration_repeats_the_run(small_run, small_dataset, tmp_path):
    output, _ = small_run
    config = next(output.glob("sub-01/log/*/bids_rsa.toml"))
    done = run_app(small_dataset, tmp_path / "out", "participant", "--config-file", config)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "out") == contents(output)


def test_a_dry_run_writes_nothing(small_dataset, tmp_path):
    done = run_small(
        small_dataset, tmp_path / "out", "--participant-label", "sub-01", "--folds", "runs",
        "--dissimilarity", "sqeuclidean", "--dry-run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "out").exists()


def test_the_output_may_lie_among_the_inputs_derivatives(dataset):
    output = dataset / "derivatives" / "bids_rsa"
    arguments = ("--participant-label", "01", "--comparison", "pearson")
    done = run_small(dataset, output, *arguments)
    assert done.returncode == 0, done.stderr
    found = validate(output)
    assert found.returncode == 0, found.stdout
    links = json.loads((output / "dataset_description.json").read_text())["DatasetLinks"]
    assert list(links.values()) == ["../.."]
    again = run_small(dataset, output, *arguments, "--overwrite")
    assert again.returncode == 0, again.stderr
    assert "there before" in again.stdout


def test_validation_that_was_asked_for_stops_a_bad_dataset(dataset, tmp_path):
    (dataset / "sub-01" / "func" / "sub-01_nonsense.nii.gz").write_bytes(b"")
    done = run_small(dataset, tmp_path / "out", "--validate")
    assert done.returncode == 16
    assert "sub-01_nonsense.nii.gz" in done.stderr
    assert not files_under(tmp_path / "out")


def test_the_participants_found_are_listed(small_dataset, tmp_path):
    done = run_app(small_dataset, tmp_path / "out", "participant", "--list-participants")
    assert (done.returncode, done.stdout.split()) == (0, ["01", "02"])
    assert not (tmp_path / "out").exists()


def test_nothing_runs_after_a_crash_that_shall_stop_the_run(dataset, tmp_path):
    broken = next((dataset / "sub-01/func").glob("*run-2*contrast-cat*"))
    broken.write_bytes(broken.read_bytes()[:2000])
    done = run_small(
        dataset, tmp_path / "out", "--stop-on-first-crash", "--use-plugin", "Linear"
    )  # fmt: skip
    assert done.returncode == 65
    assert not files_under(tmp_path / "out")


def test_a_linear_run_goes_on_after_a_subject_that_fails(dataset, tmp_path):
    broken = next((dataset / "sub-01/func").glob("*run-2*contrast-cat*"))
    broken.write_bytes(broken.read_bytes()[:2000])
    done = run_small(dataset, tmp_path / "out", "--use-plugin", "Linear")
    assert done.returncode == 1
    assert {name.split("/")[0] for name in files_under(tmp_path / "out") if "/" in name} == {
        "sub-02",
        "logs",
    }


def test_log_and_progress_have_lines_of_their_own_where_the_output_is_no_terminal(small_run):
    said = small_run[1].stderr
    assert "\r" not in said
    assert re.search(r"^sub-01, .*: 100%\|.* centres, ", said, re.M)
    for line in said.splitlines():
        if re.search(r" (INFO|WARNING) ", line):
            assert re.match(r"\d\d:\d\d:\d\d (INFO|WARNING) ", line), line
