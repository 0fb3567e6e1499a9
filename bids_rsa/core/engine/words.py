"""Vector steps of sorting: the range of a row, and exchanges of neighbours."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from bids_rsa.core.engine.keys import larger, smaller
from bids_rsa.core.engine.vectors import (
    LANES,
    Builder,
    code,
    constant,
    load_number,
    load_vector,
    shifted,
    variable,
)

WORD_LANES = 8
_WORD = ir.IntType(32)
_WORDS = ir.VectorType(_WORD, WORD_LANES)


@code
def range_of(typing_context: Any, values: Any, n: Any) -> Any:
    """``range_of(values, n)``: the smallest and largest of at least one double, none NaN.

    Cost: two operations a value.
    """
    signature = types.UniTuple(types.float64, 2)(values, types.int64)  # type: ignore[no-untyped-call]

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        values, n = args
        first = load_number(builder, values, constant(0))
        ends = [variable(builder, first) for _ in range(2)]
        n_whole = builder.and_(n, constant(-4 * LANES))
        with builder.if_then(builder.icmp_signed(">", n_whole, constant(0))):
            for end, value in zip(ends, _vector_range(builder, values, n_whole), strict=True):
                builder.store(value, end)
        with cgutils.for_range_slice(builder, n_whole, n, constant(1)) as (k, _):
            value = load_number(builder, values, k)
            for end, choose in zip(ends, (smaller, larger), strict=True):
                builder.store(choose(builder, value, builder.load(end)), end)
        return context.make_tuple(
            builder, signature.return_type, [builder.load(end) for end in ends]
        )

    return signature, codegen


def _vector_range(builder: Builder, values: Any, n: Any) -> list[Any]:
    """Return the smallest and largest of a whole number of four vectors."""
    chosen = []
    starts = [load_vector(builder, values, constant(k * LANES)) for k in range(4)]
    running = [[variable(builder, start) for start in starts] for _ in range(2)]
    with cgutils.for_range_slice(builder, constant(0), n, constant(4 * LANES)) as (at, _):
        for k in range(4):
            value = load_vector(builder, values, shifted(builder, at, k * LANES))
            for best, choose in zip(running, (smaller, larger), strict=True):
                builder.store(choose(builder, value, builder.load(best[k])), best[k])
    for best, choose in zip(running, (smaller, larger), strict=True):
        ends = [builder.load(one) for one in best]
        while len(ends) > 1:
            ends = [choose(builder, ends[0], ends[1]), *ends[2:]]
        lanes = [builder.extract_element(ends[0], constant(lane)) for lane in range(LANES)]
        while len(lanes) > 1:
            lanes = [choose(builder, lanes[0], lanes[1]), *lanes[2:]]
        chosen.append(lanes[0])
    return chosen


@code
def exchange(typing_context: Any, words: Any, n: Any, first: Any) -> Any:
    """``exchange(words, n, first)``: put words ``first`` and the next, and so on, into order.

    It reads and writes n words (a multiple of eight) from ``first`` on, and tells whether any two
    changed places. Cost: three operations for eight words.
    """
    signature = types.boolean(words, types.int64, types.int64)

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        words, n, first = args
        changed = variable(builder, ir.Constant(_WORDS, [0] * WORD_LANES))
        last = builder.add(first, n)
        with cgutils.for_range_slice(builder, first, last, constant(WORD_LANES)) as (at, _):
            place = builder.gep(words, [at], source_etype=_WORD)
            pointer = builder.bitcast(place, _WORDS.as_pointer())
            before = builder.load(pointer, align=4, typ=_WORDS)
            after = _ordered_pairs(builder, before)
            builder.store(after, pointer, align=4)
            moved = builder.xor(before, after)
            builder.store(builder.or_(builder.load(changed), moved), changed)
        whole = ir.IntType(32 * WORD_LANES)
        return builder.icmp_unsigned(
            "!=", builder.bitcast(builder.load(changed), whole), ir.Constant(whole, 0)
        )

    return signature, codegen


def _ordered_pairs(builder: Builder, words: Any) -> Any:
    """Put each two neighbours of a vector into order."""
    lanes = ir.VectorType(_WORD, WORD_LANES)
    swap = ir.Constant(lanes, [1, 0, 3, 2, 5, 4, 7, 6])
    pick = ir.Constant(lanes, [0, 9, 2, 11, 4, 13, 6, 15])
    other = builder.shuffle_vector(words, words, swap)
    less = builder.icmp_unsigned("<", words, other)
    low, high = builder.select(less, words, other), builder.select(less, other, words)
    return builder.shuffle_vector(low, high, pick)
