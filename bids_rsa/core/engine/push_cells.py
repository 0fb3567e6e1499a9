"""From the accumulators of a complete centre to the cells of its RDM; see `push_tiles`."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from bids_rsa.core.engine.push_tiles import add_parts
from bids_rsa.core.engine.tiles import _multiply, _row_start, _store_rows
from bids_rsa.core.engine.vectors import (
    FUSED,
    WIDE,
    Builder,
    Vector,
    code,
    constant,
    lanes_between,
    load_number,
    load_vector,
    shifted,
    spread_number,
    store_lanes,
    store_vector,
    zeros,
)

_LANES_OF_ESTIMATE = 8  # AVX-512 estimates inverse roots of doubles


def _load_sums(builder: Builder, n: int, room: Any, at: Any) -> list[Vector]:
    """Load the sums of a tile."""
    places = (shifted(builder, at, k * WIDE) for k in range(n))
    return [load_vector(builder, room, place, lanes=WIDE) for place in places]


def _correlations(n_y: int, edge: bool) -> Any:
    """Make ``cells(room, parts, out, rows, means, inverses, first, i, j, n)``.

    The sums s of a centre's parts, which stand at ``room[part]``, become
    1 - (s - mean_i mean_j) / (norm_i norm_j), the cells of conditions i and on, and j and on. The
    centre's means and inverse norms begin at ``first``.
    Row a goes to ``out[base + a stride - bend a (a + 3) / 2]`` and on, where rows are (base,
    stride, bend). Only at the edge of the upper triangle of n conditions cells beyond it are left
    out.
    """

    @code
    def cells(
        typing_context: Any, room: Any, parts: Any, out: Any, rows: Any, means: Any,
        inverses: Any, first: Any, i: Any, j: Any, n: Any,
    ) -> Any:  # fmt: skip
        index = types.int64
        signature = types.void(room, parts, out, rows, means, inverses, index, index, index, index)

        def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
            room, parts, out, rows, means, inverses, first, i, j, n = args
            vectors = (constant(k * WIDE) for k in range(WIDE * n_y))
            sums = [add_parts(builder, room, parts, at) for at in vectors]
            places = builder.add(first, i), builder.add(first, j)
            cells = _correlate(builder, sums, n_y, means, inverses, *places)
            if edge:
                _store_edge(builder, cells, n_y, out, rows, [i, j, n])
            else:
                _store_rows(builder, cells, n_y, out, rows)
            return context.get_dummy_value()

        return signature, codegen

    return cells


def _store_edge(
    builder: Builder, cells: list[Vector], n_y: int, out: Any, rows: Any, place: list[Any]
) -> None:
    """Store the cells of a tile at (i, j) that the upper triangle of n conditions has.

    i and j are whole slabs: only a tile's first vectors reach the diagonal.
    """
    i, j, n = place
    kind = ir.VectorType(ir.IntType(1), WIDE)
    beside = spread_number(builder, builder.icmp_signed("<", i, j), WIDE)
    inside = []
    for c in range(n_y):
        n_left = builder.sub(n, shifted(builder, j, c * WIDE))
        inside.append(lanes_between(builder, constant(0), n_left, WIDE))
    for k, value in enumerate(cells):
        row, column = divmod(k, n_y)
        mask = inside[column]
        if column == 0:
            above = ir.Constant(kind, [int(lane > row) for lane in range(WIDE)])
            mask = builder.and_(mask, builder.or_(beside, above))
        start = shifted(builder, _row_start(builder, rows, row), column * WIDE)
        store_lanes(builder, value, mask, out, start)


def _correlate(
    builder: Builder, sums: list[Vector], n_y: int, means: Any, inverses: Any, i: Any, j: Any
) -> list[Vector]:
    """Return 1 - (s - mean_i mean_j) / (norm_i norm_j) for each sum of a tile."""
    one, cells = ir.Constant(sums[0].type, [1.0] * WIDE), []
    for k, total in enumerate(sums):
        left, right = shifted(builder, i, k // n_y), shifted(builder, j, k % n_y * WIDE)
        mean, norm = (
            spread_number(builder, load_number(builder, of, left), WIDE) for of in (means, inverses)
        )
        others = load_vector(builder, means, right, lanes=WIDE)
        covariance = builder.fsub(total, _multiply(builder, mean, others), flags=FUSED)
        inverse = load_vector(builder, inverses, right, lanes=WIDE)
        scaled = _multiply(builder, _multiply(builder, covariance, norm), inverse)
        cells.append(builder.fsub(one, scaled, flags=FUSED))
    return cells


inner_correlations = tuple(_correlations(n_y, edge=False) for n_y in (1, 2, 3))
edge_correlations = tuple(_correlations(n_y, edge=True) for n_y in (1, 2, 3))


@code
def finish_squares(
    typing_context: Any, room: Any, at: Any, n_vectors: Any, rooted: Any, factor: Any
) -> Any:
    """``finish_squares(room, at, n_vectors, rooted, factor)``: sums, or their roots, times factor.

    Cost: one root or product a vector.
    """
    index = types.int64
    signature = types.void(room, index, index, types.boolean, types.float64)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        room, at, n_vectors, rooted, factor = args
        scale = spread_number(builder, factor, WIDE)

        def finish(take_root: bool) -> None:
            for place in _vectors(builder, at, n_vectors):
                total = load_vector(builder, room, place, lanes=WIDE)
                value = _root(builder, total) if take_root else total
                store_vector(builder, builder.fmul(value, scale), room, place)

        with builder.if_else(_is_true(builder, rooted)) as (then, otherwise):
            with then:
                finish(True)
            with otherwise:
                finish(False)
        return context.get_dummy_value()

    return signature, codegen


@code
def finish_folds(
    typing_context: Any, room: Any, own: Any, at: Any, n_vectors: Any, share: Any, rooted: Any,
    factor: Any,
) -> Any:  # fmt: skip
    """``finish_folds(room, own, at, n_vectors, share, rooted, factor)``: cross-validated distances.

    Squares of summed differences, less the squares of each fold's own, times share are the mean
    product of different folds' differences. It, or its signed root, is multiplied by factor. A
    root makes rounding errors large: near 0 they count as 0.
    Cost: some operations a vector.
    """
    index, real = types.int64, types.float64
    signature = types.void(room, own, index, index, real, types.boolean, real)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        room, own, at, n_vectors, share, rooted, factor = args
        scale, part = (spread_number(builder, value, WIDE) for value in (factor, share))
        least = ir.Constant(scale.type, [1e-13] * WIDE)

        def finish(take_root: bool) -> None:
            for place in _vectors(builder, at, n_vectors):
                squares = load_vector(builder, own, place, lanes=WIDE)
                total = load_vector(builder, room, place, lanes=WIDE)
                value = builder.fmul(builder.fsub(total, squares), part)
                if take_root:
                    value = _signed_root(builder, value, builder.fmul(least, squares))
                store_vector(builder, builder.fmul(value, scale), room, place)

        with builder.if_else(_is_true(builder, rooted)) as (then, otherwise):
            with then:
                finish(True)
            with otherwise:
                finish(False)
        return context.get_dummy_value()

    return signature, codegen


def _is_true(builder: Builder, value: Any) -> Any:
    """Convert numba's boolean."""
    return builder.icmp_unsigned("!=", value, ir.Constant(value.type, 0))


def _vectors(builder: Builder, at: Any, n_vectors: Any) -> Any:
    """Go through the places of some vectors."""
    end = builder.add(at, builder.mul(n_vectors, constant(WIDE)))
    with cgutils.for_range_slice(builder, at, end, constant(WIDE)) as (place, _):
        yield place


def _root(builder: Builder, value: Vector) -> Vector:
    """Root of each lane, to within a unit of the last digit."""
    if value.type.count == _LANES_OF_ESTIMATE:
        return _root_by_estimate(builder, value)
    kind = ir.FunctionType(value.type, [value.type])
    name = f"llvm.sqrt.v{value.type.count}f64"
    root = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
    return builder.call(root, [value])


def _root_by_estimate(builder: Builder, value: Vector) -> Vector:
    """Root by AVX-512's estimate of 1 / root, whose 14 bits two steps of Goldschmidt double twice.

    A third of the time of the instruction for roots.
    """
    kind, lanes = value.type, ir.IntType(8)
    signature = ir.FunctionType(kind, [kind, kind, lanes])
    name = "llvm.x86.avx512.rsqrt14.pd.512"
    estimate = cgutils.get_or_insert_function(builder.module, signature, name)  # type: ignore[no-untyped-call]
    inverse = builder.call(estimate, [value, zeros(WIDE), ir.Constant(lanes, -1)])
    half = ir.Constant(kind, [0.5] * WIDE)
    root, half_inverse = builder.fmul(value, inverse), builder.fmul(inverse, half)
    for _ in range(2):
        error = _fused(builder, builder.fneg(half_inverse), root, half)
        root = _fused(builder, root, error, root)
        half_inverse = _fused(builder, half_inverse, error, half_inverse)
    rest = _fused(builder, builder.fneg(root), root, value)
    root = _fused(builder, rest, half_inverse, root)
    is_zero = builder.fcmp_ordered("==", value, zeros(WIDE))
    return builder.select(is_zero, value, root)


def _fused(builder: Builder, x: Vector, y: Vector, z: Vector) -> Vector:
    """Return x y + z, rounded once."""
    kind = ir.FunctionType(x.type, [x.type] * 3)
    name = f"llvm.fma.v{x.type.count}f64"
    fused = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
    return builder.call(fused, [x, y, z])


def _signed_root(builder: Builder, value: Vector, least: Vector) -> Vector:
    """Root of each lane's size, with its sign; 0 where the size is at most least."""
    zero = zeros(WIDE)
    opposite = builder.fsub(zero, value)
    positive = builder.fcmp_ordered(">", value, zero)
    size = builder.select(positive, value, opposite)
    root = _root(builder, size)
    signed = builder.select(positive, root, builder.fsub(zero, root))
    return builder.select(builder.fcmp_ordered("<=", size, least), zero, signed)


def _store_cells(n_y: int) -> Any:
    """Make ``store(room, at, out, rows, i, j, n)``: the cells that stand at ``room[at]``.

    See `_correlations`. It tells whether a cell is not finite.
    """

    @code
    def store(
        typing_context: Any, room: Any, at: Any, out: Any, rows: Any, i: Any, j: Any, n: Any
    ) -> Any:
        index = types.int64
        signature = types.boolean(room, index, out, rows, index, index, index)

        def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
            room, at, out, rows, i, j, n = args
            cells = _load_sums(builder, WIDE * n_y, room, at)
            _store_edge(builder, cells, n_y, out, rows, [i, j, n])
            nothing = zeros(WIDE)
            for cell in cells:  # 0 times what is not finite is not a number
                nothing = builder.fadd(nothing, builder.fmul(cell, zeros(WIDE)))
            found = builder.fcmp_unordered("!=", nothing, zeros(WIDE))
            whole = ir.IntType(WIDE)
            flags = builder.bitcast(found, whole)
            return builder.icmp_unsigned("!=", flags, ir.Constant(whole, 0))

        return signature, codegen

    return store


store_cells = tuple(_store_cells(n_y) for n_y in (1, 2, 3))
