"""Noise ceilings on arrays: other programs' numbers, brute force, and a bound that is one."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import squareform

from bids_rsa.core.comparison.ceilings import noise_ceiling, subject_ceilings
from bids_rsa.core.comparison.plans import compare
from bids_rsa.core.comparison.table import COMPARISONS

WITH_CEILING = [name for name, entry in COMPARISONS.items() if entry.ceiling]


def subjects(n_subjects=7, n_centers=4, n_conditions=6, noise=0.7, seed=0):
    rng = np.random.default_rng(seed)
    n_cells = n_conditions * (n_conditions - 1) // 2
    truth = rng.random((n_centers, n_cells))
    return np.abs(truth + noise * rng.normal(size=(n_subjects, n_centers, n_cells)))


def covariance_of_cells(n):
    """1 on the diagonal, 1/4 between cells that share a condition."""
    pairs = [{i, j} for i in range(n) for j in range(i + 1, n)]
    return np.array([[{2: 1.0, 1: 0.25, 0: 0.0}[len(a & b)] for b in pairs] for a in pairs])


def normalised(rdm, name):
    """What is averaged, the slow way."""
    if name in ("rho-a", "kendall-tau-a", "kendall-tau-b"):
        return stats.rankdata(rdm)
    inverse = np.eye(len(rdm))
    if name.startswith("whitened"):
        inverse = np.linalg.inv(covariance_of_cells(len(squareform(rdm))))
    values = stats.rankdata(rdm) if name == "spearman" else rdm
    if name in ("spearman", "pearson", "whitened-pearson"):
        values = values - values.mean()
    return values / np.sqrt(values @ inverse @ values)


def similarity(rdm, pool, name):
    """Similarity of an RDM with a pooled one."""
    if name == "spearman":  # the pool is not ranked again
        return np.corrcoef(stats.rankdata(rdm), pool)[0, 1]
    return compare(rdm, pool, name)[0]


@pytest.mark.parametrize("name", WITH_CEILING)
def test_ceilings_are_those_of_the_definition(name):
    rdms = subjects()
    lower, upper = noise_ceiling(rdms, name)
    for center in range(rdms.shape[1]):
        own = rdms[:, center]
        parts = np.array([normalised(rdm, name) for rdm in own])
        others = [
            similarity(rdm, np.delete(parts, s, axis=0).mean(axis=0), name)
            for s, rdm in enumerate(own)
        ]
        all_of_them = [similarity(rdm, parts.mean(axis=0), name) for rdm in own]
        assert lower[center] == pytest.approx(np.mean(others), abs=1e-10)
        assert upper[center] == pytest.approx(np.mean(all_of_them), abs=1e-10)
    assert (lower < upper).all()


@pytest.mark.parametrize(
    ("name", "theirs"), [("pearson", "corr"), ("cosine", "cosine"), ("rho-a", "rho-a")]
)
def test_ceilings_are_those_of_rsatoolbox(name, theirs):
    rsatoolbox = pytest.importorskip("rsatoolbox")
    from rsatoolbox.inference.noise_ceiling import boot_noise_ceiling

    rdms = subjects(seed=3)
    lower, upper = noise_ceiling(rdms, name)
    for center in range(rdms.shape[1]):
        found = boot_noise_ceiling(rsatoolbox.rdm.RDMs(rdms[:, center]), method=theirs)
        assert np.allclose([lower[center], upper[center]], np.ravel(found), atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", ["spearman", "pearson", "cosine", "whitened-cosine", "rho-a"])
def test_no_model_scores_above_the_upper_ceiling(name):
    """Also not models with ties, of which the usual ceiling of Spearman's rho is no bound."""
    rng = np.random.default_rng(5)
    labels = np.repeat([0, 1], 4)
    model = np.not_equal.outer(labels, labels)[np.triu_indices(8, 1)].astype(float)
    for noise in (0.1, 0.2, 0.4):
        rdms = np.abs(model + noise * rng.normal(size=(12, 28)))
        _, upper = noise_ceiling(rdms, name)
        candidates = [model, *rng.random((20, 28)), rdms.mean(axis=0)]
        best = max(np.mean([compare(rdm, one, name)[0] for rdm in rdms]) for one in candidates)
        assert best <= upper + 1e-12
        if name == "spearman":
            ranks = np.array([stats.rankdata(rdm) for rdm in rdms]).mean(axis=0)
            usual = np.mean([stats.spearmanr(rdm, ranks).statistic for rdm in rdms])
            assert best > usual  # why this form is used


def test_cells_that_one_subject_lacks_are_left_out_for_all():
    rdms = subjects()
    rdms[2, 1, [0, 7]] = np.nan
    keep = np.delete(np.arange(15), [0, 7])
    for name in WITH_CEILING:
        lower, upper = noise_ceiling(rdms, name)
        if not name.startswith("whitened"):
            assert (lower[1], upper[1]) == pytest.approx(
                noise_ceiling(rdms[:, 1][:, keep], name), abs=1e-12
            )
        assert np.isfinite([lower, upper]).all()


def test_undefined_rdms_have_no_ceiling():
    rdms = subjects()
    rdms[0, 2], rdms[1, 3] = np.nan, 1.0
    for name in ("spearman", "pearson", "rho-a", "kendall-tau-a"):
        lower, upper = noise_ceiling(rdms, name)
        assert np.isnan(lower).tolist() == np.isnan(upper).tolist() == [False, False, True, True]


def test_two_subjects_and_joint_fits_have_no_ceiling():
    with pytest.raises(ValueError, match="at least three participants"):
        noise_ceiling(subjects(2), "pearson")
    for name in set(COMPARISONS) - set(WITH_CEILING):
        with pytest.raises(ValueError, match="there is no noise ceiling"):
            noise_ceiling(subjects(), name)


@pytest.mark.parametrize("name", ["spearman", "pearson", "cosine"])
def test_others_that_cancel_give_a_subject_no_lower_ceiling(name):
    """The mean of the first subject's others is constant (0 for cosine): nothing to compare."""
    one, other = np.array([0.0, 0.7, 2.1, 1.3]), np.array([0.0, 2.1, 0.7, 1.3])
    rdms = np.stack([one, other, -other if name == "cosine" else 3 - other])
    by_subject, upper = subject_ceilings(rdms[:, None], name)
    assert np.isnan(by_subject[0, 0])
    assert np.isfinite(by_subject[1:, 0]).all()
    assert np.isfinite(upper[0])
