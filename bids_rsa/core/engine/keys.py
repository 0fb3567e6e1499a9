"""Vector steps from doubles to whole numbers of the same order: moments of a row, and keys."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from bids_rsa.core.engine.vectors import (
    DOUBLE,
    FUSED,
    WIDE,
    Builder,
    code,
    constant,
    load_number,
    load_vector,
    pointer_at,
    shifted,
    spread_number,
    variable,
)

_KEY = ir.IntType(32)


def smaller(builder: Builder, x: Any, y: Any) -> Any:
    """Return the smaller of each two doubles."""
    return builder.select(builder.fcmp_ordered("<", x, y), x, y)


def larger(builder: Builder, x: Any, y: Any) -> Any:
    """Return the larger of each two doubles."""
    return builder.select(builder.fcmp_ordered(">", x, y), x, y)


def _sum(builder: Builder, x: Any, y: Any) -> Any:
    """Return the sum of each two doubles."""
    return builder.fadd(x, y, flags=FUSED)


_MOMENTS = (smaller, larger, _sum, _sum)
_STREAMS = 2  # of vectors, so that no sum waits for the one before


@code
def moments_of(typing_context: Any, values: Any, n: Any) -> Any:
    """``moments_of(values, n)``: smallest, largest, mean and standard deviation of doubles.

    Cost: five operations a vector.
    """
    signature = types.UniTuple(types.float64, 4)(values, types.int64)  # type: ignore[no-untyped-call]

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        values, n = args
        first = load_number(builder, values, constant(0))
        zero = ir.Constant(DOUBLE, 0.0)
        results = [variable(builder, value) for value in (first, first, zero, zero)]
        n_whole = builder.and_(n, constant(-_STREAMS * WIDE))
        with builder.if_then(builder.icmp_signed(">", n_whole, constant(0))):
            vectors = _vector_moments(builder, values, n_whole, first)
            for result, value in zip(results, vectors, strict=True):
                builder.store(value, result)
        with cgutils.for_range_slice(builder, n_whole, n, constant(1)) as (k, _):
            _take_moments(builder, load_number(builder, values, k), first, results)
        low, high, total, squares = (builder.load(result) for result in results)
        size = builder.sitofp(n, DOUBLE)
        mean = builder.fdiv(total, size)
        variance = builder.fsub(builder.fdiv(squares, size), builder.fmul(mean, mean))
        moments = [low, high, builder.fadd(first, mean), _root(builder, variance)]
        return context.make_tuple(builder, signature.return_type, moments)

    return signature, codegen


def _take_moments(builder: Builder, value: Any, origin: Any, moments: list[Any]) -> None:
    """Add values to smallest, largest, sum and sum of squares; the sums count from an origin."""
    between = builder.fsub(value, origin)
    square = builder.fmul(between, between, flags=FUSED)
    new = (value, value, between, square)
    for choose, one, moment in zip(_MOMENTS, new, moments, strict=True):
        builder.store(choose(builder, one, builder.load(moment)), moment)


def _vector_moments(builder: Builder, values: Any, n: Any, first: Any) -> list[Any]:
    """Return the moments of a whole number of vectors."""
    origin = spread_number(builder, first, WIDE)
    zero = ir.Constant(origin.type, [0.0] * WIDE)
    start = (origin, origin, zero, zero)
    streams = [[variable(builder, value) for value in start] for _ in range(_STREAMS)]
    step = constant(_STREAMS * WIDE)
    with cgutils.for_range_slice(builder, constant(0), n, step) as (at, _):
        for k, moments in enumerate(streams):
            value = load_vector(builder, values, shifted(builder, at, k * WIDE), lanes=WIDE)
            _take_moments(builder, value, origin, moments)
    joined = []
    for k, join in enumerate(_MOMENTS):
        vectors = [builder.load(moments[k]) for moments in streams]
        lanes = [
            builder.extract_element(v, constant(lane)) for v in vectors for lane in range(WIDE)
        ]
        while len(lanes) > 1:
            lanes = [*lanes[2:], join(builder, lanes[0], lanes[1])]
        joined.append(lanes[0])
    return joined


def _root(builder: Builder, value: Any) -> Any:
    """Return the root of a double."""
    kind = ir.FunctionType(DOUBLE, [DOUBLE])
    root = cgutils.get_or_insert_function(builder.module, kind, "llvm.sqrt.f64")  # type: ignore[no-untyped-call]
    return builder.call(root, [value])


@code
def keys_of(
    typing_context: Any, values: Any, start: Any, n: Any, keys: Any, low: Any, scale: Any, top: Any
) -> Any:
    """``keys_of(values, start, n, keys, low, scale, top)``: whole parts of scaled values.

    n doubles from ``values[start]`` become (value - low) * scale, at least 0 and at most top, at
    ``keys``. A larger value never gets a smaller key. Cost: five operations a vector.
    """
    index, real = types.int64, types.float64
    signature = types.void(values, index, index, keys, real, real, real)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        values, start, n, keys, *scaling = args
        n_whole = builder.and_(n, constant(-WIDE))
        for lanes, begin, end in ((WIDE, constant(0), n_whole), (1, n_whole, n)):
            with cgutils.for_range_slice(builder, begin, end, constant(lanes)) as (at, _):
                place = builder.add(start, at)
                value = load_vector(builder, values, place, lanes=lanes)
                _store_keys(builder, value, keys, at, scaling)
        return context.get_dummy_value()

    return signature, codegen


def _store_keys(builder: Builder, value: Any, keys: Any, at: Any, scaling: list[Any]) -> None:
    """Scale a vector, and store its whole parts."""
    lanes = value.type.count
    low, scale, top = (spread_number(builder, number, lanes) for number in scaling)
    value = builder.fmul(builder.fsub(value, low), scale)
    zero = ir.Constant(value.type, [0.0] * lanes)
    value = smaller(builder, larger(builder, value, zero), top)
    kind = ir.VectorType(_KEY, lanes)
    pointer = builder.bitcast(pointer_at(builder, keys, at, _KEY), kind.as_pointer())
    builder.store(builder.fptosi(value, kind), pointer, align=4)
