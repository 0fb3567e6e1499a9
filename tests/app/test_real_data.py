"""The app on real data: eight categories, twelve runs (Haxby et al. 2001)."""

import json

import numpy as np
import pytest
from app_runs import image, run_app, sidecar

FOLDS = {"none": [], "runs": ["--dissimilarity", "sqeuclidean"]}


@pytest.mark.parametrize("folds", FOLDS)
def test_both_models_fit_ventral_temporal_patterns(folds, shared, tmp_path):
    data = shared("data", "haxby2001-betas")
    models = sorted((data / "models").glob("*.tsv"))
    assert len(models) == 2
    output = tmp_path / "out"
    done = run_app(
        data, output, "participant", "--model", *models, "--radius", "12", "--folds", folds,
        "--brain-mask", next(data.rglob("*desc-vt_mask.nii.gz")), *FOLDS[folds],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    maps = sorted(output.glob("sub-1/func/*stat-spearman_desc-*_statmap.json"))
    assert len(maps) == 2
    for path in maps:
        found = json.loads(path.read_text())
        assert len(found["Conditions"]) == 8
        assert set(found["ImagesPerCondition"].values()) == {12}
        assert found["CentersUndefined"] == 0
        assert len(found["FoldRuns"]) == (12 if folds == "runs" else 0)
        ending = path.name.removeprefix("sub-1_").removesuffix(".json")
        name = found["Model"]["Name"]
        scores = np.asarray(image(output, "1", f"desc-{name}_statmap").dataobj)
        centers = np.asarray(image(output, "1", "desc-searchlight_mask").dataobj) > 0
        assert found["CentersEvaluated"] == centers.sum() <= 577
        # ventral temporal patterns follow categories: the field's best-known finding
        assert scores[centers].mean() > 0.1, ending
    assert "Affine" not in sidecar(output, "1", "desc-searchlight_mask")
