"""Average ranks of RDMs whose cells are spread, near-ties included, in compiled code.

The cells are put into columns (`spreading`), which are sorted many at a time. Cells whose words are
near each other, few in most RDMs, are then put right by their float64 values: order and ties are
those of the values, exactly. Ranks are stored, or their inner products with the ranks of a few
models are added up in the order of the columns: sums of whole numbers, which are exact in any
order. RDMs that are not spread, as with many equal cells or a few huge ones,
are left to `ranking`. Which these are, and the columns, depends on the RDMs before; ranks do not.
"""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.ranked import Ranked, take_ranks, tie_rank
from bids_rsa.core.comparison.ranking import NEAR_TIE, UNIT
from bids_rsa.core.comparison.spreading import (
    STRIDE,
    KeyScale,
    SpreadRoom,
    Work,
    choose_columns,
    distribute,
    find_scale,
    make_spread_room,
    point_to_work,
)
from bids_rsa.core.engine.columns import (
    COLUMNS,
    most_words,
    sort_20,
    sort_24,
    sort_28,
    sort_32,
    sort_48,
)
from bids_rsa.core.engine.jit import kernel, kernel_part
from bids_rsa.core.engine.sorting import sort_by_value
from bids_rsa.core.engine.vectors import pointer_to, prefetch, put

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int64]
Weights = NDArray[np.int32]

MOST_CELLS = 2**17
# rows that are worth new room, unless they are a thread's first or as long as the last
_FEWEST_ROWS = 4
# time lost in choosing columns, in rows: for one bin a cell, in vain, and at most before a choice
_CHOICE, _FAILURE, _MOST_LOST = 8.0, 320.0, 64.0
_rooms = threading.local()
_NO_RANKS, _NO_WEIGHTS = np.empty((1, 0), np.float32), np.empty((0, 0), np.int32)


@kernel_part
def _sort_table(work: Work, first: int, gap: np.uint32, edge: np.uint32) -> int:
    """Sort the columns of one table; return a bit for each that has near words."""
    tables, counts, bases = work.tables, work.counts, work.bases
    at = first // COLUMNS * STRIDE
    most = most_words(counts, first)
    flags: int
    if most <= 20:
        flags = sort_20(tables, at, counts, bases, first, gap, edge)
    elif most <= 24:
        flags = sort_24(tables, at, counts, bases, first, gap, edge)
    elif most <= 28:
        flags = sort_28(tables, at, counts, bases, first, gap, edge)
    elif most <= 32:
        flags = sort_32(tables, at, counts, bases, first, gap, edge)
    else:
        flags = sort_48(tables, at, counts, bases, first, gap, edge)
    return flags


@kernel_part
def _last_before(work: Work, column: int) -> int:
    """Return the place of the last word in the columns before; -1: none."""
    k = column - 1
    while k >= 0 and work.counts[k] == 0:
        k -= 1
    if k < 0:
        return -1
    return int(np.int64(work.firsts[k]) + (np.int64(work.counts[k]) - 1) * COLUMNS)


@kernel_part
def _note_near(work: Work, column: int, n_near: int, gap: np.uint32, edge: np.uint32) -> int:
    """Note the words of a column that are near the one before; return how many there are now."""
    position = np.int64(work.starts[column])
    before, at = _last_before(work, column), int(np.int64(work.firsts[column]))
    for k in range(np.int64(work.counts[column])):
        word = work.tables[at]
        near = word < edge if k == 0 else word - work.tables[before] < gap
        if near and before >= 0:
            put(work.positions, n_near, np.uint32(position + k))
            put(work.at, n_near, np.uint32(at))
            put(work.before, n_near, np.uint32(before))
            n_near += 1
        before = at
        at += COLUMNS
    return n_near


@kernel_part
def _sort_words(scale: KeyScale, work: Work, following: Any) -> int:
    """Sort the words; note those that are near each other, and return how many. O(n)."""
    # keys are exact to 1e-7; the whole part of a gap of g keys is at most one more than g's
    reach = np.uint32(scale.gap * scale.factor + 1e-6) + np.uint32(1)
    bits = np.uint32(work.bits)
    gap, edge = (reach + np.uint32(1)) << bits, reach << bits
    n_near = 0
    share = -(-work.n * COLUMNS // work.n_columns)  # cells of the row that follows, for each table
    for first in range(0, work.n_columns, COLUMNS):
        prefetch(following, first // COLUMNS * share, share)
        flags = _sort_table(work, first, gap, edge)
        column = first
        while flags:
            if flags & 1:
                n_near = _note_near(work, column, n_near, gap, edge)
            flags >>= 1
            column += 1
    return n_near


@kernel_part
def _sort_near(row: Floats, room: SpreadRoom, work: Work, n_near: int) -> None:
    """Put the cells of words that are near each other into the order of their values."""
    tables, positions = work.tables, work.positions
    mask = np.uint32((1 << work.bits) - 1)
    cells, spare = room.near[3], room.near[4]
    i = 0
    while i < n_near:
        start = i
        cells[0] = tables[np.int64(work.before[start])] & mask
        while i < n_near and positions[i] == positions[start] + np.uint32(i - start):
            cells[i - start + 1] = tables[np.int64(work.at[i])] & mask
            i += 1
        n = i - start + 1
        if n > 2:
            sort_by_value(row, cells[:n], spare, -1.0)
        elif row[np.int64(cells[0])] > row[np.int64(cells[1])]:
            cells[0], cells[1] = cells[1], cells[0]
        put(tables, np.int64(work.before[start]), cells[0])
        for k in range(1, n):
            put(tables, np.int64(work.at[start + k - 1]), cells[k])


@kernel_part
def _common_size(row: Floats, work: Work, largest: float) -> float:
    """Size that most cells have at least, which a few huge ones do not change. O(log n)."""
    mask = np.uint32((1 << work.bits) - 1)
    size = min(largest, UNIT)
    for quarters in (1, 2):
        position = (row.size - 1) * quarters // 4
        low, high = 0, work.n_columns
        while high - low > 1:
            middle = (low + high) // 2
            if work.starts[middle] <= position:
                low = middle
            else:
                high = middle
        place = np.int64(work.firsts[low]) + (position - np.int64(work.starts[low])) * COLUMNS
        size = max(size, abs(row[np.int64(work.tables[place] & mask)]))
    return size


@kernel_part
def _rank_ties(row: Floats, work: Work, n_near: int, largest: float, ranked: Ranked) -> float:
    """Give tied cells their mean rank; return the sum of t^3 - t over ties of t cells. O(near)."""
    tables, positions = work.tables, work.positions
    mask = np.uint32((1 << work.bits) - 1)
    size = _common_size(row, work, largest)
    center, tied = 0.5 * (row.size - 1), 0.0
    i = 0
    while i < n_near:
        start, place = np.int64(positions[i]) - 1, np.int64(work.before[i])
        following = True
        while following:  # the word at a place, and those after it that tie
            first, end = i, start + 1
            low = row[np.int64(tables[place] & mask)]
            while i < n_near and positions[i] == end:
                high = row[np.int64(tables[np.int64(work.at[i])] & mask)]
                if high - low > NEAR_TIE * max(size, abs(low), abs(high)):
                    break
                low = high
                end += 1
                i += 1
            rank = 0.5 * (start + end - 1.0) - center
            for k in range(first - 1, i):
                word = tables[place] if k < first else tables[np.int64(work.at[k])]
                untied = np.float64(start + k - first + 1) - center
                tie_rank(ranked, np.int64(word & mask), rank, untied)
            length = np.float64(end - start)
            tied += length * (length * length - 1.0)
            following = i < n_near and positions[i] == end
            if following:
                start, place = end, np.int64(work.at[i])
                i += 1
    return tied


@kernel
def _rank_spread_rows(
    rows: Floats, ranks: Singles, squares: Floats, weights: Weights, products: Floats,
    room: SpreadRoom, left: Integers,
) -> int:  # fmt: skip
    """Rank rows; note the rows that are left, and return how many. O(n)."""
    n, n_models = rows.shape[1], weights.shape[0]
    n_left = 0
    work = point_to_work(n, room)
    for r in range(rows.shape[0]):
        row, values = rows[r], pointer_to(rows[r])
        out = pointer_to(ranks[r if n_models == 0 else 0])
        ranked = Ranked(out, pointer_to(weights), pointer_to(products[r]), n_models, n)
        lost = max(room.form[3] - 1.0, 0.0)
        scale, done = KeyScale(0.0, 0.0, 0.0, 0.0), False
        if work.n_columns > 0 or lost < _MOST_LOST:
            scale = find_scale(row, room.form)
        if scale.factor > 0.0:
            done = work.n_columns > 0 and distribute(values, scale, work)
            if not done and lost < _MOST_LOST:
                room.form[1] = 0.0
                scale = find_scale(row, room.form)
                choose_columns(row, scale, room)
                work = point_to_work(n, room)
                done = work.n_columns > 0 and distribute(values, scale, work)
                lost += _CHOICE * room.form[5] / n if done else _FAILURE
            if not done:
                room.form[2] = 0.0
                work = point_to_work(n, room)
        room.form[3] = lost
        if done:
            following = pointer_to(rows[min(r + 1, rows.shape[0] - 1)])
            products[r] = 0.0
            n_near = _sort_words(scale, work, following)
            _sort_near(row, room, work, n_near)
            take_ranks(work, ranked)
            tied = _rank_ties(row, work, n_near, scale.largest, ranked) if n_near else 0.0
            squares[r] = (np.float64(n) * (np.float64(n) * n - 1.0) - tied) / 12.0
        else:
            left[n_left] = r
            n_left += 1
    return n_left


def rank_spread(rows: Floats, ranks: Singles, squares: Floats) -> Integers:
    """Rank rows whose cells are spread; return the numbers of those that are left. O(n), mostly.

    Fills ``ranks`` (n_rows, n_cells) with centred average ranks, multiples of one half, and
    ``squares`` (n_rows,) with their sums of squares.
    """
    return _rank_spread(rows, ranks, squares, _NO_WEIGHTS, np.empty((len(rows), 0)))


def multiply_spread_ranks(
    rows: Floats, weights: Weights, products: Floats, squares: Floats
) -> Integers:
    """Multiply the ranks of rows whose cells are spread by those of models; else as `rank_spread`.

    Fills ``products`` (n_rows, n_models) with the inner products of ``weights`` (n_models,
    n_cells), which are twice the centred ranks of models, and twice the centred ranks of the rows.
    """
    return _rank_spread(rows, _NO_RANKS, squares, weights, products)


def _rank_spread(
    rows: Floats, ranks: Singles, squares: Floats, weights: Weights, products: Floats
) -> Integers:
    """Rank rows in this thread's room; return the numbers of those that are left."""
    left = np.arange(len(rows))
    n_cells = rows.shape[1]
    if not 0 < n_cells <= MOST_CELLS:
        return left
    if getattr(_rooms, "n_cells", 0) != n_cells:
        asked, _rooms.asked = getattr(_rooms, "asked", 0), n_cells
        if len(rows) < _FEWEST_ROWS and asked not in (0, n_cells):
            return left
        _rooms.room, _rooms.n_cells = make_spread_room(n_cells), n_cells
    n_left = _rank_spread_rows(rows, ranks, squares, weights, products, _rooms.room, left)
    return left[:n_left]
