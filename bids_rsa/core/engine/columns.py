"""Words of 32 bits in a table, of which each column is sorted: as many at once as lanes.

A row of the table is a vector of words, one of each column. A sorting network compares whole rows,
so that all columns are sorted by the same steps, without a branch, and nothing moves across lanes.
"""

from itertools import pairwise
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from bids_rsa.core.engine.vectors import (
    DOUBLE,
    WIDE,
    Builder,
    code,
    constant,
    pointer_at,
    shifted,
    spread_number,
    variable,
)

COLUMNS = 2 * WIDE  # words in a register
_WORD = ir.IntType(32)
_ROW = ir.VectorType(_WORD, COLUMNS)
_LAST = 0xFFFFFFFF  # sorts behind every word


def sorting_network(n: int) -> list[tuple[int, int]]:
    """Return pairs of places to be put into order, one pair after the other.

    Batcher's merge exchange: Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M.
    """
    pairs, top = [], 1 << max(n - 1, 0).bit_length() >> 1
    p = top
    while p:
        q, r, distance = top, 0, p
        while distance:
            pairs += [(i, i + distance) for i in range(n - distance) if i & p == r]
            distance, q, r = q - p, q >> 1, p
        p >>= 1
    return pairs


def _row_pointer(builder: Builder, data: Any, at: Any, row: int) -> Any:
    """Return the pointer to a row."""
    place = pointer_at(builder, data, shifted(builder, at, row * COLUMNS), _WORD)
    return builder.bitcast(place, _ROW.as_pointer())


def _load_row(builder: Builder, data: Any, at: Any, row: int = 0) -> Any:
    """Load a row of words."""
    return builder.load(_row_pointer(builder, data, at, row), align=4, typ=_ROW)


def _constant_row(value: int) -> Any:
    """Return a row of one word."""
    return ir.Constant(_ROW, [value] * COLUMNS)


def _load_valid(builder: Builder, args: list[Any], n_rows: int) -> list[Any]:
    """Load the rows of a table less the columns' bases; what lies below a column comes last."""
    table, at, counts, bases, first = args
    lengths, starts = _load_row(builder, counts, first), _load_row(builder, bases, first)
    rows = []
    for row in range(n_rows):
        valid = builder.icmp_unsigned(">", lengths, _constant_row(row))
        word = builder.sub(_load_row(builder, table, at, row), starts)
        rows.append(builder.select(valid, word, _constant_row(_LAST)))
    return rows


def _sort_rows(builder: Builder, rows: list[Any]) -> None:
    """Sort each column."""
    for low, high in sorting_network(len(rows)):
        less = builder.icmp_unsigned("<", rows[low], rows[high])
        smaller = builder.select(less, rows[low], rows[high])
        rows[high] = builder.select(less, rows[high], rows[low])
        rows[low] = smaller


def _any_closer(builder: Builder, rows: list[Any], gap: Any) -> Any:
    """Tell for each column whether words differ from the one before by less than the gap.

    Words differ by one at least; the last ones, below a column, are equal.
    """
    closest = _constant_row(_LAST)
    for low, high in pairwise(rows):
        between = builder.add(high, builder.not_(low))  # one less than the difference
        less = builder.icmp_unsigned("<", between, closest)
        closest = builder.select(less, between, closest)
    return builder.icmp_unsigned("<", closest, builder.sub(gap, _constant_row(1)))


def _sort_columns(n_rows: int) -> Any:
    """Make ``sort(table, at, counts, bases, first, gap, edge)``: sort the columns of a table.

    Its n_rows rows begin at ``table[at]``. Its columns have ``counts[first]`` words and so on, at
    most n_rows, from which ``bases[first]`` and so on are subtracted beforehand. It returns a bit
    for each column that has words which differ by less than ``gap``, or one below ``edge``.
    Cost: two operations for each pair of the network, eight for each row.
    """

    @code
    def sort(
        typing_context: Any, table: Any, at: Any, counts: Any, bases: Any, first: Any, gap: Any,
        edge: Any,
    ) -> Any:  # fmt: skip
        index, word = types.int64, types.uint32
        signature = types.int64(table, index, counts, bases, index, word, word)

        def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
            table, at, counts, bases, first, gap, edge = args
            rows = _load_valid(builder, [table, at, counts, bases, first], n_rows)
            _sort_rows(builder, rows)
            for row, words in enumerate(rows):
                builder.store(words, _row_pointer(builder, table, at, row), align=4)
            near = _any_closer(builder, rows, spread_number(builder, gap, COLUMNS))
            low = builder.icmp_unsigned("<", rows[0], spread_number(builder, edge, COLUMNS))
            flags = builder.bitcast(builder.or_(near, low), ir.IntType(COLUMNS))
            return builder.zext(flags, ir.IntType(64))

        return signature, codegen

    return sort


sort_20, sort_24, sort_28, sort_32, sort_48 = (_sort_columns(n) for n in (20, 24, 28, 32, 48))


@code
def most_words(typing_context: Any, counts: Any, first: Any) -> Any:
    """``most_words(counts, first)``: words of the longest column."""
    signature = types.int64(counts, types.int64)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        row = _load_row(builder, *args)
        kind = ir.FunctionType(_WORD, [_ROW])
        name = f"llvm.vector.reduce.umax.v{COLUMNS}i32"
        reduce = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
        return builder.zext(builder.call(reduce, [row]), ir.IntType(64))

    return signature, codegen


@code
def scatter_ranks(
    typing_context: Any, table: Any, at: Any, counts: Any, starts: Any, first: Any, n_rows: Any,
    mask: Any, center: Any, ranks: Any,
) -> Any:  # fmt: skip
    """``scatter_ranks(table, at, counts, starts, first, n_rows, mask, center, ranks)``.

    Each word's rank, ``starts[first]`` and so on plus its row minus the centre, is stored at
    ``ranks`` in the place that the lowest bits of the word name.
    Cost: one store a word.
    """
    index, word, real = types.int64, types.uint32, types.float32
    signature = types.void(table, index, counts, starts, index, index, word, real, ranks)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        table, at, counts, starts, first, n_rows, mask, center, ranks = args
        single = ir.VectorType(ir.FloatType(), COLUMNS)
        lengths = _load_row(builder, counts, first)
        begin = builder.uitofp(_load_row(builder, starts, first), single)
        place = variable(builder, builder.fsub(begin, spread_number(builder, center, COLUMNS)))
        numbers = spread_number(builder, mask, COLUMNS)
        with cgutils.for_range_slice(builder, constant(0), n_rows, constant(1)) as (row, _):
            here = spread_number(builder, builder.trunc(row, _WORD), COLUMNS)
            valid = builder.icmp_unsigned(">", lengths, here)
            words = _load_row(builder, table, builder.add(at, builder.mul(row, constant(COLUMNS))))
            cells = builder.and_(words, numbers)
            rank = builder.load(place)
            _store_each(builder, rank, valid, ranks, cells)
            builder.store(builder.fadd(rank, ir.Constant(single, [1.0] * COLUMNS)), place)
        return context.get_dummy_value()

    return signature, codegen


@code
def weigh_ranks(
    typing_context: Any, table: Any, at: Any, counts: Any, starts: Any, first: Any, n_rows: Any,
    mask: Any, twice_center: Any, weights: Any, m: Any,
) -> Any:  # fmt: skip
    """``weigh_ranks(table, at, counts, starts, first, n_rows, mask, twice_center, weights, m)``.

    Twice each word's rank, which is ``starts[first]`` and so on plus its row minus the centre,
    times the whole number at ``weights[m]`` and on that the lowest bits of the word name.
    Returns the sum, which is exact up to 2^53; weights of a column add up to less than 2^26.
    Cost: one load and two additions a word.
    """
    index, word = types.int64, types.uint32
    signature = types.float64(
        table, index, counts, starts, index, index, word, word, weights, index
    )

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        table, at, counts, starts, first, n_rows, mask, twice_center, weights, m = args
        lengths, numbers = _load_row(builder, counts, first), spread_number(builder, mask, COLUMNS)
        weights = pointer_at(builder, weights, m, _WORD)
        total, below = (variable(builder, _constant_row(0)) for _ in range(2))
        place = variable(builder, builder.sub(n_rows, constant(1)))
        # from the last row up: a weight enters the sum of sums once for each row above its own
        with cgutils.for_range_slice(builder, constant(0), n_rows, constant(1)) as (_, _):
            row = builder.load(place)
            builder.store(builder.add(builder.load(below), builder.load(total)), below)
            here = spread_number(builder, builder.trunc(row, _WORD), COLUMNS)
            valid = builder.icmp_unsigned(">", lengths, here)
            words = _load_row(builder, table, builder.add(at, builder.mul(row, constant(COLUMNS))))
            weight = _load_each(builder, valid, weights, builder.and_(words, numbers))
            builder.store(builder.add(builder.load(total), weight), total)
            builder.store(builder.sub(row, constant(1)), place)
        begin = builder.mul(_load_row(builder, starts, first), _constant_row(2))
        rank = builder.sub(begin, spread_number(builder, twice_center, COLUMNS))
        reals = ir.VectorType(DOUBLE, COLUMNS)
        rank, sums, sums_below = (
            builder.sitofp(value, reals)
            for value in (rank, builder.load(total), builder.load(below))
        )
        twice = builder.fadd(sums_below, sums_below)
        return _sum_lanes(builder, builder.fadd(builder.fmul(rank, sums), twice))

    return signature, codegen


def _load_each(builder: Builder, mask: Any, data: Any, places: Any) -> Any:
    """Load some lanes, each from its own place; the others are 0."""
    pointers = builder.gep(data, [places], source_etype=_WORD)
    pointers.type = ir.VectorType(data.type, COLUMNS)  # which llvmlite does not derive
    kind = ir.FunctionType(_ROW, [pointers.type, _WORD, mask.type, _ROW])
    name = f"llvm.masked.gather.v{COLUMNS}i32.v{COLUMNS}p0"
    load = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
    return builder.call(load, [pointers, ir.Constant(_WORD, 4), mask, _constant_row(0)])


def _sum_lanes(builder: Builder, values: Any) -> Any:
    """Return the sum of a row of whole numbers, in doubles."""
    kind = ir.FunctionType(DOUBLE, [DOUBLE, values.type])
    name = f"llvm.vector.reduce.fadd.v{COLUMNS}f64"
    reduce = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
    return builder.call(reduce, [ir.Constant(DOUBLE, 0.0), values], fastmath=("reassoc",))


def _store_each(builder: Builder, values: Any, mask: Any, data: Any, places: Any) -> None:
    """Store some lanes, each in its own place."""
    single = ir.FloatType()
    pointers = builder.gep(data, [places], source_etype=single)
    pointers.type = ir.VectorType(data.type, COLUMNS)  # which llvmlite does not derive
    kind = ir.FunctionType(ir.VoidType(), [values.type, pointers.type, _WORD, mask.type])
    name = f"llvm.masked.scatter.v{COLUMNS}f32.v{COLUMNS}p0"
    store = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
    builder.call(store, [values, pointers, ir.Constant(_WORD, 4), mask])
