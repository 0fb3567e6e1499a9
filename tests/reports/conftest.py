"""Results to make pages of: a real run at both levels, with names that want to be markup."""

from pathlib import Path

import pytest
from browser import Browser, find_browser
from meshes import save_surface
from report_inputs import FAST, write_inputs
from surface_inputs import write_grayordinate_inputs, write_surface_inputs

from bids_rsa.cli import main


@pytest.fixture(scope="session")
def participant_call(tmp_path_factory):
    """The arguments of the participant run; the second is the output folder."""
    root = tmp_path_factory.mktemp("inputs")
    write_inputs(root)
    out = tmp_path_factory.mktemp("results") / "out"
    call = (
        *(root, out, "participant"),
        *("--betas", root / "sub-{subject}_space-{space}_betas.nii.gz"),
        *("--labels", root / "labels.tsv", "--brain-mask", root / "mask.nii.gz"),
        *("--model", root / "halves.tsv", root / "steps.tsv", "--radius", "12"),
        *("--condition-permutations", "20", "--reliability"),
        *("--use-plugin", "Linear", "--nprocs", "1"),
    )
    return [str(argument) for argument in call]


@pytest.fixture(scope="session")
def results(participant_call):
    """The output of both levels; read only."""
    assert main(participant_call) == 0
    bids, out = participant_call[:2]
    assert main([bids, out, "group", "--assume-common-space", "--noise-ceiling", *FAST]) == 0
    return Path(out)


@pytest.fixture(scope="session")
def middle():
    """Coordinates (n_vertices, 3) of both hemispheres of fsaverage5."""
    from nilearn.datasets import load_fsaverage

    surfaces = load_fsaverage("fsaverage5")
    return {
        side: sum(surfaces[kind].parts[name].coordinates.astype(float) for kind in
                  ("white_matter", "pial")) / 2
        for side, name in (("L", "left"), ("R", "right"))
    }  # fmt: skip


@pytest.fixture(scope="session")
def surface_results(tmp_path_factory, middle):
    """The output of both levels on surfaces; read only."""
    root = tmp_path_factory.mktemp("surfaces")
    write_surface_inputs(root / "data", middle)
    places = [str(root / "data"), str(root / "out")]
    models = (f"{root}/data/kind.tsv", f"{root}/data/steps.tsv")
    call = ("--model", *models, "--comparison", "pearson", "--radius", "8")
    plugin = ("--use-plugin", "Linear", "--nprocs", "1")
    assert main([*places, "participant", *call, *plugin]) == 0
    assert main([*places, "group", *FAST]) == 0
    return root / "out"


@pytest.fixture(scope="session")
def grayordinate_results(tmp_path_factory, middle):
    """The output of both levels in grayordinates; read only."""
    from nilearn.datasets import load_fsaverage

    root = tmp_path_factory.mktemp("grayordinates")
    write_grayordinate_inputs(root / "data", middle)
    for side, name in (("L", "left"), ("R", "right")):
        faces = load_fsaverage("fsaverage5")["pial"].parts[name].faces
        save_surface(root / f"hemi-{side}_mid.surf.gii", middle[side], faces, side)
    places = [str(root / "data"), str(root / "out")]
    surface = ("--surface", f"{root}/hemi-{{hemi}}_mid.surf.gii")
    call = ("--model", f"{root}/data/kind.tsv", "--comparison", "pearson", "--radius", "8")
    plugin = ("--use-plugin", "Linear", "--nprocs", "1")
    assert main([*places, "participant", *call, *plugin, *surface]) == 0
    assert main([*places, "group", *FAST, *surface]) == 0
    return root / "out"


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A browser without a network."""
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    opened = Browser(program, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()
