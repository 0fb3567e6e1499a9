"""Register tiles: sums of products over voxels, for some pairs of conditions at once.

A tile is four conditions by up to twelve: for each voxel, four values are each spread over a vector
register and multiplied with up to three registers of four values that lie side by side in memory.
numba has no vector registers of its own, so that these loops are written down as LLVM code; what is
summed is one line each.

Packed patterns are lines of ``width`` values (the conditions, and zeros up to a multiple of four),
one for each voxel. What the last tiles read beyond a line is not used. Where a neighborhood's
columns become shorter a tile stores what it has, a **snapshot**; `windows` add snapshots up.
"""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils

from bids_rsa.core.engine.vectors import (
    FUSED,
    INDEX,
    LANES,
    Builder,
    Vector,
    code,
    constant,
    lanes_between,
    load_number,
    load_vector,
    pointer_at,
    shifted,
    spread_number,
    store_lanes,
    store_vector,
    variable,
    zeros,
)

N_X = LANES  # conditions of a tile that are spread


def _multiply(builder: Builder, x: Vector, y: Vector) -> Vector:
    """Return x y."""
    return builder.fmul(x, y, flags=FUSED)


def _add(builder: Builder, x: Vector, y: Vector) -> Vector:
    """Return x + y."""
    return builder.fadd(x, y, flags=FUSED)


Terms = Callable[[Builder, Any, Any, list[Vector]], list[Vector]]


def _pairs(term: Callable[[Builder, Vector, Vector], Vector]) -> Terms:
    """One term for each pair of spread values and vectors."""

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

    It sums terms over voxels, for conditions i to i + N_X - 1 and the LANES n_y from j on;
    group g of voxels has the lines from ``lines[at + g]`` to ``lines[at + g + 1]``. The sums after
    group g go to ``ring[target + g * step]`` and on, vector by vector, i by i.
    Cost: N_X + n_y loads and N_X n_y terms a voxel.
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
# sums and sums of squares of two vectors of conditions
moments = _tile(2, 4, _powers)


def _window_sums(builder: Builder, n: int, ring: Any, sources: Any, count: Any, at: Any) -> Any:
    """Add n vectors up over the snapshots of a window."""
    sums = [variable(builder, zeros()) for _ in range(n)]
    with cgutils.for_range(builder, count) as loop:
        start = builder.add(load_number(builder, sources, loop.index, INDEX), at)
        places = [shifted(builder, start, k * LANES) for k in range(n)]
        _add_all(builder, sums, [load_vector(builder, ring, place) for place in places])
    return [builder.load(total) for total in sums]


def _row_start(builder: Builder, rows: Any, a: int) -> Any:
    """Return ``base + a stride - bend a (a + 3) / 2`` of rows (base, stride, bend)."""
    base, stride, bend = (builder.extract_value(rows, k) for k in range(3))
    straight = builder.add(base, builder.mul(stride, constant(a)))
    return builder.sub(straight, builder.mul(bend, constant(a * (a + 3) // 2)))


def _store_rows(builder: Builder, cells: list[Vector], n_y: int, out: Any, rows: Any) -> None:
    """Store the rows of cells."""
    for k, value in enumerate(cells):
        start = _row_start(builder, rows, k // n_y)
        store_vector(builder, value, out, shifted(builder, start, k % n_y * value.type.count))


def _store_upper(
    builder: Builder, cells: list[Vector], n_y: int, out: Any, rows: Any, place: list[Any]
) -> None:
    """Store the cells whose column is above their row and below n; place is (i, j, n)."""
    i, j, n = place
    for k, value in enumerate(cells):
        row, column = shifted(builder, i, k // n_y), shifted(builder, j, k % n_y * LANES)
        first = builder.sub(shifted(builder, row, 1), column)
        mask = lanes_between(builder, first, builder.sub(n, column))
        start = _row_start(builder, rows, k // n_y)
        store_lanes(builder, value, mask, out, shifted(builder, start, k % n_y * LANES))


def _window(n_y: int) -> Any:
    """Make ``window(ring, sources, count, at, out, rows)``.

    It sums the snapshots of a tile over a window: snapshot k stands at ``ring[sources[k] + at]``.
    Row a of the tile goes to ``out[base + a stride - bend a (a + 3) / 2]`` and on, where rows are
    (base, stride, bend); bend is 1 in a condensed RDM, whose rows become shorter.
    Cost: one load and one addition for each vector and snapshot.
    """

    @code
    def window(
        typing_context: Any, ring: Any, sources: Any, count: Any, at: Any, out: Any, rows: Any
    ) -> Any:
        signature = types.void(ring, sources, types.int64, types.int64, out, rows)

        def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
            sums = _window_sums(builder, N_X * n_y, *args[:4])
            _store_rows(builder, sums, n_y, *args[4:])
            return context.get_dummy_value()

        return signature, codegen

    return window


windows = tuple(_window(n_y) for n_y in (1, 2))
