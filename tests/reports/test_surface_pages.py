"""Pages of maps on surfaces: hemispheres are drawn, numbers are of both, the page is small."""

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_rsa.spaces.gifti import maps_image

CONDITIONS = ("a1", "a2", "a3", "b1", "b2", "b3")
N_VERTICES = 10242


def run_app(*arguments):
    command = [sys.executable, "-m", "bids_rsa.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture(scope="module")
def middle():
    """Coordinates of both hemispheres of fsaverage5."""
    from nilearn.datasets import load_fsaverage

    surfaces = load_fsaverage("fsaverage5")
    return {
        side: sum(surfaces[kind].parts[name].coordinates.astype(float) for kind in
                  ("white_matter", "pial")) / 2
        for side, name in (("L", "left"), ("R", "right"))
    }  # fmt: skip


@pytest.fixture(scope="module")
def output(tmp_path_factory, middle):
    """A participant with two kinds of conditions that differ in the left occipital cortex."""
    root = tmp_path_factory.mktemp("pages")
    data, func = root / "data", root / "data" / "sub-01" / "func"
    func.mkdir(parents=True)
    about = {"Name": "glm", "BIDSVersion": "1.9.0", "DatasetType": "derivative",
             "GeneratedBy": [{"Name": "nilearn"}]}  # fmt: skip
    (data / "dataset_description.json").write_text(json.dumps(about))
    rng = np.random.default_rng(4)
    for side in "LR":
        effect = rng.standard_normal((2, N_VERTICES)) * (middle[side][:, 1] < -70) * (side == "L")
        for name in CONDITIONS:
            values = rng.standard_normal(N_VERTICES) + 2 * effect["ab".index(name[0])]
            values[:500] = np.nan if side == "L" else values[:500]
            stem = f"sub-01_task-x_hemi-{side}_space-fsaverage5_contrast-{name}"
            image = maps_image(values.astype(np.float32), side)
            nib.save(image, func / f"{stem}_stat-effect_statmap.gii")
    cells = [[str(int(a[0] != b[0])) for b in CONDITIONS] for a in CONDITIONS]
    rows = ["\t".join(["", *CONDITIONS])]
    rows += ["\t".join([n, *own]) for n, own in zip(CONDITIONS, cells, strict=True)]
    (data / "kind.tsv").write_text("\n".join(rows) + "\n")
    done = run_app(
        data, root / "out", "participant", "--model", data / "kind.tsv", "--comparison", "pearson",
        "--use-plugin", "Linear", "--radius", "8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return root / "out"


def figure(output, part):
    (path,) = Path(output, "sub-01", "figures").glob(f"*{part}*_statmap.svg")
    return path


def test_both_hemispheres_are_in_one_picture(output):
    text = figure(output, "stat-pearson").read_text()
    for words in ("left, lateral", "left, medial", "right, lateral", "right, medial", "Drawn on"):
        assert words in text
    assert "vertices in the patch" in figure(output, "stat-nvertices").read_text()
    assert "mm" in figure(output, "stat-area").read_text()


def test_the_effect_is_seen_where_it_is(output, middle):
    scores = {
        side: nib.load(next(output.glob(f"sub-01/func/*hemi-{side}*_stat-pearson_*.shape.gii")))
        .darrays[0]
        .data
        for side in "LR"
    }
    behind = middle["L"][:, 1] < -78
    assert np.nanmean(scores["L"][behind]) > 0.5
    assert abs(np.nanmean(scores["R"])) < 0.05


def test_the_page_counts_both_hemispheres_and_stays_small(output):
    page = (output / "sub-01.html").read_text()
    assert len(page) < 6_000_000
    assert page.count("<img") >= 3
    scores = [
        nib.load(path).darrays[0].data
        for path in sorted(output.glob("sub-01/func/*_stat-pearson_*.shape.gii"))
    ]
    mean = np.nanmean(np.concatenate(scores))
    assert f"{mean:.3g}" in page
    assert "vertices in the patch" in page and "http://" not in page.replace("http://www.w3", "")


def test_the_page_can_be_written_again(output):
    before = (output / "sub-01.html").read_text()
    (output / "sub-01.html").unlink()
    done = run_app(output.parent / "data", output, "participant", "--reports-only")
    assert done.returncode == 0, done.stderr
    assert len((output / "sub-01.html").read_text()) == pytest.approx(len(before), rel=0.01)
