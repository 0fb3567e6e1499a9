"""Ranks of many RDMs of one size, spread or crowded, against the plain reference."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from plain_comparison import near_tie_ranks

from bids_rsa.core.comparison.blocks import CompleteRdms

N_ROWS = 5


def draw(kind, n_cells, seed=0):
    """RDMs (N_ROWS, n_cells) of a kind."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((N_ROWS, n_cells))
    few = rng.integers(0, 9, noise.shape)
    alike = noise.copy()
    alike[:, n_cells // 2 :] = alike[:, : n_cells - n_cells // 2] * (1 + 4e-13 * few[:, 0, None])
    huge = noise.copy()
    huge[:, :2] = 1e200
    return {
        "correlation distances": 1 - 0.1 * noise,
        "skewed": noise**2,
        "heavy tails": rng.standard_cauchy(noise.shape),
        "two scales": np.where(few < 4, 3 + 1e-9 * noise, noise),
        "each its own scale": noise * 10.0 ** few[:, :1] + few[:, 1:2],
        "in order": np.sort(noise, axis=1),
        "in reverse": -np.sort(noise, axis=1),
        "rounded": np.round(noise, 3),
        "few values": few.astype(float),
        "half of them equal": np.where(few < 5, 0.25, noise),
        "near duplicates": alike,
        "near ties everywhere": 1 + 3e-13 * few.cumsum(axis=1),
        "near ties of some cells": noise.round(2) + 3e-13 * few,
        "two huge cells": huge,
        "far from 0": 1e9 + noise,
        "subnormal": 1e-310 * noise,
        "constant": np.full(noise.shape, 0.7),
        "zeros of both signs": np.where(few < 2, -0.0, np.where(few < 4, 0.0, noise)),
        "infinite cells": np.where(few == 0, np.inf, noise),
    }[kind]


KINDS = (
    "correlation distances", "skewed", "heavy tails", "two scales", "each its own scale",
    "in order", "in reverse", "rounded", "few values", "half of them equal", "near duplicates",
    "near ties everywhere", "near ties of some cells", "two huge cells", "far from 0", "subnormal",
    "constant", "zeros of both signs", "infinite cells",
)  # fmt: skip


@pytest.mark.parametrize("n_cells", [3, 28, 276, 4186])
@pytest.mark.parametrize("kind", KINDS)
def test_products_of_ranks_are_exact_whether_ranks_are_stored_or_not(kind, n_cells):
    rows, rng = draw(kind, n_cells), np.random.default_rng(3)
    models = np.array([rng.permutation(n_cells), rng.integers(0, 4, n_cells)])
    weights, twice = (
        np.array([2 * near_tie_ranks(row) - (n_cells + 1) for row in of], dtype=np.int64)
        for of in (models.astype(float), rows)
    )
    stored = CompleteRdms(rows)
    expected = twice @ weights.T, stored.ranks()[1]
    for rdms in (CompleteRdms(rows), stored):
        for found, wanted in zip(
            rdms.rank_products(weights.astype(np.int32)), expected, strict=True
        ):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("n_cells", [3, 28, 276, 4186, 19900])
@pytest.mark.parametrize("kind", KINDS)
def test_ranks_are_those_of_the_values(kind, n_cells):
    rows = draw(kind, n_cells)
    ranks, squares = CompleteRdms(rows).ranks()
    expected = np.array([near_tie_ranks(row) for row in rows]) - (n_cells + 1) / 2
    np.testing.assert_array_equal(ranks, expected)
    np.testing.assert_allclose(squares, (expected**2).sum(axis=1), rtol=1e-12)


def test_ranks_of_half_a_thousand_conditions():
    rows = draw("correlation distances", 500 * 499 // 2)
    rows[:, 1::40] = rows[:, ::40]
    ranks, _ = CompleteRdms(rows).ranks()
    for row, found in zip(rows, ranks, strict=True):
        np.testing.assert_array_equal(found, near_tie_ranks(row) - (len(row) + 1) / 2)


@pytest.mark.parametrize("n_cells", [28, 4186])
def test_ranks_do_not_depend_on_the_rdms_ranked_before(n_cells):
    def rank_in_turn(kinds):
        return {kind: CompleteRdms(draw(kind, n_cells)).ranks()[0].tobytes() for kind in kinds}

    orders = (KINDS, KINDS[::-1], KINDS[7:] + KINDS[:7])
    in_turn = []
    for order in orders:
        with ThreadPoolExecutor(1) as thread:  # which has ranked nothing yet
            in_turn.append(thread.submit(rank_in_turn, order).result())
    assert in_turn[0] == in_turn[1] == in_turn[2]


def test_sorted_rdms_have_the_same_ranks():
    rows = draw("rounded", 4186)
    sorted_first = CompleteRdms(rows)
    sorted_first.sorted()
    np.testing.assert_array_equal(sorted_first.ranks()[0], CompleteRdms(rows).ranks()[0])
