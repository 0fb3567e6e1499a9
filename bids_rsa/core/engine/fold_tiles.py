"""Tiles across folds: lines of training and test patterns, and what their sums become.

A line across folds has, of one fold, the sums of all other folds (the training patterns) and then
the fold's own patterns (the test patterns), each ``width`` long. The products of both are summed by
the same tiles as those of patterns with themselves; see `tiles`.
"""

from typing import Any

from numba import types
from numba.core import cgutils

from bids_rsa.core.engine.tiles import (
    N_X,
    _add,
    _multiply,
    _row_start,
    _store_rows,
    _store_upper,
    _window_sums,
)
from bids_rsa.core.engine.vectors import (
    DOUBLE,
    FUSED,
    LANES,
    SINGLE,
    Builder,
    Vector,
    code,
    constant,
    lanes_between,
    load_lanes,
    load_number,
    load_vector,
    shifted,
    spread_number,
    store_vector,
    variable,
    zeros,
)


@code
def pack_fold(
    typing_context: Any, patterns: Any, source: Any, n_full: Any, shift: Any, shift_at: Any,
    scale: Any, packed: Any, target: Any,
) -> Any:  # fmt: skip
    """``pack_fold(patterns, source, n_full, shift, shift_at, scale, packed, target)``.

    Writes (x - shift) scale for the first ``n_full`` values (whole vectors); shifts start at
    ``shift_at``. Cost: one copy.
    """
    index = types.int64
    signature = types.void(patterns, index, index, shift, index, scale, packed, index)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        patterns, source, n_full, shift, shift_at, scale, packed, target = args
        element = SINGLE if signature.args[0].dtype == types.float32 else DOUBLE
        with cgutils.for_range_slice(builder, constant(0), n_full, constant(LANES)) as (k, _):
            value = load_vector(builder, patterns, builder.add(source, k), element)
            moved = builder.fsub(value, load_vector(builder, shift, builder.add(shift_at, k)))
            scaled = builder.fmul(moved, load_vector(builder, scale, k))
            store_vector(builder, scaled, packed, builder.add(target, k))
        return context.get_dummy_value()

    return signature, codegen


@code
def add_other_folds(
    typing_context: Any, packed: Any, target: Any, step: Any, n_folds: Any, width: Any
) -> Any:
    """``add_other_folds(packed, target, step, n_folds, width)``: write the training patterns.

    Line f of a voxel starts at ``target + f step``; its fold enters no sum. Cost: three loads and
    two additions a value.
    """
    index = types.int64
    signature = types.void(packed, index, index, index, index)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        packed, target, step, n_folds, width = args
        last = builder.add(target, builder.mul(step, builder.sub(n_folds, constant(1))))
        with cgutils.for_range_slice(builder, constant(0), width, constant(LANES)) as (k, _):
            after, before = variable(builder, zeros()), variable(builder, zeros())
            with cgutils.for_range(builder, n_folds) as fold:
                line = builder.sub(builder.add(last, k), builder.mul(fold.index, step))
                store_vector(builder, builder.load(after), packed, line)
                value = load_vector(builder, packed, builder.add(line, width))
                builder.store(_add(builder, builder.load(after), value), after)
            with cgutils.for_range(builder, n_folds) as fold:
                line = builder.add(builder.add(target, k), builder.mul(fold.index, step))
                total = _add(builder, load_vector(builder, packed, line), builder.load(before))
                store_vector(builder, total, packed, line)
                value = load_vector(builder, packed, builder.add(line, width))
                builder.store(_add(builder, builder.load(before), value), before)
        return context.get_dummy_value()

    return signature, codegen


def _fold_window(n_y: int, edge: bool) -> Any:
    """Make the window of a tile whose sums s add (s - mean_i mean_j) / (norm_i norm_j) to cells.

    What is added is subtracted from what stands in the RDM. Arguments after the rows: means and
    inverse norms, where those of the tile's rows and of its columns begin, and i, j and n.
    """

    @code
    def window(
        typing_context: Any, ring: Any, sources: Any, count: Any, at: Any, out: Any, rows: Any,
        means: Any, inverses: Any, left: Any, right: Any, i: Any, j: Any, n: Any,
    ) -> Any:  # fmt: skip
        index = types.int64
        signature = types.void(
            ring, sources, index, index, out, rows, means, inverses, *[index] * 5
        )

        def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
            out, rows, means, inverses, left, right, i, j, n = args[4:]
            sums = _window_sums(builder, N_X * n_y, *args[:4])
            cells = []
            for k, total in enumerate(sums):
                row = shifted(builder, left, k // n_y)
                column = shifted(builder, right, k % n_y * LANES)
                mean = spread_number(builder, load_number(builder, means, row))
                norm = spread_number(builder, load_number(builder, inverses, row))
                product = _multiply(builder, mean, load_vector(builder, means, column))
                covariance = builder.fsub(total, product, flags=FUSED)
                scale = _multiply(builder, norm, load_vector(builder, inverses, column))
                old = _old_cells(builder, k, n_y, out, rows, [i, j, n] if edge else None)
                cells.append(builder.fsub(old, _multiply(builder, covariance, scale), flags=FUSED))
            if edge:
                _store_upper(builder, cells, n_y, out, rows, [i, j, n])
            else:
                _store_rows(builder, cells, n_y, out, rows)
            return context.get_dummy_value()

        return signature, codegen

    return window


def _old_cells(
    builder: Builder, k: int, n_y: int, out: Any, rows: Any, place: list[Any] | None
) -> Vector:
    """Load vector k of a tile's cells; at the edge of the upper triangle, those that it has."""
    start = shifted(builder, _row_start(builder, rows, k // n_y), k % n_y * LANES)
    if place is None:
        return load_vector(builder, out, start)
    i, j, n = place
    row, column = shifted(builder, i, k // n_y), shifted(builder, j, k % n_y * LANES)
    first = builder.sub(shifted(builder, row, 1), column)
    mask = lanes_between(builder, first, builder.sub(n, column))
    return load_lanes(builder, mask, out, start)


fold_windows = tuple(_fold_window(n_y, edge=False) for n_y in (1, 2, 3))
edge_fold_windows = tuple(_fold_window(n_y, edge=True) for n_y in (1, 2, 3))
