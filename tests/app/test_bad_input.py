"""Each bad input: one clear message, the right exit code, no traceback, no file left behind."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from app_runs import RADIUS, files_under, rewrite, run_app

from bids_rsa.example import CONDITIONS, model_rdm


def func(dataset, pattern="*"):
    """The sorted images of the first subject."""
    return sorted((dataset / "sub-01" / "func").glob(f"{pattern}.nii.gz"))


def write_model(dataset, rows, header=("condition", *CONDITIONS)):
    """Replace the model by another table."""
    lines = ["\t".join(map(str, row)) for row in (header, *rows)]
    (dataset / "models" / "planted.tsv").write_text("\n".join(lines) + "\n")


def table(rdm, names=CONDITIONS):
    """Rows of a model's table."""
    return [(name, *row) for name, row in zip(names, rdm, strict=False)]


def changed(cells):
    """The planted model with some cells changed."""
    rdm = model_rdm()
    for (row, column), value in cells.items():
        rdm[row, column] = value
    return rdm


# Each case spoils the dataset, and returns more arguments. Beside it stand the exit code, and
# what the message must name.
CASES = {}


def case(code, *named):
    """Register a bad input."""

    def register(spoil):
        CASES[spoil.__name__] = (spoil, code, named)
        return spoil

    return register


@case(66, "data", "does not exist")
def missing_folder(data):
    shutil.rmtree(data)


@case(66, "data", "empty")
def empty_folder(data):
    shutil.rmtree(data)
    data.mkdir()


@case(66, "data", "T1w", "contrast-<condition>_stat-<statistic>_statmap")
def no_condition_images(data):
    for number, path in enumerate(sorted(data.rglob("*_statmap.nii.gz"))):
        path.rename(path.with_name(f"{path.name[:6]}_run-{number}_T1w.nii.gz"))


@case(18, "z", "effect")
def statistic_not_there(data):
    return ("--stat", "z")


@case(18, "77", "01", "02")
def participant_not_there(data):
    return ("--participant-label", "77")


@case(18, "rest", "objects")
def task_not_there(data):
    return ("--task-label", "rest")


@case(18, "T1w", "MNI152NLin2009aSym")
def space_not_there(data):
    return ("--space", "T1w")


@case(2, "MNI152NLin2009aSym", "T1w", "--space")
def several_spaces(data):
    for path in func(data):
        shutil.copy(path, str(path).replace("MNI152NLin2009aSym", "T1w"))


@case(2, "1, 2", "--res")
def several_resolutions(data):
    for path in func(data):
        shutil.copy(path, str(path).replace("Sym_", "Sym_res-1_"))
        path.rename(str(path).replace("Sym_", "Sym_res-2_"))


@case(65, "contrast-dog", "shape", "affine")
def grids_that_differ(data):
    path = func(data, "*run-2*contrast-dog*")[0]
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[:-2], image.affine), path)


@case(65, "contrast-dog", "origin")
def origins_that_differ(data):
    path = func(data, "*run-2*contrast-dog*")[0]
    image = nib.load(path)
    affine = image.affine.copy()
    affine[0, 3] += 1
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), path)


@case(65, "contrast-dog", "truncated")
def truncated_image(data):
    path = func(data, "*run-2*contrast-dog*")[0]
    path.write_bytes(path.read_bytes()[:3000])


@case(65, "contrast-dog", "gzip")
def text_named_image(data):
    func(data, "*run-2*contrast-dog*")[0].write_text("this is no image")


@case(65, "contrast-dog", "3D")
def four_dimensions(data):
    path = func(data, "*run-2*contrast-dog*")[0]
    image = nib.load(path)
    data = np.repeat(np.asarray(image.dataobj)[..., None], 3, axis=3)
    nib.save(nib.Nifti1Image(data, image.affine), path)


@case(65, "planted.tsv", "square", "7")
def model_not_square(data):
    write_model(data, table(model_rdm())[:-1])


@case(65, "planted.tsv", "symmetric", "row 1, column 2", "0.9")
def model_not_symmetric(data):
    write_model(data, table(changed({(0, 1): 0.9})))


@case(65, "planted.tsv", "diagonal", "entry 2", "0.5")
def model_with_a_diagonal(data):
    write_model(data, table(changed({(1, 1): 0.5})))


@case(65, "planted.tsv", "cat")
def model_with_a_name_twice(data):
    names = ("cat", "cat", *CONDITIONS[2:])
    write_model(data, table(model_rdm(), names), ("condition", *names))


@case(65, "planted.tsv", "unicorn", "lamp")
def model_with_an_unknown_name(data):
    names = (*CONDITIONS[:-1], "unicorn")
    write_model(data, table(model_rdm(), names), ("condition", *names))


@case(65, "planted.tsv", "two conditions", "cat")
def model_of_one_condition(data):
    write_model(data, [("cat", 0)], ("condition", "cat"))


@case(65, "planted.tsv", "constant")
def model_of_constant_values(data):
    write_model(data, table(1.0 - np.eye(8)))


@case(66, "nowhere.tsv")
def model_that_is_not_there(data):
    return ("--model", data / "nowhere.tsv")


@case(2, "partial", "planted.tsv", "2 models")
def partial_with_one_model(data):
    return ("--comparison", "partial")


@case(2, "corelation", "correlation", "euclidean", "Did you mean")
def unknown_dissimilarity(data):
    return ("--dissimilarity", "corelation")


@case(2, "spaerman", "spearman", "kendall-tau-a", "Did you mean")
def unknown_comparison(data):
    return ("--comparison", "spaerman")


@case(2, "--radius", "'0'", "millimetres")
def radius_of_zero(data):
    return ("--radius", "0")


@case(2, "--radius", "'-3'", "millimetres")
def negative_radius(data):
    return ("--radius", "-3")


@case(2, "if you meant 0.01 m, give 10")
def radius_in_metres(data):
    return ("--radius", "0.01")


@case(2, "9", "10", "voxel")
def radius_below_a_voxel(data):
    return ("--radius", "9")


@case(65, "empty.nii.gz", "no voxel")
def empty_mask(data):
    mask = func(data, "*run-1*_mask")[0]
    empty = data.parent / "empty.nii.gz"
    shutil.copy(mask, empty)
    rewrite(empty, np.zeros_like)
    return ("--brain-mask", empty)


@case(65, "elsewhere.nii.gz", "no voxel")
def mask_elsewhere(data):
    image = nib.load(func(data, "*run-1*_mask")[0])
    affine = image.affine.copy()
    affine[:3, 3] += 5000
    elsewhere = data.parent / "elsewhere.nii.gz"
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), elsewhere)
    return ("--roi-mask", elsewhere)


@case(66, "no_mask.nii.gz")
def mask_that_is_not_there(data):
    return ("--brain-mask", data / "no_mask.nii.gz")


@case(2, "work", "inside the input")
def work_directory_in_the_input(data):
    return ("-w", data / "work")


@case(66, "run 2", "dog", "--missing-runs")
def condition_missing_from_a_run(data):
    func(data, "*run-2*contrast-dog*")[0].unlink()
    return ("--folds", "runs")


@case(2, "--folds runs", "run")
def folds_of_images_without_a_run(data):
    for path in func(data):
        if "_run-1_" in path.name:
            path.rename(str(path).replace("_run-1_", "_"))
        else:
            path.unlink()
    return ("--folds", "runs")


@case(2, "--dissimilarity-params", "VI", "radius")
def mahalanobis_matrix_with_a_radius(data):
    return ("--dissimilarity", "mahalanobis", "--dissimilarity-params", '{"VI": [[1, 0], [0, 1]]}')


@case(2, "--dissimilarity-params", "w", "shape (3,)", "voxels")
def weights_of_another_grid(data):
    return ("--dissimilarity", "euclidean", "--dissimilarity-params", '{"w": [1, 1, 1]}')


@case(2, "--dissimilarity-params", "pp", "minkowski")
def unknown_parameter(data):
    return ("--dissimilarity", "minkowski", "--dissimilarity-params", '{"pp": 3}')


@case(2, "--dissimilarity-params", "above 0", "'three'")
def power_that_is_no_number(data):
    return ("--dissimilarity", "minkowski", "--dissimilarity-params", '{"p": "three"}')


@case(66, "--brain-mask", "models", "folder")
def mask_that_is_a_folder(data):
    return ("--brain-mask", data / "models")


@case(2, "--use-plugin", "Slurmm")
def unknown_plugin(data):
    return ("--use-plugin", "Slurmm")


@case(2, "--modle", "--model")
def unknown_option(data):
    return ("--modle", "x")


@case(2, "rsa.toml", "radiuss", "--radius")
def unknown_option_in_the_configuration(data):
    config = data.parent / "rsa.toml"
    config.write_text("radiuss = 8\n")
    return ("--config-file", config)


@case(73, "GB", "--mem-gb")
def data_that_do_not_fit(data):
    return ("--mem-gb", "0.01")


@pytest.mark.parametrize("name", CASES)
def test_a_bad_input_is_told_clearly(name, small_dataset, dataset, tmp_path):
    spoil, code, named = CASES[name]
    more = spoil(dataset) or ()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    given = {str(argument) for argument in more}
    if not given & {"--participant-label"}:
        more = ("--participant-label", "01", *more)
    root = dataset if (dataset / "models").exists() else small_dataset
    model = () if "--model" in given else ("--model", root / "models" / "planted.tsv")
    radius = () if "--radius" in given else RADIUS
    done = run_app(dataset, tmp_path / "out", "participant", *model, *radius, *more)
    assert done.returncode == code, done.stderr
    for text in named:
        assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert not files_under(tmp_path / "out")
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path: text for path, text in after.items() if ".work" not in path.parts}
    assert kept == before


def test_what_all_participants_share_is_told_once(small_dataset, tmp_path):
    model = small_dataset / "models" / "planted.tsv"
    done = run_app(
        small_dataset, tmp_path / "out", "participant", "--model", model, "--radius", "0.01"
    )
    assert done.returncode == 2
    assert done.stderr.count("if you meant 0.01 m") == 1
    assert "The same applies to sub-02" in done.stderr


@pytest.mark.parametrize(
    ("label", "says"), [("1", "Did you mean 01?"), ("77", "Participants found there: 01")]
)
def test_a_label_without_its_zero_is_recognised(small_dataset, tmp_path, label, says):
    model = small_dataset / "models" / "planted.tsv"
    done = run_app(
        small_dataset, tmp_path / "out", "participant", "--model", model,
        "--participant-label", label,
    )  # fmt: skip
    assert done.returncode == 18
    assert says in done.stderr


def test_a_participant_with_fewer_runs_is_named(small_dataset, dataset, tmp_path):
    for path in (dataset / "sub-02" / "func").glob("*run-2*contrast-*"):
        path.unlink()
    model = dataset / "models" / "planted.tsv"
    line = (tmp_path / "out", "participant", "--model", model, *RADIUS, "--dry-run")
    done = run_app(dataset, *line)
    n = len(list((dataset / "sub-01" / "func").glob("*contrast-cat*")))
    assert f"most have {n}, but sub-02: {n - 1}." in done.stderr
    assert "number of runs" not in run_app(small_dataset, *line).stderr


def test_the_input_is_no_output_directory(small_dataset):
    model = small_dataset / "models" / "planted.tsv"
    before = files_under(small_dataset)
    done = run_app(small_dataset, small_dataset, "participant", "--model", model)
    assert done.returncode == 73
    assert "is the input directory" in done.stderr
    assert files_under(small_dataset) == before


def test_the_input_may_not_lie_in_the_output_directory(dataset):
    before = files_under(dataset.parent)
    done = run_app(
        dataset, dataset.parent, "participant", "--model", dataset / "models/planted.tsv"
    )
    assert done.returncode == 73
    assert "is inside the output directory" in done.stderr
    assert files_under(dataset.parent) == before


@pytest.mark.parametrize("where", ["a_file/out", "/proc/out"])
def test_an_output_directory_that_cannot_be_written(where, small_dataset, tmp_path):
    (tmp_path / "a_file").write_text("")
    output = tmp_path / where
    done = run_app(
        small_dataset, output, "participant", "--model", small_dataset / "models/planted.tsv"
    )
    assert done.returncode == 73
    assert str(Path(where).name) in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(small_dataset, tmp_path):
    done = run_app(
        small_dataset, tmp_path / "out", "participant", "--debug", "--space", "T1w",
        "--model", small_dataset / "models/planted.tsv",
    )  # fmt: skip
    assert done.returncode == 18
    assert "Traceback" in done.stderr
