"""Participants' null maps on grayordinates, from condition images to the group level."""

import json
from pathlib import Path

import app_process
import nibabel as nib
import numpy as np
import pytest
from meshes import save_surface
from nibabel.cifti2 import BrainModelAxis, Cifti2Header, Cifti2Image, ScalarAxis
from test_grayordinate_group import AFFINE, BOX, N_VERTICES, cortex_of, effect, sheet

from bids_rsa.spaces.grayordinate_layout import GrayordinateLayout

CONDITIONS = [f"c{k}" for k in range(8)]
N_SUBJECTS, N_KEPT = 7, 100


def brain_axis():
    """Both hemispheres without a corner, and a box of voxels of the left thalamus."""
    inside = np.arange(20, N_VERTICES)
    axes = [
        BrainModelAxis.from_surface(inside, N_VERTICES, f"CIFTI_STRUCTURE_CORTEX_{name}")
        for name in ("LEFT", "RIGHT")
    ]
    voxels = BrainModelAxis.from_mask(
        np.ones(BOX, bool), name="CIFTI_STRUCTURE_THALAMUS_LEFT", affine=AFFINE
    )
    return axes[0] + axes[1] + voxels


def run_app(*arguments):
    return app_process.run_app(*arguments, "--use-plugin", "Linear")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Images whose patterns grow along the conditions where the effect is; maps with null maps."""
    root = tmp_path_factory.mktemp("grayordinate_nulls")
    data, axis = root / "data", brain_axis()
    data.mkdir()
    for side in "LR":
        save_surface(root / f"hemi-{side}_mid.surf.gii", *sheet(side), side)
    description = {"Name": "t", "BIDSVersion": "1.11.1", "DatasetType": "derivative",
                   "GeneratedBy": [{"Name": "fitlins"}]}  # fmt: skip
    (data / "dataset_description.json").write_text(json.dumps(description))
    rows = ["\t".join(["condition", *CONDITIONS])]
    for i, name in enumerate(CONDITIONS):
        rows.append("\t".join([name, *(str(abs(i - j)) for j in range(len(CONDITIONS)))]))
    (root / "graded.tsv").write_text("\n".join(rows) + "\n")
    planted = effect(GrayordinateLayout.of_axis(axis, "test"))
    steps = np.linspace(-1, 1, len(CONDITIONS))[:, None]
    for number in range(1, N_SUBJECTS + 1):
        rng = np.random.default_rng(number)
        func = data / f"sub-{number:02d}" / "func"
        func.mkdir(parents=True)
        pattern = rng.standard_normal(len(axis)) * planted
        for run in (1, 2):
            values = rng.standard_normal((len(CONDITIONS), len(axis))) + 2 * steps * pattern
            header = Cifti2Header.from_axes((ScalarAxis(CONDITIONS), axis))
            path = func / f"sub-{number:02d}_task-x_run-{run}_space-fsLR_stat-effect_statmap"
            nib.save(Cifti2Image(values.astype(np.float32), header=header), f"{path}.dscalar.nii")
    surface = ("--surface", f"{root}/hemi-{{hemi}}_mid.surf.gii")
    done = run_app(
        data, root / "out", "participant", "--model", root / "graded.tsv", "--radius", "7",
        "--condition-permutations", "150", "--keep-null", N_KEPT, "--no-report", "--no-figures",
        *surface,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return data, root / "out", surface


def run_group(folders, *options):
    """Run the group level; return its folder."""
    data, out, surface = folders
    done = run_app(data, out, "group", "--no-report", *surface, *options)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return out / "group" / f"analysis-{options[-1]}"


def group_map(folder, stat):
    (path,) = folder.glob(f"*_stat-{stat}_desc-graded_statmap.dscalar.nii")
    return np.asarray(nib.load(path).dataobj)[0]


def is_near(axis):
    """Where patches reach the effect."""
    layout = GrayordinateLayout.of_axis(axis, "test")
    planted, cortex = effect(layout), cortex_of(layout)
    place = np.concatenate(
        [sheet("L")[0][20:], sheet("R")[0][20:], layout.voxels[~cortex] * 3.0 + [0, 0, 500]]
    )
    apart = np.linalg.norm(place[:, None] - place[planted][None], axis=-1).min(axis=1)
    return planted, apart <= 7 + 3.1


def test_null_maps_are_kept_as_maps_of_one_file(folders):
    paths = sorted(folders[1].glob("sub-*/func/*_nullmaps.dscalar.nii"))
    assert len(paths) == N_SUBJECTS
    image = nib.load(paths[0])
    assert image.shape == (N_KEPT, len(brain_axis()))
    scores = nib.load(str(paths[0]).replace("_nullmaps.", "_statmap."))
    there = np.isfinite(np.asarray(scores.dataobj)[0])
    np.testing.assert_array_equal(np.isfinite(np.asarray(image.dataobj)).all(axis=0), there)
    assert there.mean() > 0.95  # without the centres at corners, whose patches are small


def test_random_combinations_find_the_effect_in_both_parts(folders):
    folder = run_group(
        folders, "--null", "stelzer", "--n-permutations", "3000", "--cluster-p", "0.01",
        "--label", "stelzer",
    )  # fmt: skip
    planted, near = is_near(brain_axis())
    found = np.nan_to_num(group_map(folder, "tThr")) != 0
    assert found[planted].mean() > 0.9
    assert not found[~near].any()
    (table,) = folder.glob("*_clusters.tsv")
    text = table.read_text()
    assert "cortex L" in text and "thalamus_left" in text and "cortex R" not in text
    assert len(text.splitlines()) == 3  # a cluster in each of the two structures
    sidecar = json.loads(next(folder.glob("*_stat-clusterSizefdrq_*.json")).read_text())
    assert (sidecar["Null"], sidecar["NullMapsPerMap"]) == ("stelzer", N_KEPT)
    assert list(Path(folder, "figures").glob("*_null.png"))


def test_permuted_conditions_find_the_effect_in_both_parts(folders):
    folder = run_group(folders, "--null", "conditions", "--no-figures", "--label", "conditions")
    planted, near = is_near(brain_axis())
    p = group_map(folder, "tfceFWEp")
    assert (p <= 0.05)[planted].mean() > 0.9
    # TFCE lends a little to neighbours
    assert (p <= 0.05)[~near].mean() < 0.02
    counts = p[p < 1] * (N_KEPT + 1.0)
    np.testing.assert_allclose(counts, 2 * np.rint(counts / 2), atol=1e-3)
    sidecar = json.loads(next(folder.glob("*_stat-tfceFWEp_*.json")).read_text())
    assert sidecar["PartsCorrectedFor"] == 2
