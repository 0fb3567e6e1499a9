"""Register tiles: sums of products over voxels, for some pairs of conditions at once.

A tile is four conditions by up to twelve: for each voxel, four values are each spread over a vector
register and multiplied with up to three registers of four values that lie side by side in memory.
numba has no vector registers of its own, so that these loops are written down as LLVM code; what is
summed is one line each.

Packed patterns are lines of ``width`` values (the conditions, and zeros up to a multiple of four),
one for each voxel. Where a neighborhood's columns become shorter a tile stores what it has, a
**snapshot**; `windows` add snapshots up.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from bids_rsa.core.engine.vectors import (
    DOUBLE,
    FUSED,
    INDEX,
    LANES,
    SINGLE,
    VECTOR,
    Builder,
    Vector,
    code,
    constant,
    load_number,
    load_vector,
    pointer_at,
    shifted,
    spread_number,
    store_vector,
    variable,
    zeros,
)

N_X = 4  # conditions of a tile that are spread


def _multiply(builder: Builder, x: Vector, y: Vector) -> Vector:
    """Return x y."""
    return builder.fmul(x, y, flags=FUSED)


def _add(builder: Builder, x: Vector, y: Vector) -> Vector:
    """Return x + y."""
    return builder.fadd(x, y, flags=FUSED)


def _square(builder: Builder, x: Vector, y: Vector) -> Vector:
    """(x - y)^2."""
    difference = builder.fsub(x, y)
    return _multiply(builder, difference, difference)


Terms = Callable[[Builder, Any, Any, list[Vector]], list[Vector]]


def _pairs(term: Callable[[Builder, Vector, Vector], Vector]) -> Terms:
    """One term for each pair of four spread values and the vectors."""

    def terms(builder: Builder, x: Any, line: Any, ys: list[Vector]) -> list[Vector]:
        places = (shifted(builder, line, a) for a in range(N_X))
        spread = (spread_number(builder, load_number(builder, x, place)) for place in places)
        return [term(builder, value, y) for value in spread for y in ys]

    return terms


def _powers(builder: Builder, _: Any, __: Any, ys: list[Vector]) -> list[Vector]:
    """Return y and y^2 for each vector."""
    return [power for y in ys for power in (y, _multiply(builder, y, y))]


def _tile(n_y: int, n_sums: int, terms: Terms) -> Any:
    """Make the intrinsic ``tile(packed, i, j, width, lines, at, n_groups, ring, target, step)``.

    It sums terms over voxels, for conditions i to i + 3 and the 4 n_y conditions from j on;
    group g of voxels has the lines from ``lines[at + g]`` to ``lines[at + g + 1]``. The sums after
    group g go to ``ring[target + g * step]`` and on, vector by vector, i by i.
    Cost: 4 + n_y loads and 4 n_y terms a voxel.
    """

    @code
    def tile(
        typing_context: Any, packed: Any, i: Any, j: Any, width: Any, lines: Any, at: Any,
        n_groups: Any, ring: Any, target: Any, step: Any,
    ) -> Any:  # fmt: skip
        index = types.int64
        signature = types.void(packed, index, index, index, lines, index, index, ring, index, index)

        def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
            packed, i, j, width, lines, at, n_groups, ring, target, step = args
            x, y = pointer_at(builder, packed, i), pointer_at(builder, packed, j)
            sums = [variable(builder, zeros()) for _ in range(n_sums)]
            with cgutils.for_range(builder, n_groups) as group:
                here = builder.add(at, group.index)
                after = shifted(builder, here, 1)
                first = builder.mul(load_number(builder, lines, here, INDEX), width)
                last = builder.mul(load_number(builder, lines, after, INDEX), width)
                with cgutils.for_range_slice(builder, first, last, width) as (line, _):
                    places = [shifted(builder, line, b * LANES) for b in range(n_y)]
                    ys = [load_vector(builder, y, place) for place in places]
                    _add_all(builder, sums, terms(builder, x, line, ys))
                out = builder.add(target, builder.mul(group.index, step))
                for k, total in enumerate(sums):
                    store_vector(
                        builder, builder.load(total), ring, shifted(builder, out, k * LANES)
                    )
            return context.get_dummy_value()

        return signature, codegen

    return tile


def _add_all(builder: Builder, sums: list[Any], terms: list[Vector]) -> None:
    """Add each term to its sum."""
    for total, term in zip(sums, terms, strict=True):
        builder.store(_add(builder, builder.load(total), term), total)


products = tuple(_tile(n_y, N_X * n_y, _pairs(_multiply)) for n_y in (1, 2, 3))
# a difference takes one register more than a product
squares = tuple(_tile(n_y, N_X * n_y, _pairs(_square)) for n_y in (1, 2))
# sums and sums of squares of eight conditions: the packed width is padded for them
moments = _tile(2, 4, _powers)


def _window_sums(builder: Builder, n: int, ring: Any, sources: Any, count: Any, at: Any) -> Any:
    """Add n vectors up over the snapshots of a window."""
    sums = [variable(builder, zeros()) for _ in range(n)]
    with cgutils.for_range(builder, count) as loop:
        start = builder.add(load_number(builder, sources, loop.index, INDEX), at)
        places = [shifted(builder, start, k * LANES) for k in range(n)]
        _add_all(builder, sums, [load_vector(builder, ring, place) for place in places])
    return [builder.load(total) for total in sums]


def _store_rows(
    builder: Builder, cells: list[Vector], n_y: int, first: Any, first_rows: Any, out: Any,
    rows: Any,
) -> None:  # fmt: skip
    """Store four rows of cells; the first vector of each goes to a place of its own."""
    for a in range(N_X):
        row, first_row = builder.extract_value(rows, a), builder.extract_value(first_rows, a)
        store_vector(builder, cells[a * n_y], first, first_row)
        for b in range(1, n_y):
            store_vector(builder, cells[a * n_y + b], out, shifted(builder, row, b * LANES))


def _window(n_y: int) -> Any:
    """Make ``window(ring, sources, count, at, first, first_rows, out, rows)``.

    It sums the snapshots of a tile over a window: snapshot k stands at ``ring[sources[k] + at]``.
    Row a of the tile goes to ``out[rows[a]]`` and on, but for its first vector, which goes to
    ``first[first_rows[a]]``. Cost: one load and one addition for each vector and snapshot.
    """

    @code
    def window(
        typing_context: Any, ring: Any, sources: Any, count: Any, at: Any, first: Any,
        first_rows: Any, out: Any, rows: Any,
    ) -> Any:  # fmt: skip
        index = types.int64
        signature = types.void(ring, sources, index, index, first, first_rows, out, rows)

        def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
            sums = _window_sums(builder, N_X * n_y, *args[:4])
            _store_rows(builder, sums, n_y, *args[4:])
            return context.get_dummy_value()

        return signature, codegen

    return window


def _correlation_window(n_y: int) -> Any:
    """Make the same, whose sums s become 1 - (s - mean_i mean_j) / (norm_i norm_j).

    Four more arguments: the means, the inverse norms, the place in them of the tile's first row
    and of its first column.
    """

    @code
    def window(
        typing_context: Any, ring: Any, sources: Any, count: Any, at: Any, first: Any,
        first_rows: Any, out: Any, rows: Any, means: Any, inverses: Any, i: Any, j: Any,
    ) -> Any:  # fmt: skip
        index = types.int64
        signature = types.void(
            ring, sources, index, index, first, first_rows, out, rows, means, inverses, index, index
        )

        def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
            sums = _window_sums(builder, N_X * n_y, *args[:4])
            _store_rows(builder, _correlate(builder, sums, n_y, *args[8:]), n_y, *args[4:8])
            return context.get_dummy_value()

        return signature, codegen

    return window


def _correlate(
    builder: Builder, sums: list[Vector], n_y: int, means: Any, inverses: Any, i: Any, j: Any
) -> list[Vector]:
    """Return 1 - (s - mean_i mean_j) / (norm_i norm_j) for each sum of a tile."""
    one, cells = ir.Constant(VECTOR, [1.0] * LANES), []
    for k, total in enumerate(sums):
        left = shifted(builder, i, k // n_y)
        right = shifted(builder, j, k % n_y * LANES)
        mean = spread_number(builder, load_number(builder, means, left))
        norm = spread_number(builder, load_number(builder, inverses, left))
        product = _multiply(builder, mean, load_vector(builder, means, right))
        covariance = builder.fsub(total, product, flags=FUSED)
        scaled = _multiply(
            builder, _multiply(builder, covariance, norm), load_vector(builder, inverses, right)
        )
        cells.append(builder.fsub(one, scaled, flags=FUSED))
    return cells


windows = tuple(_window(n_y) for n_y in (1, 2))
correlation_windows = tuple(_correlation_window(n_y) for n_y in (1, 2, 3))


@code
def pack_line(
    typing_context: Any, patterns: Any, source: Any, n_full: Any, shift: Any, scale: Any,
    packed: Any, target: Any,
) -> Any:  # fmt: skip
    """``pack_line(patterns, source, n_full, shift, scale, packed, target)``: (x - shift) scale.

    Cost: one copy of the first ``n_full`` values (a multiple of four).
    """
    index = types.int64
    signature = types.void(patterns, index, index, shift, scale, packed, index)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        patterns, source, n_full, shift, scale, packed, target = args
        element = SINGLE if signature.args[0].dtype == types.float32 else DOUBLE
        with cgutils.for_range_slice(builder, constant(0), n_full, constant(LANES)) as (k, _):
            value = load_vector(builder, patterns, builder.add(source, k), element)
            moved = builder.fsub(value, load_vector(builder, shift, k))
            scaled = builder.fmul(moved, load_vector(builder, scale, k))
            store_vector(builder, scaled, packed, builder.add(target, k))
        return context.get_dummy_value()

    return signature, codegen


@code
def add_lines(
    typing_context: Any, lines: Any, first: Any, n_lines: Any, width: Any, packed: Any, target: Any
) -> Any:
    """``add_lines(lines, first, n_lines, width, packed, target)``: write the sum of some lines.

    Cost: one load and one addition a value.
    """
    index = types.int64
    signature = types.void(lines, index, index, index, packed, index)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        lines, first, n_lines, width, packed, target = args
        begin = builder.mul(first, width)
        end = builder.add(begin, builder.mul(n_lines, width))
        with cgutils.for_range_slice(builder, constant(0), width, constant(LANES)) as (k, _):
            total = variable(builder, zeros())
            with cgutils.for_range_slice(builder, begin, end, width) as (line, _):
                value = load_vector(builder, lines, builder.add(line, k))
                builder.store(_add(builder, builder.load(total), value), total)
            store_vector(builder, builder.load(total), packed, builder.add(target, k))
        return context.get_dummy_value()

    return signature, codegen
