"""The code in docs/library.md runs as it stands there."""

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.stats import spearmanr
from volumes import OBLIQUE, noise, volume

ROOT = Path(__file__).resolve().parents[2]


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shape = (8, 8, 8)
    nib.save(volume(noise(6, shape), OBLIQUE), "betas.nii.gz")
    nib.save(volume(noise(18, shape), OBLIQUE), "runs.nii.gz")
    mask = np.random.default_rng(0).random(shape) > 0.1
    nib.save(volume(mask.astype("u1"), OBLIQUE), "mask.nii.gz")
    nib.save(volume((np.indices(shape)[0] // 4 + 1).astype("u1"), OBLIQUE), "atlas.nii.gz")
    names: dict = {}
    maps = []
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "docs/library.md").read_text(), re.S):
        exec(block, names)
        maps.append(names.pop("rho", None))
    masked, by_count, by_splitter, by_groups = (one.get_fdata() for one in maps if one is not None)
    np.testing.assert_array_equal(nib.load("rho.nii.gz").get_fdata(), masked)
    assert np.isfinite(masked).all()
    assert not masked[~mask].any()
    np.testing.assert_array_equal(by_count, by_splitter)
    np.testing.assert_array_equal(by_count, by_groups)
    assert names["rdm"].shape == names["crossvalidated"].shape == (15,)
    assert np.all(names["rdm"] > 0)
    assert names["score"] == pytest.approx(spearmanr(names["rdm"], names["model"]).statistic)
    assert names["unique"].shape == (2,)
    assert list(names["table"]["name"]) == ["1", "2"]
    assert np.isfinite(names["table"]["score"]).all()


def test_a_notebook_completes_the_public_names_and_no_others():
    import bids_rsa

    assert dir(bids_rsa) == sorted(bids_rsa.__all__)
    assert all(getattr(bids_rsa, name) is not None for name in bids_rsa.__all__)


def test_the_docstring_of_rsa_nifti_names_every_comparison():
    from bids_rsa import rsa_nifti
    from bids_rsa.core.comparison.table import COMPARISONS

    words = set(re.findall(r"[a-z0-9-]+", rsa_nifti.__doc__))
    assert words >= set(COMPARISONS)
