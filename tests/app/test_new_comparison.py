"""The recipe of docs/engine.md: one entry in the table, and the whole app knows a comparison."""

import json
from dataclasses import dataclass

import nibabel as nib
import numpy as np
import pytest
from app_process import UNDRAWN
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy.stats import rankdata

from bids_rsa.cli import main
from bids_rsa.core.comparison.fit import Terms
from bids_rsa.core.comparison.table import COMPARISONS, Comparison
from bids_rsa.example import ExampleSettings, make_example


@dataclass(frozen=True)
class RhoA(Terms):
    """Products of centred ranks, by the definition."""

    ranks: np.ndarray

    def score(self, block):
        """Scores (n_rdms, n_models)."""
        n = self.ranks.shape[1]
        return 12 * (block.ranks()[0] @ self.ranks.T) / (n**3 - n)


def make_terms(fit):
    """Centred average ranks of the models."""
    ranks = rankdata(fit.models, axis=1)
    return RhoA(ranks - ranks.mean(axis=1, keepdims=True))


ENTRY = Comparison(
    "toy-rho-a", "toyrhoa", "a toy", "toy unit", make_terms,
    ranked=True, transform="fisher", scale="share",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Participants and group with the new comparison: the folder, and what was drawn by file."""
    drawn = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(COMPARISONS, ENTRY.name, ENTRY)
        save, add_bar = Figure.savefig, Figure.colorbar

        def savefig(self, path, *args, **keywords):
            texts = " ".join(text.get_text() for text in self.findobj(Text))
            if not str(path).endswith(".svg"):  # the same picture once more
                drawn[str(path)] = texts, getattr(self, "scale_drawn", None)
            save(self, path, *args, **keywords)

        def colorbar(self, mappable, *args, **keywords):
            self.scale_drawn = mappable.norm.vmin, mappable.norm.vmax, mappable.cmap.name
            return add_bar(self, mappable, *args, **keywords)

        patch.setattr(Figure, "savefig", savefig)
        patch.setattr(Figure, "colorbar", colorbar)
        folder = tmp_path_factory.mktemp("new")
        data = make_example(
            folder / "data",
            ExampleSettings(n_subjects=5, n_runs=2, voxel_mm=10, planted_radius_mm=24, signal=1.0),
        )
        out = folder / "out"
        for more in (("--participant-label", "01"), UNDRAWN):  # one is drawn
            code = main([
                str(data), str(out), "participant", "--model", str(data / "models/planted.tsv"),
                "--radius", "16", "--comparison", "spearman", ENTRY.name, "--use-plugin", "Linear",
                *more,
            ])  # fmt: skip
            assert code == 0
        code = main([
            str(data), str(out), "group", "--comparison", ENTRY.name, "--use-plugin", "Linear",
            "--assume-common-space", "--alpha", "0.2",
        ])  # fmt: skip
        assert code == 0
    return out, drawn


def test_its_maps_hold_its_scores(run):
    """Without ties in the data, rho-a is Spearman's rho times the root of the model's spread."""
    out, _ = run
    (path,) = out.glob("sub-01/**/*stat-toyrhoa_desc-planted_statmap.nii.gz")
    scores = nib.load(path).get_fdata()
    spearman = nib.load(str(path).replace("toyrhoa", "spearman")).get_fdata()
    model = np.loadtxt(out.parent / "data/models/planted.tsv", delimiter="\t", dtype=str)
    cells = model[1:, 1:].astype(float)[np.triu_indices(len(model) - 1, 1)]
    n, ranks = len(cells), rankdata(cells)
    share = np.sqrt(12 * np.sum((ranks - ranks.mean()) ** 2) / (n**3 - n))
    assert 0 < share < 1
    assert np.count_nonzero(scores) > 100
    np.testing.assert_allclose(scores, share * spearman, rtol=1e-6, atol=1e-7)


def test_its_picture_has_its_unit_and_colours(run):
    _, drawn = run
    ours = [said for path, said in drawn.items() if "sub-01" in path and "toyrhoa" in path]
    theirs = [said for path, said in drawn.items() if "sub-01" in path and "spearman" in path]
    assert len(ours) == len(theirs) == 1
    assert "a toy, model planted" in ours[0][0]
    assert "toy unit" in ours[0][0]
    assert ours[0][1][:2] == (0.0, 1.0)
    assert "Spearman's rank correlation, model planted" in theirs[0][0]
    assert "Spearman's rho" in theirs[0][0]
    assert ours[0][1][2] != theirs[0][1][2] == "RdBu_r"


def test_the_group_level_finds_and_transforms_it(run):
    out, drawn = run
    (path,) = out.glob("group/**/*toyrhoa*stat-meanFisherz*_statmap.json")
    assert json.loads(path.read_text())["Transform"] == "fisher"
    (mean,) = out.glob("group/**/*toyrhoa*stat-meanFisherz*_statmap.nii.gz")
    maps = [nib.load(p).get_fdata() for p in sorted(out.glob("sub-*/**/*toyrhoa*_statmap.nii.gz"))]
    assert len(maps) == 5
    inside = nib.load(mean).get_fdata() != 0
    expected = np.mean([np.arctanh(scores) for scores in maps], axis=0)
    np.testing.assert_allclose(nib.load(mean).get_fdata()[inside], expected[inside], atol=1e-6)
    (peaks,) = [said for name, said in drawn.items() if "peakscores" in name]
    assert "Fisher's z of toy unit" in peaks[0]
