"""Noise ceilings through the whole app: RDMs made again from the images, checked by hand."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from app_process import UNDRAWN
from scipy.spatial.distance import pdist

from bids_rsa.core.comparison.ceilings import noise_ceiling


@pytest.fixture(scope="module")
def ceiling_run(dataset, nulls_run, tmp_path_factory):
    from bids_rsa.cli import main

    out = shutil.copytree(nulls_run, tmp_path_factory.mktemp("ceilings") / "out")
    code = main([
        str(dataset), str(out), "group", "--n-permutations", "20", "--noise-ceiling",
        "--no-report", "--use-plugin", "Linear",
    ])  # fmt: skip
    assert code == 0
    return out


def group_map(out, stat):
    (path,) = (out / "group").glob(f"*_stat-{stat}_desc-planted_statmap.nii.gz")
    sidecar = json.loads(path.with_suffix("").with_suffix(".json").read_text())
    return nib.load(path).get_fdata(), sidecar


def rdm_by_hand(dataset, subject, conditions, patch):
    """The RDM of a patch from the images: mean patterns over runs, correlation distance."""
    patterns = []
    for condition in conditions:
        files = sorted(dataset.rglob(f"sub-{subject}_*_contrast-{condition}_stat-effect*.nii.gz"))
        assert len(files) == 4
        patterns.append(np.mean([nib.load(path).get_fdata()[patch] for path in files], axis=0))
    return pdist(np.array(patterns), "correlation")


def test_ceilings_are_those_of_rdms_made_by_hand(dataset, ceiling_run):
    lower, sidecar = group_map(ceiling_run, "ceilingLower")
    upper, _ = group_map(ceiling_run, "ceilingUpper")
    (mask_path,) = (ceiling_run / "group").glob("*_desc-planted_mask.nii.gz")
    image = nib.load(mask_path)
    mask = image.get_fdata() > 0
    grid = np.stack(np.indices(mask.shape), axis=-1) @ image.affine[:3, :3].T
    core = nib.load(dataset / "sourcedata/planted_mask.nii.gz").get_fdata() > 0
    for voxel in (np.argwhere(core & mask)[10], np.argwhere(mask)[3]):
        near = np.linalg.norm(grid - grid[tuple(voxel)], axis=-1) <= 16 * (1 + 1e-6)
        rdms = []
        for number in range(1, 6):
            subject = f"{number:02d}"
            brains = dataset.rglob(f"sub-{subject}_*_desc-brain_mask.nii.gz")
            inside = np.logical_and.reduce([nib.load(path).get_fdata() > 0.5 for path in brains])
            rdms.append(rdm_by_hand(dataset, subject, sidecar["Conditions"], near & inside))
        expected = noise_ceiling(np.array(rdms), "spearman")
        assert (lower[tuple(voxel)], upper[tuple(voxel)]) == pytest.approx(expected, abs=1e-5)
    assert sidecar["CeilingDefinition"] == "mean of centred ranks of unit norm, not ranked again"


def test_the_ceiling_is_high_where_subjects_share_the_effect(dataset, nulls_run, ceiling_run):
    lower, _ = group_map(ceiling_run, "ceilingLower")
    upper, _ = group_map(ceiling_run, "ceilingUpper")
    relative, _ = group_map(ceiling_run, "relativeToUpper")
    (mask_path,) = (ceiling_run / "group").glob("*_desc-planted_mask.nii.gz")
    mask = nib.load(mask_path).get_fdata() > 0
    core = nib.load(dataset / "sourcedata/planted_mask.nii.gz").get_fdata() > 0
    assert (lower[mask] < upper[mask]).all() and (lower[~mask] == 0).all()
    assert lower[core].mean() > 0.3 > abs(lower[mask & ~core].mean()) + 0.1
    paths = sorted(nulls_run.glob("sub-*/func/*_stat-spearman_desc-planted_statmap.nii.gz"))
    mean = np.mean([nib.load(path).get_fdata() for path in paths], axis=0)
    assert np.allclose(relative[mask], mean[mask] / upper[mask], atol=1e-5)
    assert (mean[mask] <= upper[mask] + 1e-6).all()


def test_images_that_were_changed_since_are_refused(dataset, nulls_run, tmp_path, call):
    data, out = shutil.copytree(dataset, tmp_path / "data"), tmp_path / "out"
    shutil.copytree(nulls_run, out)
    for path in out.glob("sub-*/log/*/bids_rsa.toml"):
        path.write_text(path.read_text().replace(str(dataset), str(data)))
    changed = next(data.rglob("sub-03_*_contrast-*_stat-effect*.nii.gz"))
    image = nib.load(changed)
    nib.save(nib.Nifti1Image(image.get_fdata() + 1, image.affine), changed)
    code, said = call(
        data, out, "group", "--n-permutations", "20", "--noise-ceiling", "--no-report"
    )
    assert code == 65, said
    assert "the RDMs of sub-03 cannot be computed again" in said
    assert "are not those of the maps" in said
    assert not (out / "group").exists()


def test_two_subjects_have_no_ceiling(dataset, nulls_run, tmp_path, call):
    out = shutil.copytree(nulls_run, tmp_path / "out")
    code, said = call(dataset, out, "group", "--noise-ceiling", "--participant-label", "01", "02")
    assert code == 65, said
    assert "at least 3 are needed" in said
    assert not (out / "group").exists()


def test_a_dry_run_tells_of_the_ceiling_and_writes_nothing(dataset, nulls_run, tmp_path, call):
    out = shutil.copytree(nulls_run, tmp_path / "out")
    code, said = call(dataset, out, "group", "--noise-ceiling", "--dry-run")
    assert code == 0, said
    (row,) = [line for line in said.splitlines() if line.startswith("noise ceiling of")]
    assert "4 images to write" in row and " GB" in row
    assert not (out / "group").exists()


def test_a_ceiling_is_added_to_a_complete_test(dataset, nulls_run, tmp_path, call):
    out = shutil.copytree(nulls_run, tmp_path / "out")
    line = (dataset, out, "group", "--n-permutations", "20", "--no-report")
    assert call(*line)[0] == 0
    (tested,) = out.glob("group/*_stat-t_desc-planted_statmap.nii.gz")
    before = tested.stat().st_mtime_ns
    code, said = call(*line, "--noise-ceiling")
    assert code == 0, said
    assert "is complete with the same settings: skipped" in said
    assert tested.stat().st_mtime_ns == before
    assert len(list(out.glob("group/*ceiling*.nii.gz"))) == 2
    code, said = call(*line, "--noise-ceiling")
    assert code == 0 and "the noise ceiling is complete: skipped" in said


def test_the_ceiling_is_a_node_of_the_graph_after_its_test(dataset, nulls_run, tmp_path):
    from bids_rsa.workflows.group import init_group_level_wf

    from bids_rsa.app.group import make_tests
    from bids_rsa.app.group_jobs import plan_jobs
    from bids_rsa.app.noise_ceilings import plan_ceiling_jobs
    from bids_rsa.options.arguments import parse

    settings = parse([str(dataset), str(nulls_run), "group", "--noise-ceiling"])
    tests, tried = make_tests(settings.inputs, settings.group, settings.run)
    jobs = plan_jobs(tests, tried, settings.run, (), 2)
    (ceiling,) = plan_ceiling_jobs(jobs, False, str(dataset), 1)
    workflow = init_group_level_wf(jobs, str(tmp_path), ceilings=[ceiling])
    graph = workflow._create_flat_graph()
    (node,) = [one for one in graph.nodes if one.name == "ceiling"]
    assert node.mem_gb == ceiling.memory_gb > 0.4
    (merge,) = graph.predecessors(node)
    assert [one.name for one in graph.predecessors(merge)] == ["sink"]


def test_several_processes_make_the_same_ceiling(dataset, nulls_run, ceiling_run, tmp_path):
    from bids_rsa.cli import main

    out = shutil.copytree(nulls_run, tmp_path / "out")
    code = main([
        str(dataset), str(out), "group", "--n-permutations", "20", "--noise-ceiling",
        "--use-plugin", "MultiProc", *UNDRAWN,
    ])  # fmt: skip
    assert code == 0
    for stat in ("ceilingLower", "relativeToLower"):
        np.testing.assert_array_equal(group_map(out, stat)[0], group_map(ceiling_run, stat)[0])


@pytest.mark.parametrize("keep", [(), ("--keep-residuals",)])
def test_ceilings_of_images_estimated_from_bold(tmp_path, call, keep):
    from estimation import bold_runs

    data = tmp_path / "data"
    for subject in ("01", "02", "03"):
        bold_runs.make_dataset(data, runs=(1, 2, 3), subject=subject)
    line = bold_runs.arguments(
        data, tmp_path / "out", "--noise", "shrinkage", "--dissimilarity", "crossnobis", "--folds",
        "runs", "--comparison", "whitened-cosine", "--condition-covariance", "design",
        "--no-report", *keep,
    )  # fmt: skip
    assert call(*line)[0] == 0
    group = (data, tmp_path / "out", "group", "--noise-ceiling", "--assume-common-space")
    code, said = call(*group, "--n-permutations", "8", "--no-report")
    assert code == 0, said
    maps = {}
    for stat in ("ceilingLower", "ceilingUpper", "relativeToUpper"):
        (path,) = (tmp_path / "out" / "group").glob(f"*_stat-{stat}_desc-m_statmap.nii.gz")
        maps[stat] = nib.load(path).get_fdata()
    assert np.isfinite(maps["ceilingLower"]).all()
    assert (maps["ceilingLower"] < maps["ceilingUpper"]).all()
    paths = sorted(
        (tmp_path / "out").glob("sub-*/func/*_stat-whitenedcosine_desc-m_statmap.nii.gz")
    )
    mean = np.mean([nib.load(path).get_fdata() for path in paths], axis=0)
    upper = maps["ceilingUpper"]
    assert np.allclose(maps["relativeToUpper"], np.where(upper > 0, mean / upper, 0), atol=1e-4)
    assert (mean <= upper + 1e-4).all()


def test_estimates_that_are_gone_are_refused(tmp_path, call):
    from estimation import bold_runs

    data, out = tmp_path / "data", tmp_path / "out"
    for subject in ("01", "02", "03"):
        bold_runs.make_dataset(data, subject=subject)
    assert call(*bold_runs.arguments(data, out, "--no-report"))[0] == 0
    next(out.glob("sub-02/func/*_contrast-cat_stat-effect_statmap.nii.gz")).unlink()
    code, said = call(data, out, "group", "--noise-ceiling", "--assume-common-space")
    assert code == 65, said
    assert "which the maps of sub-02 were made from, have been removed from" in " ".join(
        said.split()
    )
    assert not (out / "group").exists()


def test_subjects_of_different_designs_have_no_ceiling_of_whitened_comparisons(tmp_path, call):
    """Each subject's scores depend on its own design; other comparisons do not."""
    from estimation import bold_runs

    data, out = tmp_path / "data", tmp_path / "out"
    for subject in ("01", "02", "03"):
        bold_runs.make_dataset(data, subject=subject)
    other = bold_runs.events(seed=9)
    other.to_csv(bold_runs.raw(data, "events.tsv", 1, "02"), sep="\t", index=False)
    line = bold_runs.arguments(
        data, out, "--comparison", "whitened-cosine", "spearman", "--condition-covariance",
        "design", "--no-report",
    )  # fmt: skip
    assert call(*line)[0] == 0
    group = (data, out, "group", "--noise-ceiling", "--assume-common-space", "--n-permutations",
             "8", "--no-report", "--comparison")  # fmt: skip
    code, said = call(*group, "whitened-cosine")
    said = " ".join(said.split())
    assert code == 65, said
    assert "(--condition-covariance design) must be the same in all participants" in said
    assert "In sub-02 it is not as in sub-01" in said
    assert not (out / "group").exists()
    code, said = call(*group, "spearman")
    assert code == 0, said
    assert len(list(out.glob("group/*_stat-ceiling*.nii.gz"))) == 2


def test_subjects_who_leave_out_other_cells_have_no_ceiling(dataset, tmp_path, call):
    data, out = shutil.copytree(dataset, tmp_path / "data"), tmp_path / "out"
    for number in range(1, 6):
        # two conditions of each subject have images of the first run alone; others in sub-03
        image = next(data.rglob(f"sub-{number:02d}_*_contrast-*_stat-effect*.nii.gz"))
        names = sorted(
            path.name.partition("_contrast-")[2].partition("_")[0]
            for path in image.parent.glob("*_run-*1_*_stat-effect*.nii.gz")
        )
        for name in names[2:4] if number == 3 else names[:2]:
            for path in image.parent.glob(f"*_contrast-{name}_stat-*"):
                if "_run-1_" not in path.name and "_run-01_" not in path.name:
                    path.unlink()
    code, said = call(
        data, out, "participant", "--model", data / "models/planted.tsv", "--radius", "16",
        "--exclude-within", "run", "--missing-runs", "average", "--no-report",
    )  # fmt: skip
    assert code == 0, said
    group = (data, out, "group", "--n-permutations", "8", "--noise-ceiling", "--no-report")
    code, said = call(*group)
    said = " ".join(said.split())
    assert code == 65, said
    assert "the cells left out (--exclude-within run) must be the same in all participants" in said
    assert "In sub-03 it is not as in sub-01" in said
    assert not (out / "group").exists()
    code, said = call(*group, "--exclude-participant-label", "03")
    assert code == 0, said


def test_conditions_in_another_order_have_no_ceiling(tmp_path, call):
    """Cells of the subjects' RDMs would be those of other pairs."""
    from estimation import bold_runs

    data, out = tmp_path / "data", tmp_path / "out"
    for subject in ("01", "02", "03"):
        bold_runs.make_dataset(data, subject=subject)
    names = bold_runs.CONDITIONS
    for order, subjects in ((names, ("01", "03")), (names[::-1], ("02",))):
        line = bold_runs.arguments(data, out, "--no-report", "--conditions", *order)
        code, said = call(*line, "--participant-label", *subjects)
        assert code == 0, said
    group = (data, out, "group", "--assume-common-space", "--n-permutations", "8", "--no-report")
    code, said = call(*group, "--noise-ceiling")
    said = " ".join(said.split())
    assert code == 65, said
    assert "the order of conditions must be the same in all participants. In sub-02" in said
    assert call(*group)[0] == 0  # scores do not depend on it
