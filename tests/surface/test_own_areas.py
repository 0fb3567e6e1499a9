"""Areas of vertices at group level: the mean over own surfaces, if all participants have some."""

import json
import shutil

import app_process
import nibabel as nib
import numpy as np
import pytest
from meshes import save_surface
from nilearn.datasets import load_fsaverage
from surface_data import CONDITIONS, describe

from bids_rsa.core.inference.adjacency import join_adjacencies, mesh_adjacency
from bids_rsa.core.inference.tfce import tfce
from bids_rsa.core.neighborhood.mesh import vertex_areas
from bids_rsa.spaces.gifti import maps_image

# how much larger each participant's brain is than the template
SCALES = {"01": 1.05, "02": 1.1, "03": 1.3}
NAMES = {"L": "left", "R": "right"}


def template(side):
    """The middle of fsaverage5, and its sphere."""
    surfaces = load_fsaverage("fsaverage5")
    white, pial, sphere = (
        surfaces[kind].parts[NAMES[side]] for kind in ("white_matter", "pial", "sphere")
    )
    middle = (np.array(white.coordinates, float) + pial.coordinates) / 2
    return middle, np.array(white.faces), np.array(sphere.coordinates, float)


def run_app(*arguments):
    return app_process.run_app(*arguments, "--use-plugin", "Linear")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Participants with surfaces as fMRIPrep writes them, on the maps' mesh or registered to it."""
    root = tmp_path_factory.mktemp("own_areas")
    data = describe(root / "data")
    shutil.rmtree(data / "sub-01")
    kinds = np.random.default_rng(0).standard_normal((2, 10242))
    for number, scale in SCALES.items():
        rng = np.random.default_rng(int(number))
        for name in ("func", "anat"):
            (data / f"sub-{number}" / name).mkdir(parents=True)
        for side in "LR":
            points, triangles, sphere = template(side)
            stem = data / f"sub-{number}" / "anat" / f"sub-{number}_hemi-{side}"
            if number == "02":
                save_surface(f"{stem}_midthickness.surf.gii", points * scale, triangles, side)
                path = f"{stem}_space-fsaverage_desc-reg_sphere.surf.gii"
                save_surface(path, sphere, triangles, side)
            else:
                path = f"{stem}_space-fsaverage5_midthickness.surf.gii"
                save_surface(path, points * scale, triangles, side)
            for run in ("1", "2"):
                for name in CONDITIONS:
                    values = rng.standard_normal(10242) + kinds["ab".index(name[0])]
                    file = (
                        f"sub-{number}_task-x_run-{run}_hemi-{side}_space-fsaverage5"
                        f"_contrast-{name}_stat-effect_statmap.gii"
                    )
                    image = maps_image(values.astype(np.float32), side)
                    nib.save(image, data / f"sub-{number}" / "func" / file)
    done = run_app(
        data, root / "out", "participant", "--model", data / "models/kind.tsv", "--radius", "8",
        "--no-report", "--no-figures",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return data, root / "out"


def run_group(folders, label):
    data, out = folders
    done = run_app(
        data, out, "group", "--primary", "maxt", "--alpha", "0.2", "--no-report", "--no-figures",
        "--label", label,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out / "group" / f"analysis-{label}"


def both(folder, stat):
    paths = sorted(folder.glob(f"*_stat-{stat}_desc-kind_statmap.shape.gii"))
    return np.concatenate([nib.load(path).darrays[0].data for path in paths])


def areas_of(scales):
    return [
        np.mean([scale**2 for scale in scales]) * vertex_areas(*template(side)[:2]) for side in "LR"
    ]


def sidecar(folder):
    return json.loads(next(folder.glob("*_stat-tfce_*.json")).read_text())


def check(folder, areas):
    """TFCE and the sizes of clusters have these areas."""
    t = both(folder, "t").astype(float)
    inside = np.isfinite(t)
    parts = [
        mesh_adjacency(template(side)[1], own, chosen)
        for side, own, chosen in zip("LR", areas, np.split(inside, 2), strict=True)
    ]
    expected = tfce(t[inside], join_adjacencies(*parts))
    np.testing.assert_allclose(both(folder, "tfce")[inside], expected, rtol=1e-4)
    (table,) = folder.glob("*_clusters.tsv")
    header, *rows = (line.split("\t") for line in table.read_text().splitlines())
    column = header.index("size_mm2")
    shown = np.nan_to_num(both(folder, "tThr")) != 0
    total = np.concatenate(areas)[shown].sum()
    assert total > 0
    assert sum(float(row[column]) for row in rows) == pytest.approx(total, rel=1e-4)


def test_areas_are_the_mean_over_own_surfaces(folders):
    folder = run_group(folders, "own")
    check(folder, areas_of(SCALES.values()))
    assert sidecar(folder)["VertexAreas"] == "mean over the participants' own surfaces"


def test_a_participant_without_own_surface_leaves_the_template(folders, tmp_path):
    data, out = (tmp_path / name for name in ("data", "out"))
    for source, target in zip(folders, (data, out), strict=True):
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("group"))
    # the output says where its sources lie
    text = (out / "dataset_description.json").read_text()
    (out / "dataset_description.json").write_text(text.replace(str(folders[0]), str(data)))
    for path in data.glob("sub-03/anat/*"):
        path.unlink()
    folder = run_group((data, out), "lost")
    check(folder, areas_of([1.0]))
    assert "no own surface was found of sub-03" in sidecar(folder)["VertexAreas"]


def test_surfaces_that_are_given_say_the_areas(folders, tmp_path):
    data, out = folders
    for side in "LR":
        points, triangles, _ = template(side)
        save_surface(tmp_path / f"{side}.surf.gii", points * 2, triangles, side)
    done = run_app(
        data, out, "group", "--primary", "maxt", "--alpha", "0.2", "--no-report", "--no-figures",
        "--label", "given", "--surface", f"{tmp_path}/{{hemi}}.surf.gii",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    check(out / "group" / "analysis-given", areas_of([2.0]))
