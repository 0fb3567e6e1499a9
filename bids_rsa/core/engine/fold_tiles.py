"""Vector code across folds: training and test patterns in slabs, and what their sums become.

Of each fold there are slabs of the sums of all other folds (the training patterns) and slabs of the
fold's own values (the test patterns). The products of both are summed by the same tiles as those of
patterns with themselves; see `push_tiles`.
"""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core import cgutils

from bids_rsa.core.engine.push_cells import _load_sums
from bids_rsa.core.engine.push_tiles import MOMENT_SLABS, Terms, _pushing_tile
from bids_rsa.core.engine.tiles import _add, _multiply
from bids_rsa.core.engine.vectors import (
    DOUBLE,
    FUSED,
    SINGLE,
    WIDE,
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
def pack_folds(
    typing_context: Any, patterns: Any, source: Any, shape: Any, shift: Any, scale: Any,
    root: Any, packed: Any, target: Any, slab: Any,
) -> Any:  # fmt: skip
    """``pack_folds(patterns, source, shape, shift, scale, root, packed, target, slab)``.

    Writes (x - shift) scale root for the values of a voxel, whose shape is (folds, conditions), and
    zeros up to the end of the last slab, where scales are 0; and for each fold the sums of all
    others, which it does not enter. Fold f's slabs stand at ``target + 2 f n slab``, n slabs of
    sums before n of its own. Cost: one copy, and two additions a value.
    """
    index = types.int64
    signature = types.void(
        patterns, index, shape, shift, scale, types.float64, packed, index, index
    )

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        patterns, source, shape, shift, scale, root, packed, target, slab = args
        n_folds, n = (builder.extract_value(shape, k) for k in range(2))
        element = SINGLE if signature.args[0].dtype == types.float32 else DOUBLE
        n_padded = builder.and_(shifted(builder, n, WIDE - 1), constant(-WIDE))
        to_tests = builder.mul(builder.udiv(n_padded, constant(WIDE)), slab)
        weight = spread_number(builder, root, WIDE)
        n_full = builder.and_(n, constant(-WIDE))

        def write(k: Any, load: Callable[[Any], Vector]) -> None:
            factor = builder.fmul(load_vector(builder, scale, k, lanes=WIDE), weight)

            def read(fold: Any) -> Vector:
                value = load(builder.add(builder.add(source, builder.mul(fold, n)), k))
                at = builder.add(builder.mul(fold, n_padded), k)
                moved = builder.fsub(value, load_vector(builder, shift, at, lanes=WIDE))
                return builder.fmul(moved, factor)

            first = builder.add(target, builder.mul(builder.udiv(k, constant(WIDE)), slab))
            _write_slab(builder, read, packed, first, to_tests, n_folds)

        with cgutils.for_range_slice(builder, constant(0), n_full, constant(WIDE)) as (k, _):
            write(k, lambda at: load_vector(builder, patterns, at, element, WIDE))
        with builder.if_then(builder.icmp_signed("<", n_full, n)):
            mask = lanes_between(builder, constant(0), builder.sub(n, n_full), WIDE)
            write(n_full, lambda at: load_lanes(builder, mask, patterns, at, element, WIDE))
        return context.get_dummy_value()

    return signature, codegen


def _write_slab(
    builder: Builder, read: Callable[[Any], Vector], packed: Any, first: Any, to_tests: Any,
    n_folds: Any,
) -> None:  # fmt: skip
    """Write the lines of all folds in a slab: those of the folds after each, then those before."""
    step, last = builder.add(to_tests, to_tests), builder.sub(n_folds, constant(1))
    after, before = variable(builder, zeros(WIDE)), variable(builder, zeros(WIDE))
    with cgutils.for_range(builder, n_folds) as turn:
        fold = builder.sub(last, turn.index)
        line, value = builder.add(first, builder.mul(fold, step)), read(fold)
        store_vector(builder, builder.load(after), packed, line)
        store_vector(builder, value, packed, builder.add(line, to_tests))
        builder.store(_add(builder, builder.load(after), value), after)
    with cgutils.for_range(builder, n_folds) as turn:
        line = builder.add(first, builder.mul(turn.index, step))
        later = load_vector(builder, packed, line, lanes=WIDE)
        store_vector(builder, _add(builder, later, builder.load(before)), packed, line)
        value = load_vector(builder, packed, builder.add(line, to_tests), lanes=WIDE)
        builder.store(_add(builder, builder.load(before), value), before)


@code
def combine_folds(
    typing_context: Any, values: Any, first: Any, step: Any, n_folds: Any, shares: Any, at: Any,
    packed: Any, target: Any,
) -> Any:  # fmt: skip
    """``combine_folds(values, first, step, n_folds, shares, at, packed, target)``: one register.

    It is the sum over folds of ``shares[at + f]`` times the register at ``values[first + f step]``.
    """
    index = types.int64
    signature = types.void(values, index, index, index, shares, index, packed, index)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        values, first, step, n_folds, shares, at, packed, target = args
        total = variable(builder, zeros(WIDE))
        with cgutils.for_range(builder, n_folds) as fold:
            share = load_number(builder, shares, builder.add(at, fold.index))
            place = builder.add(first, builder.mul(fold.index, step))
            value = load_vector(builder, values, place, lanes=WIDE)
            term = _multiply(builder, spread_number(builder, share, WIDE), value)
            builder.store(_add(builder, builder.load(total), term), total)
        store_vector(builder, builder.load(total), packed, target)
        return context.get_dummy_value()

    return signature, codegen


def _weighted_powers(builder: Builder, x: Any, ys: list[Vector]) -> list[Vector]:
    """Return r y and y^2 for each vector, with the line r of the weights' roots."""
    root = load_vector(builder, x, constant(0), lanes=WIDE)
    return [product for y in ys for product in (_multiply(builder, root, y), _squared(builder, y))]


def _squared(builder: Builder, y: Vector) -> Vector:
    """Return y^2."""
    return _multiply(builder, y, y)


_weighted_terms: Terms = _weighted_powers
push_weighted_moments = _pushing_tile(MOMENT_SLABS, 2 * MOMENT_SLABS, _weighted_terms)


def _subtract_products(n_y: int) -> Any:
    """Make ``subtract(room, at, cells, target, stride, means, inverses, left, right)``.

    The sums s at ``room[at]`` become (s - mean_i mean_j) / (norm_i norm_j), with means and inverse
    norms from ``left`` and ``right`` on, and are subtracted from ``cells``: row a stands at
    ``target + a stride``.
    """

    @code
    def subtract(
        typing_context: Any, room: Any, at: Any, cells: Any, target: Any, stride: Any, means: Any,
        inverses: Any, left: Any, right: Any,
    ) -> Any:  # fmt: skip
        index = types.int64
        signature = types.void(room, index, cells, index, index, means, inverses, index, index)

        def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
            room, at, cells, target, stride, means, inverses, left, right = args
            columns = [
                [load_vector(builder, of, shifted(builder, right, c * WIDE), lanes=WIDE)
                 for of in (means, inverses)]
                for c in range(n_y)
            ]  # fmt: skip
            for k, total in enumerate(_load_sums(builder, WIDE * n_y, room, at)):
                row, (others, scale) = shifted(builder, left, k // n_y), columns[k % n_y]
                mean, inverse = (
                    spread_number(builder, load_number(builder, of, row), WIDE)
                    for of in (means, inverses)
                )
                product = _multiply(builder, mean, others)
                covariance = builder.fsub(total, product, flags=FUSED)
                share = _multiply(builder, inverse, scale)
                start = builder.add(target, builder.mul(stride, constant(k // n_y)))
                place = shifted(builder, start, k % n_y * WIDE)
                old = load_vector(builder, cells, place, lanes=WIDE)
                new = builder.fsub(old, _multiply(builder, covariance, share), flags=FUSED)
                store_vector(builder, new, cells, place)
            return context.get_dummy_value()

        return signature, codegen

    return subtract


subtract_products = tuple(_subtract_products(n_y) for n_y in (1, 2, 3))
