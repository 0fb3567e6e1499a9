"""Register tiles: sums over the columns of a neighborhood, for some pairs of conditions at once.

A tile works on four neighbouring centres of a grid row in one vector register. It walks over the
columns of the neighborhood, the highest first, and stores its running sums each time the height of
the columns changes: these snapshots are what a sliding window needs. numba has no vector registers
of its own, so that a tile's loop is written down as LLVM code; what is summed is one line each.

The packed patterns are (n_blocks, n_rows, n_columns, 4): block of four grid positions, condition,
column, position. Snapshots are (n_heights, n_sums, n_positions).
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 4
_DOUBLE = ir.DoubleType()
_INDEX = ir.IntType(64)
_VECTOR = ir.VectorType(_DOUBLE, LANES)
# a product and the sum it enters may become one fused operation
_FUSED = ("contract",)

Vector = Any
Builder = Any
Terms = Callable[[Builder, Sequence[Vector], Sequence[Vector]], list[Vector]]


def _constant(value: float) -> Vector:
    """Return a vector of one value."""
    return ir.Constant(_VECTOR, [value] * LANES)


def _product(builder: Builder, x: Vector, y: Vector) -> Vector:
    """Return x y."""
    return builder.fmul(x, y, flags=_FUSED)


def _square(builder: Builder, x: Vector, y: Vector) -> Vector:
    """(x - y)^2."""
    difference = builder.fsub(x, y)
    return builder.fmul(difference, difference, flags=_FUSED)


Term = Callable[[Builder, Vector, Vector], Vector]


def _pairs(term: Term) -> Terms:
    """One term for each pair of an x and a y."""

    def terms(builder: Builder, xs: Any, ys: Any) -> list[Vector]:
        return [term(builder, x, y) for x in xs for y in ys]

    return terms


def _moments(builder: Builder, xs: Any, ys: Any) -> list[Vector]:
    """Return x and x^2 for each x."""
    return [m for x in xs for m in (x, builder.fmul(x, x, flags=_FUSED))]


def _add(builder: Builder, total: Vector, term: Vector) -> Vector:
    """Return the running sum."""
    return builder.fadd(total, term, flags=_FUSED)


def _tile(n_x: int, n_y: int, n_sums: int, terms: Terms) -> Any:
    """Make the intrinsic ``tile(x, i, y, j, block, bounds, snapshots)``.

    It fills ``snapshots[:, :, 4 * block : 4 * block + 4]`` for conditions i, i + 1, ... of x and
    j, j + 1, ... of y; ``bounds`` holds the first column of each height, and the number of columns.
    Cost: one load for each condition and one operation for each term, per column and four centres.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(
        typing_context: Any, x: Any, i: Any, y: Any, j: Any, block: Any, bounds: Any,
        snapshots: Any,
    ) -> Any:  # fmt: skip
        signature = types.void(x, types.int64, y, types.int64, types.int64, bounds, snapshots)

        def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
            arrays = {
                k: context.make_array(signature.args[k])(context, builder, args[k])
                for k in (0, 2, 5, 6)
            }
            xs = _row_pointers(builder, arrays[0], args[4], args[1], n_x)
            ys = _row_pointers(builder, arrays[2], args[4], args[3], n_y)
            _emit_loops(builder, xs, ys, arrays[5], arrays[6], args[4], n_sums, terms)
            return context.get_dummy_value()

        return signature, codegen

    return tile


def _row_pointers(builder: Builder, array: Any, block: Any, first: Any, count: int) -> list[Any]:
    """Pointers to the columns of some conditions in one block."""
    n_rows, n_columns = builder.extract_value(array.shape, 1), builder.extract_value(array.shape, 2)
    pointers = []
    for k in range(count):
        row = builder.add(builder.mul(block, n_rows), builder.add(first, ir.Constant(_INDEX, k)))
        offset = builder.mul(builder.mul(row, n_columns), ir.Constant(_INDEX, LANES))
        pointers.append(builder.gep(array.data, [offset], source_etype=_DOUBLE))
    return pointers


def _vector_at(builder: Builder, pointer: Any, offset: Any) -> Any:
    """Pointer to a vector."""
    return builder.bitcast(
        builder.gep(pointer, [offset], source_etype=_DOUBLE), _VECTOR.as_pointer()
    )


def _load(builder: Builder, pointer: Any, offset: Any) -> Vector:
    """Load a vector that is aligned as doubles are."""
    return builder.load(_vector_at(builder, pointer, offset), typ=_VECTOR, align=8)


def _emit_loops(
    builder: Builder, xs: Any, ys: Any, bounds: Any, snapshots: Any, block: Any, n_sums: int,
    terms: Terms,
) -> None:  # fmt: skip
    """Write the loop over heights, and in it the loop over the columns of one height."""
    zero, one = ir.Constant(_INDEX, 0), ir.Constant(_INDEX, 1)
    n_heights = builder.sub(builder.extract_value(bounds.shape, 0), one)
    entry = builder.block
    heights, columns, body, store, end = (
        builder.append_basic_block(f"tile.{name}")
        for name in ("heights", "columns", "body", "store", "end")
    )
    start = builder.append_basic_block("tile.start")
    builder.branch(heights)

    builder.position_at_end(heights)
    height = builder.phi(_INDEX)
    height.add_incoming(zero, entry)
    before = [builder.phi(_VECTOR) for _ in range(n_sums)]
    for total in before:
        total.add_incoming(_constant(0.0), entry)
    builder.cbranch(builder.icmp_signed("<", height, n_heights), start, end)

    builder.position_at_end(start)
    first = builder.load(builder.gep(bounds.data, [height], source_etype=_INDEX), typ=_INDEX)
    after = builder.add(height, one)
    last = builder.load(builder.gep(bounds.data, [after], source_etype=_INDEX), typ=_INDEX)
    builder.branch(columns)

    builder.position_at_end(columns)
    column = builder.phi(_INDEX)
    column.add_incoming(first, start)
    totals = [builder.phi(_VECTOR) for _ in range(n_sums)]
    for total, value in zip(totals, before, strict=True):
        total.add_incoming(value, start)
    builder.cbranch(builder.icmp_signed("<", column, last), body, store)

    builder.position_at_end(body)
    offset = builder.mul(column, ir.Constant(_INDEX, LANES))
    x = [_load(builder, pointer, offset) for pointer in xs]
    y = [_load(builder, pointer, offset) for pointer in ys]
    new = terms(builder, x, y)
    column.add_incoming(builder.add(column, one), builder.block)
    for total, term in zip(totals, new, strict=True):
        total.add_incoming(_add(builder, total, term), builder.block)
    builder.branch(columns)

    builder.position_at_end(store)
    _emit_stores(builder, totals, snapshots, height, block)
    height.add_incoming(after, store)
    for total, value in zip(before, totals, strict=True):
        total.add_incoming(value, store)
    builder.branch(heights)
    builder.position_at_end(end)


def _emit_stores(builder: Builder, totals: Any, snapshots: Any, height: Any, block: Any) -> None:
    """Store one snapshot of all sums."""
    n_sums, n_positions = (builder.extract_value(snapshots.shape, k) for k in (1, 2))
    row = builder.mul(height, n_sums)
    position = builder.mul(block, ir.Constant(_INDEX, LANES))
    for k, total in enumerate(totals):
        offset = builder.mul(builder.add(row, ir.Constant(_INDEX, k)), n_positions)
        target = _vector_at(builder, snapshots.data, builder.add(offset, position))
        builder.store(total, target, align=8)


def _window_sums(
    typing_context: Any, snapshots: Any, group_at: Any, first: Any, position: Any, sums: Any
) -> Any:
    """Make ``window_sums(snapshots, group_at, first, position, sums)``.

    For four positions and the four sums from ``first`` on, it adds the snapshots up over the
    window. Cost: one load and one addition per sum and position of the window.
    """
    signature = types.void(snapshots, group_at, types.int64, types.int64, sums)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        source, groups, target = (
            context.make_array(signature.args[k])(context, builder, args[k]) for k in (0, 1, 4)
        )
        n_sums, n_positions = (builder.extract_value(source.shape, k) for k in (1, 2))
        zero, one = ir.Constant(_INDEX, 0), ir.Constant(_INDEX, 1)
        window = builder.extract_value(groups.shape, 0)
        entry = builder.block
        body, end = (builder.append_basic_block(f"window.{name}") for name in ("body", "end"))
        builder.branch(body)

        builder.position_at_end(body)
        k = builder.phi(_INDEX)
        k.add_incoming(zero, entry)
        totals = [builder.phi(_VECTOR) for _ in range(LANES)]
        group = builder.load(builder.gep(groups.data, [k], source_etype=_INDEX), typ=_INDEX)
        row = builder.add(builder.mul(group, n_sums), args[2])
        after = builder.add(k, one)
        k.add_incoming(after, body)
        added = []
        for s, total in enumerate(totals):
            start = builder.mul(builder.add(row, ir.Constant(_INDEX, s)), n_positions)
            offset = builder.add(builder.add(start, args[3]), k)
            added.append(_add(builder, total, _load(builder, source.data, offset)))
            total.add_incoming(_constant(0.0), entry)
            total.add_incoming(added[-1], body)
        builder.cbranch(builder.icmp_signed("<", after, window), body, end)

        builder.position_at_end(end)
        n_out = builder.extract_value(target.shape, 1)
        for s, total in enumerate(added):
            row = builder.add(args[2], ir.Constant(_INDEX, s))
            offset = builder.add(builder.mul(row, n_out), args[3])
            builder.store(total, _vector_at(builder, target.data, offset), align=8)
        return context.get_dummy_value()

    return signature, codegen


window_sums: Any = intrinsic(_window_sums)

# tiles of three by four conditions fill the sixteen registers of AVX2
N_X, N_Y, N_MOMENTS = 3, 4, 4
products = _tile(N_X, N_Y, N_X * N_Y, _pairs(_product))
squares = _tile(N_X, N_Y, N_X * N_Y, _pairs(_square))
moments = _tile(N_MOMENTS, 0, 2 * N_MOMENTS, _moments)
