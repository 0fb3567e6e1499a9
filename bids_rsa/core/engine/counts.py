"""Counting by vectors of whole numbers."""

from typing import Any

from llvmlite import ir
from numba import types

from bids_rsa.core.engine.vectors import Builder, code, pointer_at


def _count_above(n_lanes: int) -> Any:
    """Make ``count_above(counts, at, place)``: add 1 to those of so many counts beyond a place.

    Places are within the counts from ``at`` on; any number will do. Cost: four instructions.
    """

    @code
    def count_above(typing_context: Any, counts: Any, at: Any, place: Any) -> Any:
        signature = types.void(counts, types.int64, types.int64)

        def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
            counts, at, place = args
            element = context.get_data_type(signature.args[0].dtype)
            kind = ir.VectorType(element, n_lanes)
            nothing, first = ir.Constant(kind, ir.Undefined), ir.Constant(ir.IntType(32), 0)
            single = builder.insert_element(nothing, builder.trunc(place, element), first)
            everywhere = ir.Constant(ir.VectorType(ir.IntType(32), n_lanes), [0] * n_lanes)
            spread = builder.shuffle_vector(single, nothing, everywhere)
            above = builder.icmp_signed(">", ir.Constant(kind, list(range(n_lanes))), spread)
            place = pointer_at(builder, counts, at, element)
            pointer = builder.bitcast(place, kind.as_pointer())
            before = builder.load(pointer, align=element.width // 8, typ=kind)
            after = builder.sub(before, builder.sext(above, kind))
            builder.store(after, pointer, align=element.width // 8)
            return context.get_dummy_value()

        return signature, codegen

    return count_above


@code
def count_bits_set(typing_context: Any, word: Any) -> Any:
    """``count_bits_set(word)``: one machine instruction."""

    def codegen(context: Any, builder: Builder, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), codegen


count_above_of_8 = _count_above(8)
count_above_of_16 = _count_above(16)
