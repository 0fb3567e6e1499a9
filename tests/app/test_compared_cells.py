"""Nuisance models, cells left out, centring and the covariance of conditions, through the app."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from app_process import UNDRAWN

from bids_rsa.cli import main
from bids_rsa.core.comparison.plans import compare
from bids_rsa.core.dissimilarity.rdms import compute_rdm
from bids_rsa.errors import OptionError
from bids_rsa.example import ExampleSettings, make_example
from bids_rsa.patterns.stack_plan import cells_within_run, plan_stack
from bids_rsa.records import Analysis, ConditionImage
from bids_rsa.settings import ReadingSettings


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared") / "data"
    return make_example(
        folder, ExampleSettings(n_subjects=1, n_runs=2, voxel_mm=16, planted_radius_mm=32)
    )


@pytest.fixture(scope="module")
def tables(data, tmp_path_factory):
    """The planted model, one of random cells, and a covariance of conditions."""
    folder = tmp_path_factory.mktemp("tables")
    planted = pd.read_csv(data / "models/planted.tsv", sep="\t", index_col=0)
    rng, names = np.random.default_rng(3), planted.index
    other = np.triu(rng.random(planted.shape), 1)
    draws = rng.standard_normal((40, len(names))) * np.linspace(0.5, 2, len(names))
    made = {"planted": planted.to_numpy(float), "other": other + other.T,
            "covariance": draws.T @ draws / 40}  # fmt: skip
    for name, cells in made.items():
        pd.DataFrame(cells, names, names).to_csv(folder / f"{name}.tsv", sep="\t")
    return folder, names


def run(data, out, tables, *options, models=("planted", "other")):
    folder, _ = tables
    given = [f"{name}={folder / name}.tsv" for name in models]
    code = main([str(data), str(out), "participant", "--model", *given, "--radius", "24",
                 "--min-voxels", "3", "--use-plugin", "Linear", *UNDRAWN,
                 *map(str, options)])  # fmt: skip
    return code, Path(out) / "sub-01" / "func"


def the_map(folder, stat, desc):
    (path,) = folder.glob(f"*_stat-{stat}_desc-{desc}_statmap.nii.gz")
    sidecar = path.with_name(path.name.replace(".nii.gz", ".json"))
    return nib.load(path).get_fdata(), json.loads(sidecar.read_text())


def test_a_nuisance_model_is_fitted_and_gets_no_map(data, tables, tmp_path):
    comparisons = ("--comparison", "partial", "r2", "unique-variance")
    code, both = run(data, tmp_path / "both", tables, *comparisons)
    assert code == 0
    code, own = run(data, tmp_path / "own", tables, *comparisons, "--nuisance", "other")
    assert code == 0
    assert not list(own.glob("*desc-other*"))
    for stat, desc in (("partial", "planted"), ("r2", "allmodels"), ("uniquevariance", "planted")):
        scores, sidecar = the_map(own, stat, desc)
        np.testing.assert_array_equal(scores, the_map(both, stat, desc)[0])
        assert sidecar["NuisanceModels"] == ["other"]
        assert [one["Name"] for one in sidecar["ModelsInFit"]] == ["planted", "other"]


def test_cells_of_a_table_are_left_out_as_empty_cells_of_the_model_are(data, tables, tmp_path):
    folder, names = tables
    rng = np.random.default_rng(0)
    kept = np.triu(rng.random((len(names), len(names))) < 0.7, 1)
    pd.DataFrame((kept | kept.T).astype(int), names, names).to_csv(tmp_path / "kept.tsv", sep="\t")
    model = pd.read_csv(folder / "planted.tsv", sep="\t", index_col=0)
    model.mask(~(kept | kept.T | np.eye(len(names), dtype=bool))).to_csv(
        tmp_path / "holes.tsv", sep="\t", na_rep="n/a"
    )
    code, out = run(data, tmp_path / "a", tables, "--exclude-cells", tmp_path / "kept.tsv",
                    models=("planted",))  # fmt: skip
    assert code == 0
    code = main([str(data), str(tmp_path / "b"), "participant", "--model",
                 f"planted={tmp_path / 'holes.tsv'}", "--radius", "24", "--min-voxels", "3",
                 "--use-plugin", "Linear", *UNDRAWN])  # fmt: skip
    assert code == 0
    scores, sidecar = the_map(out, "spearman", "planted")
    np.testing.assert_array_equal(
        scores, the_map(tmp_path / "b" / "sub-01" / "func", "spearman", "planted")[0]
    )
    assert sidecar["CellsUsed"] == kept.sum()
    assert sidecar["ExcludedCells"]["File"] == "kept.tsv"


def patch_patterns(data, names):
    """Patterns (n_conditions, n_voxels) of all voxels inside the brain, averaged over runs."""
    func = next(data.glob("**/sub-01/func"))
    images = [
        np.mean([nib.load(p).get_fdata() for p in sorted(func.glob(f"*contrast-{n}_stat-effect*"))],
                axis=0)
        for n in names
    ]  # fmt: skip
    masks = [nib.load(p).get_fdata() > 0.5 for p in func.glob("*desc-brain_mask.nii.gz")]
    inside = np.logical_and.reduce(masks) & np.all([image != 0 for image in images], axis=0)
    return np.array([image[inside] for image in images])


def test_centring_and_the_covariance_of_conditions_change_the_score_as_defined(
    data, tables, tmp_path
):
    folder, names = tables
    code, out = run(
        data, tmp_path / "out", tables, "--radius", "300", "--center", "conditions",
        "--comparison", "whitened-cosine", "--condition-covariance", folder / "covariance.tsv",
        models=("planted",),
    )  # fmt: skip
    assert code == 0  # the radius is that of the brain: one patch everywhere
    scores, sidecar = the_map(out, "whitenedcosine", "planted")
    patterns = patch_patterns(data, names)
    rdm = compute_rdm(patterns - patterns.mean(axis=0), "correlation")
    cells = pd.read_csv(folder / "planted.tsv", sep="\t", index_col=0).to_numpy(float)
    covariance = pd.read_csv(folder / "covariance.tsv", sep="\t", index_col=0).to_numpy(float)
    expected = compare(
        rdm, cells[np.triu_indices(len(names), 1)], "whitened-cosine",
        condition_covariance=covariance,
    )  # fmt: skip
    found = scores[scores != 0]
    np.testing.assert_allclose(found, expected[0], atol=1e-5)
    assert sidecar["Centering"] == "conditions"
    assert sidecar["ConditionCovariance"]["File"] == "covariance.tsv"


def test_pairs_of_conditions_from_one_run_alone():
    runs = {"a": ["1"], "b": ["1"], "c": ["2"], "d": ["1", "2"], "e": ["2"]}
    images = tuple(
        ConditionImage(f"{name}{r}.nii", "01", name, "effect", run=r)
        for name, those in runs.items()
        for r in those
    )
    analysis = Analysis("01", images, tuple(runs))
    plan = plan_stack(analysis, ReadingSettings(missing_runs="average"))
    within = cells_within_run(analysis, plan)
    pairs = {"".join(np.array(list(runs))[[i, j]]) for i, j in np.argwhere(np.triu(within))}
    assert pairs == {"ab", "ce"}
    np.testing.assert_array_equal(within, within.T)
    alone = replace(analysis, images=tuple(replace(image, run=None) for image in images[:3]),
                    conditions=("a", "b", "c"))  # fmt: skip
    with pytest.raises(OptionError, match="no run"):
        cells_within_run(alone, plan_stack(alone, ReadingSettings()))


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--nuisance", "nobody", "--comparison", "partial"), 2, "no model has this name"),
        (("--nuisance", "planted", "other", "--comparison", "partial"), 2, "no map would be left"),
        (("--nuisance", "other"), 2, "changes nothing"),
        (("--condition-covariance", "design"), 2, "changes nothing"),
        (("--standardize",), 2, "changes nothing"),
        (("--center", "conditions", "--dissimilarity", "euclidean"), 2, "changes nothing"),
        (
            ("--center", "conditions", "--dissimilarity", "crossnobis", "--folds", "runs"),
            2,
            "only on differences",
        ),
        (("--min-coverage", "0.9"), 2, "needs regions"),
        (("--atlas-threshold", "0.9"), 2, "needs regions"),
        (("--basis-function", "2"), 2, "images of spm and bidspm"),
        (("--reference-image", "x.nii"), 2, "images of glmsingle"),
        (("--condition-covariance", "design", "--comparison", "whitened-cosine"), 2, "--from-bold"),
        (("--condition-covariance", "{none}", "--comparison", "whitened-cosine"), 65, "definite"),
        (("--exclude-cells", "{none}"), 65, "cells are left"),
        (("--exclude-cells", "missing.tsv"), 66, "no file"),
    ],
)
def test_bad_input_is_refused_with_its_code(data, tables, tmp_path, capsys, options, code, words):
    _, names = tables
    empty = tmp_path / "none.tsv"
    pd.DataFrame(np.zeros((len(names), len(names))), names, names).to_csv(empty, sep="\t")
    given = [option.format(none=empty) for option in options]
    assert run(data, tmp_path / "out", tables, *given)[0] == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out" / "sub-01").exists()
