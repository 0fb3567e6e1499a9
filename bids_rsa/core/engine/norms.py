"""Means and norms of a slab's conditions from their sums and sums of squares."""

from typing import Any

from llvmlite import ir
from numba import types

from bids_rsa.core.engine.push_cells import _root
from bids_rsa.core.engine.tiles import _multiply
from bids_rsa.core.engine.vectors import (
    FUSED,
    WIDE,
    Builder,
    Vector,
    code,
    constant,
    lanes_between,
    load_vector,
    shifted,
    spread_number,
    store_vector,
    zeros,
)

# correlation from sums is trusted while the mean stands out of the noise by less than 16 times
_TRUSTED = 1.0 / 256.0
# share of the squared norm below which a pattern may be constant (1e-12 of the norm, with room)
_NEAR_CONSTANT = 1e-20
# what `find_norms` returns
SUSPECT, UNDEFINED = (1 << WIDE) - 1, ((1 << WIDE) - 1) << WIDE


@code
def find_norms(
    typing_context: Any, moments: Any, at: Any, n: Any, offsets: Any, offset_at: Any, sizes: Any,
    means: Any, inverses: Any, target: Any,
) -> Any:  # fmt: skip
    """``find_norms(moments, at, n, offsets, offset_at, sizes, means, inverses, target)``.

    Of a slab's first n conditions, ``moments`` are the sums and then the sums of squares; sizes are
    (weight, 1 / root of the weight, or 0 where no mean is taken away, share). Writes means times
    the root of the weight, and shares over norms. In what it returns, bits of ``SUSPECT`` are
    conditions whose spread is small beside their mean, or next to nothing where ``offsets`` are
    what was taken away from the values before; bits of ``UNDEFINED`` those whose squares are 0 or
    not finite. Cost: a root and a division.
    """
    index = types.int64
    signature = index(moments, index, index, offsets, index, sizes, means, inverses, index)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        moments, at, n, offsets, offset_at, sizes, means, inverses, target = args
        weight, root, share = (
            spread_number(builder, builder.extract_value(sizes, k), WIDE) for k in range(3)
        )
        total, squared = (
            load_vector(builder, moments, shifted(builder, at, k * WIDE), lanes=WIDE)
            for k in range(2)
        )
        offset = load_vector(builder, offsets, offset_at, lanes=WIDE)
        mean = _multiply(builder, total, root)
        spread = builder.fsub(squared, _multiply(builder, mean, mean), flags=FUSED)
        moved = _whole_squares(builder, total, squared, offset, weight)
        inside = lanes_between(builder, constant(0), n, WIDE)
        positive = builder.and_(inside, builder.fcmp_ordered(">", spread, zeros(WIDE)))
        inverse = builder.fdiv(share, _root(builder, spread))
        store_vector(builder, mean, means, target)
        store_vector(builder, builder.select(positive, inverse, zeros(WIDE)), inverses, target)
        # NaN, where sums overflowed, is larger than nothing
        trusted = builder.and_(
            _exceeds(builder, spread, squared, _TRUSTED),
            _exceeds(builder, spread, moved, _NEAR_CONSTANT),
        )
        infinite = ir.Constant(squared.type, [float("inf")] * WIDE)
        defined = builder.and_(
            builder.fcmp_ordered(">", squared, zeros(WIDE)),
            builder.fcmp_ordered("<", squared, infinite),
        )
        suspect, undefined = (_bits(builder, inside, of) for of in (trusted, defined))
        return builder.or_(suspect, builder.shl(undefined, constant(WIDE)))

    return signature, codegen


def _whole_squares(
    builder: Builder, total: Vector, squared: Vector, offset: Vector, weight: Vector
) -> Vector:
    """Return the sum of squares with the offset: squared + offset (2 total + offset weight)."""
    twice = builder.fadd(total, total)
    inner = builder.fadd(twice, _multiply(builder, offset, weight), flags=FUSED)
    return builder.fadd(squared, _multiply(builder, offset, inner), flags=FUSED)


def _exceeds(builder: Builder, value: Vector, other: Vector, share: float) -> Vector:
    """Tell which lanes are larger than a share of others."""
    part = builder.fmul(other, ir.Constant(other.type, [share] * WIDE))
    return builder.fcmp_ordered(">", value, part)


def _bits(builder: Builder, inside: Vector, holds: Vector) -> Any:
    """Return a bit for each lane inside for which something does not hold."""
    fails = builder.and_(inside, builder.not_(holds))
    return builder.zext(builder.bitcast(fails, ir.IntType(WIDE)), ir.IntType(64))
