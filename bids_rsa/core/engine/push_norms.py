"""Samples of patterns, and norms of conditions, a register of conditions at a time."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from bids_rsa.core.engine.tiles import _add, _multiply
from bids_rsa.core.engine.vectors import (
    DOUBLE,
    FUSED,
    INDEX,
    SINGLE,
    WIDE,
    Builder,
    Vector,
    code,
    constant,
    lanes_between,
    load_lanes,
    load_vector,
    shifted,
    spread_number,
    store_vector,
    zeros,
)

# correlation from sums is trusted while the mean stands out of the noise by less than 16 times
_TRUSTED = 1.0 / 256.0
# share of the squared norm below which a pattern may be constant (1e-12 of the norm, with room),
# and of values near 1 below which it may be the rounding of folds that cancel
_NEAR_CONSTANT = 1e-20
SUSPECT, UNFIT = 1, 2


def _every(value: float) -> Vector:
    """Return a register of one constant."""
    return ir.Constant(ir.VectorType(DOUBLE, WIDE), [value] * WIDE)


@code
def add_sample(
    typing_context: Any, patterns: Any, source: Any, n: Any, totals: Any, target: Any,
    exponents: Any,
) -> Any:  # fmt: skip
    """``add_sample(patterns, source, n, totals, target, exponents)``: add n values of a voxel.

    They go to ``totals[target]`` and on. The exponents of two of the values, which are finite, are
    added up as well; that of 0 is 0.
    """
    index = types.int64
    signature = types.void(patterns, index, index, totals, index, exponents)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        patterns, source, n, totals, target, exponents = args
        element = SINGLE if signature.args[0].dtype == types.float32 else DOUBLE
        with cgutils.for_range_slice(builder, constant(0), n, constant(WIDE)) as (k, _):
            mask = lanes_between(builder, constant(0), builder.sub(n, k), WIDE)
            at = builder.add(source, k)
            value = load_lanes(builder, mask, patterns, at, element, WIDE)
            own, exponent = builder.add(target, k), _exponent(builder, value)
            for sums, place, term in ((totals, own, value), (exponents, k, exponent)):
                before = load_vector(builder, sums, place, lanes=WIDE)
                store_vector(builder, builder.fadd(before, term), sums, place)
        return context.get_dummy_value()

    return signature, codegen


def _exponent(builder: Builder, value: Vector) -> Vector:
    """Return e of values in [2^(e-1), 2^e), as doubles."""
    kind = ir.VectorType(INDEX, WIDE)
    bits = builder.bitcast(value, kind)
    high = builder.lshr(bits, ir.Constant(kind, [52] * WIDE))
    biased = builder.and_(high, ir.Constant(kind, [0x7FF] * WIDE))
    # as the last digits of 2^52, an integer becomes a double
    number = builder.or_(biased, ir.Constant(kind, [0x4330000000000000] * WIDE))
    exponent = builder.fsub(builder.bitcast(number, value.type), _every(2.0**52 + 1022.0))
    nothing = builder.fcmp_ordered("==", value, zeros(WIDE))
    return builder.select(nothing, zeros(WIDE), exponent)


@code
def find_norms(
    typing_context: Any, moments: Any, at: Any, root: Any, size: Any, offsets: Any, slab: Any,
    n: Any, means: Any, inverses: Any, target: Any,
) -> Any:  # fmt: skip
    """``find_norms(moments, at, root, size, offsets, slab, n, means, inverses, target)``.

    The sums and sums of squares at ``moments[at]``, of the conditions of one of the slabs of n
    conditions, become their means times the root of the size, and inverse norms, from ``target``
    on. ``root`` is 1 / root of the size, or 0 where means are not subtracted; ``offsets`` are what
    was subtracted from the patterns. Returns SUSPECT where a pattern's spread is small beside its
    mean, or next to nothing beside its norm or beside values of 1, which scaled patterns are near,
    and UNFIT where a sum of squares is not positive and finite.
    """
    index, real = types.int64, types.float64
    signature = index(moments, index, real, real, offsets, index, index, means, inverses, index)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        moments, at, root, size, offsets, slab, n, means, inverses, target = args
        first = builder.mul(slab, constant(WIDE))
        total = load_vector(builder, moments, at, lanes=WIDE)
        squared = load_vector(builder, moments, shifted(builder, at, WIDE), lanes=WIDE)
        offset = load_vector(builder, offsets, first, lanes=WIDE)
        mean = builder.fmul(total, spread_number(builder, root, WIDE))
        spread = builder.fsub(squared, _multiply(builder, mean, mean), flags=FUSED)
        sizes = spread_number(builder, size, WIDE)
        norm = _add(builder, _squared_norm(builder, total, squared, offset, sizes), sizes)
        place = builder.add(target, first)
        store_vector(builder, mean, means, place)
        store_vector(builder, _inverse_root(builder, spread), inverses, place)
        inside = lanes_between(builder, constant(0), builder.sub(n, first), WIDE)
        # NaN, where sums overflowed, is larger than nothing
        least = builder.fmul(squared, _every(_TRUSTED)), builder.fmul(norm, _every(_NEAR_CONSTANT))
        trusted = [builder.fcmp_ordered(">", spread, limit) for limit in least]
        fit = [
            builder.fcmp_ordered(">", squared, zeros(WIDE)),
            builder.fcmp_ordered("<", squared, _every(float("inf"))),
        ]
        suspect, unfit = (
            _any_lacks(builder, inside, builder.and_(*both)) for both in (trusted, fit)
        )
        return builder.or_(suspect, builder.mul(unfit, constant(UNFIT)))

    return signature, codegen


def _squared_norm(
    builder: Builder, total: Vector, squared: Vector, offset: Vector, size: Vector
) -> Vector:
    """Return the sum of (x + offset)^2, from the sums of x and x^2."""
    twice = _add(builder, _multiply(builder, total, _every(2.0)), _multiply(builder, offset, size))
    return _add(builder, squared, _multiply(builder, offset, twice))


def _inverse_root(builder: Builder, value: Vector) -> Vector:
    """Return 1 / root, and 0 where there is none."""
    kind = ir.FunctionType(value.type, [value.type])
    name = f"llvm.sqrt.v{WIDE}f64"
    root = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
    inverse = builder.fdiv(_every(1.0), builder.call(root, [value]))
    return builder.select(builder.fcmp_ordered(">", value, zeros(WIDE)), inverse, zeros(WIDE))


def _any_lacks(builder: Builder, inside: Vector, true: Vector) -> Any:
    """Return 1 if one of the lanes inside is not true, else 0."""
    lanes = ir.Constant(true.type, [1] * WIDE)
    lacking = builder.and_(inside, builder.xor(true, lanes))
    whole = builder.bitcast(lacking, ir.IntType(WIDE))
    found = builder.icmp_unsigned("!=", whole, ir.Constant(whole.type, 0))
    return builder.zext(found, INDEX)
