"""The tables of comparisons and dissimilarities are the one place that knows their names."""

import ast
from pathlib import Path

import numpy as np
import pytest

import bids_rsa
from bids_rsa import compute_dsm, compute_dsm_cv
from bids_rsa.core.comparison.blocks import CompleteRdms
from bids_rsa.core.comparison.fit import Fit, Options, Terms
from bids_rsa.core.comparison.plans import compare
from bids_rsa.core.comparison.table import COMPARISONS, DEFAULT_COMPARISON
from bids_rsa.core.dissimilarity.table import DEFAULT_DISSIMILARITY, DISSIMILARITIES

PACKAGE = Path(bids_rsa.__file__).parent
ROOT = PACKAGE.parent
TABLES = {
    PACKAGE / "core" / "comparison" / "table.py",
    PACKAGE / "core" / "dissimilarity" / "table.py",
}
NAMES = {*COMPARISONS, *DISSIMILARITIES} | {
    alias for entry in DISSIMILARITIES.values() for alias in entry.aliases if len(alias) > 2
}
# the same words with another meaning, or names of what the table does not hold yet
EXCEPTIONS = {
    # names of the library's functions
    "bids_rsa/__init__.py": {"crossnobis", "mahalanobis"},
    # nilearn's and fMRIPrep's names of drift regressors
    "bids_rsa/estimation/design.py": {"cosine"},
    "bids_rsa/example/bold_files.py": {"cosine"},
    "bids_rsa/app/bold_table.py": {"cosine"},
}  # fmt: skip


def names_in(path):
    """Names of comparisons and dissimilarities that stand in a module as text of their own."""
    tree = ast.parse(path.read_text())
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    module = path.relative_to(ROOT).as_posix()
    return [
        f"{module}:{node.lineno}: {node.value}"
        for node in texts
        if isinstance(node.value, str)
        and node.value in NAMES
        and node.value not in EXCEPTIONS.get(module, ())
    ]


def test_no_module_but_the_tables_names_a_comparison_or_dissimilarity():
    modules = [*PACKAGE.rglob("*.py"), *(ROOT / "workflows").rglob("*.py")]
    assert len(modules) > 100
    found = [name for path in modules if path not in TABLES for name in names_in(path)]
    assert found == []


def test_the_search_for_names_finds_those_of_the_tables():
    assert {text.rpartition(" ")[2] for path in TABLES for text in names_in(path)} == NAMES


def test_the_defaults_are_in_the_tables():
    assert DEFAULT_COMPARISON in COMPARISONS
    assert DEFAULT_DISSIMILARITY in DISSIMILARITIES


def test_labels_are_letters_and_digits_and_differ():
    labels = [entry.label for entry in COMPARISONS.values()]
    assert len(set(labels)) == len(labels)
    assert all(label.isalnum() for label in labels)
    assert all(entry.unit and entry.title for entry in COMPARISONS.values())


@pytest.mark.parametrize("name", COMPARISONS)
def test_every_comparison_computes_from_its_entry(name):
    rng = np.random.default_rng(0)
    models = rng.normal(size=(3, 45))
    fit = Fit(models, 0, COMPARISONS[name].ranked, Options(), None, 45)
    made = COMPARISONS[name].make_terms(fit)
    assert isinstance(made, Terms)
    rdm = rng.normal(size=45)
    np.testing.assert_array_equal(
        compare(rdm, models, name), made.score(CompleteRdms(rdm[None]))[0]
    )


@pytest.mark.parametrize("n_folds", [1, 3])
@pytest.mark.parametrize("name", DISSIMILARITIES)
def test_what_ignores_the_mean_pattern_of_each_fold_is_told(name, n_folds):
    """Centred patterns give the same RDM where the table says so, and only there."""
    known = DISSIMILARITIES[name]
    random = np.random.default_rng(0)
    folds = random.uniform(1, 2, (n_folds, 5, 3)) + random.uniform(1, 2, (n_folds, 1, 3))
    if name in ("hamming", "matching") or not known.degree or (known.needs_folds and n_folds == 1):
        assert not (known.of_differences and known.degree is None)
        return
    centred = folds - folds.mean(axis=1, keepdims=True)
    compute = compute_dsm if n_folds == 1 else compute_dsm_cv
    one, other = (compute(part[0] if n_folds == 1 else part, name) for part in (folds, centred))
    assert np.allclose(one, other, rtol=1e-9) == known.ignores_shared({}, n_folds)
