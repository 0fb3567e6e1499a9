import hashlib

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from bids_rsa.discovery.conditions import match_names
from bids_rsa.errors import ContentError, InputError, OptionError
from bids_rsa.models.fits import check_models, condensed
from bids_rsa.models.loading import load_models
from bids_rsa.settings import InputSettings

NAMES = ["face", "house", "cat", "shoe"]


def rdm(seed=0, n=4):
    return squareform(pdist(np.random.default_rng(seed).normal(size=(n, 5))))


def table(path, names, cells, sep="\t", corner="condition", columns=None):
    lines = [sep.join(([corner] if corner is not None else []) + list(columns or names))]
    lines += [
        sep.join([n, *(f"{v:.17g}" for v in row)]) for n, row in zip(names, cells, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def load(*models, **kwargs):
    return load_models(InputSettings("unused", models=models, **kwargs))


@pytest.mark.parametrize(("sep", "suffix"), [("\t", "tsv"), (",", "csv"), (";", "csv")])
@pytest.mark.parametrize("corner", ["condition", "", None])
def test_square_table_is_read_exactly(tmp_path, sep, suffix, corner):
    cells = rdm()
    path = table(tmp_path / f"my_model-1.{suffix}", NAMES, cells, sep, corner)
    (model,) = load(path)
    assert (model.name, model.conditions) == ("mymodel1", tuple(NAMES))
    np.testing.assert_array_equal(np.array(model.cells), cells)
    assert (
        model.sha256 == hashlib.sha256((tmp_path / f"my_model-1.{suffix}").read_bytes()).hexdigest()
    )


def test_tables_as_spreadsheets_save_them_are_read(tmp_path):
    """Semicolons with decimal commas, and UTF-16 with tabs, as of Excel."""
    cells = rdm()
    text = (tmp_path / "m.tsv").read_text() if table(tmp_path / "m.tsv", NAMES, cells) else ""
    (tmp_path / "comma.csv").write_text(text.replace(".", ",").replace("\t", ";"))
    (tmp_path / "unicode.txt").write_text(text, encoding="utf-16")
    for name in ("comma.csv", "unicode.txt"):
        (model,) = load(str(tmp_path / name))
        np.testing.assert_array_equal(np.array(model.cells), cells)
    (tmp_path / "tabs.tsv").write_text(text.replace(".", ","))
    with pytest.raises(ContentError, match=r"(?s)tabs\.tsv: row .*decimals with a point"):
        load(str(tmp_path / "tabs.tsv"))


@pytest.mark.parametrize("half", ["upper", "lower"])
def test_one_half_of_a_table_and_an_empty_diagonal_are_enough(tmp_path, half):
    """As tables are often filled in by hand, with the empty columns that spreadsheets add."""
    cells = rdm()
    filled = np.triu(np.ones((4, 4), bool), 1)
    filled = filled if half == "upper" else filled.T
    lines = [",".join(["", *NAMES, "", ""])]
    for name, row, kept in zip(NAMES, cells, filled, strict=True):
        values = [f"{v:.17g}" if k else "" for v, k in zip(row, kept, strict=True)]
        lines.append(",".join([name, *values, "", ""]))
    (tmp_path / "half.csv").write_text("\n".join(lines) + "\n,,,,,,\n")
    (model,) = load(str(tmp_path / "half.csv"))
    np.testing.assert_array_equal(np.array(model.cells), cells)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("face,house,cat\n0,1,.5\n1,0,.2\n.5,.2,0\n", "names are probably missing"),
        ("x face house\nface 0 1\nhouse 1 0\n", "No tabs, commas or semicolons"),
        (b"PK\x03\x04 and so on", "spreadsheet"),
        ("x;f\xe4ce\nf\xe4ce;0\n".encode("latin-1"), "CSV UTF-8"),
    ],
)
def test_a_table_saved_in_another_way_is_recognised(tmp_path, content, words):
    path = tmp_path / "m.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ContentError, match=words):
        load(str(path))


def test_a_condition_named_twice_is_refused(tmp_path):
    path = table(tmp_path / "m.tsv", NAMES, rdm())
    with pytest.raises(OptionError, match="--conditions names cat twice"):
        load(path, conditions=("cat", "face", "cat", "shoe"))


def test_columns_in_another_order_are_matched_by_name(tmp_path):
    cells = rdm()
    order = [2, 0, 3, 1]
    path = table(tmp_path / "m.tsv", NAMES, cells[:, order], columns=[NAMES[i] for i in order])
    np.testing.assert_array_equal(np.array(load(path)[0].cells), cells)


def test_condensed_follows_names_not_rows(tmp_path):
    cells = rdm()
    order = [3, 1, 0, 2]
    a = table(tmp_path / "a.tsv", NAMES, cells)
    b = table(tmp_path / "b.tsv", [NAMES[i] for i in order], cells[np.ix_(order, order)])
    rows = condensed(load(a, b), ["shoe", "face", "cat"])
    index = [3, 0, 2]
    expected = squareform(cells[np.ix_(index, index)])
    np.testing.assert_array_equal(rows, [expected, expected])


@pytest.mark.parametrize("form", [squareform, np.asarray])
def test_npy_square_and_condensed_take_names_from_conditions(tmp_path, form):
    cells = rdm()
    np.save(tmp_path / "net.npy", form(cells))
    (model,) = load(f"layer4={tmp_path}/net.npy", conditions=tuple(NAMES))
    assert model.name == "layer4"
    np.testing.assert_array_equal(np.array(model.cells), cells)


def test_conditions_select_and_order_the_rows_of_a_table(tmp_path):
    cells = rdm()
    (model,) = load(table(tmp_path / "m.tsv", NAMES, cells), conditions=("cat", "face", "shoe"))
    assert model.conditions == ("cat", "face", "shoe")
    np.testing.assert_array_equal(np.array(model.cells), cells[np.ix_([2, 0, 3], [2, 0, 3])])


def test_missing_cells_are_nan_and_kept(tmp_path):
    path = tmp_path / "m.tsv"
    path.write_text("c\ta\tb\tc\na\t0\tn/a\t1\nb\t\t0\t2\nc\t1\t2\t0\n")
    np.testing.assert_array_equal(condensed(load(str(path)), "abc"), [[np.nan, 1, 2]])


@pytest.mark.parametrize("metric", ["euclidean", "correlation", "cityblock"])
def test_features_become_the_rdm_scipy_computes(tmp_path, metric):
    features = np.random.default_rng(1).normal(size=(4, 3))
    path = tmp_path / "words.tsv"
    lines = ["size\tcondition\tage\tuse"]
    lines += [
        f"{f[0]:.17g}\t{n}\t{f[1]:.17g}\t{f[2]:.17g}" for n, f in zip(NAMES, features, strict=True)
    ]
    path.write_text("\n".join(lines))
    (model,) = load(features=(f"{path}:{metric}",))
    assert model.name == "words"
    np.testing.assert_allclose(condensed([model], NAMES)[0], pdist(features, metric), rtol=1e-14)


GOOD = np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0.0]])


def broken(i, j, value):
    cells = GOOD.copy()
    cells[i, j] = value
    return cells


@pytest.mark.parametrize(
    ("names", "cells", "columns", "words"),
    [
        ("abc", GOOD[:, :2], "ab", ["square", "3 rows", "2 columns"]),
        ("abc", broken(0, 1, 9), None, ["symmetric", "row 1, column 2", "9"]),
        ("abc", broken(1, 1, 0.5), None, ["diagonal", "0.5", "must be 0"]),
        ("aba", GOOD, None, ["duplicate", "a"]),
        ("abc", GOOD, "abd", ["rows a, b, c", "columns a, b, d"]),
        ("abc", broken(0, 1, np.inf), None, ["row 1, column 2", "infinite"]),
        ("abc", 1 - np.eye(3), None, ["constant", "all 3 dissimilarities are 1"]),
        ("a", np.zeros((1, 1)), None, ["at least two conditions", "has 1"]),
    ],
)
def test_content_errors_name_file_and_finding(tmp_path, names, cells, columns, words):
    path = table(tmp_path / "bad.tsv", names, cells, columns=columns)
    with pytest.raises(ContentError) as caught:
        load(path)
    assert caught.value.exit_code == 65
    for word in ["bad.tsv", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["empty"]),
        (b"c\ta\tb\na\t0\tx\nb\t1\t0\n", ["'x'", "row 'a'", "column 'b'"]),
        (b"\x1f\x8b\xff\x00", ["not a text file"]),
        (b'{"conditions": ["a", "b"], "rdm": [[0, 1], [1, 0]]}', ["JSON", "TSV or CSV"]),
        (b"[[0, 1], [1, 0]]\n", ["JSON", "TSV or CSV"]),
        (b"0,.2,.3\n.2,0,.4\n.3,.4,0\n", ["no condition names", "3 rows", "header"]),
    ],
)
def test_unreadable_tables(tmp_path, content, words):
    path = tmp_path / "bad.tsv"
    path.write_bytes(content)
    with pytest.raises(ContentError) as caught:
        load(str(path))
    for word in ["bad.tsv", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("array", "error", "words"),
    [
        (np.zeros((3, 4)), ContentError, ["square", "(3, 4)"]),
        (np.zeros(4), ContentError, ["4 values", "condensed"]),
        (rdm(0, 5), OptionError, ["5 conditions", "--conditions", "names 4"]),
        (np.array(["a"]), ContentError, ["array of numbers"]),
    ],
)
def test_npy_errors(tmp_path, array, error, words):
    np.save(tmp_path / "net.npy", array)
    with pytest.raises(error) as caught:
        load(f"{tmp_path}/net.npy", conditions=tuple(NAMES))
    for word in ["net.npy", *words]:
        assert word in str(caught.value)


def test_a_pickled_npy_is_not_opened(tmp_path):
    np.save(tmp_path / "net.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ContentError, match=r"net\.npy contains a Python object"):
        load(f"{tmp_path}/net.npy", conditions=tuple(NAMES))


def test_numbers_may_be_names(tmp_path):
    path = table(tmp_path / "numbered.tsv", ["1", "2", "3", "4"], rdm())
    assert load(path)[0].conditions == ("1", "2", "3", "4")


def test_one_spelling_of_an_accent(tmp_path):
    composed, decomposed = "H\u00e4user", "Ha\u0308user"
    names, header = [decomposed, *NAMES[1:]], [composed, *NAMES[1:]]
    path = table(tmp_path / "accents.tsv", names, rdm(), columns=header)
    assert load(path)[0].conditions == (composed, *NAMES[1:])
    assert match_names([decomposed], [composed]).names == {decomposed: composed}


@pytest.mark.parametrize("name", ["my-model", "a_b", "a b", "über", ""])
def test_a_name_holds_letters_and_digits_only(tmp_path, name):
    path = table(tmp_path / "m.tsv", NAMES, rdm())
    with pytest.raises(OptionError, match="letters and digits") as caught:
        load(f"{name}={path}")
    assert caught.value.exit_code == 2


def test_equal_names_are_an_error_that_names_both_files(tmp_path):
    a, b = (table(tmp_path / f"{n}.tsv", NAMES, rdm()) for n in ("a_b", "a-b"))
    with pytest.raises(OptionError) as caught:
        load(a, b)
    assert a in str(caught.value) and b in str(caught.value) and "ab" in str(caught.value)


def test_a_name_that_the_outputs_need_is_refused(tmp_path):
    with pytest.raises(OptionError, match="searchlight"):
        load(table(tmp_path / "searchlight.tsv", NAMES, rdm()))


def test_models_share_their_conditions(tmp_path):
    a = table(tmp_path / "a.tsv", NAMES, rdm())
    b = table(tmp_path / "b.tsv", [*NAMES[:3], "dog"], rdm())
    with pytest.raises(ContentError) as caught:
        load(a, b)
    assert f"only in {a}: shoe" in str(caught.value) and f"only in {b}: dog" in str(caught.value)


def test_missing_file_says_what_lies_near(tmp_path):
    table(tmp_path / "animacy.tsv", NAMES, rdm())
    with pytest.raises(InputError) as caught:
        load(f"{tmp_path}/animacie.tsv")
    assert "animacie.tsv" in str(caught.value) and "animacy.tsv" in caught.value.hint


def test_no_model_at_all():
    with pytest.raises(OptionError, match="No model"):
        load()


def test_unknown_condition_is_named(tmp_path):
    with pytest.raises(ContentError) as caught:
        load(table(tmp_path / "m.tsv", NAMES, rdm()), conditions=("face", "tree"))
    assert "tree" in str(caught.value) and "house" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [("f.tsv", ["metric"]), ("f.tsv:euclidian", ["euclidian", "Did you mean euclidean"])],
)
def test_feature_metric_errors(tmp_path, text, words):
    (tmp_path / "f.tsv").write_text("condition\tx\na\t1\nb\t2\nc\t4\n")
    with pytest.raises(OptionError) as caught:
        load(features=(f"{tmp_path}/{text}",))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name\tx\na\t1\n", ["'condition'", "name, x"]),
        ("condition\tx\na\t1\nb\tn/a\nc\t3\n", ["feature x of b"]),
        ("condition\tx\na\t1\na\t2\n", ["duplicate", "a"]),
        ("condition\tx\na\t1\nb\n", ["row for each condition"]),
    ],
)
def test_feature_table_errors(tmp_path, content, words):
    (tmp_path / "f.tsv").write_text(content)
    with pytest.raises(ContentError) as caught:
        load(features=(f"{tmp_path}/f.tsv:euclidean",))
    for word in ["f.tsv", *words]:
        assert word in str(caught.value)


def test_undefined_feature_distance_is_named(tmp_path):
    (tmp_path / "f.tsv").write_text("condition\tx\ty\na\t1\t1\nb\t2\t3\nc\t4\t1\n")
    with pytest.raises(ContentError, match="between a and b"):
        load(features=(f"{tmp_path}/f.tsv:correlation",))


def test_partial_needs_two_models(tmp_path):
    models = load(table(tmp_path / "m.tsv", NAMES, rdm()))
    check_models(models, ("spearman", "regression"))
    for name in ("partial", "partial-spearman"):
        with pytest.raises(OptionError, match="at least 2 models, and only 1"):
            check_models(models, (name,))


@pytest.mark.parametrize("comparison", ["partial", "regression", "partial-spearman"])
def test_dependent_models_are_named_and_independent_ones_are_not(tmp_path, comparison):
    cells = [rdm(s, 5) for s in range(3)]
    names = list("abcde")
    off = 1 - np.eye(5)
    mixed = (
        2 * cells[0] + 0.5 * cells[2] + 7 * off
        if comparison != "partial-spearman"
        else cells[0] ** 3
    )
    paths = [table(tmp_path / f"m{i}.tsv", names, c) for i, c in enumerate([*cells, mixed])]
    models = load(*paths)
    check_models(models[:3], (comparison,))
    check_models(models, ("spearman",))
    with pytest.raises(ContentError) as caught:
        check_models(models, (comparison,))
    expected = "m0, m3" if comparison == "partial-spearman" else "m0, m2, m3"
    assert f"{expected}." in str(caught.value)
